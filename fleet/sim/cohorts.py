"""A cohort made ready: the machines of one kind with the same sensors, their drawn parameters as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fleet.data import SECOND_US, Cohort, Equipment, Floats, Ints, Sensor, State, Words
from fleet.scenario.kind import FELT, RISING, Drive, Kind
from fleet.scenario.kind import Node as NodeModel
from fleet.scenario.roster import Roster
from fleet.sim.address import keys, machine_words, normals, uniforms, word_of
from fleet.sim.damage import as_felt
from fleet.sim.heating import Heating
from fleet.sim.lags import NO_REST, Lag, stepping
from fleet.sim.laws import LAWS, Law
from fleet.sim.nodes import Cycle, Node, Worn
from fleet.sim.noise import unrest_streams
from fleet.sim.profiles import profile
from fleet.sim.reporting import Policy, policy_of
from fleet.sim.rules import Mode, Rules
from fleet.sim.scans import CLOCK_STEP_MAX, Controllers
from fleet.sim.sensors import Chain, chain_of

STAGGER_MAX = 1 << 20
"""Slow sensors of different machines are not read in the same second: each machine is shifted by whole ticks."""

SPAN_MAX_S = 1e12
"""Longest life or repair, about 30,000 years: longer ones do not fit whole microseconds."""

SETTLE_MIN_US = 1_000.0
"""A drive without a settling time changes within a millisecond: no reading sees it, and nothing divides by 0."""


SYNC_MIN_US = 1_000
"""A clock is not synchronised more often than this: nothing divides by 0."""


class Evaluation(NamedTuple):
    """A signal: its law, and the names or numbers that go into it."""

    name: str
    law: Law
    inputs: Mapping[str, str | float]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What must be computed, in order, for the sensors of a rate group that lag alike."""

    tau_us: float  # their own time constant
    sensors: tuple[int, ...]  # places in the group
    shown: tuple[str, ...]  # the signal that each of them sees
    nodes: tuple[int, ...]
    signals: tuple[Evaluation, ...]
    parameters: tuple[str, ...]
    needed: frozenset[str]  # everything by name that goes into them
    lags: Mapping[str, int]  # index into the model's lags, by the input's name; empty where they do not lag
    felt: Mapping[str, float]  # time constants with which air is felt, us, by the input's name

    def unlagged(self) -> Graph:
        """Give the same as it is before the sensors."""
        return replace(self, tau_us=0.0, lags={})


@dataclass(frozen=True, slots=True, eq=False)
class RateGroup:
    """Sensors of a cohort with the same multiple, and what must be computed for them."""

    multiple: int
    sensors: tuple[int, ...]
    graphs: tuple[Graph, ...]
    chain: Chain
    policy: Policy | None  # None: every reading is reported


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Everything about a cohort that does not change while it runs; arrays are (machines,)."""

    cohort: Cohort
    kind: Kind
    members: Ints  # index of each machine in the roster
    words: Words
    parameters: Mapping[str, Floats]
    nodes: tuple[Node, ...]  # drives first, then the slow nodes
    cycle: Cycle | None
    rules: Rules
    controllers: Controllers
    groups: tuple[RateGroup, ...]
    lags: tuple[Lag, ...]
    hall: Ints
    unrest: tuple[Words, ...]  # the keys of each octave
    deadbands: int  # how many sensors report only changes
    worn: Worn  # by what its nodes are warmed


def models(roster: Roster, *, seed: int, start_us: int, keep: Ints) -> list[Model]:
    """Build the cohorts of the machines *keep* (indices into the roster); doors are left out."""
    by_shape: dict[tuple[str, str], list[int]] = {}
    for place, entry in enumerate(roster.entries):
        if entry.kind.door is None:
            shape = entry.kind.model_copy(update={"parameters": {}}).model_dump_json()
            by_shape.setdefault((entry.kind.kind, shape), []).append(place)
    built = []
    for entries in by_shape.values():
        members = keep[np.isin(roster.entry[keep], entries)]
        if len(members):
            built.append(_model(roster, entries, members, seed=seed, start_us=start_us))
    return built


def _model(roster: Roster, entries: Sequence[int], members: Ints, *, seed: int, start_us: int) -> Model:
    kind = roster.entries[entries[0]].kind
    machines: tuple[Equipment, ...] = tuple(roster.machines[index] for index in members.tolist())
    words = machine_words(seed, (machine.id for machine in machines))
    parameters = _draw_parameters(roster, entries, members, words)
    stagger = (uniforms(keys(words, "scan.stagger"), np.zeros(1, np.int64)) * STAGGER_MAX).astype(np.int64)
    base_us = round(kind.base_period * SECOND_US)
    sensors = tuple(Sensor(name, model.units, kind.multiple(name)) for name, model in kind.sensors.items())
    hall_of_line = np.array([line.hall for line in roster.lines], np.int64)
    nodes = _nodes(kind, parameters, len(members))
    rules = _rules(kind, parameters, words)
    lags: list[Lag] = []
    deadbands = sum(sensor.deadband > 0 for sensor in kind.sensors.values())
    return Model(
        cohort=Cohort(kind.kind, machines, sensors, base_us, stagger, gaps=deadbands > 0),
        kind=kind,
        members=members,
        words=words,
        parameters=parameters,
        nodes=nodes,
        cycle=_cycle(kind, words),
        rules=rules,
        controllers=_controllers(kind, words, base_us, start_us),
        groups=_groups(kind, sensors, nodes, words, lags, start_us),
        lags=tuple(lags),
        hall=hall_of_line[roster.line[members]],
        unrest=unrest_streams(words),
        deadbands=deadbands,
        worn=Worn(_felt(rules.modes, kind), words),
    )


def _draw_parameters(roster: Roster, entries: Sequence[int], members: Ints, words: Words) -> dict[str, Floats]:
    """Draw each machine's parameters: the entry's value times a lognormal of its spread."""
    entry = roster.entry[members]
    drawn = {}
    for name in roster.entries[entries[0]].kind.parameters:
        value, spread = np.zeros(len(members)), np.zeros(len(members))
        for place in entries:
            parameter = roster.entries[place].kind.parameters[name]
            here = entry == place
            value[here], spread[here] = parameter.value.value, parameter.spread
        z = normals(keys(words, f"parameter.{name}"), np.zeros(1, np.int64)).astype(np.float64)
        drawn[name] = value * np.exp(spread * z)
    return drawn


def _of(reference: str | float, parameters: Mapping[str, Floats], machines: int) -> Floats:
    """Give the drawn values of a named parameter, or a number as an array."""
    return parameters[reference] if isinstance(reference, str) else np.full(machines, reference)


def spans_us(reference: str | float, parameters: Mapping[str, Floats], machines: int) -> list[int]:
    """Give the drawn spans of a named parameter, or one span for all, in whole seconds as us; (machines,)."""
    seconds: Ints = np.rint(np.clip(_of(reference, parameters, machines), 1.0, SPAN_MAX_S)).astype(np.int64)
    spans_us: list[int] = (seconds * SECOND_US).tolist()
    return spans_us


def _nodes(kind: Kind, parameters: Mapping[str, Floats], machines: int) -> tuple[Node, ...]:
    drives = [_drive_node(name, drive, machines) for name, drive in kind.drives.items()]
    slow = [_slow_node(name, node, kind, parameters, machines) for name, node in kind.nodes.items()]
    return (*drives, *slow)


def _drive_node(name: str, drive: Drive, machines: int) -> Node:
    levels = np.zeros(len(State))
    over = None
    for state, level in drive.levels.items():
        if isinstance(level, tuple):
            assert state == State.EXECUTE, "the loader checks that only execute runs in cycles"
            over = profile(level)
            levels[state] = over.mean
        else:
            levels[state] = level
    settle = np.full(len(State), max(drive.settle * SECOND_US, SETTLE_MIN_US))
    return Node(name, levels, over, drive.setpoint, np.ones(machines), settle, slow=False)


def _slow_node(name: str, node: NodeModel, kind: Kind, parameters: Mapping[str, Floats], machines: int) -> Node:
    drive = _drive_node(node.drive, kind.drives[node.drive], machines)
    tau = np.full(len(State), node.tau_at_rest * SECOND_US)
    tau[State.EXECUTE] = node.tau * SECOND_US
    gain = _of(node.gain, parameters, machines)
    if node.wear is not None and node.wear not in kind.wear:  # of a kind that was made not to wear
        gain = np.zeros(machines)
    return Node(
        name,
        drive.levels,
        drive.profile,
        drive.follows_setpoint,
        gain,
        tau,
        slow=True,
        lag_us=node.lag * SECOND_US,
        mode=list(kind.wear).index(node.wear) if node.wear in kind.wear else -1,
    )


def _cycle(kind: Kind, words: Words) -> Cycle | None:
    turning = kind.cycle or kind.receiver
    if turning is None:
        return None
    return Cycle(turning.jitter, keys(words, "cycle.begin"), keys(words, "cycle.part"))


def _rules(kind: Kind, parameters: Mapping[str, Floats], words: Words) -> Rules:
    period_us = None
    if kind.cycle is not None:
        z = normals(keys(words, "cycle.period"), np.zeros(1, np.int64)).astype(np.float64)
        period = _of(kind.cycle.period, parameters, len(words)) * np.exp(kind.cycle.spread * z)
        period_us = np.maximum(np.rint(period * 1000.0) * 1000.0, 1000.0).astype(np.int64).tolist()
    stop, setpoint = kind.micro_stop, kind.setpoint
    return Rules(
        kind=kind.kind,
        scrap=kind.cycle.scrap if kind.cycle else 0.0,
        ramp=kind.cycle.ramp if kind.cycle else 0.0,
        period_us=period_us,
        stop_every_us=round(stop.every * SECOND_US) if stop else 0,
        stop_lasts_us=round(stop.lasts * SECOND_US) if stop else 0,
        stop_sigma=stop.sigma if stop else 0.0,
        set_every_us=round(setpoint.every * SECOND_US) if setpoint else 0,
        set_from=setpoint.low if setpoint else 1.0,
        set_to=setpoint.high if setpoint else 1.0,
        heating=_heating(kind),
        modes=tuple(
            Mode(
                name=name,
                life_us=spans_us(wear.life, parameters, len(words)),
                shape=wear.shape or 1.0,
                onset=wear.onset,
                repair_us=spans_us(wear.repair, parameters, len(words)),
                repair_sigma=wear.sigma,
                life_word=word_of(f"wear.{name}.life"),
                onset_word=word_of(f"wear.{name}.onset"),
                repair_word=word_of(f"wear.{name}.repair"),
                used_word=word_of(f"wear.{name}.used"),
                law=wear.law,
                growth=wear.growth,
                exponent=wear.exponent,
                roughness=wear.roughness,
                path_word=word_of(f"wear.{name}.path"),
                share=wear.share,
                taylor=0.0 if wear.taylor is None else 1.0 / wear.taylor,
                fails=wear.ends == "failure",
            )
            for name, wear in kind.wear.items()
        ),
    )


def _felt(modes: tuple[Mode, ...], kind: Kind) -> tuple[Mode, ...]:
    """Give the failure modes as the nodes that they warm feel them; of several nodes the slowest counts."""
    tau_us = {mode.name: 0.0 for mode in modes}
    for node in kind.nodes.values():
        if node.wear in tau_us:
            tau_us[node.wear] = max(tau_us[node.wear], node.tau * SECOND_US)
    return tuple(as_felt(mode, tau_us[mode.name]) for mode in modes)


def _heating(kind: Kind) -> Heating | None:
    if kind.heating is None:
        return None
    node = kind.nodes[kind.heating.node]
    levels = _drive_node(node.drive, kind.drives[node.drive], 1).levels
    shares = tuple((levels / levels[State.EXECUTE]).tolist())
    return Heating(shares, node.tau * SECOND_US, node.tau_at_rest * SECOND_US, kind.heating.within)


def _controllers(kind: Kind, words: Words, base_us: int, start_us: int) -> Controllers:
    once = np.zeros(1, np.int64)
    sync_us = max(round(kind.sync_every * SECOND_US), SYNC_MIN_US)
    height = min(kind.clock_error * SECOND_US, CLOCK_STEP_MAX * base_us / 2)
    return Controllers(
        start_us=start_us,
        base_us=base_us,
        phase_us=(uniforms(keys(words, "scan.phase"), once) * base_us).astype(np.int64),
        jitter_us=kind.jitter * base_us,
        jitter_stream=keys(words, "scan.jitter"),
        clock_us=(2.0 * uniforms(keys(words, "clock.rate"), once) - 1.0) * height,
        sync_us=sync_us,
        sync_phase_us=(uniforms(keys(words, "clock.sync"), once) * sync_us).astype(np.int64),
    )


def _groups(
    kind: Kind, sensors: tuple[Sensor, ...], nodes: tuple[Node, ...], words: Words, lags: list[Lag], start_us: int
) -> tuple[RateGroup, ...]:
    """Put sensors of equal multiple together, each group with what it needs; *lags* grows by what lags."""
    groups: list[RateGroup] = []
    for multiple in sorted({sensor.multiple for sensor in sensors}):
        chosen = tuple(place for place, sensor in enumerate(sensors) if sensor.multiple == multiple)
        models = {sensors[place].name: kind.sensors[sensors[place].name] for place in chosen}
        taus = [model.tau for model in models.values()]
        graphs = [
            _graph(kind, [place for place, other in enumerate(taus) if other == tau], list(models), nodes, lags)
            for tau in dict.fromkeys(taus)
        ]
        policy = policy_of(models, sum(len(group.policy.rows) for group in groups if group.policy is not None))
        groups.append(RateGroup(multiple, chosen, tuple(graphs), chain_of(models, words, start_us), policy))
    return tuple(groups)


def part_for(kind: Kind, wanted: set[str]) -> tuple[list[str], set[str]]:
    """Find the part of the kind's graph behind the signals *wanted*: its signals in order, and all names in it."""
    needed, signals = set(wanted), list[str]()
    for name in reversed(kind.signals):
        if name in needed:
            signals.insert(0, name)
            needed |= {value for value in kind.signals[name].inputs.values() if isinstance(value, str)}
    return signals, needed


def _graph(kind: Kind, places: list[int], names: list[str], nodes: tuple[Node, ...], lags: list[Lag]) -> Graph:
    """Find the part of the kind's graph that the sensors at *places* of *names*, which lag alike, need."""
    shown = tuple(kind.sensors[names[place]].signal for place in places)
    signals, needed = part_for(kind, set(shown))
    used = tuple(
        place for place, node in enumerate(nodes) if not needed.isdisjoint({node.name, f"{RISING}{node.name}"})
    )
    tau_us = kind.sensors[names[places[0]]].tau * SECOND_US
    found: dict[str, int] = {}
    if tau_us:
        own = [Lag(nodes[place], place, tau_us) for place in used]
        own += [Lag(stepping("level", len(nodes[0].gain)), NO_REST, tau_us)] if "level" in needed and nodes else []
        found = {lag.node.name: len(lags) + number for number, lag in enumerate(own)}
        lags += own
    felt = {f"{FELT}{name}": node.tau * SECOND_US for name, node in kind.nodes.items() if f"{FELT}{name}" in needed}
    return Graph(
        tau_us,
        tuple(places),
        shown,
        used,
        tuple(_evaluation(kind, signal) for signal in signals),
        tuple(name for name in kind.parameters if name in needed),
        frozenset(needed),
        found,
        felt,
    )


def law_inputs(kind: Kind, signal: str) -> tuple[str, Mapping[str, str | float]]:
    """Give the law of *signal* and what goes into it."""
    model = kind.signals[signal]
    assert model.law in LAWS, "the loader checks laws"
    return model.law, model.inputs


def _evaluation(kind: Kind, signal: str) -> Evaluation:
    law, inputs = law_inputs(kind, signal)
    return Evaluation(signal, LAWS[law], inputs)

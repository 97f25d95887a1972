"""The kind's own laws on a machine's grid of scans: what its sensors would show if it did what was decoded.

The simulation computes closed forms from state changes; here the states come from readings, scan by scan, so slow
nodes are stepped along the grid (exact for what holds between two scans). The laws are the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from fleet.data import Floats, Ints, State
from fleet.scenario.kind import FELT, Drive, Kind
from fleet.sim.damage import flank
from fleet.sim.hall import KNOT_US, Air, read_off
from fleet.sim.laws import LAW_INPUTS, LAWS

Value = Floats | float

STEPS_A_TAU = 60
"""A slow node is stepped so many times in its time constant, or from scan to scan where those are further apart."""

TAU_MIN_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What a machine did, scan by scan; arrays are (scans,)."""

    start_us: int
    step_s: float
    state: Ints
    phase: Floats  # of the cycle, 0 to 1; 0 throughout without one
    piece: Ints  # which stretch of one setpoint a scan belongs to, counted from 0
    level: Floats | None = None  # the level in force where it was read off, as a receiver's duty

    @property
    def scans(self) -> int:
        """How many scans there are."""
        return len(self.state)


def drawn_parameters(kind: Kind) -> dict[str, float]:
    """Give every parameter's value as the kind has it."""
    return {name: parameter.value.value for name, parameter in kind.parameters.items()}


def hall_air(start_us: int, step_s: float, scans: int) -> Floats:
    """Give the air of the usual hall at each scan, without its wander, degC: what the fitted part is simulated in."""
    air = Air(0, "hall", 22.0, 3.0, 6.0, 0.0)
    time_us = start_us + np.rint(np.arange(scans) * (step_s * 1e6)).astype(np.int64)
    first, stop = int(time_us[0] // KNOT_US), int(time_us[-1] // KNOT_US) + 2
    return np.asarray(read_off(air.knots(first, stop), first, time_us))


def inputs_of(kind: Kind, name: str) -> frozenset[str]:
    """Give every name that goes into *name*, a signal, node or drive, directly or through others; itself too."""
    found: set[str] = set()
    open_ = [name]
    while open_:
        each = open_.pop()
        if each in found:
            continue
        found.add(each)
        if each in kind.signals:
            open_ += [value for value in kind.signals[each].inputs.values() if isinstance(value, str)]
        elif each.startswith(FELT):
            open_.append("ambient")
        elif each in kind.nodes:
            node = kind.nodes[each]
            open_ += [node.drive, *([node.gain] if isinstance(node.gain, str) else [])]
    return frozenset(found)


def understood(kind: Kind, signal: str) -> str:
    """Say why *signal* cannot be computed from what is decoded; empty where it can."""
    for name in sorted(inputs_of(kind, signal)):
        if name in kind.signals:
            law = kind.signals[name].law
            if law not in LAWS or kind.signals[name].inputs.keys() - LAW_INPUTS[law].takes.keys():
                return f"signal {name} follows {law}, which is no function of the machine's present state"
        elif not (
            name in kind.drives
            or name in kind.nodes
            or name in kind.parameters
            or name in ("ambient", "time")
            or name.startswith(FELT)
            or (name == "level" and not kind.meter)
            or (name == "phase" and (kind.cycle or kind.receiver))
            or name in absent(kind)
        ):
            return f"signal {name} is not computed from the machine's own drives"
    return ""


def healthy(kind: Kind) -> Kind:
    """Give *kind* without what only wear makes warm: in its signals 0 stands for that."""
    cold = {name for name, node in kind.nodes.items() if node.wear is not None}
    signals = {
        name: type(signal).model_validate(
            {"law": signal.law} | {key: 0.0 if value in cold else value for key, value in signal.inputs.items()}
        )
        for name, signal in kind.signals.items()
    }
    return kind.model_copy(
        update={"signals": signals, "nodes": {name: node for name, node in kind.nodes.items() if name not in cold}}
    )


def absent(kind: Kind) -> dict[str, float]:
    """Give what is taken as usual, by its name in laws: no damage, no inrush, a part like any other.

    What is changed in passing, as a tool, is as a rule half worn.
    """
    damage = {f"damage.{mode}": 0.0 for mode in kind.wear} | {f"damage.{mode}": usual for mode, usual in changed(kind)}
    return {**damage, **{f"rising.{drive}": 0.0 for drive in kind.drives}, "part_scatter": 0.0, "unrest": 0.0}


def changed(kind: Kind) -> list[tuple[str, float]]:
    """Give the modes of wear that end in a change in passing, each with its mean damage over a life."""
    found = []
    share = (np.arange(1000) + 0.5) / 1000
    for mode, wear in kind.wear.items():
        if wear.ends == "change":
            onset = 0.5 * (wear.onset[0] + wear.onset[1])
            past = np.clip((share - onset) / (1.0 - onset), 0.0, 1.0)
            grown = flank(past) if wear.growth == "flank" else past**wear.exponent
            found.append((mode, float(grown.mean())))
    return found


def levels_of(drive: Drive, phase: Floats) -> Iterator[Value]:
    """Yield the level of *drive* in every state, in their order; a profile at *phase*."""
    for state in State:
        level = drive.levels[state]
        if isinstance(level, tuple):
            yield np.interp(phase, [at for at, _ in level], [value for _, value in level])
        else:
            yield float(level)


def target_of(drive: Drive, timeline: Timeline) -> Floats:
    """Give what *drive* is set to at each scan, without its settling and without the setpoint."""
    target = np.zeros(timeline.scans)
    for state, level in zip(State, levels_of(drive, timeline.phase), strict=True):
        here = timeline.state == state
        target[here] = level[here] if isinstance(level, np.ndarray) else level
    return target


def settled(target: Floats, timeline: Timeline, settle_s: float) -> Floats:
    """Let a drive reach its *target* after each change of state or setpoint with its settling time."""
    change = np.flatnonzero((np.diff(timeline.state) != 0) | (np.diff(timeline.piece) != 0)) + 1
    if settle_s <= 0 or not len(change):
        return target
    value = target.copy()
    edges = [*change.tolist(), timeline.scans]
    reach = max(1, int(np.ceil(12 * settle_s / timeline.step_s)))
    left_before, rest = 0.0, 0.0
    for start, stop in pairwise(edges):
        # A change is seen at the first scan after it: as a rule it happened half a scan before.
        end = target[start - 1] + rest * np.exp(-(start - 0.5 - left_before) * timeline.step_s / settle_s)
        rest, left_before = end - target[start], start - 0.5
        until = min(stop, start + reach)
        age = (np.arange(start, until) - left_before) * timeline.step_s
        value[start:until] += rest * np.exp(-age / settle_s)
    return value


def followed(target: Floats, share: Floats, first: float) -> Floats:
    """Step a first-order lag along the grid: at each scan it goes *share* of the way to *target*; from *first* on."""
    steps = zip(target[1:].tolist(), share[1:].tolist(), strict=True)
    return np.fromiter(
        accumulate(steps, lambda y, step: y + step[1] * (step[0] - y), initial=first), np.float64, len(target)
    )


def lagged(row: Floats, timeline: Timeline, tau_s: float) -> Floats:
    """Give what a sensor of the time constant *tau_s* makes of *row*; (scans,)."""
    if tau_s <= TAU_MIN_S:
        return row
    # Between two scans the row is taken as a straight line, for which the weights of its ends are exact.
    share = -np.expm1(-timeline.step_s / tau_s)
    early = share * tau_s / timeline.step_s - (1.0 - share)
    ends = row.copy()
    ends[1:] = ((share - early) * row[1:] + early * row[:-1]) / share
    return followed(ends, np.full(len(row), share), float(row[0]))


@dataclass(frozen=True, slots=True)
class Taus:
    """The time constants of a node, s, and of the sensor that looks at it, 0 for none."""

    tau: float
    at_rest: float
    sensor: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Warmth:
    """What a slow node makes of its drive with a gain of 1, and what a wrong beginning would add; (scans,)."""

    follows: Floats
    beginning: Floats


def warmth_of(kind: Kind, name: str, drive: Floats, timeline: Timeline, taus: Taus) -> Warmth:
    """Step the node *name* and the lag behind it along the grid, under *drive*, which has no gain."""
    node = kind.nodes[name]
    # By the kind's own time constants: a grid that moved with those that are tried would be taken for a slope.
    shortest = min(node.tau, node.tau_at_rest)
    every = max(1, int(shortest / STEPS_A_TAU / timeline.step_s))
    step_s, scans = every * timeline.step_s, timeline.scans
    mean = _means(drive, every)
    resting = _means((timeline.state != State.EXECUTE).astype(np.float64), every)
    rate = (1.0 - resting) / max(taus.tau, TAU_MIN_S) + resting / max(taus.at_rest, TAU_MIN_S)
    first = float(drive[: max(1, min(scans, int(0.1 * node.tau / timeline.step_s)))].mean())
    value = followed(mean, -np.expm1(-step_s * rate), first)
    if node.lag > 0:
        value = followed(value, np.full(len(mean), -np.expm1(-step_s / node.lag)), first)
    if taus.sensor > 0:
        value = followed(value, np.full(len(mean), -np.expm1(-step_s / taus.sensor)), first)
    beginning = np.exp(-step_s * (np.cumsum(rate) - rate[0]))
    if every == 1:
        return Warmth(value, beginning)
    ends = np.minimum((np.arange(len(mean)) + 1) * every, scans) - 1
    at = np.arange(scans)
    return Warmth(np.interp(at, ends, value), np.interp(at, ends, beginning))


def _means(row: Floats, every: int) -> Floats:
    """Give the means of *every* scans each; the last ones may be fewer."""
    if every == 1:
        return row
    starts = np.arange(0, len(row), every)
    counts = np.diff(np.append(starts, len(row)))
    return np.asarray(np.add.reduceat(row, starts) / counts)


def evaluate(kind: Kind, given: Mapping[str, Value], wanted: frozenset[str]) -> dict[str, Value]:
    """Compute the signals *wanted* and what goes into them; *given* has drives, nodes, parameters and the built-in."""
    values: dict[str, Value] = dict(given)
    for name, signal in kind.signals.items():
        if name in wanted:
            inputs = {key: values[value] if isinstance(value, str) else value for key, value in signal.inputs.items()}
            values[name] = LAWS[signal.law](**inputs)
    return values

"""The readings of one cohort in one block: rectangles of (machines, ticks), computed tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Bytes, Floats, Ints, KindColumns, SilentScans, State
from fleet.scenario.kind import OF_CYCLES, RISING
from fleet.sim import changes as row
from fleet.sim.address import normals
from fleet.sim.changes import PPM, Spans
from fleet.sim.cohorts import Graph, Model, RateGroup, law_inputs
from fleet.sim.damage import damage
from fleet.sim.hall import between, minutes_of, read_off
from fleet.sim.lags import NO_REST, on_grid
from fleet.sim.laws import LAWS
from fleet.sim.nodes import FADED, Node, cycles, decay, phases, profile_answer, scale_of
from fleet.sim.noise import unrest
from fleet.sim.profiles import PHASES
from fleet.sim.reporting import Rectangle, Reported, reported
from fleet.sim.scans import clock_readings, instants, readings_before, ticks_between
from fleet.sim.sensors import report, true_values

Cell = TypeVar("Cell", bound=np.generic)

TILE_CELLS = 131_072
"""Cells (machine, tick) of a tile: about 1 MB an array. Smaller ones stay closer to the processor, but their calls
cost more than that brings."""


NO_AIR = np.zeros((1, 1))


@dataclass(frozen=True, slots=True)
class Cut:
    """The span of a block, and whether the truth is wanted beside the readings."""

    start_us: int
    stop_us: int
    truth: bool


@dataclass(frozen=True, slots=True, eq=False)
class AirOver:
    """The air of every hall at whole minutes from *first* on: temperature and dew point; (halls, minutes).

    *dew* is empty where no machine feels it. *felt* is the temperature as slow nodes feel it, by their time constant.
    """

    knots: Floats
    first: int
    dew: Floats
    felt: Mapping[float, Floats]

    def at(self, hall: Ints, time_us: Ints) -> Floats:
        """Give the air temperature of each machine's *hall* (machines,) at *time_us* (machines, scans), degC."""
        return self._read(self.knots, hall, time_us)

    def dew_point(self, hall: Ints, time_us: Ints) -> Floats:
        """Give the dew point of each machine's *hall* (machines,) at *time_us* (machines, scans), degC."""
        return self._read(self.dew, hall, time_us)

    def felt_at(self, taus_us: Mapping[str, float], hall: Ints, time_us: Ints) -> dict[str, Floats]:
        """Give the air as nodes of *taus_us* feel it, by the same names, as *at* does."""
        if not taus_us:
            return {}
        minute, part = minutes_of(time_us)
        place = minute - (self.first - hall[:, None] * self.knots.shape[1])
        return {name: between(self.felt[tau_us].ravel(), place, part) for name, tau_us in taus_us.items()}

    def _read(self, knots: Floats, hall: Ints, time_us: Ints) -> Floats:
        return read_off(knots.ravel(), self.first - hall[:, None] * knots.shape[1], time_us)


@dataclass(frozen=True, slots=True, eq=False)
class _Ticks:
    """The base ticks of one tile: a rectangle of (machines, ticks) and which cells are due in the block."""

    machines: slice
    first: int
    time_us: Ints  # (machines, ticks)
    due: Bools  # (machines, ticks)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """One rate group's sensors on its own rectangle of (machines, ordinals from *first* on)."""

    first: int
    shift: Ints  # (machines,): the stagger, modulo the multiple
    value: Floats  # (sensors, machines, ordinals)
    quality: Bytes
    truth: Floats | None
    told: Bools | None  # which are reported, not withheld; None: all


@dataclass(frozen=True, slots=True)
class _Part:
    """The scans of one tile that read the same sensors; values are (sensors, scans)."""

    machine: Ints
    tick: Ints
    scan_us: Ints
    value: Floats
    quality: Bytes
    truth: Floats | None
    told: Bools | None

    def of(self, sensors: Ints, scans: Ints) -> _Part:
        """Give some *scans*, and of them some *sensors*, which all are told of."""
        return _Part(
            self.machine[scans],
            self.tick[scans],
            self.scan_us[scans],
            self.value[sensors[:, None], scans],
            self.quality[sensors[:, None], scans],
            None if self.truth is None else self.truth[sensors[:, None], scans],
            None,
        )


def scans_of(
    model: Model,
    spans: Spans,
    rest: Floats,
    air: AirOver,
    cut: Cut,
    wanted: tuple[slice, ...],
    memory: Reported,
) -> Iterator[KindColumns | SilentScans]:
    """Compute the scans of the *wanted* machines that are due in *cut*, one KindColumns for each set of sensors.

    *memory* has what sensors with a deadband reported last, and is brought forward.
    """
    if not model.groups:
        return
    first, stop = ticks_between(model.controllers, cut.start_us, cut.stop_us)
    per_tile = max(1, TILE_CELLS // max(1, stop - first))
    parts: dict[tuple[int, tuple[int, ...]], list[_Part]] = {}
    for chosen in _tiles(wanted, per_tile):
        time_us = instants(model.controllers, chosen, first, stop)
        due = (time_us >= cut.start_us) & (time_us < cut.stop_us)
        ticks = _Ticks(chosen, first, time_us, due)
        grids = [_grid(model, spans, rest, air, group, ticks, cut, memory) for group in model.groups]
        for code, part in _due_parts(model, ticks, grids):
            for places, told in _told_parts(part):
                parts.setdefault((code, places), []).append(told)
    for (code, places), listed in sorted(parts.items()):
        yield _columns(model, code, places, listed) if places else _silent(listed)


def _silent(parts: list[_Part]) -> SilentScans:
    """Give only when the scans of *parts* were due: of each every reading was withheld."""
    return SilentScans(np.concatenate([part.scan_us for part in parts]), len(parts[0].value))


def _told_parts(part: _Part) -> Iterator[tuple[tuple[int, ...], _Part]]:
    """Split the scans of *part* by which of their sensors are told of; gives these sensors' places."""
    everything = tuple(range(len(part.value)))
    if part.told is None:
        yield everything, part
        return
    rare = np.flatnonzero(~part.told.all(axis=1))
    code = np.zeros(part.told.shape[1], np.uint8)
    for bit, place in enumerate(rare.tolist()):
        code |= part.told[place].view(np.uint8) << np.uint8(bit)
    for which in np.flatnonzero(np.bincount(code)).tolist():
        scans = np.flatnonzero(code == which)
        absent = {place for bit, place in enumerate(rare.tolist()) if not which >> bit & 1}
        places = np.array([place for place in everything if place not in absent], np.int64)
        if len(places):
            yield tuple(places.tolist()), part.of(places, scans)
        else:
            yield (), part.of(np.arange(len(part.value)), scans)


def _tiles(wanted: tuple[slice, ...], per_tile: int) -> Iterator[slice]:
    """Cut each of the *wanted* stretches of machines into tiles of at most *per_tile*."""
    for stretch in wanted:
        for begin in range(stretch.start, stretch.stop, per_tile):
            yield slice(begin, min(stretch.stop, begin + per_tile))


def _grid(
    model: Model,
    spans: Spans,
    rest: Floats,
    air: AirOver,
    group: RateGroup,
    ticks: _Ticks,
    cut: Cut,
    memory: Reported,
) -> _Grid:
    """Compute the sensors of *group* for the ticks of one tile at which they are due."""
    multiple, count = group.multiple, ticks.time_us.shape[1]
    shift = model.cohort.stagger[ticks.machines] % multiple
    first = ticks.first // multiple
    time_us, due = ticks.time_us, ticks.due
    if multiple > 1:
        stop = (ticks.first + count + multiple - 2) // multiple + 1
        own = np.arange(first, stop, dtype=np.int64)[None, :] * multiple - shift[:, None]
        place = np.clip(own - ticks.first, 0, count - 1)
        time_us = np.take_along_axis(time_us, place, axis=1)
        if group.policy is not None:
            due = np.take_along_axis(due, place, axis=1) & (own - ticks.first == place)
    ambient = NO_AIR
    if group.chain.feels_air or any("ambient" in graph.needed for graph in group.graphs):
        ambient = air.at(model.hall[ticks.machines], time_us)
    over = _Over(model, spans, rest, air, ambient)
    seen = np.empty((len(group.sensors), *time_us.shape))
    for graph in group.graphs:
        _see(over, graph, group, ticks.machines, time_us, out=seen)
    truth = seen
    if cut.truth and any(graph.tau_us for graph in group.graphs):
        truth = seen.copy()
        for graph in group.graphs:
            if graph.tau_us:
                _see(over, graph.unlagged(), group, ticks.machines, time_us, out=truth)
    value = np.empty_like(seen) if cut.truth else seen
    quality = report(group.chain, ticks.machines, seen, ambient, first, time_us, out=value)
    told = None
    if group.policy is not None:
        stagger = model.cohort.stagger[ticks.machines]
        told = reported(group.policy, memory, ticks.machines, Rectangle(first, stagger, due, value, quality))
    return _Grid(first, shift, value, quality, true_values(group.chain, truth) if cut.truth else None, told)


@dataclass(frozen=True, slots=True, eq=False)
class _Over:
    """What is in force over a tile: state changes, the slow nodes' rests, and the air of the halls."""

    model: Model
    spans: Spans
    rest: Floats
    air: AirOver
    ambient: Floats  # (machines, ordinals) of the tile; NO_AIR where nobody asks
    phases: dict[bool, Ints | None] = field(default_factory=dict)  # once for all graphs: still, and changing ones


def _see(over: _Over, graph: Graph, group: RateGroup, machines: slice, time_us: Ints, *, out: Floats) -> None:
    """Put what the sensors of *graph* see into their places of *out*, (sensors of the group, machines, ordinals).

    Few machines change within a block. All are computed as if none did, by columns of one element a machine, and
    those that do once more.
    """
    model = over.model
    names = [model.cohort.sensors[group.sensors[place]].name for place in graph.sensors]
    signal_of = [(place, model.kind.sensors[name].signal) for place, name in zip(graph.sensors, names, strict=True)]
    # The air moves so slowly that lagging behind it is seeing it as it was a time constant ago.
    air: dict[str, Floats] = {}
    if "ambient" in graph.needed:
        lagging = graph.tau_us > 0.0
        air["ambient"] = over.air.at(model.hall[machines], time_us - round(graph.tau_us)) if lagging else over.ambient
    air |= over.air.felt_at(graph.felt, model.hall[machines], time_us - round(graph.tau_us))
    if "dew_point" in graph.needed:
        air["dew_point"] = over.air.dew_point(model.hall[machines], time_us - round(graph.tau_us))
    spans, rest = _of_machines(over.spans, over.rest, machines)
    place = spans.first[:-1, None]
    if False not in over.phases:
        over.phases[False] = _phase(model, spans, place, machines, time_us)
    values = signals(model, spans, rest, air, graph, machines, place, time_us, over.phases[False])
    for at, signal in signal_of:
        out[at] = values[signal]
    changing = np.flatnonzero(np.diff(spans.first) > 1)
    if len(changing):
        when = time_us[changing]
        place = _places(spans, changing, when)
        air = {name: felt[changing] for name, felt in air.items()}
        which = changing + machines.start
        if True not in over.phases:
            over.phases[True] = _phase(model, spans, place, which, when)
        values = signals(model, spans, rest, air, graph, which, place, when, over.phases[True])
        for at, signal in signal_of:
            out[at][changing] = values[signal]


def _of_machines(spans: Spans, rest: Floats, machines: slice) -> tuple[Spans, Floats]:
    """Take the spans of *machines* out of those of a cohort: what follows costs as much as the tile is large."""
    first = spans.first[machines.start : machines.stop + 1]
    return Spans(np.asfortranarray(spans.rows[first[0] : first[-1]]), first - first[0]), rest[:, first[0] : first[-1]]


def _due_parts(model: Model, ticks: _Ticks, grids: list[_Grid]) -> Iterator[tuple[int, _Part]]:
    """Split the due scans of a tile by the set of groups they read (a bit a group) and take their values."""
    count = ticks.time_us.shape[1]
    tick = np.arange(ticks.first, ticks.first + count, dtype=np.int64)
    code = np.zeros(ticks.due.shape, np.uint8)
    for bit, (group, grid) in enumerate(zip(model.groups, grids, strict=True)):
        if group.multiple == 1:
            code |= np.uint8(1 << bit)
        else:
            on = (tick[None, :] + grid.shift[:, None]) % group.multiple == 0
            code |= on.view(np.uint8) << np.uint8(bit)
    code *= ticks.due.view(np.uint8)
    for which in range(1, 1 << len(grids)):
        cell = np.flatnonzero(code == which)
        if not len(cell):
            continue
        local = cell // count
        at = tick[cell - local * count]
        machine = local + ticks.machines.start
        yield (
            which,
            _take(model, which, grids, local, _Part(machine, at, ticks.time_us.ravel()[cell], *_NOTHING)),
        )


_NOTHING = (np.empty((0, 0)), np.empty((0, 0), np.uint8), None, None)


def _take(model: Model, which: int, grids: list[_Grid], local: Ints, scans: _Part) -> _Part:
    """Take the cells of *scans* out of the groups' rectangles, sensors in the cohort's order."""
    value: list[Floats] = []
    quality: list[Bytes] = []
    truth: list[Floats] = []
    told: list[Bools] = []
    order: list[int] = []
    for bit, (group, grid) in enumerate(zip(model.groups, grids, strict=True)):
        if which >> bit & 1:
            ordinal = scans.tick if group.multiple == 1 else (scans.tick + grid.shift[local]) // group.multiple
            cell = local * grid.value.shape[2] + (ordinal - grid.first)
            sensors = len(group.sensors)
            value.append(grid.value.reshape(sensors, -1).take(cell, axis=1))
            quality.append(grid.quality.reshape(sensors, -1).take(cell, axis=1))
            if grid.truth is not None:
                truth.append(grid.truth.reshape(sensors, -1).take(cell, axis=1))
            if model.deadbands:
                some = grid.told
                told.append(
                    np.ones((sensors, len(cell)), np.bool_)
                    if some is None
                    else some.reshape(sensors, -1).take(cell, axis=1)
                )
            order.extend(group.sensors)
    place = np.argsort(np.array(order))
    return replace(
        scans,
        value=_joined(value, place),
        quality=_joined(quality, place),
        truth=_joined(truth, place) if truth else None,
        told=_joined(told, place) if told else None,
    )


def _joined(columns: list[NDArray[Cell]], place: Ints) -> NDArray[Cell]:
    """Stack the groups' (sensors, scans) and put the sensors in order; one group is in order already."""
    return columns[0] if len(columns) == 1 else np.concatenate(columns)[place]


def _columns(model: Model, code: int, places: tuple[int, ...], parts: list[_Part]) -> KindColumns:
    """Join the tiles' parts into one set of columns and number their readings; *places* of those due are there."""
    machine = np.concatenate([part.machine for part in parts])
    tick = np.concatenate([part.tick for part in parts])
    scan_us = np.concatenate([part.scan_us for part in parts])
    truths = [part.truth for part in parts if part.truth is not None]
    multiples = tuple(sensor.multiple for sensor in model.cohort.sensors)
    due = sorted(sensor for bit, group in enumerate(model.groups) if code >> bit & 1 for sensor in group.sensors)
    return KindColumns(
        cohort=model.cohort,
        sensors=tuple(due[place] for place in places),
        machine=machine,
        tick=tick,
        scan_us=scan_us,
        event_us=clock_readings(model.controllers, machine, scan_us),
        due_us=scan_us,
        seq=readings_before(tick, model.cohort.stagger[machine], multiples),
        value=_side_by_side([part.value for part in parts]),
        quality=_side_by_side([part.quality for part in parts]),
        truth=_side_by_side(truths) if truths else None,
        places=places if len(places) < len(due) else (),
        scheduled=len(due),
    )


def _side_by_side(parts: list[NDArray[Cell]]) -> NDArray[Cell]:
    """Join tiles' (sensors, scans) so that the readings of a scan lie side by side; (scans, sensors)."""
    out = np.empty((sum(part.shape[1] for part in parts), len(parts[0])), parts[0].dtype)
    return np.concatenate([part.T for part in parts], out=out)


# ---- signals on a rectangle


def signals(
    model: Model,
    spans: Spans,
    rest: Floats,
    air: Mapping[str, Floats],
    graph: Graph,
    machines: slice | Ints,
    place: Ints,
    time_us: Ints,
    phase: Ints | None,
) -> Mapping[str, Floats]:
    """Evaluate *graph*, a part of the kind's, on the rectangle *time_us* (machines, scans), given the *air*.

    *place* is the span in force at each instant, (machines, scans), or (machines, 1) where nothing changes; *phase*
    where in its cycle each machine is.
    """
    age_us = (time_us - spans.rows[:, row.TIME][place]).astype(np.float64)
    executing = (spans.rows[:, row.STATE] == State.EXECUTE)[place]
    values: dict[str, Floats] = {
        **air,
        "level": (spans.rows[:, row.LEVEL].astype(np.float64) / PPM)[place],
    }
    if "time" in graph.needed:
        values["time"] = (time_us - model.controllers.start_us - round(graph.tau_us)).astype(np.float64) * 1e-6
    if "unrest" in graph.needed:
        values["unrest"] = unrest(model.words[machines], time_us - round(graph.tau_us))
    for name, drawn in model.parameters.items():
        values[name] = drawn[machines, None]
    warming = {model.nodes[index].mode for index in graph.nodes} - {-1}
    worn = {
        number: damage(model.worn.modes[number], model.words, spans.rows, number, place, age_us, executing)
        for number in sorted(warming)
    }
    for index in graph.nodes:
        node = model.nodes[index]
        rises = f"{RISING}{node.name}" in graph.needed
        if graph.lags and not rises:
            continue
        if node.mode >= 0 and not worn[node.mode].any():
            answer = worn[node.mode]
        else:
            answer = _settled(node, spans, place, executing, phase)
            if node.mode >= 0:
                answer = answer * worn[node.mode]
        left = _left(node, spans, rest[index], place, age_us, answer)
        if not graph.lags:
            values[node.name] = _with_left(answer, left)
        if rises:
            values[f"{RISING}{node.name}"] = _below(left, len(place))
    for name, number in graph.lags.items():
        lag = model.lags[number]
        own = np.zeros(len(spans.rows)) if lag.place == NO_REST else rest[lag.place]
        start, by = rest[len(model.nodes) + number], 1.0 if lag.node.mode < 0 else worn[lag.node.mode]
        if np.any(by) or own.any() or start.any():
            values[name] = on_grid(lag, spans.rows, own, start, place, age_us, phase, by)
        else:  # nothing is worn, or was
            values[name] = np.zeros((len(place), 1))
    for number, mode in enumerate(model.rules.modes):
        if f"damage.{mode.name}" in graph.needed:
            values[f"damage.{mode.name}"] = damage(mode, model.words, spans.rows, number, place, age_us, executing)
    if phase is not None and not graph.needed.isdisjoint(OF_CYCLES):
        frozen_us = np.where(executing, time_us, spans.rows[:, row.TIME][place])
        wanted = graph.needed.intersection(OF_CYCLES)
        if "phase" in wanted and not executing.all():  # it stands still with the machine
            phase = _phase(model, spans, place, machines, frozen_us)
            assert phase is not None, "a phase is one of a cycle"
        values |= _of_cycles(model, spans, place, machines, frozen_us, phase, wanted)
    if "line_power" in graph.needed:
        values["line_power"] = (spans.rows[:, row.POWER].astype(np.float64) * 1e-3)[place]
    if "line_energy" in graph.needed:
        values["line_energy"] = _energy(spans, place, time_us)
    for name in graph.signals:
        law, inputs = law_inputs(model.kind, name)
        values[name] = LAWS[law](
            **{key: values[value] if isinstance(value, str) else value for key, value in inputs.items()}
        )
    return values


def _places(spans: Spans, machines: Ints, time_us: Ints) -> Ints:
    """Find the span in force at each instant for *machines* that have more than one; (machines, scans)."""
    first, count = spans.first[machines], spans.first[machines + 1] - spans.first[machines]
    starts = np.cumsum(count) - count
    owner = np.repeat(np.arange(len(machines)), count)
    each = np.arange(len(owner)) + (first - starts)[owner]
    begun = time_us[owner] >= spans.rows[each, row.TIME][:, None]
    begun[starts] = False  # the first was in force before
    return first[:, None] + np.add.reduceat(begun.astype(np.int64), starts, axis=0)


def _phase(model: Model, spans: Spans, place: Ints, machines: slice | Ints, time_us: Ints) -> Ints | None:
    if model.cycle is None:
        return None
    stream = model.cycle.stream[machines, None]
    start, period, done = (spans.rows[:, column][place] for column in (row.START, row.PERIOD, row.DONE))
    return phases(time_us, start, period, done, model.cycle, stream)


def _of_cycles(
    model: Model, spans: Spans, place: Ints, machines: slice | Ints, time_us: Ints, phase: Ints, wanted: frozenset[str]
) -> dict[str, Floats]:
    """Give what is *wanted* of the cycles at *time_us*: the phase, parts made, the last one's time, its scatter."""
    assert model.cycle is not None, "a phase is one of a cycle"
    start, period, done = (spans.rows[:, column][place] for column in (row.START, row.PERIOD, row.DONE))
    turned = (phase.astype(np.float64) + 0.5) * (1.0 / PHASES)
    if wanted == {"phase"}:
        return {"phase": turned}
    number, last = cycles(time_us, start, period, done, model.cycle, model.cycle.stream[machines, None])
    parts = done + number.astype(np.int64)
    return {
        "phase": turned,
        "parts": parts.astype(np.float64),
        "last_cycle": last * period * 1e-6,
        "part_scatter": normals(model.cycle.part_stream[machines, None], parts).astype(np.float64),
    }


def _energy(spans: Spans, place: Ints, time_us: Ints) -> Floats:
    """Give what a meter has counted at *time_us*, kWh: up to the last change, and since; in whole milliseconds."""
    since, power, counted = (spans.rows[:, column][place] for column in (row.TIME, row.POWER, row.ENERGY))
    millijoules = counted + power * (time_us // 1000 - since // 1000)
    return millijoules.astype(np.float64) / 3.6e9


class _Left(NamedTuple):
    """What nodes still are away from their answers: of the machines *moving* only, (moving, scans)."""

    moving: Ints
    amount: Floats


def _settled(node: Node, spans: Spans, place: Ints, executing: Bools, phase: Ints | None) -> Floats:
    """Give a node's periodic answer; (machines, scans), or (machines, 1) where it does not move."""
    scale = scale_of(node, spans.rows)
    answer: Floats = (node.levels[spans.rows[:, row.STATE]] * scale)[place]
    if node.profile is not None and phase is not None:
        running = profile_answer(node, node.profile, spans.rows[:, row.PERIOD], place, phase)
        answer = np.where(executing, running * scale[place], answer)
    return answer


def _left(node: Node, spans: Spans, rest: Floats, place: Ints, age_us: Floats, answer: Floats) -> _Left:
    """Find which machines are still settling at a node, and by how much they are off; most have long been settled."""
    rests, tau_us = rest[place], node.tau_us[spans.rows[:, row.STATE]][place]
    since_us = age_us if place.shape == age_us.shape else age_us[:, :1]
    is_left = (rests != 0.0 if node.slow else ~np.isnan(rests)) & (since_us <= FADED * tau_us)
    moving = np.flatnonzero(is_left.any(axis=1))
    if not len(moving):
        return _Left(moving, np.zeros((0, 1)))
    if len(moving) < len(rests):
        rests, age_us, tau_us, answer = rests[moving], age_us[moving], tau_us[moving], answer[moving]
    left = decay(age_us, tau_us, node.lag_us)
    if node.slow:
        return _Left(moving, rests * left)
    return _Left(moving, np.where(np.isnan(rests), 0.0, (rests - answer) * left))


def _with_left(answer: Floats, left: _Left) -> Floats:
    """Give a node's value: its periodic *answer* and how far it is *left* from that."""
    if len(left.moving) == len(answer):
        return np.asarray(answer + left.amount)
    if len(left.moving):
        answer = np.array(np.broadcast_to(answer, (len(answer), left.amount.shape[1])))
        answer[left.moving] += left.amount
    return answer


def _below(left: _Left, machines: int) -> Floats:
    """Give how far a drive is below what it heads for; (machines, scans), or (machines, 1) where it is nowhere."""
    below = np.zeros((machines, left.amount.shape[1]))
    below[left.moving] = np.maximum(-left.amount, 0.0)
    return below

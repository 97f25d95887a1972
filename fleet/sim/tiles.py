"""The readings of one cohort in one block: rectangles of (machines, ticks), computed tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Bytes, Floats, Ints, KindColumns, SilentScans
from fleet.faults.catalogue import SENSOR
from fleet.sim.changes import Spans
from fleet.sim.cohorts import Graph, Model, RateGroup
from fleet.sim.force import InForce, in_force
from fleet.sim.hall import AirOver
from fleet.sim.misread import Absent, Tile, misread
from fleet.sim.reporting import Rectangle, Reported, reported
from fleet.sim.scans import clock_readings, instants, readings_before, ticks_between
from fleet.sim.sensors import report, true_values
from fleet.sim.signals import Instants, at_instants, signals
from fleet.sim.struck import Struck

Cell = TypeVar("Cell", bound=np.generic)

TILE_CELLS = 131_072
"""Cells (machine, tick) of a tile: about 1 MB an array. Smaller ones stay closer to the processor, but their calls
cost more than that brings."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The span of a block, and whether the truth is wanted beside the readings."""

    start_us: int
    stop_us: int
    truth: bool
    struck: Struck = field(default_factory=Struck)  # scripted faults
    absent: list[Absent] = field(default_factory=list)  # grows by the readings that these leave without a record
    apart: Bools | None = None  # (machines,): whose scans come in columns of their own; None: nobody's


@dataclass(frozen=True, slots=True, eq=False)
class _Ticks:
    """The base ticks of one tile: a rectangle of (machines, ticks) and which cells are due in the block."""

    machines: slice
    first: int
    time_us: Ints  # (machines, ticks)
    due: Bools  # (machines, ticks)
    in_force: list[InForce]
    apart: Bools | None  # (machines,)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """One rate group's sensors on its own rectangle of (machines, ordinals from its *first* on)."""

    first: Ints  # (machines,)
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
) -> Iterator[tuple[bool, KindColumns | SilentScans]]:
    """Compute the scans of the *wanted* machines that are due in *cut*, one KindColumns for each set of sensors.

    Those of machines that are kept apart come with True, in columns of their own.

    *memory* has what sensors with a deadband reported last, and is brought forward.
    """
    if not model.groups:
        return
    first, stop = ticks_between(model.controllers, cut.start_us, cut.stop_us)
    per_tile = max(1, TILE_CELLS // max(1, stop - first))
    parts: dict[tuple[bool, int, tuple[int, ...]], list[_Part]] = {}
    for chosen in _tiles(wanted, per_tile):
        time_us = instants(model.controllers, chosen, first, stop)
        due = (time_us >= cut.start_us) & (time_us < cut.stop_us)
        ticks = _Ticks(
            chosen,
            first,
            time_us,
            due,
            in_force(spans, rest, chosen, cut.struck.ill(chosen, cut.start_us, cut.stop_us)),
            None if cut.apart is None else cut.apart[chosen],
        )
        grids = [_grid(model, air, group, ticks, cut, memory) for group in model.groups]
        for apart, code, part in _due_parts(model, ticks, grids):
            for places, told in _told_parts(part):
                parts.setdefault((apart, code, places), []).append(told)
    for (apart, code, places), listed in sorted(parts.items()):
        yield apart, _columns(model, code, places, listed) if places else _silent(listed)


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


def _grid(model: Model, air: AirOver, group: RateGroup, ticks: _Ticks, cut: Cut, memory: Reported) -> _Grid:
    """Compute the sensors of *group* for the ticks of one tile at which they are due."""
    multiple, count = group.multiple, ticks.time_us.shape[1]
    stagger = model.cohort.stagger[ticks.machines]
    shift = stagger % multiple
    first = -(-(ticks.first + shift) // multiple)
    time_us, due = ticks.time_us, ticks.due
    if multiple > 1:
        begin = first * multiple - shift - ticks.first
        own = begin[:, None] + np.arange(0, count, multiple)
        place = np.minimum(own, count - 1)
        time_us = np.take_along_axis(time_us, place, axis=1)
        if group.policy is not None or cut.struck.of(SENSOR):
            due = np.take_along_axis(due, place, axis=1) & (own == place)
    over = [at_instants(model, force, time_us[force.where], cut.struck) for force in ticks.in_force]
    seen = np.empty((len(group.sensors), *time_us.shape))
    _see(over, group.graphs, air, out=seen)
    truth = seen
    if cut.truth and any(graph.tau_us for graph in group.graphs):
        truth = seen.copy()
        _see(over, [graph.unlagged() for graph in group.graphs if graph.tau_us], air, out=truth)
    ambient = air.at(model.hall[ticks.machines], time_us) if group.chain.feels_air else None
    value = np.empty_like(seen) if cut.truth else seen
    quality = report(group.chain, ticks.machines, seen, ambient, first, time_us, out=value)
    if cut.struck.of(SENSOR):
        tile = Tile(group, ticks.machines, first, shift, time_us, due, value, quality)
        cut.absent.extend(misread(cut.struck, model, tile, cut.start_us, cut.stop_us))
    told = None
    if group.policy is not None:
        told = reported(group.policy, memory, ticks.machines, Rectangle(first, stagger, due, value, quality))
    return _Grid(first, shift, value, quality, true_values(group.chain, truth) if cut.truth else None, told)


def _see(over: Sequence[Instants], graphs: Sequence[Graph], air: AirOver, *, out: Floats) -> None:
    """Put what the sensors of *graphs* see into their places of *out*, (sensors of the group, machines, ordinals)."""
    for at in over:
        for graph in graphs:
            values = signals(at, graph, air)
            for place, signal in zip(graph.sensors, graph.shown, strict=True):
                out[place][at.force.where] = values[signal]


def _due_parts(model: Model, ticks: _Ticks, grids: list[_Grid]) -> Iterator[tuple[bool, int, _Part]]:
    """Split the due scans of a tile by the set of groups they read (a bit a group) and take their values.

    True comes with those of machines that are kept apart.
    """
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
        for apart, cell in _cells(np.flatnonzero(code == which), count, ticks.apart):
            local = cell // count
            at = tick[cell - local * count]
            machine = local + ticks.machines.start
            scans = _Part(machine, at, ticks.time_us.ravel()[cell], *_NOTHING)
            yield apart, which, _take(model, which, grids, local, scans)


def _cells(cell: Ints, count: int, apart: Bools | None) -> Iterator[tuple[bool, Ints]]:
    """Give the cells of a rectangle of *count* ticks, those of machines that are kept *apart* by themselves."""
    if apart is None:
        if len(cell):
            yield False, cell
        return
    own = apart[cell // count]
    for flag, chosen in ((False, cell[~own]), (True, cell[own])):
        if len(chosen):
            yield flag, chosen


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
            cell = local * grid.value.shape[2] + (ordinal - grid.first[local])
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

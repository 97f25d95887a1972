"""What sensor faults make of readings: only the cells they cover are touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import SECOND_US, Bools, Bytes, Floats, Ints
from fleet.faults.catalogue import SENSOR
from fleet.faults.sensor import SENSOR_FAULTS, FaultAt
from fleet.sim.cohorts import Model, RateGroup
from fleet.sim.struck import Cases, Struck, sigma_of


@dataclass(frozen=True, slots=True, eq=False)
class Absent:
    """Readings of a cohort that a sensor fault leaves without a record; arrays are (readings,)."""

    machine: Ints
    tick: Ints
    sensor: Ints
    case: Ints
    fault: str


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """The readings of a rate group: ordinals from each machine's *first* on, *time_us* (machines, ordinals)."""

    group: RateGroup
    machines: slice
    first: Ints  # (machines,)
    shift: Ints  # (machines,): the stagger, modulo the multiple
    time_us: Ints
    due: Bools  # (machines, ordinals): which are in the block; of all others not everything is known
    value: Floats  # (sensors, machines, ordinals)
    quality: Bytes


def misread(struck: Struck, model: Model, tile: Tile, start_us: int, stop_us: int) -> list[Absent]:
    """Put what sensor faults make of the readings of *tile* in their place; give those that have no record."""
    found = []
    for cases in struck.of(SENSOR).values():
        which = cases.during(start_us, stop_us)
        place = _places(tile.group, cases.sensor[which])
        inside = (cases.machine[which] >= tile.machines.start) & (cases.machine[which] < tile.machines.stop)
        which = which[inside & (place >= 0)]
        if len(which):
            absent = _apply(cases, which, model, tile)
            if absent is not None:
                found.append(absent)
    return found


def _places(group: RateGroup, sensor: Ints) -> Ints:
    """Give the place of each *sensor* in the group, -1 where it is not in it."""
    table = np.full(max(int(sensor.max(initial=0)), *group.sensors) + 2, -1, np.int64)
    table[list(group.sensors)] = np.arange(len(group.sensors))
    return np.asarray(table[sensor])


def _apply(cases: Cases, which: Ints, model: Model, tile: Tile) -> Absent | None:
    local = cases.machine[which] - tile.machines.start
    time_us = tile.time_us[local]
    covered = (time_us >= cases.onset_us[which, None]) & (time_us < cases.stop_us[which, None]) & tile.due[local]
    row, at = np.nonzero(covered)
    if not len(row):
        return None
    case, machine = which[row], local[row]
    place = _places(tile.group, cases.sensor[case])
    value, quality = tile.value[place, machine, at], tile.quality[place, machine, at]
    _hold(cases, case, value)
    uniform, normal = cases.chance(case)
    flaws, when = [tile.group.chain.sensors[each] for each in place.tolist()], time_us[row, at]
    sigma = np.array([sigma_of(model, sensor) for sensor in tile.group.sensors])
    period_s = tile.group.multiple * model.cohort.base_period_us / SECOND_US
    it = FaultAt(
        age_s=(when - cases.onset_us[case]) / SECOND_US,
        period_s=np.full(len(case), period_s),
        severity=cases.severity_at(case, when),
        set={name: of[case] for name, of in cases.set.items()},
        held=cases.held[case],
        low=np.array([each.low for each in flaws]),
        high=np.array([each.high for each in flaws]),
        sigma=sigma[place],
        ordinal=tile.first[machine] + at,
        uniform=uniform,
        normal=normal,
    )
    function, _ = SENSOR_FAULTS[cases.fault]
    value, quality, present = function(value, quality, np.ones(len(case), np.bool_), it)
    step, per_unit = np.array([each.step for each in flaws]), np.array([each.per_unit for each in flaws])
    tile.value[place, machine, at] = (np.rint(value * (per_unit / step)) + 0.0) * step / per_unit
    tile.quality[place, machine, at] = quality
    if present.all():
        return None
    gone = np.flatnonzero(~present)
    tick = (tile.first[machine[gone]] + at[gone]) * tile.group.multiple - tile.shift[machine[gone]]
    return Absent(machine[gone] + tile.machines.start, tick, cases.sensor[case[gone]], case[gone], cases.fault)


def _hold(cases: Cases, case: Ints, value: Floats) -> None:
    """Remember the first reading of each *case* (cells, in order of case and time) that has none yet."""
    first = np.append(True, case[1:] != case[:-1])
    new = first & np.isnan(cases.held[case])
    cases.held[case[new]] = value[new]

"""The scripted faults of a cohort, machine by machine: columns of what strikes whom, from when to when.

When an incident depends on what the plant does, its onset is NEVER_US until the plant has come to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleet.data import Bools, Floats, Ints, Words
from fleet.faults.catalogue import CATALOGUE, MACHINE, NETWORK, PRODUCER, SENSOR, TRANSPORT_FAULTS
from fleet.scenario.kind import Sensor
from fleet.scenario.scripted import ENDLESS_US, Scripted, Size, chosen_by, first_us
from fleet.sim.address import keys, mix, normals, uniforms, word_of
from fleet.sim.calendar import NEVER_US
from fleet.sim.cohorts import Model
from fleet.sim.nodes import FADED

ANY_SENSOR = -1

_ORDER = {fault: place for place, fault in enumerate(CATALOGUE)}


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """One fault on the machines of a cohort; arrays are (cases,), one for each machine, sensor and occurrence.

    *onset_us*, *stop_us* and *held* change while the simulation runs.
    """

    fault: str
    machine: Ints  # index into the cohort
    sensor: Ints  # index into the cohort's sensors; ANY_SENSOR
    onset_us: Ints
    stop_us: Ints  # it is there from the onset to just before this
    over_us: Ints  # until it is fully severe
    severity: Floats  # that it then has
    set: Mapping[str, Floats]  # its parameters, sizes in the sensor's unit
    stream: Words  # what its chance is addressed by
    incident: Ints  # place in the scenario's list
    ordinal: Ints  # which occurrence
    held: Floats  # what the sensor reported at onset; not a number before

    def during(self, start_us: int, stop_us: int) -> Ints:
        """Give the cases that are there at some time from *start_us* to *stop_us*."""
        return np.flatnonzero((self.onset_us < stop_us) & (self.stop_us > start_us))

    def severity_at(self, case: Ints, time_us: Ints) -> Floats:
        """Give how severe each *case* is at each time, both (cells,): up to its height in a line, and 0 outside."""
        age_us = (time_us - self.onset_us[case]).astype(np.float64)
        grown = np.clip(age_us / np.maximum(self.over_us[case], 1), 0.0, 1.0)
        there = (age_us >= 0) & (time_us < self.stop_us[case])
        return np.where(there, grown * self.severity[case], 0.0)

    def chance(self, case: Ints) -> tuple[Callable[[str, Ints], Floats], Callable[[str, Ints], Floats]]:
        """Give the uniform and the normal variates of each *case* (cells,), by purpose and ordinal (cells,)."""

        def stream(purpose: str) -> Words:
            return mix(self.stream[case] ^ np.uint64(word_of(purpose)))

        def uniform(purpose: str, ordinal: Ints) -> Floats:
            return uniforms(stream(purpose), ordinal)

        def normal(purpose: str, ordinal: Ints) -> Floats:
            return normals(stream(purpose), ordinal).astype(np.float64)

        return uniform, normal


def case_id(scripted: Sequence[Scripted], model: Model, cases: Cases, case: int) -> str:
    """Name a case: its incident, its machine, its sensor, and which occurrence it is where there are several."""
    each = scripted[int(cases.incident[case])]
    parts = [each.id, model.cohort.machines[int(cases.machine[case])].id]
    if cases.sensor[case] != ANY_SENSOR:
        parts.append(model.cohort.sensors[int(cases.sensor[case])].name)
    if each.times > 1:
        parts.append(str(int(cases.ordinal[case]) + 1))
    return "/".join(parts)


@dataclass(slots=True)
class Struck:
    """All scripted faults of a cohort, by family and fault."""

    by_family: dict[str, dict[str, Cases]] = field(default_factory=dict)

    tail_us: int = 0  # so long after a machine fault has ended something slow may still be warm from it

    def ill(self, machines: slice, start_us: int, stop_us: int) -> Ints:
        """Give which of *machines*, from 0, differ from healthy ones between two instants."""
        found = [np.zeros(0, np.int64)]
        for cases in self.of(MACHINE).values():
            machine = cases.machine[cases.during(start_us - self.tail_us, stop_us)]
            found.append(machine[(machine >= machines.start) & (machine < machines.stop)] - machines.start)
        return np.unique(np.concatenate(found))

    def of(self, family: str) -> Mapping[str, Cases]:
        """Give the cases of each fault of a *family*."""
        return self.by_family.get(family, {})

    @property
    def transport(self) -> dict[str, Cases]:
        """The cases of each fault that changes when scans leave and whether: of networks, then of the client behind."""
        behind = {fault: cases for fault, cases in self.of(PRODUCER).items() if fault in TRANSPORT_FAULTS}
        return {**self.of(NETWORK), **behind}

    @property
    def cases(self) -> list[tuple[str, Cases]]:
        """All cases, with their family."""
        return [(family, cases) for family, found in self.by_family.items() for cases in found.values()]


@dataclass(frozen=True, slots=True)
class _Row:
    """One case before it is put into columns."""

    machine: Ints
    sensor: Ints
    onset_us: Ints
    stop_us: Ints
    each: Scripted
    ordinal: Ints
    stream: Words
    set: Mapping[str, Floats]


def struck(scripted: Sequence[Scripted], model: Model, *, start_us: int) -> Struck:
    """Work out what strikes the machines of a cohort in a run from *start_us* on."""
    rows: dict[tuple[str, str], list[_Row]] = {}
    for each in scripted:
        here = np.flatnonzero(np.isin(model.members, each.machines))
        if each.share < 1.0:
            here = here[_drawn(each, model.words[here])]
        if not len(here):
            continue
        for row in _rows(scripted, each, model, here, start_us=start_us):
            rows.setdefault((each.family, each.fault), []).append(row)
    found = Struck(tail_us=_tail_us(model) if rows else 0)
    # Where several are on one machine they act in the catalogue's order, whatever else a scenario has.
    for (family, fault), listed in sorted(rows.items(), key=lambda each: _ORDER[each[0][1]]):
        found.by_family.setdefault(family, {})[fault] = _columns(fault, listed)
    return found


def _tail_us(model: Model) -> int:
    """Say how long after a fault something is still to be seen of it: in slow nodes, and in sensors that lag."""
    lags_us = [graph.tau_us for group in model.groups for graph in group.graphs]
    slow_us = [float(node.tau_us.max()) for node in model.nodes if node.slow]
    return math.ceil(FADED * max([*lags_us, *slow_us], default=0.0) + max(lags_us, default=0.0))


def _drawn(each: Scripted, words: Words) -> Bools:
    """Say which of the machines with *words* an incident strikes: each is drawn for itself, whoever else there is."""
    chosen: Bools = uniforms(keys(words, f"incident.{each.id}.share"), np.zeros(1, np.int64)) < each.share
    return chosen


def first_onset_us(scripted: Sequence[Scripted], each: Scripted, start_us: int) -> int:
    """Give when an incident sets in first, or begins to be at random; NEVER_US where the plant has to say it."""
    after_start_us = first_us(scripted, each)
    return NEVER_US if after_start_us is None else start_us + after_start_us


def _rows(scripted: Sequence[Scripted], each: Scripted, model: Model, here: Ints, *, start_us: int) -> list[_Row]:
    """Give the cases of one incident on the machines *here*, one row for each of its occurrences."""
    begins_us = first_onset_us(scripted, each, start_us)
    words = keys(model.words[here], f"incident.{each.id}")
    endless = each.lasts_us == ENDLESS_US
    found = []
    for ordinal in range(each.times):
        number = np.full(len(here), ordinal, np.int64)
        if each.within_us:
            room_us = each.within_us // each.times
            left_us = room_us if endless else max(0, room_us - each.lasts_us)
            drawn = uniforms(mix(words ^ np.uint64(word_of("at"))), number)
            onset_us = begins_us + ordinal * room_us + (drawn * left_us).astype(np.int64) // 1000 * 1000
        else:
            onset_us = np.full(len(here), min(begins_us + ordinal * each.every_us, NEVER_US), np.int64)
        stop_us = np.full(len(here), ENDLESS_US) if endless else onset_us + each.lasts_us
        stream = mix(words ^ np.uint64(word_of(f"occurrence.{ordinal}")))
        for sensor in _sensors(each, model):
            sizes = {name: np.full(len(here), _size(size, sensor, model)) for name, size in each.set.items()}
            own = (
                stream if sensor == ANY_SENSOR else mix(stream ^ np.uint64(word_of(model.cohort.sensors[sensor].name)))
            )
            place = np.full(len(here), sensor, np.int64)
            found.append(_Row(here, place, onset_us, stop_us, each, number, own, sizes))
    return found


def _sensors(each: Scripted, model: Model) -> list[int]:
    if each.family != SENSOR:
        return [ANY_SENSOR]
    return [place for place, sensor in enumerate(model.cohort.sensors) if chosen_by(each.sensors, sensor.name)]


def _size(size: Size, sensor: int, model: Model) -> float:
    """Give a size in the sensor's unit."""
    if size.basis == "unit":
        return size.value
    name = model.cohort.sensors[sensor].name
    low, high = model.kind.sensors[name].span
    return size.value * (high - low if size.basis == "span" else sigma_of(model, sensor))


def sigma_of(model: Model, sensor: int) -> float:
    """Give the noise of a sensor of *model*, 1 sigma in its unit."""
    return noise_of(model.kind.sensors[model.cohort.sensors[sensor].name])


def noise_of(sensor: Sensor) -> float:
    """Give the noise of *sensor*, 1 sigma in its unit: white, 1/f, its share of the usual reading, and its step."""
    usual = sum(sensor.normal or sensor.span) / 2.0
    share = sensor.noise_share * abs(usual)
    return float(np.sqrt(sensor.noise**2 + sensor.flicker**2 + share**2 + sensor.resolution**2 / 12.0))


def _columns(fault: str, rows: Sequence[_Row]) -> Cases:
    def each(value: Callable[[Scripted], float | int], kind: type) -> np.ndarray:
        return np.concatenate([np.full(len(row.machine), value(row.each), kind) for row in rows])

    return Cases(
        fault=fault,
        machine=np.concatenate([row.machine for row in rows]),
        sensor=np.concatenate([row.sensor for row in rows]),
        onset_us=np.concatenate([row.onset_us for row in rows]),
        stop_us=np.concatenate([row.stop_us for row in rows]),
        over_us=each(lambda scripted: scripted.over_us, np.int64),
        severity=each(lambda scripted: scripted.severity, np.float64),
        set={name: np.concatenate([row.set[name] for row in rows]) for name in rows[0].set},
        stream=np.concatenate([row.stream for row in rows]),
        incident=each(lambda scripted: scripted.place, np.int64),
        ordinal=np.concatenate([row.ordinal for row in rows]),
        held=np.full(sum(len(row.machine) for row in rows), np.nan),
    )

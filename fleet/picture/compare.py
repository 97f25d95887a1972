"""A run beside its healthy twin: what the incidents changed in each sensor's readings, matched one by one.

Both are simulated block by block. A reading has the same machine, sensor and tick in both, so what only one of them has
by the end of a block waits: it is late, or has no record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fleet.data import SECOND_US, Block, Bools, Cohort, Floats, Ints, Label
from fleet.faults.catalogue import CATALOGUE, MACHINE, SENSOR, TRANSPORT_FAULTS
from fleet.picture.envelope import Envelope
from fleet.picture.labels import CLOCKS, ONCE, Labels
from fleet.picture.story import Progress, Span, blocks_of, with_competitors
from fleet.scenario.kind import Kind
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.struck import noise_of

MACHINE_BITS = 40
"""A reading is found by its machine's place and, below so many bits, its tick."""

TICKS, TICKS_MIN = 65_536, 256
"""Ticks of all machines that are compared at once, and at least of each."""

NEVER_US = 1 << 62

FAMILY_OF = {name: each.family for name, each in CATALOGUE.items()}
READS = frozenset(name for name, family in FAMILY_OF.items() if family in {MACHINE, SENSOR})
"""Faults that change what is read."""

HOLDS = frozenset(TRANSPORT_FAULTS) - CLOCKS - ONCE
DOUBLES = frozenset({"duplicate"})


class Readings(NamedTuple):
    """Readings of one sensor of a cohort, by *key*; arrays are (readings,)."""

    key: Ints
    seq: Ints
    scan_us: Ints
    due_us: Ints
    event_us: Ints
    value: Floats
    quality: Ints

    def where(self, chosen: Bools | Ints) -> Readings:
        """Give some of them."""
        return Readings(
            self.key[chosen],
            self.seq[chosen],
            self.scan_us[chosen],
            self.due_us[chosen],
            self.event_us[chosen],
            self.value[chosen],
            self.quality[chosen],
        )

    @property
    def machine(self) -> Ints:
        """The place of each one's machine in its cohort."""
        return self.key >> MACHINE_BITS


_NO: Ints = np.zeros(0, np.int64)
NONE = Readings(_NO, _NO, _NO, _NO, _NO, np.zeros(0), _NO)


@dataclass(slots=True)
class Changed:
    """What one incident changed in one sensor of one machine; *total* and *most* are of absolute differences."""

    machine: str
    sensor: str
    incident: str
    fault: str
    units: str
    sigma: float  # of the sensor's noise
    changed: int = 0
    lost: int = 0
    withheld: int = 0  # by report policy, and reported in the twin
    added: int = 0  # reported, and withheld in the twin
    late: int = 0
    doubled: int = 0
    restamped: int = 0  # the controller's clock said something else
    total: float = 0.0
    most: float = 0.0
    latest_s: float = 0.0
    first_us: int = 0
    last_us: int = 0

    @property
    def mean(self) -> float:
        """The mean difference of the readings that were changed."""
        return self.total / self.changed if self.changed else 0.0

    @property
    def touched(self) -> int:
        """How many readings are not as in the twin."""
        return self.changed + self.lost + self.withheld + self.added + self.late + self.doubled + self.restamped

    def note(self, what: str, scan_us: Ints, size: Floats | None) -> None:
        """Take in that *what* became of the readings at *scan_us*, and by how much."""
        setattr(self, what, getattr(self, what) + len(scan_us))
        self.first_us = min(self.first_us or NEVER_US, int(scan_us.min()))
        self.last_us = max(self.last_us, int(scan_us.max()))
        if size is not None and what == "late":
            self.latest_s = max(self.latest_s, float(size.max()))
        elif size is not None:
            self.total += float(size.sum())
            self.most = max(self.most, float(size.max()))


@dataclass(slots=True, eq=False)
class Beside:
    """What the twin of one machine read, and how far its own readings are from that, by pixel column."""

    twin: Envelope
    difference: Envelope


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison: rows by machine and sensor in the roster's order, readings by machine."""

    rows: Sequence[Changed]
    beside: Mapping[str, Beside]


def compare(roster: Roster, twin: Roster, span: Span, places: Sequence[int], progress: Progress) -> Compared:
    """Simulate the island of the machines *places* with and without its incidents."""
    island = int(roster.island[places[0]])
    islands = (island, int(roster.island.max()) + 1)
    wanted = np.array(with_competitors(roster, places), np.int64)
    ids = frozenset(roster.machines[place].id for place in places)
    both = [
        Simulation(each, seed=span.seed, start_us=span.start_us, islands=islands, readings_of=wanted)
        for each in (roster, twin)
    ]
    kind_of = {roster.machines[place].id: roster.entries[roster.entry[place]].kind for place in places}
    matching = [_Matching(cohort, kind_of, ids, span) for cohort in both[0].cohorts]
    # Cohorts are the same in both but for what may be missing in their logs.
    others = {(cohort.kind, cohort.machines, cohort.sensors): cohort for cohort in both[1].cohorts}
    theirs = [others[cohort.kind, cohort.machines, cohort.sensors] for cohort in both[0].cohorts]
    labels = Labels()
    base_us = min((cohort.base_period_us for cohort in both[0].cohorts), default=SECOND_US)
    for block in blocks_of(both[0], span, base_us * max(TICKS_MIN, TICKS // len(wanted)), progress):
        healthy = both[1].advance(block.stop_us)
        labels.add(block)
        for each, cohort in zip(matching, theirs, strict=True):
            each.add(block, healthy, cohort, list(labels.last.values()))
    ended = labels.ended(both[0], span.stop_us)
    for each in matching:
        each.end(ended)
    order = {roster.machines[place].id: place for place in places}
    rows = sorted((row for each in matching for row in each.rows.values() if row.touched),
                  key=lambda row: order[row.machine])  # fmt: skip
    beside = {name: shown for each in matching for name, shown in each.beside.items()}
    return Compared(rows, beside)


class _Matching:
    """One cohort of both runs while it is compared."""

    def __init__(self, cohort: Cohort, kind_of: Mapping[str, Kind], ids: frozenset[str], span: Span) -> None:
        self.cohort, self.stop_us = cohort, span.stop_us
        self.wanted = np.array([machine.id in ids for machine in cohort.machines], bool)
        self.rows: dict[tuple[int, int, str], Changed] = {}
        self._kind = next((kind_of[machine.id] for machine in cohort.machines if machine.id in kind_of), None)
        self._waits = [(NONE, NONE) for _ in cohort.sensors]  # what only the run has, and only the twin, by sensor
        bounds = len(cohort.sensors), span.columns, span.start_us, span.stop_us
        self.beside = {
            machine.id: Beside(Envelope(*bounds), Envelope(*bounds))
            for machine, wanted in zip(cohort.machines, self.wanted.tolist(), strict=True)
            if wanted and cohort.sensors
        }

    def add(self, block: Block, healthy: Block, theirs: Cohort, labels: Sequence[Label]) -> None:
        """Take in a block of both; the twin's columns are of the cohort *theirs*."""
        if not self.wanted.any():
            return
        for sensor in range(len(self.cohort.sensors)):
            mine, copies = self._readings(block, self.cohort, sensor)
            others, _ = self._readings(healthy, theirs, sensor)
            self._keep("twin", sensor, others, others.value, others.quality)
            waiting, missing = self._waits[sensor]
            mine, others = _joined(waiting, mine), _joined(missing, others)
            place = np.minimum(np.searchsorted(others.key, mine.key), max(0, len(others.key) - 1))
            same = others.key[place] == mine.key if len(others.key) else np.zeros(len(mine.key), bool)
            unmatched = np.ones(len(others.key), bool)
            unmatched[place[same]] = False
            self._waits[sensor] = mine.where(~same), others.where(unmatched)
            self._compare(sensor, mine.where(same), others.where(place[same]), labels)
            self._book(sensor, copies, _of(labels, DOUBLES), "doubled")

    def _readings(self, block: Block, cohort: Cohort, sensor: int) -> tuple[Readings, Readings]:
        """Give the readings of a sensor that *block* has in order of their keys, and the second copies."""
        parts: tuple[list[Readings], list[Readings]] = ([NONE], [NONE])
        for columns in block.kinds:
            if columns.cohort is not cohort or sensor not in columns.sensors:
                continue
            at = columns.sensors.index(sensor)
            rows = np.flatnonzero(self.wanted[columns.machine])
            parts[columns.copy].append(
                Readings(
                    (columns.machine[rows] << MACHINE_BITS) + columns.tick[rows],
                    columns.seq[rows] + int(columns.within[at]),
                    columns.scan_us[rows],
                    columns.due_us[rows],
                    columns.event_us[rows],
                    columns.value[rows, at],
                    columns.quality[rows, at].astype(np.int64),
                )
            )
        return _joined(*parts[0]), _joined(*parts[1])

    def _keep(self, of: str, sensor: int, read: Readings, value: Floats, quality: Ints) -> None:
        """Put values into the pictures of their machines."""
        for machine, rows in _by_machine(read):
            envelope: Envelope = getattr(self.beside[self.cohort.machines[machine].id], of)
            envelope.add((sensor,), read.scan_us[rows], value[rows, None], quality[rows, None].astype(np.uint8))

    def _compare(self, sensor: int, mine: Readings, others: Readings, labels: Sequence[Label]) -> None:
        """Compare readings that both have."""
        by = mine.value - others.value
        self._keep("difference", sensor, mine, by, np.zeros(len(by), np.int64))
        changed = (by != 0) | (mine.quality != others.quality)
        self._book(sensor, mine.where(changed), _of(labels, READS), "changed", np.abs(by)[changed])
        late = mine.due_us > others.due_us
        waits_s = (mine.due_us - others.due_us)[late] / SECOND_US
        self._book(sensor, mine.where(late), _of(labels, HOLDS), "late", waits_s)
        self._book(sensor, mine.where(mine.event_us != others.event_us), _of(labels, CLOCKS), "restamped")

    def end(self, labels: Sequence[Label]) -> None:
        """Book what has no record in one of both: the labels say what was lost."""
        place_of = {machine.id: place for place, machine in enumerate(self.cohort.machines)}
        losing = [label for label in labels if label.lost and label.machine.id in place_of]
        for sensor, (added, missing) in enumerate(self._waits):
            left = np.ones(len(missing.key), bool)
            for label in losing:
                own = left & (missing.machine == place_of[label.machine.id])
                lost = own & np.isin(missing.seq, _numbers(label))
                left &= ~lost
                self._book(sensor, missing.where(lost), [label], "lost")
            # What the run holds back beyond its end is lost by its label; so is here what its policy withheld.
            self._book(sensor, missing.where(left), _of(labels, READS), "withheld")
            self._book(sensor, added, _of(labels, READS), "added")

    def _book(
        self, sensor: int, read: Readings, labels: Sequence[Label], what: str, size: Floats | None = None
    ) -> None:
        """Book readings that are not as in the twin under the incidents that did it; *size* says by how much."""
        for machine, rows in _by_machine(read):
            left, scan_us = np.ones(len(rows), bool), read.scan_us[rows]
            for label in self._causes(machine, sensor, labels):
                until_us = self.stop_us if label.stop_us is None or label.family == MACHINE else label.stop_us
                mine = left & (scan_us >= label.onset_us) & (scan_us < until_us)
                if mine.any():
                    left &= ~mine
                    sizes = None if size is None else size[rows[mine]]
                    self._row(machine, sensor, label).note(what, scan_us[mine], sizes)

    def _causes(self, machine: int, sensor: int, labels: Sequence[Label]) -> list[Label]:
        """Order *labels* by how likely each is the cause: the sensor's, the machine's, its island's."""
        name, sensor_name = self.cohort.machines[machine].id, self.cohort.sensors[sensor].name
        ranked = []
        for label in labels:
            if label.machine.id == name and label.sensor in {"", sensor_name}:
                ranked.append((0 if label.sensor else 1, -label.onset_us, label.id, label))
            elif label.machine.id != name and label.family == MACHINE:
                ranked.append((2, -label.onset_us, label.id, label))
        return [label for _, _, _, label in sorted(ranked, key=lambda each: each[:3])]

    def _row(self, machine: int, sensor: int, label: Label) -> Changed:
        key = machine, sensor, label.incident
        if key not in self.rows:
            assert self._kind is not None, "a machine of the cohort is compared"
            of = self.cohort.sensors[sensor]
            name, sigma = self.cohort.machines[machine].id, noise_of(self._kind.sensors[of.name])
            self.rows[key] = Changed(name, of.name, label.incident, label.fault, of.units, sigma)
        return self.rows[key]


def _joined(*parts: Readings) -> Readings:
    """Put readings together, in order of their keys."""
    some = [part for part in parts if len(part.key)]
    if not some:
        return NONE
    joined = Readings(*(np.concatenate(column) for column in zip(*some, strict=True)))
    return (
        joined
        if len(some) == 1 and (np.diff(joined.key) > 0).all()
        else joined.where(np.argsort(joined.key, kind="stable"))
    )


def _by_machine(read: Readings) -> Iterator[tuple[int, Ints]]:
    """Give each machine that readings are of, and their places."""
    machine = read.machine
    if not len(machine):
        return
    begins = np.flatnonzero(np.diff(machine, prepend=-1))
    for first, stop in zip(begins.tolist(), [*begins[1:].tolist(), len(machine)], strict=True):
        yield int(machine[first]), np.arange(first, stop)


def _of(labels: Sequence[Label], faults: frozenset[str]) -> list[Label]:
    return [label for label in labels if label.fault in faults and label.incident]


def _numbers(label: Label) -> Ints:
    """Give the numbers of the readings that a fault lost."""
    return np.concatenate([span.first + span.step * np.arange(span.count) for span in label.lost])

"""The stream of readings: merged in log order, digested, written as records or packed as bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Literal, Protocol

import numpy as np

from fleet.data import Batch, Block, Cohort, Floats, Ints, KindColumns, Record, RecordBatch, Words
from fleet.encode.digest import (
    C,
    MachineDigest,
    numbered,
    scan_words,
    scans_add,
    sensor_word,
    value_words,
    words_of,
)
from fleet.encode.formats import ReadingFormat
from fleet.encode.layouts import Layout
from fleet.encode.order import CohortPlaces, Merged, Place, Places, cohort_places, merged, order_of, places_in_log
from fleet.encode.packed import Headers, Packer
from fleet.encode.rows import steps

RecordTime = Literal["scan", "wall", "none"]

DIGEST_TILE = 32_768
"""Readings that are digested at once: a few columns of their words stay in a cache of 1 MB."""


@dataclass(slots=True, eq=False)
class Scans:
    """A block's scans in log order."""

    order: Merged
    at: int = 0  # how many were released or skipped


class Writer(Protocol):
    """Turns scans that are due into batches."""

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that scans of *cohorts* can be written at all; RequestError says why not."""
        ...

    def form(self, columns: KindColumns) -> Ints:
        """Give what is to be known of each scan before it is released; (scans,)."""
        ...

    def write(self, block: Block, chosen: Merged, places: Sequence[Place], wall_ms: int) -> Sequence[Batch]:
        """Write the scans *chosen* of *block*, partition after partition."""
        ...


class RecordWriter:
    """Writes record after record, by any format."""

    def __init__(self, encoding: ReadingFormat, record_time: RecordTime, headers: Headers) -> None:
        self._format, self._record_time, self._headers = encoding, record_time, headers

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """Find nothing to object to: batches are cut between records."""

    def form(self, columns: KindColumns) -> Ints:
        """Give nothing: records are made one by one."""
        return np.zeros(len(columns.machine), np.int64)

    def write(self, block: Block, chosen: Merged, places: Sequence[Place], wall_ms: int) -> Sequence[Batch]:
        """Write one batch of records a partition."""
        kinds = [
            iter(self._scan_records(columns, chosen.row[chosen.source == k], wall_ms))
            for k, columns in enumerate(block.kinds)
        ]
        records: dict[int, list[Record]] = {}
        due: dict[int, int] = {}
        dues = _dues(chosen)
        scans = zip(chosen.source.tolist(), chosen.group.tolist(), chosen.due_us.tolist(), strict=True)
        for k, number, due_us in scans:
            records.setdefault(number, []).extend(next(kinds[k]))
            due[number] = due_us
        return [
            RecordBatch("readings", *places[number], rows, due[number], dues.get(number))
            for number, rows in records.items()
        ]

    def _scan_records(self, columns: KindColumns, rows: Ints, wall_ms: int) -> list[list[Record]]:
        """Encode the scans *rows* to one list of records a scan."""
        if not len(rows):
            return []
        machines = columns.machine[rows].tolist()
        keys = {index: columns.cohort.machines[index].id.encode() for index in set(machines)}
        values, width = self._format.values(columns, rows), len(columns.sensors)
        wall = self._record_time == "wall"
        stamps: list[int] = [wall_ms] * len(rows) if wall else (columns.scan_us[rows] // 1000).tolist()
        make = Record._make
        return [
            list(map(make, zip(repeat(keys[m]), values[i : i + width], repeat(stamp), repeat(self._headers))))
            for i, m, stamp in zip(range(0, len(values), width), machines, stamps, strict=True)
        ]


def _dues(chosen: Merged) -> dict[int, Ints]:
    """Give when each record is due, by group, where the instants of the scans do not say it; else nothing."""
    if np.array_equal(chosen.due_us // 1000, chosen.scan_us // 1000):
        return {}
    of = [(group, chosen.group == group) for group in np.unique(chosen.group).tolist()]
    return {group: np.repeat(chosen.due_us[here], chosen.readings[here]) for group, here in of}


class PackWriter:
    """Writes whole batches as bytes."""

    def __init__(self, packer: Packer, record_time: RecordTime) -> None:
        self._packer, self._record_time = packer, record_time

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that a batch holds at least one scan."""
        self._packer.check(cohorts)

    def form(self, columns: KindColumns) -> Ints:
        """Give what of each scan's shape is known already."""
        return self._packer.form(columns)

    def write(self, block: Block, chosen: Merged, places: Sequence[Place], wall_ms: int) -> Sequence[Batch]:
        """Write batches of bytes, each below the limit."""
        wall = self._record_time == "wall"
        stamp_ms = np.full(len(chosen.row), wall_ms, np.int64) if wall else chosen.scan_us // 1000
        return self._packer.pack(block, chosen, places, stamp_ms)


class Readings:
    """The readings of one run, or their truth: knows how far each machine's log is, and its digest."""

    def __init__(
        self, writer: Writer, layout: Layout, places: Places, record_time: RecordTime, *, stream: str = "readings"
    ) -> None:
        self._writer, self._layout, self._record_time = writer, layout, record_time
        self._places, self._stream = places, stream
        self._cohorts: dict[int, CohortPlaces] = {}
        self._skipped = False
        self._released = np.zeros(0, np.int64)  # by machine: readings in its log
        self._digests = np.zeros(0, np.uint64)
        self._copies = np.zeros(0, np.int64)  # by machine: of these, second copies
        self._next_seq = np.zeros(0, np.int64)  # by machine whose numbers may have holes: behind its log's last one

    def cohort(self, cohort: Cohort) -> CohortPlaces:
        """Look up a *cohort*, once."""
        known = self._cohorts.get(id(cohort))
        if known is None:
            known = self._cohorts[id(cohort)] = cohort_places(cohort, self._places)
        return known

    def _grow(self) -> None:
        """Make room for machines that blocks made ahead have brought; only whoever releases touches these arrays."""
        more = len(self._places.names) - len(self._released)
        if more:
            self._released = np.pad(self._released, (0, more))
            self._digests = np.pad(self._digests, (0, more))
            self._copies = np.pad(self._copies, (0, more))
            self._next_seq = np.pad(self._next_seq, (0, more))

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that readings of *cohorts* can be written; RequestError says why not."""
        self._writer.check(cohorts)

    def prepare(self, block: Block) -> Scans:
        """Merge a *block*'s scans, and digest them: a reading's number is its place in its machine's log.

        Not so for cohorts that have gaps, which are digested when it is known what stands before them.
        """
        assert all(columns.cohort.gaps for columns in block.kinds if columns.copy), "copies shift what comes behind"
        return Scans(merged(block, self.cohort, self._writer.form, self._digest_ahead))

    def skip(self, scans: Scans, stop: int) -> None:
        """Pass over the scans before *stop*."""
        self._skipped |= stop > scans.at
        scans.at = max(scans.at, stop)

    def release(self, block: Block, scans: Scans, stop: int, wall_ms: int) -> Sequence[Batch]:
        """Encode the scans from where *scans* is to *stop*."""
        self._grow()
        span = slice(scans.at, stop)
        scans.at = stop
        due = scans.order.at(span)
        digest = due.digest
        kinds = block.kinds if self._skipped else [columns for columns in block.kinds if columns.cohort.gaps]
        if kinds:  # places in the log are not the readings' numbers
            places = places_in_log(due.number, due.readings, self._released)
            digest = self._digest(block, due, places, digest, kinds)
        np.add.at(self._digests, due.number, digest)
        np.add.at(self._released, due.number, due.readings)
        by_place = order_of(due.group)
        batches = self._writer.write(block, due.at(by_place), self._places.places, wall_ms)
        return batches if self._stream == "readings" else [replace(batch, stream=self._stream) for batch in batches]

    def _digest(self, block: Block, order: Merged, n: Ints, known: Words, kinds: Collection[KindColumns]) -> Words:
        """Give what each scan of *order* adds to its machine's digest, as record *n* and following of its log.

        It is *known* already but for scans of *kinds*.
        """
        adds = known.copy()
        again = {id(columns) for columns in kinds}
        for k, columns in enumerate(block.kinds):
            if id(columns) not in again:
                continue
            where = np.flatnonzero(order.source == k)
            rows = order.row[where]
            adds[where] = self._adds(columns, rows, n[where])
            if columns.copy:
                np.add.at(self._copies, order.number[where], len(columns.sensors))
            np.maximum.at(self._next_seq, order.number[where], columns.seq[rows] + (columns.within[-1] + 1))
        return adds

    def _digest_all(self, columns: KindColumns) -> Words:
        """Digest all scans of *columns*, in their own order, a tile of them at a time."""
        scans = len(columns.machine)
        adds = np.empty(scans, np.uint64)
        tile = max(1, DIGEST_TILE // len(columns.sensors))
        for begin in range(0, scans, tile):
            rows = slice(begin, begin + tile)
            adds[rows] = self._adds(columns, rows)
        return adds

    def _digest_ahead(self, columns: KindColumns) -> Words:
        """Digest what is sure to have its number as its place in the log; the rest is digested at its release."""
        if columns.cohort.gaps:
            return np.zeros(len(columns.machine), np.uint64)
        return self._digest_all(columns)

    def _adds(self, columns: KindColumns, rows: Ints | slice, n: Ints | None = None) -> Words:
        """Give what each of the scans *rows* adds to its machine's digest, as record *n* and following.

        None where the readings' numbers are their places in the log.
        """
        at = self.cohort(columns.cohort)
        machine, sensors, seq = columns.machine[rows], len(columns.sensors), columns.seq[rows]
        n = seq if n is None else n
        stamp_ms = columns.scan_us[rows] // 1000 if self._record_time == "scan" else np.zeros_like(n)
        layout, step_us = self._layout, self._layout.step_us
        scan = scan_words(
            at.machine_words[machine],
            words_of(at.partition[machine]),
            words_of(stamp_ms),
            words_of(steps(columns.event_us[rows], step_us) * step_us) if layout.carries("timestamp") else None,
        )
        # Flat arrays all the way: short inner loops cost more than copies.
        place = numbered(words_of(n), words_of(np.arange(sensors)))
        number = np.zeros(1, np.uint64)
        if layout.carries("seq"):
            same = n is seq and not columns.places
            number = place if same else numbered(words_of(seq), words_of(columns.within))
        quality = columns.quality[rows]
        if layout.carries("quality") and quality.any():  # the word of a good one is 0
            number = number + words_of(quality.ravel()) * C
        return scans_add(scan, self._sensor_words(columns, at), self._value_words(columns.value[rows]), number, place)

    def _value_words(self, value: Floats) -> Words:
        """Give the words of all values, one behind the other."""
        value = value.ravel()
        return value_words(value if self._layout.carries("value") else np.zeros_like(value), self._layout)

    def _sensor_words(self, columns: KindColumns, at: CohortPlaces) -> Words:
        """Give the words of the due sensors, without what the layout does not say."""
        name, units = self._layout.carries("sensor"), self._layout.carries("units")
        if name and units:
            return at.sensor_words[list(columns.sensors)]
        due = (columns.cohort.sensors[index] for index in columns.sensors)
        said = [sensor_word(one.name if name else "", one.units if units else "") for one in due]
        return np.array(said, np.uint64)

    @property
    def holes(self) -> int:
        """How many numbers were passed over before the last one of each machine's log."""
        return int(np.maximum(self._next_seq - (self._released - self._copies), 0).sum())

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        self._grow()
        places, group = self._places.places, self._places.group_of
        return {
            name: MachineDigest(*places[group[number]], digest, count)
            for number, (name, digest, count) in enumerate(
                zip(self._places.names, self._digests.tolist(), self._released.tolist(), strict=True)
            )
        }

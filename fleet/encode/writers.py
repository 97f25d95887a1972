"""Scans that are due to batches: record by record in any format, or packed as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Literal, Protocol

import numpy as np

from fleet.data import Batch, Block, Cohort, Ints, KindColumns, Record, RecordBatch
from fleet.encode.formats import ReadingFormat
from fleet.encode.headers import HeaderPairs, Headers
from fleet.encode.order import Merged, Place
from fleet.encode.packed import Packer

RecordTime = Literal["scan", "wall", "none"]


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
        self._format, self._record_time, self._headers = encoding, record_time, HeaderPairs(headers)

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
        headers = iter(self._headers.of(columns, rows))
        wall = self._record_time == "wall"
        stamps: list[int] = [wall_ms] * len(rows) if wall else (columns.scan_us[rows] // 1000).tolist()
        make = Record._make
        return [
            list(map(make, zip(repeat(keys[m]), values[i : i + width], repeat(stamp), headers)))
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

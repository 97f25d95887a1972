"""Readings of other people's plants as a source: a table with machines, times and values, in our schema."""

from __future__ import annotations

import struct
from itertools import starmap
from pathlib import Path

import numpy as np

from fleet.data import Ints, Quality, Record, TopicPlan
from fleet.encode.avro import frame, text_bytes
from fleet.encode.decode import known_schemas
from fleet.encode.layouts import READINGS_V2
from fleet.encode.partition import partition_of
from fleet.encode.schemas import schema_ids
from fleet.encode.varint import varint
from fleet.errors import Problem, ScenarioError
from fleet.fit.table import PROBLEMS_KEPT, Column, Table, read_table
from fleet.replay.pieces import Load, Piece, columns_of
from fleet.replay.recordings import REPLICATION
from fleet.sinks.recording import Slice, kafka_records
from fleet.sinks.stamps import OURS

TOPIC, PARTITIONS = "factory.readings", 12
CHUNK = 20_000  # readings that are encoded in one go
DOUBLE = struct.Struct("<d")


class TableSource:
    """The readings in the table at *path*, in order of their times, numbered per machine.

    *mapping* names columns by role. ScenarioError has a line for every bad row, within bounds; with *skip* these are
    left out instead, and *remarks* count them.
    """

    def __init__(self, path: Path, mapping: dict[str, str], *, skip: bool = False) -> None:
        table = read_table(path, mapping, keeps_quality=True)
        if table.left and not skip:
            raise ScenarioError(_problems(table))
        self.name = str(path)
        self.remarks = table.remarks()
        self.topics: tuple[TopicPlan, ...] = (TopicPlan(TOPIC, PARTITIONS, REPLICATION, dict(OURS)),)
        self.streams = {TOPIC: "readings"}
        self.schemas = known_schemas()
        self.missing: list[str] = []
        self._columns = list(table.columns.items())
        self._time_us, self._of, self._row = _in_order([column for _, column in self._columns])
        self._seq = _numbered(self._of, [machine for (machine, _), _ in self._columns])
        self.records = len(self._time_us)
        self.first_us, self.last_us = int(self._time_us[0]), int(self._time_us[-1])
        self.first_ms = self.first_us // 1000
        head = frame(schema_ids()[READINGS_V2.schema])
        self._heads = [
            head + text_bytes(machine) + text_bytes(sensor) + text_bytes(column.units)
            for (machine, sensor), column in self._columns
        ]
        self._keys = [machine.encode() for (machine, _), _ in self._columns]
        self._places = [partition_of(key, PARTITIONS) for key in self._keys]

    def loads(self) -> list[Load]:
        """Give spans of readings, so many at a time."""
        return [
            Load(first, int(self._time_us[first]), min(CHUNK, self.records - first))
            for first in range(0, self.records, CHUNK)
        ]

    def read(self, load: Load) -> list[Piece]:
        """Encode the readings of a span, partition by partition."""
        rows: dict[int, list[int]] = {}
        span = range(load.number, load.number + load.records)
        for row, of in zip(span, self._of[span.start : span.stop].tolist(), strict=True):
            rows.setdefault(self._places[of], []).append(row)
        return list(starmap(self._piece, sorted(rows.items())))

    def _piece(self, partition: int, rows: list[int]) -> Piece:
        records = [self._record(row) for row in rows]
        due_us = self._time_us[rows]
        first_ms = records[0].timestamp_ms
        data = kafka_records(records)
        part = Slice("readings", TOPIC, partition, 0, first_ms, 0, int(due_us[-1]), len(records), data)
        return Piece("readings", TOPIC, partition, columns_of([part]), due_us)

    def _record(self, row: int) -> Record:
        of, at, time_us = int(self._of[row]), int(self._row[row]), int(self._time_us[row])
        column = self._columns[of][1]
        quality = varint(Quality.BAD if column.bad and at in column.bad else Quality.GOOD)
        value = (
            self._heads[of] + DOUBLE.pack(column.value[at]) + varint(time_us) + varint(int(self._seq[row])) + quality
        )
        return Record(self._keys[of], value, time_us // 1000)


def _in_order(columns: list[Column]) -> tuple[Ints, Ints, Ints]:
    """Put all readings in order of time: their times, columns, and rows there."""
    time_us = np.concatenate([np.frombuffer(column.time_us, np.int64) for column in columns])
    counts = [len(column.value) for column in columns]
    of = np.repeat(np.arange(len(columns)), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort(time_us, kind="stable")
    return time_us[order], of[order], row[order]


def _numbered(of: Ints, machines: list[str]) -> Ints:
    """Give each machine's readings the numbers 0, 1, 2, ... in their order."""
    number_of = {machine: number for number, machine in enumerate(dict.fromkeys(machines))}
    machine = np.array([number_of[name] for name in machines])[of]
    order = np.argsort(machine, kind="stable")
    first = np.flatnonzero(np.diff(machine[order], prepend=-1))
    nth = np.arange(len(of)) - np.repeat(first, np.diff(first, append=len(of)))
    seq = np.empty(len(of), np.int64)
    seq[order] = nth
    return seq


def _problems(table: Table) -> list[Problem]:
    """Give the bad rows one by one, and how many more there are."""
    total = sum(each.rows for each in table.left.values())
    found = sorted(table.problems, key=lambda problem: problem.line)
    if total > len(found):
        found.append(Problem(table.file, 0, "", f"and {total - PROBLEMS_KEPT:,} more rows like these"))
    return [
        *found,
        Problem(table.file, 0, "", "nothing was sent; put these rows right, or leave them out with --skip-bad"),
    ]

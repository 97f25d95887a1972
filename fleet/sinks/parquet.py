"""A Parquet file of readings: a row each, in groups; a file at any moment, whatever becomes of the run.

A group is written when it is large enough to be worth its own columns, when it has waited long, and before anything
is said of the run that it belongs to. Until then its rows are in memory: they count as acknowledged, and as failed
when they cannot be written after all. Other streams are in files beside it, as for every file.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any

from fleet.data import Batch, RecordBatch
from fleet.errors import RunError
from fleet.sinks.arrow import MAGIC, Columns, RowGroups, see_that_it_is_there
from fleet.sinks.files import FileSink, Write, opened_for_writing, reason
from fleet.sinks.sink import delivery_of

GROUP_ROWS = 1 << 17
GROUP_BYTES = 64 << 20  # of JSON: rows of a user's own layout may be long
GROUP_S = 60.0  # of wall time: so much is lost when the process is killed
PART_ROWS = 1 << 14
"""Rows that are made columns at once: a group in one go would keep the event loop for half a second."""


class GroupedFile:
    """A file of *columns* that has its footer at all times."""

    def __init__(self, path: Path, columns: Columns, *, write: Write = os.write) -> None:
        self._path = path
        self._write = write
        self._groups = RowGroups(columns)
        self._descriptor = opened_for_writing(path)
        self._end, self._footer = 0, b""
        self._put_behind(MAGIC, self._groups.footer())

    def append(self, tables: list[Any]) -> None:
        """Write the rows of *tables* as a group; RunError where that cannot be, and the file is as it was before."""
        try:
            group = self._groups.add(tables, self._end)
        except OSError as error:
            raise RunError(f"file: cannot go on writing {str(self._path)!r}: {reason(error)}") from None
        self._put_behind(group, self._groups.footer())

    def _put_behind(self, group: bytes, footer: bytes) -> None:
        """Write a *group* over the old footer, and the new one behind it."""
        try:
            self._put(group + footer)
        except OSError as error:
            problem = f"file: cannot go on writing {str(self._path)!r}: {reason(error)}"
            try:  # there was room for it
                self._put(self._footer)
                os.ftruncate(self._descriptor, self._end + len(self._footer))
            except OSError as more:
                problem += f"; its end is torn: {reason(more)}"
            raise RunError(problem) from None
        self._end, self._footer = self._end + len(group), footer

    def _put(self, data: bytes) -> None:
        os.lseek(self._descriptor, self._end, os.SEEK_SET)
        at = 0
        while at < len(data):
            at += self._write(self._descriptor, data[at:])

    def close(self) -> None:
        """Close it; RunError where the file system says only now that something went wrong."""
        try:
            os.close(self._descriptor)
        except OSError as error:
            raise RunError(f"file: cannot close {str(self._path)!r}: {reason(error)}") from None


class ParquetSink:
    """Writes readings of an Avro *schema*, as JSON texts, to one file, and each other stream to a file beside it."""

    def __init__(self, path: Path, *, schema: str, group_rows: int = GROUP_ROWS, write: Write = os.write) -> None:
        """Open *path*; RequestError where pyarrow is missing, or it cannot be written or have that *schema*."""
        see_that_it_is_there()
        self._beside = FileSink(path, schema=None, main=None)
        self.delivery, self.latency, self.notices = self._beside.delivery, self._beside.latency, self._beside.notices
        self._columns = Columns(schema)
        self._file = GroupedFile(path, self._columns, write=write)
        self._group_rows = group_rows
        self._values: list[bytes] = []  # not columns yet
        self._tables: list[Any] = []
        self._rows = self._bytes = 0  # of the open group
        self._since_s = 0.0
        self._broken = ""

    async def send(self, batch: Batch) -> None:
        """Write a *batch* to its stream's file."""
        assert isinstance(batch, RecordBatch), "only Kafka takes packed batches"
        row = delivery_of(self.delivery, batch.stream)
        if self._broken:
            row.failed += len(batch)
            raise RunError(self._broken)
        if batch.stream == "readings":
            self._take(batch)
            return
        if batch.stream == "runs":
            try:
                self._write_group()  # nothing is said of the run that does not hold
            except RunError:
                row.failed += len(batch)
                raise
        await self._beside.send(batch)

    def _take(self, batch: RecordBatch) -> None:
        began_ns = monotonic_ns()
        self._since_s = self._since_s if self._rows else monotonic()
        values = [record.value or b"" for record in batch.records]
        self._values += values
        self._rows += len(values)
        self._bytes += sum(map(len, values))
        self.delivery["readings"].acknowledged += len(values)
        if len(self._values) >= PART_ROWS:
            self._make_columns()
        if (
            self._rows >= self._group_rows
            or self._bytes >= GROUP_BYTES
            or (self._rows and monotonic() - self._since_s >= GROUP_S)
        ):
            self._write_group()
        self.latency.add((monotonic_ns() - began_ns) // 1000, len(values))

    def _make_columns(self) -> None:
        try:
            self._tables.append(self._columns.table(self._values))
        except RunError as error:
            self._fail(error)
        self._values = []

    def _write_group(self) -> None:
        """Write the group that is open, if it has any rows."""
        if self._values:
            self._make_columns()
        if not self._tables:
            return
        try:
            self._file.append(self._tables)
        except RunError as error:
            self._fail(error)
        self._tables, self._rows, self._bytes = [], 0, 0

    def _fail(self, error: RunError) -> None:
        """Book the rows of the open group as failed, and end the run."""
        self._broken = str(error)
        row = self.delivery["readings"]
        row.acknowledged, row.failed = row.acknowledged - self._rows, row.failed + self._rows
        self._values, self._tables, self._rows, self._bytes = [], [], 0, 0
        raise error

    async def close(self, *, timeout_s: float) -> None:
        """Write the last group and close all files."""
        problems = []
        for step in (self._write_group, self._file.close):
            try:
                step()
            except RunError as error:
                problems.append(str(error))
        try:
            await self._beside.close(timeout_s=timeout_s)
        except RunError as error:
            problems.append(str(error))
        if problems:
            raise RunError("; ".join(problems))

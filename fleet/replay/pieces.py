"""Records that wait to be sent again: columns of one partition, and when each of them is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from fleet.data import Ints, RawBatches, TopicPlan
from fleet.encode.columns import RecordColumns, record_columns
from fleet.errors import RunError
from fleet.sinks.recording import RUNS, Slice


class Load(NamedTuple):
    """Something that is read in one go: when its first record is due, and how many records it has."""

    number: int
    first_us: int
    records: int


@dataclass(slots=True)
class Piece:
    """Records of one partition, in order; those before *at* were sent. *due_us* (records,) never falls."""

    stream: str
    topic: str
    partition: int
    columns: RecordColumns
    due_us: Ints
    at: int = 0

    def until(self, stop_us: int | None) -> Piece | None:
        """Take what is due before *stop_us* (None: all that is left) and was not taken yet."""
        stop = len(self.due_us) if stop_us is None else int(np.searchsorted(self.due_us, stop_us, side="left"))
        if stop <= self.at:
            return None
        rows = slice(self.at, stop)
        self.at = stop
        return replace(self, columns=self.columns.chosen(rows), due_us=self.due_us[rows], at=0)

    @property
    def left(self) -> int:
        """How many records were not taken yet."""
        return len(self.due_us) - self.at


class Source(Protocol):
    """What is sent again."""

    name: str
    topics: tuple[TopicPlan, ...]
    streams: dict[str, str]  # by topic
    schemas: dict[int, str]
    records: int
    first_ms: int  # the stamp of the record that is due first
    first_us: int
    last_us: int
    missing: list[str]  # what is not there any more, a line each: it cannot be sent

    def loads(self) -> list[Load]:
        """Give what there is to read, in the order in which it lies."""
        ...

    def read(self, load: Load) -> list[Piece]:
        """Read one of them."""
        ...


def pieces(slices: Iterable[Slice]) -> Iterator[Piece]:
    """Put slices together to one piece a partition; what the runs said of themselves is left out."""
    places: dict[tuple[str, str, int], list[Slice]] = {}
    for part in slices:
        if part.stream != RUNS:
            places.setdefault((part.stream, part.topic, part.partition), []).append(part)
    for place, parts in places.items():
        columns = columns_of(parts)
        count = np.array([part.count for part in parts], np.int64)
        before, due = (
            np.repeat(np.array(column, np.int64), count)
            for column in ([part.before_us for part in parts], [part.due_us for part in parts])
        )
        due_us = np.minimum(np.maximum.accumulate(np.maximum(columns.stamp_ms * 1000, before)), due)
        for part, end in zip(parts, np.cumsum(count).tolist(), strict=True):
            if part.dues_us is not None:
                due_us[end - part.count : end] = part.dues_us
        yield Piece(*place, columns, due_us)


def columns_of(parts: Sequence[Slice]) -> RecordColumns:
    """Tell the records of slices of one partition apart."""
    raw = RawBatches(
        partition=parts[0].partition,
        start=parts[0].offset,
        stop=parts[-1].offset + parts[-1].count,
        data=tuple(part.records for part in parts),
        first_offset=np.array([part.offset for part in parts], np.int64),
        first_ms=np.array([part.timestamp_ms for part in parts], np.int64),
        count=np.array([part.count for part in parts], np.int64),
        appended=np.zeros(len(parts), np.bool_),
    )
    columns = record_columns(raw)
    if columns.damaged or len(columns) != int(raw.count.sum()):
        raise RunError(f"{parts[0].topic}-{parts[0].partition}: the recording has bytes that are no records")
    return columns

"""The records of raw batches as columns: where key and value lie, offsets and stamps; no Python for each record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fleet.data import Bools, Ints, RawBatches
from fleet.encode.boundaries import record_starts, step
from fleet.encode.unpack import (
    KEEP,
    Buffer,
    farthest,
    octets,
    padded,
    small_varints_at,
    two_varints_at,
    varints_at,
    words_at,
)

NULL = -1  # the length of what is not there
FRAME_BYTES = 5  # 0x00 and a schema's id stand in front of Avro
SHORT = 1 << 13  # bytes: the length of a record that is not longer has at most two


@dataclass(frozen=True, slots=True, eq=False)
class RecordColumns:
    """Records of one partition in log order; all columns are shaped (records,).

    Lengths are -1 for null. The headers of a record lie from *headers_at* to *stop*.
    """

    data: Buffer  # padded
    offset: Ints
    stamp_ms: Ints
    key_at: Ints
    key_length: Ints
    value_at: Ints
    value_length: Ints
    headers: Ints  # how many
    headers_at: Ints
    stop: Ints
    damaged: tuple[tuple[int, int, str], ...] = ()  # what is no record: (first offset, records, why)

    def __len__(self) -> int:
        return len(self.offset)

    def key(self, row: int) -> bytes | None:
        """Give the key of a record."""
        return self._span(int(self.key_at[row]), int(self.key_length[row]))

    def value(self, row: int) -> bytes | None:
        """Give the value of a record."""
        return self._span(int(self.value_at[row]), int(self.value_length[row]))

    @property
    def schema_ids(self) -> Ints:
        """The ids in front of the values, shaped (records,), without a sign; -1 where a value is not framed."""
        word = words_at(self.data, self.value_at)
        framed = (self.value_length >= FRAME_BYTES) & (word & KEEP[1] == 0)
        numbers: Ints = (word >> np.uint64(8)).astype("<u4").byteswap().astype(np.int64)
        return np.where(framed, numbers, NULL)

    def _span(self, at: int, length: int) -> bytes | None:
        return None if length == NULL else bytes(self.data[at : at + length])

    def header_pairs(self, row: int) -> list[tuple[str, bytes | None]]:
        """Give the headers of a record."""
        at, pairs = int(self.headers_at[row]), []
        for _ in range(int(self.headers[row])):
            name, at = _header_part(self.data, at)
            value, at = _header_part(self.data, at)
            pairs.append(((name or b"").decode(errors="replace"), value))
        return pairs

    def chosen(self, rows: Ints | Bools | slice) -> RecordColumns:
        """Give some of the records; what is damaged is left out."""
        columns = {name: getattr(self, name)[rows] for name in ROW_COLUMNS}
        return replace(self, damaged=(), **columns)

    def cut(self, rows: int) -> Iterator[RecordColumns]:
        """Cut into parts of at most so many *rows*; what is damaged is in the first."""
        for start in range(0, max(len(self), 1), rows):
            part = self.chosen(slice(start, start + rows))
            yield replace(part, damaged=self.damaged) if start == 0 else part


ROW_COLUMNS = (
    "offset", "stamp_ms", "key_at", "key_length", "value_at", "value_length", "headers", "headers_at", "stop",
)  # fmt: skip


def record_columns(raw: RawBatches) -> RecordColumns:
    """Tell the records of *raw* batches apart, and keep those that were asked for.

    A batch whose bytes are no records is damaged, all of it.
    """
    data = padded(raw.data)
    if not raw.data:
        none = np.zeros(0, np.int64)
        return RecordColumns(data, none, none, none, none, none, none, none, none, none, raw.damaged)
    sizes = np.array([len(piece) for piece in raw.data], np.int64)
    ends = np.cumsum(sizes)
    starts, sound = record_starts(data, ends - sizes, ends, raw.count)
    batch = np.repeat(np.flatnonzero(sound), raw.count[sound])
    columns, fits = _fields(data, starts, np.append(starts[1:], 0), batch, ends)
    offset_delta, stamp_delta = columns.offset, columns.stamp_ms
    offset = raw.first_offset[batch] + offset_delta
    stamp_ms = raw.first_ms[batch] + np.where(raw.appended[batch], 0, stamp_delta)
    columns = replace(columns, offset=offset, stamp_ms=stamp_ms)
    if not fits.all():
        sound = sound.copy()
        sound[batch[~fits]] = False
    kept = (offset >= raw.start) & (offset < raw.stop)
    if not sound.all():
        kept &= sound[batch]
        damaged = [*raw.damaged, *_unsound(raw, np.flatnonzero(~sound))]
        return replace(columns.chosen(kept), damaged=tuple(sorted(damaged)))
    return replace(columns if kept.all() else columns.chosen(kept), damaged=raw.damaged)


def _unsound(raw: RawBatches, batches: Ints) -> Iterator[tuple[int, int, str]]:
    for batch in batches.tolist():
        offset = int(raw.first_offset[batch])
        first = max(offset, raw.start)
        count = max(min(offset + int(raw.count[batch]), raw.stop) - first, 1)
        yield first, count, f"a batch of {count} records that cannot be told apart"


def _fields(data: Buffer, at: Ints, stop: Ints, batch: Ints, ends: Ints) -> tuple[RecordColumns, Bools]:
    """Read what every record begins and ends with, and whether it fits into its record.

    *stop* is where the next record begins; the last one of a batch ends with it.
    """
    last = np.append(batch[1:] != batch[:-1], True)[: len(batch)]
    stop = np.where(last, ends[batch], stop[: len(batch)])
    far = farthest(data)
    at = _behind_length(data, at, stop) + 1  # the attributes say nothing
    stamp_delta, offset_delta, at, sound = two_varints_at(data, np.minimum(at, far))
    key_length, key_at, key_sound = small_varints_at(data, np.minimum(at, far))
    at = np.minimum(key_at + np.maximum(key_length, 0), far)
    value_length, value_at, value_sound = small_varints_at(data, at)
    at = np.minimum(value_at + np.maximum(value_length, 0), far)
    headers, headers_at, headers_sound = small_varints_at(data, at)
    # All goes forward: who ends rightly has been inside all the way. Headers are looked at where there are any.
    fits = (key_length >= NULL) & (value_length >= NULL) & ((headers_at == stop) & (headers == 0))
    for more in (sound, key_sound, value_sound, headers_sound):
        if more is not None:
            fits &= more
    if not fits.all():
        possible = (key_length >= NULL) & (value_length >= NULL) & (headers > 0) & (headers_at < stop)
        for row in np.flatnonzero(possible).tolist():
            fits[row] = _headers_fit(data, int(headers_at[row]), int(headers[row]), int(stop[row]))
    columns = RecordColumns(
        data, offset_delta, stamp_delta, key_at, key_length, value_at, value_length, headers, headers_at, stop
    )
    return columns, fits


def _behind_length(data: Buffer, at: Ints, stop: Ints) -> Ints:
    """Go behind the lengths that records begin with, which are known already."""
    if int((stop - at).max(initial=0)) < SHORT:
        return at + 1 + (octets(data)[at] > 0x7F)
    return varints_at(data, at)[1]


def _headers_fit(data: Buffer, at: int, count: int, stop: int) -> bool:
    """Say whether *count* headers fill the bytes from *at* to *stop*."""
    for _ in range(2 * count):
        if at >= stop:
            return False
        at = step(data, at) if data[at] != 1 else at + 1  # a 1 is the length of null
    return at == stop


def _header_part(data: Buffer, at: int) -> tuple[bytes | None, int]:
    if data[at] == 1:
        return None, at + 1
    end = step(data, at)
    size = next(place for place in range(at, end) if data[place] < 0x80) + 1
    return bytes(data[size:end]), end

"""Read a recording back: its head, its blocks, their slices; what is not whole is said, and the rest is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import cramjam
import numpy as np
from crc32c import crc32c

from fleet.errors import RequestError
from fleet.sinks.files import CONTAINER_MAGIC, reason
from fleet.sinks.recording import (
    CODECS,
    END,
    FORMAT,
    META,
    RUNS,
    SLICE,
    SYNC,
    RecordingMeta,
    Slice,
    kafka_records_again,
    read_varint,
)

HEAD_MAX = 64 << 20
BLOCK_MAX = 256 << 20  # no block of ours is larger: what says so is torn
SYNC_BYTES = 16
COUNTS_MAX = 20  # bytes of the two numbers before a block
TORN = (ValueError, zlib.error, IndexError, OverflowError, UnicodeDecodeError, cramjam.DecompressionError, OSError)


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block is, and of what it holds: the first due time, how many records, and how far each partition."""

    at: int
    size: int
    first_us: int
    records: int


@dataclass(slots=True)
class Contents:
    """What a recording holds, found by going through all of it once."""

    blocks: list[Block] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)  # by stream
    next_offset: dict[tuple[str, int], int] = field(default_factory=dict)  # by place: behind its last record
    partitions: dict[str, int] = field(default_factory=dict)  # by topic: one more than the largest that was seen
    streams: dict[str, str] = field(default_factory=dict)  # by topic
    first_ms: int = 0
    first_us: int = 0  # when the first record is due, the runs' own left out
    last_us: int = 0
    whole: bool = False
    missing: list[str] = field(default_factory=list)  # what the recording itself says it could not have
    torn: str = ""  # where and why reading ended before the end


class Recording:
    """A recording that is open to be read; RequestError where the file is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise RequestError(f"{path}: cannot be read: {reason(error)}") from None
        try:
            self.meta, self._decompress, self._begin = self._head()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _head(self) -> tuple[RecordingMeta, object, int]:
        data = self._file.read(HEAD_MAX)
        what = f"{self.path}: must be a recording that 'fleet record' made"
        if data[: len(CONTAINER_MAGIC)] != CONTAINER_MAGIC:
            raise RequestError(f"{what}, is no Avro container; readings in CSV are named FILE.csv")
        try:
            entries, at = _map(data, len(CONTAINER_MAGIC))
            codec, said = entries.get("avro.codec", b"null").decode(), entries.get(META)
        except (IndexError, UnicodeDecodeError):
            raise RequestError(f"{what}, is cut off in its head") from None
        if said is None:
            raise RequestError(f"{what}, is another Avro container; 'fleet run --to record:FILE.avro' makes one")
        fields = json.loads(said)
        if fields.get("format") != FORMAT or codec not in CODECS:
            raise RequestError(f"{what} of format {FORMAT}, has format {fields.get('format')} and codec {codec!r}")
        meta = RecordingMeta(
            fields["topics"],
            {int(number): text for number, text in fields["schemas"].items()},
            fields["source"],
            fields["expected"],
        )
        return meta, CODECS[codec][1], at + SYNC_BYTES

    def contents(self) -> Contents:
        """Go through all of the recording, as far as it is whole."""
        found = Contents()
        at = self._begin
        self._file.seek(0, 2)
        size = self._file.tell()
        while at < size and not found.whole:
            try:
                data, stop, slices = self._block(at)
                parts = list(self._slices(data, slices, found))
            except TORN as error:
                found.torn = f"torn at byte {at:,}: {error}"
                return found
            _note(found, parts)
            mine = [part for part in parts if part.stream != RUNS]
            found.blocks.append(
                Block(at, stop - at, min((first_due(part) for part in mine), default=0), sum(p.count for p in mine))
            )
            at = stop
        if not found.whole:
            found.torn = f"cut off at byte {size:,}, without its end mark"
        return found

    def slices(self, block: Block) -> list[Slice]:
        """Give the slices of a *block* that `contents` found."""
        data, _, slices = self._block(block.at)
        return list(self._slices(data, slices, None))

    def _block(self, at: int) -> tuple[bytes, int, int]:
        """Give the data of the block *at*, where the next one is, and how many slices it has."""
        self._file.seek(at)
        head = self._file.read(COUNTS_MAX)
        slices, begin = read_varint(head, 0)
        length, begin = read_varint(head, begin)
        if not (0 < length <= BLOCK_MAX and slices > 0):
            raise ValueError("no block of a recording")
        self._file.seek(at + begin)
        data = self._file.read(length + SYNC_BYTES)
        if len(data) < length + SYNC_BYTES:
            raise ValueError("the file ends within a block")
        if data[length:] != SYNC:
            raise ValueError("a block does not end where it should")
        return self._decompress(data[:length]), at + begin + length + SYNC_BYTES, slices  # type: ignore[operator]

    def _slices(self, data: bytes, count: int, found: Contents | None) -> Iterator[Slice]:
        at, view = 0, memoryview(data)
        for _ in range(count):
            branch, at = data[at : at + 1], at + 1
            if branch == END:
                if found is not None:
                    found.whole = True
                    found.missing += _end(data, at)
                return
            if branch != SLICE:
                raise ValueError("neither a slice nor the end")
            part, at = _slice(data, view, at)
            yield part


def first_due(part: Slice) -> int:
    """Give when the first record of a slice is due."""
    if part.dues_us is not None:
        return int(part.dues_us[0])
    return min(max(part.timestamp_ms * 1000, part.before_us), part.due_us)


def _note(found: Contents, parts: list[Slice]) -> None:
    """Take note of what slices hold."""
    for part in parts:
        found.records[part.stream] = found.records.get(part.stream, 0) + part.count
        found.next_offset[part.topic, part.partition] = part.offset + part.count
        found.partitions[part.topic] = max(found.partitions.get(part.topic, 0), part.partition + 1)
        found.streams.setdefault(part.topic, part.stream)
        if part.stream != RUNS:
            due_us = first_due(part)
            if not found.first_us or due_us < found.first_us:
                found.first_us, found.first_ms = due_us, part.timestamp_ms
            found.last_us = max(found.last_us, part.due_us)


def _map(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """Read the metadata of a container."""
    entries: dict[str, bytes] = {}
    while True:
        count, at = read_varint(data, at)
        if count == 0:
            return entries, at
        if count < 0:
            _, at = read_varint(data, at)
        for _ in range(abs(count)):
            name, at = _bytes(data, at)
            entries[name.decode()], at = _bytes(data, at)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_varint(data, at)
    if length < 0 or at + length > len(data):
        raise IndexError("bytes that go beyond the end")
    return data[at : at + length], at + length


def _slice(data: bytes, view: memoryview, at: int) -> tuple[Slice, int]:
    stream, at = _bytes(data, at)
    topic, at = _bytes(data, at)
    numbers = []
    for _ in range(6):
        number, at = read_varint(data, at)
        numbers.append(number)
    partition, offset, timestamp_ms, before_us, due_us, count = numbers
    plain, at = data[at] == 1, at + 1
    dues, at = _longs(data, at)
    crc, at = read_varint(data, at)
    negative, at = read_varint(data, at)
    length, at = read_varint(data, at)
    records = view[at : at + length]
    if -negative != count or len(records) != length or data[at + length] != 0 or crc32c(records) != crc:
        raise ValueError("records that are not as they were written")
    kept: bytes | memoryview = records if plain else kafka_records_again(records, count)
    head = (stream.decode(), topic.decode(), partition, offset, timestamp_ms, before_us, due_us, count)
    dues_us = np.array(dues, np.int64) + before_us if dues else None
    return Slice(*head, kept, dues_us), at + length + 1


def _longs(data: bytes, at: int) -> tuple[list[int], int]:
    """Read an array of numbers that was written in one piece."""
    count, at = read_varint(data, at)
    found = []
    for _ in range(count):
        number, at = read_varint(data, at)
        found.append(number)
    return found, (read_varint(data, at)[1] if count else at)


def _end(data: bytes, at: int) -> list[str]:
    """Read what the end says is missing."""
    _, at = read_varint(data, at)
    count, at = read_varint(data, at)
    said = []
    for _ in range(count):
        text, at = _bytes(data, at)
        said.append(text.decode())
    return said

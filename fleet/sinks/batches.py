"""Record batches out of what a Kafka answers to a fetch: told apart, checked against their CRC, decompressed.

Transactions are not looked at: what was aborted is read as well, as every reader of ours does so far. Control
batches (markers of transactions) have no records.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cramjam
import crc32c
import numpy as np

from fleet.data import RawBatches
from fleet.errors import RunError

HEADER = struct.Struct(">qiibIhiqqqhii")
FIRST = 12  # bytes before what a batch's length counts: first offset and length
CRC_FROM = 21  # the CRC is of everything behind itself
MAGIC = 2
CODEC_MASK, APPEND_TIME, CONTROL = 0x07, 0x08, 0x20
PIECE_BYTES = 2 << 20  # decompressed: what is looked at at once
XERIAL = b"\x82SNAPPY\x00"  # Java's way to cut snappy into blocks: this, two versions, then length and block
XERIAL_BYTES = 16


class BatchHeader(NamedTuple):
    """What the header of a batch says, and where the batch lies in the answer."""

    first_offset: int
    stop_offset: int
    attributes: int
    crc: int
    first_ms: int
    max_ms: int
    records: int
    at: int
    stop: int

    @property
    def is_control(self) -> bool:
        """Whether it holds a marker, and no record."""
        return bool(self.attributes & CONTROL)


def headers(answer: bytes, *, place: str) -> list[BatchHeader]:
    """Read the headers of all whole batches in an *answer*; the last one may be cut off, and is left.

    RunError names the *place* where the bytes are no batch of version 2 at all.
    """
    found, at = [], 0
    while at + HEADER.size <= len(answer):
        first, length, _, magic, crc, attributes, last, first_ms, max_ms, _, _, _, count = HEADER.unpack_from(
            answer, at
        )
        if magic != MAGIC:
            raise RunError(f"kafka: {place}@{first}: a batch of version {magic}; only version {MAGIC} can be read")
        if length < HEADER.size - FIRST or last < 0:
            raise RunError(f"kafka: {place}@{first}: not a record batch")
        stop = at + FIRST + length
        if stop > len(answer):
            break
        found.append(BatchHeader(first, first + last + 1, attributes, crc, first_ms, max_ms, count, at, stop))
        at = stop
    return found


def pieces(answer: bytes, batches: list[BatchHeader], *, partition: int, start: int, stop: int) -> Iterator[RawBatches]:
    """Check and decompress *batches* of an *answer*, about `PIECE_BYTES` at once.

    Of the records only those with offsets from *start* to *stop* are asked for; what a piece has not is before
    its ``start`` or behind its ``stop``.
    """
    stop = min(batches[-1].stop_offset, stop)
    piece = _Piece(start, stop)
    for batch in batches:
        piece.add(memoryview(answer), batch)
        if piece.size >= PIECE_BYTES:
            yield piece.raw(partition, start, min(batch.stop_offset, stop))
            start = batch.stop_offset
            piece = _Piece(start, stop)
    if start < stop:
        yield piece.raw(partition, start, stop)


class _Piece:
    """Batches that will be looked at at once."""

    def __init__(self, start: int, stop: int) -> None:
        self._start, self._stop = start, stop
        self.size = 0
        self.batches: list[BatchHeader] = []
        self._data: list[memoryview] = []
        self._damaged: list[tuple[int, int, str]] = []

    def add(self, answer: memoryview, batch: BatchHeader) -> None:
        """Add one batch, if it can be read; one of control records is none."""
        if batch.is_control:
            return
        try:
            data = _records(answer, batch)
        except (ValueError, cramjam.DecompressionError) as error:
            first = max(batch.first_offset, self._start)
            count = min(batch.stop_offset, self._stop) - first
            self._damaged.append((first, count, f"a batch of {count} records: {error}"))
            return
        self.size += len(data)
        self.batches.append(batch)
        self._data.append(data)

    def raw(self, partition: int, start: int, stop: int) -> RawBatches:
        """Give them as columns."""
        appended = np.array([bool(batch.attributes & APPEND_TIME) for batch in self.batches], np.bool_)
        return RawBatches(
            partition=partition,
            start=start,
            stop=stop,
            data=tuple(self._data),
            first_offset=np.array([batch.first_offset for batch in self.batches], np.int64),
            first_ms=np.where(
                appended,
                np.array([batch.max_ms for batch in self.batches], np.int64),
                np.array([batch.first_ms for batch in self.batches], np.int64),
            ),
            count=np.array([batch.records for batch in self.batches], np.int64),
            appended=appended,
            damaged=tuple(self._damaged),
        )


def _records(answer: memoryview, batch: BatchHeader) -> memoryview:
    """Give the records of a batch; ValueError or cramjam's own where they cannot be had."""
    if crc32c.crc32c(answer[batch.at + CRC_FROM : batch.stop]) != batch.crc:
        raise ValueError("its CRC-32C does not fit its bytes")
    data = answer[batch.at + HEADER.size : batch.stop]
    codec = batch.attributes & CODEC_MASK
    if codec == 0:
        return data
    decompress = CODECS.get(codec)
    if decompress is None:
        raise ValueError(f"compressed in a way ({codec}) that is not known")
    return decompress(data)


def _gzip(data: memoryview) -> memoryview:
    return memoryview(cramjam.gzip.decompress(data))


def _snappy(data: memoryview) -> memoryview:
    if data[: len(XERIAL)] != XERIAL:
        return memoryview(cramjam.snappy.decompress_raw(data))
    blocks: list[memoryview] = []
    at = XERIAL_BYTES
    while at < len(data):
        if at + 4 > len(data):
            raise ValueError("snappy: a block without a length")
        stop = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if stop > len(data):
            raise ValueError("snappy: a block that is cut off")
        blocks.append(memoryview(cramjam.snappy.decompress_raw(data[at + 4 : stop])))
        at = stop
    return memoryview(b"".join(blocks))


def _lz4(data: memoryview) -> memoryview:
    return memoryview(cramjam.lz4.decompress(data))


def _zstd(data: memoryview) -> memoryview:
    return memoryview(cramjam.zstd.decompress(data))


CODECS: dict[int, Callable[[memoryview], memoryview]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}

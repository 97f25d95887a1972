"""Batches that are bytes already, as aiokafka takes them: it asks little of what ``send_batch`` is given.

The members below are all that aiokafka 0.14 uses of a batch; two of them have no public name. The version is pinned
and a contract test says which member a new version asks for.
"""

from __future__ import annotations

import struct

from crc32c import crc32c

from fleet.data import HEADER_BYTES, PackedBatch

HEADER = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and largest stamp,
producer id and epoch, base sequence, count of records: a record batch, version 2."""

CRC = struct.Struct(">I")
CRC_AT, CRC_FROM, LENGTH_FROM = 17, 21, 12
MAGIC, UNKNOWN = 2, -1

assert HEADER.size == HEADER_BYTES, "the encoder leaves exactly this room"


class PrebuiltBatch:
    """A packed batch on its way through aiokafka's producer."""

    __slots__ = ("_attributes", "_batch", "_built", "_producer")

    def __init__(self, batch: PackedBatch, attributes: int) -> None:
        """Send *batch*, whose records are compressed as *attributes* say."""
        self._batch, self._attributes = batch, attributes
        self._producer = (UNKNOWN, UNKNOWN, UNKNOWN)
        self._built = False

    def record_count(self) -> int:
        """Give the number of records: the producer's sequence advances by it."""
        return len(self._batch)

    def size(self) -> int:
        """Give the bytes of the whole batch."""
        return len(self._batch.data)

    def closed(self) -> bool:
        """Say that nothing can be added: such a batch does not wait for company."""
        return True

    def close(self) -> None:
        """Do nothing: it is closed."""

    def append(self, **_: object) -> None:
        """Take no record: a single send to the same partition opens a batch of its own."""
        return

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)
        self._built = False

    def _build(self) -> memoryview:
        """Give the whole batch: the same bytes at every try."""
        if not self._built:
            batch, data = self._batch, self._batch.data
            HEADER.pack_into(
                data, 0, 0, len(data) - LENGTH_FROM, UNKNOWN, MAGIC, 0, self._attributes, len(batch) - 1,
                batch.first_ms, batch.max_ms, *self._producer, len(batch),
            )  # fmt: skip
            # The checksum covers the producer's state: it cannot be made earlier.
            CRC.pack_into(data, CRC_AT, crc32c(data[CRC_FROM:]))
            self._built = True
        return self._batch.data

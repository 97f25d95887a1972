"""What arrived at the discard server: batches checked as a broker would, records counted by partition."""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from crc32c import crc32c

from bench.wire import Error

HEAD = struct.Struct(">qiibIhiqqqhii")  # a batch of format 2 up to its records
CHECKED_FROM = 21  # the checksum covers everything behind itself
MAGIC = 2
NO_SEQUENCE = -1
SEQUENCES = 1 << 31  # they begin again at 0


@dataclass(slots=True)
class Place:
    """One partition: how many records it has, and the sequence that each producer goes on with."""

    records: int = 0
    next_sequence: dict[tuple[int, int], int] = field(default_factory=dict)
    last_sequence: dict[tuple[int, int], int] = field(default_factory=dict)


class Ledger:
    """Checks and counts; one for all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, dict[int, Place]] = defaultdict(lambda: defaultdict(Place))
        self._first_s: dict[str, float] = {}
        self._tally: Counter[str] = Counter()

    def add(self, topic: str, partition: int, batch: memoryview) -> tuple[Error, int]:
        """Take note of a *batch*; give the answer and the offset of its first record."""
        if len(batch) < HEAD.size:
            return self._fault("crc")
        _, length, _, magic, checksum, *_, producer, epoch, sequence, count = HEAD.unpack_from(batch)
        if magic != MAGIC or length != len(batch) - 12 or crc32c(batch[CHECKED_FROM:]) != checksum:
            return self._fault("crc")
        with self._lock:
            self._first_s.setdefault(topic, time.monotonic())
            place, who = self._places[topic][partition], (producer, epoch)
            offset = place.records
            if sequence != NO_SEQUENCE:
                if place.last_sequence.get(who) == sequence:
                    self._tally["duplicates"] += 1
                    return Error.NONE, offset
                if place.next_sequence.get(who, 0) != sequence:
                    return self._fault("sequence")
                place.last_sequence[who] = sequence
                place.next_sequence[who] = (sequence + count) % SEQUENCES
            place.records += count
            self._tally["batches"] += 1
            self._tally["bytes"] += len(batch)
        return Error.NONE, offset

    def _fault(self, kind: str) -> tuple[Error, int]:
        self._tally[kind] += 1
        return (Error.CORRUPT_MESSAGE if kind == "crc" else Error.OUT_OF_ORDER_SEQUENCE), -1

    def topics(self) -> list[str]:
        """Name the topics that were asked for."""
        return list(self._places)

    def know(self, topic: str) -> None:
        """Have a topic from now on."""
        with self._lock:
            _ = self._places[topic]

    def end(self, topic: str, partition: int) -> int:
        """Count the records of a partition."""
        with self._lock:
            return self._places[topic][partition].records

    def as_json(self) -> dict[str, Any]:
        """Give all counts, and when (on the monotonic clock) each topic got its first batch."""
        with self._lock:
            return {
                "records": {
                    topic: {str(number): place.records for number, place in sorted(places.items())}
                    for topic, places in self._places.items()
                },
                "batches": self._tally["batches"],
                "bytes": self._tally["bytes"],
                "duplicates": self._tally["duplicates"],
                "faults": {"crc": self._tally["crc"], "sequence": self._tally["sequence"]},
                "first_s": dict(self._first_s),
            }

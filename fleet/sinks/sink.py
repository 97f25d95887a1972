"""What every sink can do, and how it counts latency."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import log2
from typing import Protocol

from fleet.data import Batch, Delivery
from fleet.errors import FleetError

BUCKETS_AN_OCTAVE = 8  # a bucket is 9 % wide
BUCKETS = 32 * BUCKETS_AN_OCTAVE  # 1 us to 71 minutes


class SinkClosed(FleetError):  # noqa: N818 - no error: the run ends quietly
    """Whoever read what the sink writes has gone; nothing is wrong."""

    exit_code = 0


class Latency:
    """How long records took from hand-over to acknowledgement, in logarithmic buckets."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.records = 0
        self.max_us = 0
        self.first_us = 0  # wall time at which a reading was first acknowledged, us since 1970; 0: none yet

    def add(self, took_us: int, records: int) -> None:
        """Count that so many *records* took *took_us*."""
        bucket = int(log2(max(took_us, 1)) * BUCKETS_AN_OCTAVE)
        self.counts[min(bucket, BUCKETS - 1)] += records
        self.records += records
        self.max_us = max(self.max_us, took_us)

    def first_reading(self) -> None:
        """Note, once, that a reading was acknowledged."""
        self.first_us = self.first_us or time.time_ns() // 1000

    def quantile_us(self, share: float) -> int:
        """Give the time that *share* (0 to 1) of all records took at most, to 9 %; 0 where there are none."""
        wanted, seen = share * self.records, 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return min(self.max_us, round(2 ** ((bucket + 1) / BUCKETS_AN_OCTAVE)))
        return self.max_us

    def merge(self, other: Latency) -> None:
        """Add what *other* counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.records += other.records
        self.max_us = max(self.max_us, other.max_us)


@dataclass(slots=True, eq=False)
class Books:
    """What a sink tells of its work while it runs; several that work together may share them."""

    delivery: dict[str, Delivery] = field(default_factory=dict)  # by stream
    latency: Latency = field(default_factory=Latency)
    notices: list[str] = field(default_factory=list)  # what a person should read, each said once


class Sink(Protocol):
    """Where record batches go.

    A sink is opened by `fleet.sinks.open.open_sink`. What it cannot take raises at `send`: RunError when
    nothing more will get through, `SinkClosed` when nobody reads any longer.
    """

    delivery: dict[str, Delivery]  # by stream, updated while it runs
    latency: Latency
    notices: list[str]  # what a person should read, each said once; grows while it runs

    async def send(self, batch: Batch) -> None:
        """Hand over a *batch*; returns when there is room."""
        ...

    async def close(self, *, timeout_s: float) -> None:
        """Drain for at most *timeout_s*, then settle the rest as in doubt or failed. Never hangs."""
        ...


def delivery_of(delivery: dict[str, Delivery], stream: str) -> Delivery:
    """Give the row of a *stream*, a new one where there is none yet."""
    return delivery.setdefault(stream, Delivery())

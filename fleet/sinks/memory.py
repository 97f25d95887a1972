"""Sinks that write nothing: one remembers, one only counts."""

from __future__ import annotations

from fleet.data import Batch, Delivery
from fleet.sinks.sink import Latency, delivery_of


class MemorySink:
    """Keeps every batch in *batches*: for tests, and for runs that are looked at in Python."""

    def __init__(self) -> None:
        self.delivery: dict[str, Delivery] = {}
        self.latency = Latency()
        self.notices: list[str] = []
        self.batches: list[Batch] = []

    async def send(self, batch: Batch) -> None:
        """Remember a *batch*."""
        self.batches.append(batch)
        delivery_of(self.delivery, batch.stream).acknowledged += len(batch)

    async def close(self, *, timeout_s: float) -> None:
        """Do nothing: everything is settled."""


class NullSink:
    """Counts. It needs no records: a run may skip encoding and say how many there would have been."""

    def __init__(self) -> None:
        self.delivery: dict[str, Delivery] = {}
        self.latency = Latency()
        self.notices: list[str] = []

    def count(self, stream: str, records: int) -> None:
        """Count so many *records* of a *stream*."""
        delivery_of(self.delivery, stream).acknowledged += records

    async def send(self, batch: Batch) -> None:
        """Count a *batch*."""
        self.count(batch.stream, len(batch))

    async def close(self, *, timeout_s: float) -> None:
        """Do nothing: everything is settled."""

"""Put what is read of a partition together until looking at it pays.

A look at columns costs a millisecond or two, however few records they have, and a topic of thousands of partitions
comes in pieces of a few records each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fleet.data import RawBatches
from fleet.encode.columns import RecordColumns, record_columns
from fleet.verify.log import LogChecker

ENOUGH_BYTES = 64 * 1024  # about 1500 readings: from here on it is the records that take the time
HELD_BYTES_MAX = 64 << 20
RECORDS_A_TURN = 1000  # checked before others in the event loop have their turn: about 10 ms
COLUMNS_A_TURN = 32_000  # likewise, where they need not be decoded one by one


@dataclass(slots=True)
class _Held:
    pieces: list[RawBatches] = field(default_factory=list)
    size: int = 0


Learn = Callable[[LogChecker, RecordColumns], Awaitable[None]]
"""Tells a checker schemas of ids among the records that come next, before they come."""


class Gathered:
    """What was read of one topic, on its way to the topic's *checker*; all of it is there after `flush`."""

    def __init__(self, checker: LogChecker, learn: Learn | None = None) -> None:
        self._checker = checker
        self._learn = learn
        self._held: dict[int, _Held] = {}
        self._size = 0
        self._feeding = asyncio.Lock()

    async def add(self, piece: RawBatches) -> None:
        """Take a *piece*, the next of its partition."""
        size = sum(map(len, piece.data))
        if size < ENOUGH_BYTES:  # copied: a view would keep the whole answer that it came in
            piece = replace(piece, data=tuple(bytes(data) for data in piece.data))
        held = self._held.setdefault(piece.partition, _Held())
        held.pieces.append(piece)
        held.size += size
        self._size += size
        if held.size >= ENOUGH_BYTES:
            await self._feed(piece.partition)
        if self._size >= HELD_BYTES_MAX:
            await self.flush()

    async def trimmed(self, partition: int, offsets: int) -> None:
        """Take note that so many *offsets* come next that the broker does not have."""
        await self._feed(partition)
        self._checker.trimmed(partition, offsets)

    async def at_rest(self) -> None:
        """Return when nobody is feeding the checker, who may then be cut off."""
        async with self._feeding:
            pass

    async def flush(self) -> None:
        """Give the checker all that is held."""
        for partition in list(self._held):
            await self._feed(partition)

    async def _feed(self, partition: int) -> None:
        async with self._feeding:
            held = self._held.pop(partition, None)
            if held is None:
                return
            self._size -= held.size
            records = record_columns(joined(held.pieces))
            if self._learn is not None:
                await self._learn(self._checker, records)
            for turn in records.cut(RECORDS_A_TURN if self._checker.is_slow_with(records) else COLUMNS_A_TURN):
                self._checker.feed(partition, turn)
                await asyncio.sleep(0)


def joined(pieces: Sequence[RawBatches]) -> RawBatches:
    """Make one piece of several that follow one another in a partition."""
    if len(pieces) == 1:
        return pieces[0]
    return RawBatches(
        partition=pieces[0].partition,
        start=pieces[0].start,
        stop=pieces[-1].stop,
        data=tuple(data for piece in pieces for data in piece.data),
        first_offset=np.concatenate([piece.first_offset for piece in pieces]),
        first_ms=np.concatenate([piece.first_ms for piece in pieces]),
        count=np.concatenate([piece.count for piece in pieces]),
        appended=np.concatenate([piece.appended for piece in pieces]),
        damaged=tuple(damaged for piece in pieces for damaged in piece.damaged),
    )

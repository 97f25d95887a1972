"""The machines before and after one in its line, and the buffers between: when it must pause for them."""

from __future__ import annotations

from typing import Protocol

from fleet.sim import changes as row
from fleet.sim.calendar import NEVER_US
from fleet.sim.flow import Buffer, Counts, blocked_us, has_room_us, holds_us, starved_us


class Station(Protocol):
    """What a machine is to its neighbours."""

    def poke(self) -> None:
        """Reconsider after a neighbour's change."""

    def tell(self, parts: int) -> None:
        """Learn that the lot of the machine above is over: here it ends with so many *parts* done."""


class Neighbours:
    """The neighbours of the machine with *counts*; none where no buffer joins them."""

    __slots__ = ("_counts", "above", "below")

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.above: tuple[Station, Buffer] | None = None
        self.below: tuple[Station, Buffer] | None = None

    def poke(self) -> None:
        """Let both of them reconsider."""
        if self.above is not None:
            self.above[0].poke()
        self.poke_below()

    def poke_below(self) -> None:
        """Let who waits for parts reconsider."""
        if self.below is not None:
            self.below[0].poke()

    def tell_below(self) -> None:
        """Tell the machine below where the lot that is over here ends for it."""
        if self.below is not None:
            machine, buffer = self.below
            machine.tell(buffer.initial + self._counts.done - self._counts.scrap)

    def starved_us(self, now: int) -> int:
        """Say when a running machine will find nothing to begin a cycle with."""
        return NEVER_US if self.above is None else starved_us(self.above[1], now)

    def blocked_us(self, now: int) -> int:
        """Say when a running machine will find no room for what it made."""
        return NEVER_US if self.below is None else blocked_us(self.below[1], now)

    def ready_us(self, now: int, cause: int) -> int:
        """Say when both buffers allow the next cycle to a machine that pauses by *cause*."""
        ready = now
        if self.above is not None and not self._counts.inside:
            buffer = self.above[1]
            ready = holds_us(buffer, buffer.restart if cause == row.STARVED else 1, now)
        if self.below is not None:
            buffer = self.below[1]
            ready = max(ready, has_room_us(buffer, buffer.restart if cause == row.BLOCKED else 1, now))
        return ready

    def cause_at(self, now: int) -> int:
        """Say whether a machine that is not ready is starved or blocked."""
        starving = self.above is not None and not self._counts.inside and self.above[1].level_at(now) < 1
        return row.STARVED if starving else row.BLOCKED

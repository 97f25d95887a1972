"""Wall time, passed in, so that no test has to sleep."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the run knows of wall time."""

    def now_s(self) -> float:
        """Give seconds that only go forward."""
        ...

    def wall_us(self) -> int:
        """Give microseconds since 1970."""
        ...

    async def sleep(self, span_s: float, until: asyncio.Event) -> None:
        """Return after *span_s* seconds, or as soon as *until* is set."""
        ...


class RealClock:
    """The machine's clock."""

    def now_s(self) -> float:
        """Give seconds that only go forward."""
        return time.monotonic()

    def wall_us(self) -> int:
        """Give microseconds since 1970."""
        return time.time_ns() // 1000

    async def sleep(self, span_s: float, until: asyncio.Event) -> None:
        """Return after *span_s* seconds, or as soon as *until* is set."""
        try:
            async with asyncio.timeout(span_s):
                await until.wait()
        except TimeoutError:
            return

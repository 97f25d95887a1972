"""Shifts as closed forms of time: is a line on at this instant, and until when."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from fleet.data import DAY_US, MINUTE_US

WEEK_US = 7 * DAY_US
_EPOCH_WEEKDAY_US = 3 * DAY_US  # 1970-01-01 was a Thursday; weeks start on Monday

NEVER_US = 1 << 62
"""Later than any instant of a run."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The edges of one week at which a line goes on and off; empty: round the clock.

    *edges_us* ascends from Monday 00:00 UTC; *on_after[i]* is what holds from edge i to the next,
    and the last one also before the first.
    """

    edges_us: tuple[int, ...] = ()
    on_after: tuple[bool, ...] = ()

    def at(self, time_us: int) -> tuple[bool, int]:
        """Say whether the line is on at *time_us*, and the next instant at which that ends."""
        if not self.edges_us:
            return True, NEVER_US
        in_week = (time_us + _EPOCH_WEEKDAY_US) % WEEK_US
        place = bisect_right(self.edges_us, in_week)
        until = self.edges_us[place] if place < len(self.edges_us) else self.edges_us[0] + WEEK_US
        return self.on_after[place - 1], time_us - in_week + until


def weekly(days: tuple[int, ...], on_min: list[tuple[int, int]], off_min: list[tuple[int, int]]) -> Calendar:
    """Build a calendar from *days* (0 = Monday), shifts and breaks as (start, stop) minutes of a day.

    A shift whose stop is not after its start runs past midnight into the next day.
    """
    week = bytearray(7 * 24 * 60)
    for level, spans in ((1, on_min), (0, off_min)):
        for day in days:
            for start, stop in spans:
                length = (stop - start) % (24 * 60) or 24 * 60
                for minute in range(length):
                    week[(day * 24 * 60 + start + minute) % len(week)] = level
    changes = [minute for minute in range(len(week)) if week[minute] != week[minute - 1]]
    return Calendar(tuple(m * MINUTE_US for m in changes), tuple(bool(week[m]) for m in changes))

"""Shifts as closed forms of time: is a line on at this instant, and until when."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from fleet.data import DAY_US, SECOND_US

DAY_S = DAY_US // SECOND_US
WEEK_S = 7 * DAY_S
WEEK_US = 7 * DAY_US
EPOCH_WEEKDAY_US = 3 * DAY_US  # 1970-01-01 was a Thursday; weeks start on Monday

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

    @property
    def longest_gap_us(self) -> int:
        """The longest time for which the line is off; 0 for one that never is."""
        ends = (*self.edges_us[1:], *(edge + WEEK_US for edge in self.edges_us[:1]))
        spans = zip(self.edges_us, ends, self.on_after, strict=True)
        return max((end - begin for begin, end, on in spans if not on), default=0)

    def at(self, time_us: int) -> tuple[bool, int]:
        """Say whether the line is on at *time_us*, and the next instant at which that ends."""
        if not self.edges_us:
            return True, NEVER_US
        in_week = (time_us + EPOCH_WEEKDAY_US) % WEEK_US
        place = bisect_right(self.edges_us, in_week)
        until = self.edges_us[place] if place < len(self.edges_us) else self.edges_us[0] + WEEK_US
        return self.on_after[place - 1], time_us - in_week + until


def weekly(
    days: tuple[int, ...], on_s: list[tuple[int, int]], off_s: list[tuple[int, int]], handover_s: int = 0
) -> Calendar:
    """Build a calendar from *days* (0 = Monday), shifts and breaks as (start, stop) seconds of a day.

    A span whose stop is not after its start runs past midnight into the next day. Shifts begin on *days*;
    breaks hold on every day, so that a night shift has them also after its last midnight. For *handover_s* work rests
    where one shift takes over from another.
    """
    week = np.zeros(WEEK_S, np.bool_)
    for level, chosen, spans in ((True, days, on_s), (False, range(7), off_s)):
        for day in chosen:
            for start, stop in spans:
                begin, length = day * DAY_S + start, (stop - start) % DAY_S or DAY_S
                week[begin : begin + length] = level
                week[: max(0, begin + length - WEEK_S)] = level
    starts, stops = {start % DAY_S for start, _ in on_s}, {stop % DAY_S for _, stop in on_s}
    for second in ((day * DAY_S + start) % WEEK_S for day in range(7) for start in sorted(starts & stops)):
        if handover_s and week[second] and week[second - 1]:
            week[np.arange(second, second + handover_s) % WEEK_S] = False
    changes = np.flatnonzero(week != np.roll(week, 1)).tolist()
    if not changes and not week[0]:
        return Calendar((0,), (False,))
    return Calendar(tuple(second * SECOND_US for second in changes), tuple(bool(week[second]) for second in changes))

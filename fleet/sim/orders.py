"""What one machine is asked to do: at which setpoint, at which pace, which lot and how much of it."""

from __future__ import annotations

from collections import deque

from fleet.data import State
from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import PPM
from fleet.sim.flow import Counts
from fleet.sim.lots import ANYTHING, Lots, Make, period_of, stretched
from fleet.sim.rules import (
    RAMP_CYCLES,
    RAMP_MAX,
    RAMP_MIN,
    SCRAP_GAP,
    SET_GAP,
    SET_GAP_MIN,
    SET_GAP_RANGE,
    SET_LEVEL,
    SETUP_SPAN,
    Rules,
    scrap_gap,
    to_second,
)

RESTARTS = (State.STOPPED, State.ABORTED, State.IDLE)
"""States after which a machine needs some cycles to be at speed again: not after a short pause."""


class Orders:
    """The orders of one machine; *counts* is what it has done of them."""

    __slots__ = (
        "_draws", "_index", "_lots", "_ramp_count", "_rules", "_scrap_count", "_set_count", "_setpoint_ppm",
        "_setup_count", "_told", "cold", "counts", "level_ppm", "lot", "lot_end", "make", "ramp_end", "set_us",
        "setup_us",
    )  # fmt: skip

    def __init__(
        self, cells: list[int], rules: Rules, draws: Draws, lots: Lots | None, *, set_us: int, next_scrap: int
    ) -> None:
        self._rules, self._draws, self._lots, self._index = rules, draws, lots, cells[row.MACHINE]
        elapsed_us = cells[row.TIME] - cells[row.START]
        self.counts = Counts(period_us=cells[row.PERIOD], elapsed_us=elapsed_us, next_scrap=next_scrap)
        self.set_us, self._set_count = set_us, int(set_us < NEVER_US)  # when the setpoint changes next
        self.cold = cells[row.STATE] in RESTARTS
        self._scrap_count = 1
        self.ramp_end = self._ramp_count = 0  # parts done when it is at speed again
        self.lot = self._setup_count = 0
        self.setup_us = 0  # what setting up for this lot will take yet
        self.level_ppm = self._setpoint_ppm = cells[row.LEVEL]
        self.make: Make = ANYTHING
        self.lot_end, self._told = NEVER_US, _NOTHING_TOLD  # parts done when the lot is over
        if lots is not None and rules.period_us is not None:
            self.make, self.lot_end, self._told = lots.product(0), lots.size(0), deque()
            self._setpoint_ppm = self._setpoint_at(0) if rules.set_every_us and self._set_count else PPM

    # ---- setpoint and pace

    def _setpoint_at(self, ordinal: int) -> int:
        rules = self._rules
        share = self._draws.uniform(SET_LEVEL, ordinal)
        return round((rules.set_from + (rules.set_to - rules.set_from) * share) * PPM)

    def follow_setpoint(self, now: int) -> None:
        """Take the setpoint that the schedule has reached by now, and what the product makes of it."""
        rules = self._rules
        if rules.set_every_us:
            if self.set_us == NEVER_US:
                self.set_us = now
            while self.set_us <= now:
                self._setpoint_ppm = self._setpoint_at(self._set_count)
                gap = SET_GAP_MIN + SET_GAP_RANGE * self._draws.uniform(SET_GAP, self._set_count)
                self.set_us += to_second(rules.set_every_us * gap)
                self._set_count += 1
        self.level_ppm = round(self._setpoint_ppm * self.make.level)

    def set_pace(self) -> None:
        """Choose the period: the product's, longer for some cycles after a restart."""
        counts, rules = self.counts, self._rules
        counts.period_us = self._own_period_us()
        if self.cold and rules.ramp:
            cycles = RAMP_MIN + int((RAMP_MAX + 1 - RAMP_MIN) * self._draws.uniform(RAMP_CYCLES, self._ramp_count))
            self._ramp_count += 1
            self.ramp_end = counts.done + cycles
        self.cold = False
        if counts.done < self.ramp_end:
            counts.period_us = stretched(counts.period_us, 1.0 + rules.ramp)

    def reach_speed(self) -> None:
        """End the ramp after a restart."""
        self.counts.period_us = self._own_period_us()

    def _own_period_us(self) -> int:
        assert self._rules.period_us is not None, "only what has a cycle has a pace"
        return period_of(self.make, self._rules.period_us[self._index])

    def begin_cycle(self, now: int) -> None:
        """Let the cycle that begins *now* be the first of those that are counted from."""
        self.counts.done, self.counts.start_us = self.counts.done_at(now), now

    def scrap_one(self, share: float) -> None:
        """Take out a bad part, and find the next one where bad is a *share* of all."""
        self.counts.scrap += 1
        self.counts.next_scrap += scrap_gap(share, self._draws.uniform(SCRAP_GAP, self._scrap_count))
        self._scrap_count += 1

    # ---- lots

    def next_differs(self) -> bool:
        """Tell whether the next lot is of another product."""
        assert self._lots is not None, "who ends lots has some"
        return self._lots.product(self.lot + 1) is not self.make

    def lot_is_over(self) -> bool:
        """Tell whether all parts of the lot are made, by a machine that stands still."""
        return self.counts.done >= self.lot_end

    def take_next_lot(self, *, leads: bool) -> None:
        """Take up the next lot, and plan to set up where that must be.

        Who *leads* a line decides how large it is; the others are told.
        """
        lots = self._lots
        assert lots is not None, "who ends lots has some"
        self.lot += 1
        make = lots.product(self.lot)
        if make is not self.make:
            factor = self._draws.lognormal(SETUP_SPAN, self._setup_count, lots.setup_sigma)
            self.setup_us, self.make = to_second(lots.setup_us * factor), make
            self._setup_count += 1
        if leads:
            self.lot_end += lots.size(self.lot)
        else:
            self.lot_end = self._told.popleft() if self._told else NEVER_US

    def await_lots(self) -> None:
        """Learn where lots end from the machine above."""
        self.lot_end = NEVER_US

    def tell(self, parts: int) -> bool:
        """Learn that a lot ends with so many *parts* done; says whether it is the one that is being made."""
        if self.lot_end == NEVER_US:
            self.lot_end = parts
            return True
        self._told.append(parts)
        return False


_NOTHING_TOLD: deque[int] = deque()
"""What all machines without lots share; nothing is ever put into it."""

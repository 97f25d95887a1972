"""Maintenance: when work is wanted, and whether the spare part for it is there.

A shelf is counted, not simulated: each part taken is ordered anew, so what will be there when is known
as soon as it is ordered.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fleet.sim.address import Draws, word_of
from fleet.sim.rules import to_second

LEAD, PLANNED_SPAN, INSPECTION = word_of("plant.part.lead"), word_of("plant.planned.span"), word_of("plant.inspection")


class Parts(NamedTuple):
    """What a shelf holds of each part, and how long a new one takes to come."""

    stock: int
    lead_us: int  # mean
    spread: float  # coefficient of variation of the lead time

    def lead_of(self, draws: Draws, purpose: int, ordinal: int) -> int:
        """Draw a lead time: gamma, by Wilson and Hilferty's cube of a normal variate."""
        shape = 1.0 / (self.spread * self.spread)
        cube = 1.0 - 1.0 / (9.0 * shape) + draws.normal(purpose, ordinal) / (3.0 * shape**0.5)
        return to_second(self.lead_us * max(cube, 0.0) ** 3)


class Policy(NamedTuple):
    """When what wears is renewed before it fails, and how well work is done. *modes* None: all of them."""

    by_age_us: int = 0  # running time between works; 0: not by age
    above: float = 0.0  # damage above which an inspection wants it renewed; 0: not by condition
    inspected_us: int = 0  # time between inspections
    modes: frozenset[str] | None = None
    takes_us: int = 0  # median of planned work
    sigma: float = 0.0
    leaves: float = 0.0  # share of age and damage that work leaves (Kijima's q)
    parts: Parts | None = None

    @property
    def plans(self) -> bool:
        """Whether anything is renewed before it fails."""
        return self.by_age_us > 0 or self.above > 0

    def covers(self, mode: str) -> bool:
        """Whether it is about failure *mode*."""
        return self.modes is None or mode in self.modes

    def inspection_us(self, time_us: int, phase_us: int) -> int:
        """Find the first inspection at *time_us* or later; without inspections that is at once."""
        if not self.inspected_us:
            return time_us
        return time_us + (phase_us - time_us) % self.inspected_us


NO_POLICY = Policy()


class Shelf:
    """The spare parts for one failure mode of one kind in a line: when each of them is there, in order."""

    __slots__ = ("_ready_us",)

    def __init__(self, stock: int) -> None:
        self._ready_us = deque([0] * stock)

    def take(self, now_us: int, lead_us: int) -> int:
        """Take the next part, order another, and say when the one taken is there: not before *now_us*.

        Who came first is served first: no delivery overtakes another.
        """
        last_us = self._ready_us[-1] if self._ready_us else 0
        self._ready_us.append(max(last_us, now_us + lead_us))
        return max(now_us, self._ready_us.popleft())

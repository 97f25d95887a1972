"""What a line makes: lot after lot of one product or another, in an order that is drawn for the line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from fleet.sim.address import Draws, word_of
from fleet.sim.rules import MILLISECOND_US

PRODUCT, SIZE, BEGUN = word_of("line.lot.product"), word_of("line.lot.size"), word_of("line.lot.begun")


class Make(NamedTuple):
    """A product of a line: its *number* in the plant (from 1), and what it asks of a machine."""

    number: int
    share: float  # of the lots, against the shares of the others
    least: int  # parts in a lot
    most: int
    period: float  # of its cycle, against the machines' own
    level: float  # of its load, against the setpoint


ANYTHING = Make(0, 1.0, 1, 1, 1.0, 1.0)
"""What a line without products makes."""


class Lots:
    """The lots of a line, numbered from 0, and how long setting up for another product takes."""

    __slots__ = ("_bounds", "_draws", "_makes", "setup_sigma", "setup_us")

    def __init__(self, word: int, makes: Sequence[Make], *, setup_us: int, setup_sigma: float) -> None:
        self._draws, self._makes = Draws(word), makes
        self._bounds = list(accumulate(make.share for make in makes))
        self.setup_us, self.setup_sigma = setup_us, setup_sigma

    def product(self, lot: int) -> Make:
        """Say what *lot* is of."""
        at = self._draws.uniform(PRODUCT, lot) * self._bounds[-1]
        return next(make for make, bound in zip(self._makes, self._bounds, strict=True) if at < bound)

    def size(self, lot: int) -> int:
        """Say how many parts of *lot* the first machine makes; the first lot is met half made."""
        make = self.product(lot)
        size = make.least + int((make.most - make.least + 1) * self._draws.uniform(SIZE, lot))
        return size if lot else 1 + int((size - 1) * self._draws.uniform(BEGUN, lot))


def period_of(make: Make, period_us: int) -> int:
    """Give the period of a cycle that makes *make* on a machine whose own period is *period_us*."""
    return stretched(period_us, make.period)


def stretched(period_us: int, factor: float) -> int:
    """Give *period_us* times *factor* in whole milliseconds, at least one."""
    if factor == 1.0:
        return period_us
    return max(1, round(period_us * factor / MILLISECOND_US)) * MILLISECOND_US

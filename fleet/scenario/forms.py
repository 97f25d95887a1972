"""What a law takes and gives: of each argument the dimension and the range, of the law the dimension.

`sim` says them beside its laws; here stand the words for it, so that a kind can be checked without its laws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.scenario.quantities import DIMENSIONS, RATIO, written

Terms = tuple[tuple[str, ...], ...]
"""A sum of products of arguments: ``(("plus",), ("by", "of"))`` is ``plus + by * of``."""


@dataclass(frozen=True, slots=True)
class Take:
    """What an argument must be: of a *dimension*, as another argument *like*, or a plain number that means *plain*.

    With none of the three any dimension will do. The range is in canonical units.
    """

    dimension: str = ""
    like: str = ""
    plain: str = ""
    above: float | None = None
    least: float | None = None
    most: float | None = None

    def trouble(self, value: float) -> str:
        """Say which bound the number *value* does not keep; empty where it keeps all."""
        dimension = DIMENSIONS[self.dimension or RATIO.name]
        if self.above is not None and value <= self.above:
            return f"must be above {written(self.above, dimension)}"
        if self.least is not None and value < self.least:
            return f"must be at least {written(self.least, dimension)}"
        if self.most is not None and value > self.most:
            return f"must be at most {written(self.most, dimension)}"
        return ""


@dataclass(frozen=True, slots=True)
class Form:
    """The arguments of a law, and what it gives: the name of a dimension, or that of a sum of its arguments."""

    takes: Mapping[str, Take]
    gives: str | Terms = ""


Laws = Mapping[str, Form]  # by the law's name


def any_number() -> Take:
    """Take whatever there is."""
    return Take()


def share(*, above: float | None = None, least: float | None = None, most: float | None = None) -> Take:
    """Take a number without a dimension."""
    return Take(RATIO.name, above=above, least=least, most=most)


def measured(dimension: str, *, above: float | None = None, least: float | None = None) -> Take:
    """Take a quantity of *dimension*."""
    assert dimension in DIMENSIONS, f"no such dimension: {dimension}"
    return Take(dimension, above=above, least=least)


def plain(unit: str, *, above: float | None = None, least: float | None = None) -> Take:
    """Take a number that is written without its *unit*, for which there is no canonical one."""
    return Take(plain=unit, above=above, least=least)

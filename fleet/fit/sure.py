"""When a number is sure enough to be taken: every threshold of that, said once.

Widths are one sigma of a usual machine, as a share (of a logarithm). They are not divided by the root of the machines:
what machines share, as the hall's air, does not average.
"""

from __future__ import annotations

from enum import Enum

SURE, UNSURE = 0.08, 0.16
"""A narrower width than the first is sure, a wider one than the second too unsure, and what is between them rough."""

PRIORS = 0.5
"""A machine whose width is more than this share of the prior's says nothing of a number."""

SPREAD_SURE = 5
"""From so many machines on the spread between them is taken as found; of fewer only where it contradicts the kind's."""

CYCLES_MIN = 8
"""Fewer cycles say too little of how long one is."""

STOPS_MIN = 10
"""Fewer pauses say too little of how long they are and how often they come."""

AIR_SURE_K = 1.0
"""The air of a hall that is known no better than this is taken as the usual one's, K."""


class Sure(Enum):
    """What is done with a number of some width."""

    YES = "taken"
    ROUGH = "taken and marked"
    NO = "the kind's own is kept, unless levels hang on it"


def sureness(width: float) -> Sure:
    """Say how sure a number of *width* is.

    A level that is too unsure by itself is taken nevertheless, and marked: the readings belong to it together with
    others, and only those together are known. A time constant, on which no level hangs, keeps the kind's own.
    """
    if width <= SURE:
        return Sure.YES
    return Sure.ROUGH if width <= UNSURE else Sure.NO


def says_something(width: float, *, prior: float) -> bool:
    """Say whether readings narrowed the *prior* enough for a machine to count."""
    return width < PRIORS * prior


def spread_is_taken(machines: int, *, contradicts: bool) -> bool:
    """Say whether the spread between so many *machines* replaces the kind's own."""
    return machines >= SPREAD_SURE or contradicts

"""What the machines of a cohort decide by, and how drawn spans are rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.data import SECOND_US
from fleet.sim.address import word_of
from fleet.sim.changes import PPM
from fleet.sim.heating import Heating

STOP_GAP, STOP_SPAN = word_of("plant.micro_stop.gap"), word_of("plant.micro_stop.span")
SET_GAP, SET_LEVEL = word_of("plant.setpoint.gap"), word_of("plant.setpoint.level")
SCRAP_GAP, RAMP_CYCLES, SETUP_SPAN = (
    word_of("plant.scrap.gap"),
    word_of("plant.ramp.cycles"),
    word_of("plant.setup.span"),
)
STRIKE_REPAIR = word_of("plant.strike.repair")
MILLISECOND_US = 1000

RAMP_MIN, RAMP_MAX = 3, 10
"""Cycles that take longer after a restart."""

SET_GAP_MIN, SET_GAP_RANGE = 0.25, 1.5
"""A setpoint holds for its mean time times a uniform variate between 0.25 and 1.75."""

SPAN_MAX_US = 10**18
"""Longest drawn life or pause, 30,000 years: the tail of a wild distribution still fits a column."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to wear out: a life of running time is drawn, damage grows to 1 at its end, a repair begins a new one."""

    name: str
    life_us: Sequence[int]  # the life law's scale, one a machine
    shape: float
    onset: tuple[float, float]  # share of the life at which damage begins, drawn between these
    repair_us: Sequence[int]  # median, one a machine
    repair_sigma: float
    life_word: int
    onset_word: int
    repair_word: int
    used_word: int
    law: str = "weibull"
    growth: str = "power"
    exponent: float = 1.0
    roughness: float = 0.2
    path_word: int = 0
    felt_us: float = 0.0  # time constant of what feels its rough path; 0: the path itself
    share: float = 1.0  # of the running time in which it wears
    taylor: float = 0.0  # it wears as this power of the load's level; 0: whatever the load
    fails: bool = True  # False: what wears is changed in passing, as a tool or a filter is

    def rate_ppm(self, level_ppm: int) -> int:
        """Say how fast running ages it under a load of *level_ppm*."""
        if not self.taylor:
            return max(1, round(self.share * PPM))
        return max(1, round(self.share * math.pow(level_ppm / PPM, self.taylor) * PPM))


@dataclass(frozen=True, slots=True)
class Rules:
    """What all machines of a cohort decide by."""

    period_us: Sequence[int] | None  # cycle, one a machine; None: makes no parts
    stop_every_us: int  # mean running time between micro-stops; 0: none
    stop_lasts_us: int  # median
    stop_sigma: float
    set_every_us: int  # mean time between setpoint changes; 0: none
    set_from: float
    set_to: float
    modes: tuple[Mode, ...]
    kind: str = ""
    scrap: float = 0.0  # share of bad parts
    ramp: float = 0.0  # how much longer the first cycles after a restart take
    heating: Heating | None = None  # None: it works cold


def scrap_gap(share: float, uniform: float) -> int:
    """Say how many parts after the last bad one the next one is: geometric, so that each is bad by chance *share*."""
    if share <= 0.0:
        return NEVER
    return 1 + int(min(math.log(uniform) / math.log1p(-share), float(NEVER)))


NEVER = 1 << 62
"""More parts than are ever made."""


def to_second(span_us: float) -> int:
    """Round to whole seconds, at least one, so that the last bit of a logarithm moves nothing."""
    return max(1, round(min(span_us, SPAN_MAX_US) / SECOND_US)) * SECOND_US


def to_millisecond(span_us: float) -> int:
    """Round to whole milliseconds, at least one."""
    return max(1, round(min(span_us, SPAN_MAX_US) / MILLISECOND_US)) * MILLISECOND_US

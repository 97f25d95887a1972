"""What the machines of a cohort decide by, and how drawn spans are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.data import SECOND_US
from fleet.sim.address import word_of

STOP_GAP, STOP_SPAN = word_of("plant.micro_stop.gap"), word_of("plant.micro_stop.span")
SET_GAP, SET_LEVEL = word_of("plant.setpoint.gap"), word_of("plant.setpoint.level")
MILLISECOND_US = 1000

SET_GAP_MIN, SET_GAP_RANGE = 0.25, 1.5
"""A setpoint holds for its mean time times a uniform variate between 0.25 and 1.75."""

SPAN_MAX_US = 10**18
"""Longest drawn life or pause, 30,000 years: the tail of a wild distribution still fits a column."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to fail by wear: its life is drawn (Weibull, running time), then repaired for good."""

    name: str
    life_us: Sequence[int]  # characteristic life, one a machine
    shape: float
    onset: tuple[float, float]  # share of the life at which damage begins, drawn between these
    repair_us: Sequence[int]  # median, one a machine
    repair_sigma: float
    life_word: int
    onset_word: int
    repair_word: int
    used_word: int


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


def to_second(span_us: float) -> int:
    """Round to whole seconds, at least one, so that the last bit of a logarithm moves nothing."""
    return max(1, round(min(span_us, SPAN_MAX_US) / SECOND_US)) * SECOND_US


def to_millisecond(span_us: float) -> int:
    """Round to whole milliseconds, at least one."""
    return max(1, round(min(span_us, SPAN_MAX_US) / MILLISECOND_US)) * MILLISECOND_US

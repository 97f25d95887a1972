"""How long something lives: draws from the laws of life, also for what has lived a while already.

Bathtub hazards are competing failure modes: an early one (shape below 1), one by chance, one by age.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
_LEAST = 1e-300
"""A chance of survival below this is one in practice: the quantile of 0 is no number."""


def lives_of(law: str, shape: float, uniforms: list[float]) -> list[float]:
    """Give the lives of many new ones at once, each as `life_of` does."""
    if law == "lognormal":
        return [life_of(law, shape, each) for each in uniforms]
    power = 1.0 if law == "exponential" else 1.0 / shape
    log, raised = math.log, math.pow
    return [raised(-log(each), power) for each in uniforms]


def life_of(law: str, shape: float, uniform: float, lived: float = 0.0) -> float:
    """Give the life that *uniform*, the chance to live longer, stands for, given that it exceeds *lived*.

    In units of the law's scale: Weibull's characteristic life (*shape* is its shape), the exponential's mean,
    the lognormal's median (*shape* is the standard deviation of the logarithm).
    """
    if law == "lognormal":
        surviving = _NORMAL.cdf(-math.log(lived) / shape) if lived > 0 else 1.0
        return math.exp(-shape * _NORMAL.inv_cdf(max(surviving * uniform, _LEAST)))
    power = 1.0 if law == "exponential" else shape
    hazard = -math.log(uniform)
    if lived > 0:
        hazard += math.pow(lived, power)
    return math.pow(hazard, 1.0 / power)

"""Machines put together: their middle, how far they differ, and how sure both are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats

APART = 6.0
"""A machine that is so many robust sigmas from the others says nothing of them: it may be worn, or another model."""

SPREAD_MACHINES = 3
"""Fewer machines say nothing of how machines differ."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A number over all machines: its *middle* with standard error *sd*, the spread *between* them and its own.

    *width* is how sure a usual machine is of it.
    """

    middle: float
    sd: float
    width: float
    between: float | None
    between_sd: float
    machines: int
    apart: tuple[int, ...]


def pooled(value: Floats, sd: Floats, *, usual: float) -> Pooled:
    """Put the machines' *value*, each known to *sd*, together by a random-effects mean.

    What the values scatter beyond their own widths is the spread between machines (Hedges & Olkin, Statistical
    Methods for Meta-Analysis, 1985, ch. 9: the variance less the mean of the squared widths, which no single
    machine with too narrow a width can rule). *usual* is how far such machines differ as a rule.
    """
    inside = _inside(value, sd, usual)
    apart = tuple(np.flatnonzero(~inside).tolist())
    value, sd = value[inside], np.maximum(sd[inside], 1e-9)
    machines = len(value)
    if machines == 1:
        return Pooled(float(value[0]), float(sd[0]), float(sd[0]), None, 0.0, 1, apart)
    between2 = max(0.0, float(value.var(ddof=1)) - float((sd**2).mean()))
    weight = 1.0 / (sd**2 + between2)
    middle = float((weight * value).sum() / weight.sum())
    error = float(weight.sum() ** -0.5)
    width = float(np.median(sd))
    if machines < SPREAD_MACHINES:
        return Pooled(middle, error, width, None, 0.0, machines, apart)
    between_sd = float(np.sqrt((between2 + width**2) / (2 * (machines - 1))))
    return Pooled(middle, error, width, float(np.sqrt(between2)), between_sd, machines, apart)


def _inside(value: Floats, sd: Floats, usual: float) -> Bools:
    if len(value) < 4:
        return np.ones(len(value), bool)
    middle = np.median(value)
    spread = max(1.4826 * float(np.median(np.abs(value - middle))), float(np.median(sd)), 0.6 * usual, 0.02)
    return np.asarray(np.abs(value - middle) <= APART * spread)

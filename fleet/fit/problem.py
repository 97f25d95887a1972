"""One machine's least squares: what is looked for, with its priors, and the data that speak of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fleet.data import Floats
from fleet.fit.graph import Taus, Warmth
from fleet.fit.records import Record
from fleet.fit.templates import Decoded
from fleet.scenario.kind import Kind

PRIOR_LOG, PRIOR_TAU_LOG, PRIOR_AIR_K, PRIOR_START = 1.0, 0.7, 0.5, 0.3
"""Widths of the priors: of a parameter's and a time constant's logarithm, of the air (K), of the beginning."""

PRIOR_CLOCK_S = 1000.0
"""When a ripple began."""

PRIOR_DAMAGE, WORN_S, WORN_MAX = 0.28, 600.0, 36
"""How worn a tool is, between new and worn out, is free at knots ten minutes apart."""

LAG_UNIT_S = 1.0
"""A sensor that has no lag in the kind has its logarithm over this."""

PRIOR_WANDER_K, WANDER_S, WANDERS_MAX = 0.5, 3600.0, 24
"""The air's slow wander about its daily wave, K: free at knots an hour apart, or further where those are too many."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number to find: its *role* and *name*, and the prior's centre and width in the scale it is found in."""

    role: str  # parameter, tau, rest, start, lag, damage, gain, offset, air, wander, level, clock
    name: str
    centre: float
    width: float


@dataclass(slots=True, eq=False)
class Problem:
    """A machine's least squares: the data on its points, and what the laws need there."""

    kind: Kind
    record: Record
    decoded: Decoded
    unknowns: list[Unknown]
    places: list[int]  # sensors that are modelled
    signals: list[str]
    wanted: frozenset[str]
    drives: dict[str, Floats]  # as decoded, one row a setpoint's piece: (pieces or 1, scans)
    air: Floats
    rails: list[tuple[float, float]]  # of each modelled sensor; without an end where its readings are beyond it
    warmth: dict[tuple[str, Taus], list[Warmth]] = field(default_factory=dict)
    lagged: dict[tuple[str, float], Floats] = field(default_factory=dict)
    felt: dict[float, Floats] = field(default_factory=dict)  # the air, by the time constant of the node that feels it


def parameter_value(kind: Kind, name: str, x: float) -> float:
    """Give the parameter *name* of a *kind* where *x* was found for it: a logarithm, or itself where the kind has 0."""
    value = kind.parameters[name].value.value
    return value * float(np.exp(x)) if value else x


def direct(kind: Kind, inputs: frozenset[str]) -> frozenset[str]:
    """Give what goes into the signals among *inputs* themselves, not through slow nodes only."""
    signals = inputs & kind.signals.keys()
    return frozenset(each for name in signals for each in kind.signals[name].inputs.values() if isinstance(each, str))


def knots_of(record: Record) -> int:
    """Give how many knots the air's wander has."""
    span_s = record.value.shape[1] * record.step_s
    return int(min(max(2, round(span_s / WANDER_S) + 1), WANDERS_MAX))

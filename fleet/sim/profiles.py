"""Profiles over the cycle: what a drive does while a part is made, and what a slow quantity makes of that."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fleet.data import Floats, Ints

PHASES = 4096
"""Steps in which the profile of a cycle is tabulated."""

RATIO_MIN = 1e-4
"""Cycles shorter than this share of a time constant count as this long. What they leave of the swing is a
ten-thousandth of it; in the factors of shorter ones the digits would cancel."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What a drive does over a cycle: straight pieces between knots, tabulated at PHASES phases.

    ``level``, ``slope``, ``piece`` and ``into`` are (PHASES,): the level, its slope, the number of the piece and how
    far into it the phase is.
    """

    knots: Floats  # phases of the corners, from 0 to 1
    heights: Floats  # levels there
    level: Floats
    slope: Floats
    piece: Ints
    into: Floats
    mean: float
    known: dict[float, tuple[Ints, Floats]] = field(default_factory=dict)  # by time constant: periods, their factors


def profile(points: tuple[tuple[float, float], ...]) -> Profile:
    """Tabulate (phase, level) *points*, linear between them."""
    knots, heights = np.array(points, np.float64).T.copy()
    phase = (np.arange(PHASES) + 0.5) / PHASES
    piece = np.minimum(np.searchsorted(knots, phase, side="right") - 1, len(knots) - 2)
    slope = np.diff(heights) / np.diff(knots)
    mean = float(((heights[1:] + heights[:-1]) / 2.0 * np.diff(knots)).sum())
    return Profile(knots, heights, np.interp(phase, knots, heights), slope[piece], piece, phase - knots[piece], mean)


def periodic(over: Profile, period_us: Ints, taus_us: tuple[float, ...], place: Ints, phase: Ints) -> Floats:
    """Give what first-order lags in series make of a profile that repeats itself, at table places *phase*.

    *taus_us* are their time constants, no two the same; *period_us* is the period, one for each row that *place*
    names. With w the period over the time constant, one lag's answer on the straight piece from phase p on is
    ``x - slope / w + A exp(-w (phi - p))``; the A of a piece follows from the one before, and the first from the
    last because the profile repeats itself. It is exact for any w. The answer of several is a weighted sum of what
    each would make of the profile alone (partial fractions).
    """
    piece, into = over.piece.take(phase) * len(period_us) + place, over.into.take(phase)
    behind = np.zeros(len(period_us))
    fading = np.zeros(())
    for tau_us in taus_us:
        weight = 1.0
        for other_us in taus_us:
            weight *= 1.0 if other_us == tau_us else tau_us / (tau_us - other_us)
        ratio = np.maximum(period_us / tau_us, RATIO_MIN)
        behind += weight / ratio
        left = np.exp(into * -ratio[place])
        left *= (weight * _known_factors(over, tau_us, period_us, ratio)).ravel().take(piece)
        fading = left + fading
    answer: Floats = over.slope.take(phase) * -behind[place]
    answer += over.level.take(phase)
    answer += fading
    return answer


def _known_factors(over: Profile, tau_us: float, period_us: Ints, ratio: Floats) -> Floats:
    """Give the factors as they were made last, if that was for the same periods: most tiles are asked for twice."""
    known = over.known.get(tau_us)
    if known is not None and np.array_equal(known[0], period_us):
        return known[1]
    factors = _factors(over, ratio)
    over.known[tau_us] = (period_us, factors)
    return factors


def _factors(over: Profile, ratio: Floats) -> Floats:
    """Give the A_i of every piece for every *ratio*; (pieces, ratios)."""
    width = np.diff(over.knots)
    slope = np.diff(over.heights) / width
    fade = np.exp(-ratio * width[:, None])
    kink = np.diff(slope, prepend=slope[-1:])[:, None] / ratio
    kink[0] += over.heights[-1] - over.heights[0]
    turn = np.zeros(len(ratio))
    for number in range(1, len(width)):  # from a first factor of 0 to what it would be one period later
        turn = (turn + kink[number]) * fade[number]
    factors = np.empty((len(width), len(ratio)))
    factors[0] = (turn + kink[0]) / -np.expm1(-ratio)
    for number in range(1, len(width)):
        factors[number] = factors[number - 1] * fade[number - 1] + kink[number]
    return factors

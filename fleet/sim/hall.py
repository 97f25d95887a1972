"""The air that the machines of a hall share: a closed form of time that every worker computes alike."""

from __future__ import annotations

import math

import numpy as np

from fleet.data import DAY_US, HOUR_US, MINUTE_US, Floats, Ints
from fleet.sim.address import keys, machine_words, normals

KNOT_US = MINUTE_US
"""Air is computed at whole minutes and read off linearly between: it changes over hours."""

_YEAR_US = 365.25 * DAY_US
_WANDER_KNOTS_H = (0.5, 1.0, 2.0, 4.0, 8.0)
_WANDER_WEIGHTS = (0.30, 0.45, 0.55, 0.50, 0.40)
"""Octaves of smooth value noise and their weights (sum of squares 1), standing in for an
Ornstein-Uhlenbeck process of correlation time 2 h."""


class Air:
    """The temperature of one hall, degC: daily and yearly waves and a slow wander (physics: ambient)."""

    def __init__(self, seed: int, name: str, mean: float, daily: float, season: float, wander: float) -> None:
        self._mean, self._daily, self._season, self._wander = mean, daily, season, wander
        word = machine_words(seed, [f"hall:{name}"])
        self._keys = [keys(word, f"wander.{octave}") for octave in range(len(_WANDER_KNOTS_H))]

    def knots(self, first: int, stop: int) -> Floats:
        """Give the temperature at the whole minutes *first* to *stop* since 1970; (stop - first,)."""
        time = np.arange(first, stop, dtype=np.int64) * KNOT_US
        hour = (time % DAY_US) / HOUR_US
        year = (time % round(_YEAR_US)) / _YEAR_US
        air = self._mean + self._daily * np.sin(2 * math.pi * (hour - 9.0) / 24.0)
        air -= self._season * np.cos(2 * math.pi * (year - 0.04))  # coldest in mid January
        for octave, (span_h, weight) in enumerate(zip(_WANDER_KNOTS_H, _WANDER_WEIGHTS, strict=True)):
            air += self._wander * weight * self._value_noise(octave, time, round(span_h * HOUR_US))
        return air

    def _value_noise(self, octave: int, time: Ints, span_us: int) -> Floats:
        """Interpolate addressed normals smoothly between knots *span_us* apart, variance about 1."""
        knot = time // span_us
        part = (time - knot * span_us) / span_us
        ease = part * part * (3.0 - 2.0 * part)
        before = normals(self._keys[octave], knot).astype(np.float64)
        after = normals(self._keys[octave], knot + 1).astype(np.float64)
        blend = before * (1.0 - ease) + after * ease
        return np.asarray(blend / np.sqrt((1.0 - ease) ** 2 + ease**2))


def dew_point(seed: int, hall: str) -> Air:
    """Give the dew point of a hall's air, degC: it comes with the weather, so mostly by the season, hardly by the hour.

    9 degC as a yearly mean, 5.5 K of season, 1.2 K of wander: central European air (engineering defaults).
    """
    return Air(seed, f"{hall}:dew_point", mean=9.0, daily=0.4, season=5.5, wander=1.2)


TAU_MAX_US = DAY_US
"""What follows the air more slowly than this feels it as with this time constant."""

HISTORY_TAUS = 8
"""Time constants over which the past is remembered, at least: of what was before a 3000th would be left."""


def history(tau_us: float) -> int:
    """Say how many minutes before the first one *felt* needs to know the air: a power of two."""
    minutes = HISTORY_TAUS * min(tau_us, TAU_MAX_US) / KNOT_US
    return 1 << max(1, math.ceil(math.log2(max(minutes, 2.0))))


def felt(knots: Floats, tau_us: float) -> Floats:
    """Give the air as what follows it with the time constant *tau_us* feels it; (halls, minutes - history(tau_us)).

    The answer of ``tau dy/dt = air - y`` to straight lines between the *knots* (halls, minutes), a sum over the last
    ``history(tau_us)`` minutes, wherever a block begins. A geometric sum of 2 n terms is one of n, and the same once
    more n minutes ago: so it is doubled up, each element by the same additions.
    """
    reach, ratio = history(tau_us), KNOT_US / min(max(tau_us, 1.0), TAU_MAX_US)
    fade = math.exp(-ratio)
    early = (1.0 - fade) / ratio - fade
    total = (1.0 - fade - early) * knots[:, 1:] + early * knots[:, :-1]
    width, share = 1, fade
    while width < reach:
        total = total[:, width:] + share * total[:, :-width]
        width, share = 2 * width, share * share
    return np.asarray(total / (1.0 - share))


def read_off(knots: Floats, first: int | Ints, time_us: Ints) -> Floats:
    """Interpolate *knots* (from minute *first* on, which is broadcast) at *time_us*; same shape as *time_us*."""
    minute, part = minutes_of(time_us)
    return between(knots, minute - first, part)


def minutes_of(time_us: Ints) -> tuple[Ints, Floats]:
    """Give the whole minutes of *time_us*, and how much of the next one has gone by."""
    minute = time_us // KNOT_US
    part: Floats = (time_us - minute * KNOT_US).astype(np.float64)
    part *= 1.0 / KNOT_US
    return minute, part


def between(knots: Floats, place: Ints, part: Floats) -> Floats:
    """Interpolate *knots*, the share *part* of the way from *place* to the next."""
    low = knots.take(place)
    return np.asarray(low + (knots.take(place + 1) - low) * part)

"""The air that the machines of a hall share: a closed form of time that every worker computes alike.

It knows the hall's shifts and not its machines, so one more of them changes the air of none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import DAY_US, HOUR_US, MINUTE_US, Floats, Ints
from fleet.sim.address import keys, machine_words, normals
from fleet.sim.calendar import EPOCH_WEEKDAY_US, WEEK_US, Calendar

KNOT_US = MINUTE_US
"""Air is computed at whole minutes and read off linearly between: it changes over hours."""

_YEAR_US = 365.25 * DAY_US
_WANDER_KNOTS_H = (0.5, 1.0, 2.0, 4.0, 8.0)
_WANDER_WEIGHTS = (0.30, 0.45, 0.55, 0.50, 0.40)
"""Octaves of smooth value noise and their weights (sum of squares 1), standing in for an
Ornstein-Uhlenbeck process of correlation time 2 h."""


WORK_TAU_US = 2.5 * HOUR_US
"""A hall warms up and cools down with this time constant when work begins and ends (engineering default)."""

CLOSED_OFF = 0.45
"""How much less a hall swings with the day when nobody works: its gates are closed, its ventilation is off."""


class Work:
    """How long and how far a hall has been at work, 0 to 1: the first-order answer to its shifts, for ever.

    Between two edges of the week it is an exponential; its values at the edges are those that a week later are the
    same again.
    """

    def __init__(self, calendar: Calendar) -> None:
        edges, ends = calendar.edges_us, (*calendar.edges_us[1:], calendar.edges_us[0] + WEEK_US)
        left = [math.exp(-(end - edge) / WORK_TAU_US) for edge, end in zip(edges, ends, strict=True)]
        after_a_week, kept = 0.0, 1.0
        for on, each in zip(calendar.on_after, left, strict=True):
            after_a_week = on + (after_a_week - on) * each
            kept *= each
        levels = [after_a_week / (1.0 - kept)]
        for on, each in zip(calendar.on_after, left, strict=True):
            levels.append(on + (levels[-1] - on) * each)
        self._edges_us, self._levels = np.array(edges, np.int64), np.array(levels[:-1])
        self._heads_for = np.array(calendar.on_after, np.float64)
        spans = zip(edges, ends, calendar.on_after, strict=True)
        self.mean = sum(end - edge for edge, end, on in spans if on) / WEEK_US

    def at(self, time_us: Ints) -> Floats:
        """Give it at *time_us*, the same shape."""
        in_week = (time_us + EPOCH_WEEKDAY_US) % WEEK_US
        place = np.searchsorted(self._edges_us, in_week, side="right") - 1  # before the first edge: the last one's
        since_us = (in_week - self._edges_us[place]) % WEEK_US
        heads_for = self._heads_for[place]
        return np.asarray(heads_for + (self._levels[place] - heads_for) * np.exp(-since_us / WORK_TAU_US))


class Air:
    """The temperature of one hall, degC: daily and yearly waves and a slow wander (physics: ambient).

    And where it does not always work, what *warmth* (K) the *work* in it makes: it is cooler, and swings less, when
    nobody does. Its mean stays about *mean*.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        mean: float,
        daily: float,
        season: float,
        wander: float,
        *,
        warmth: float = 0.0,
        work: Work | None = None,
    ) -> None:
        self._mean, self._daily, self._season, self._wander = mean, daily, season, wander
        self._warmth, self._work = warmth, work
        word = machine_words(seed, [f"hall:{name}"])
        self._keys = [keys(word, f"wander.{octave}") for octave in range(len(_WANDER_KNOTS_H))]

    def knots(self, first: int, stop: int) -> Floats:
        """Give the temperature at the whole minutes *first* to *stop* since 1970; (stop - first,)."""
        time = np.arange(first, stop, dtype=np.int64) * KNOT_US
        hour = (time % DAY_US) / HOUR_US
        year = (time % round(_YEAR_US)) / _YEAR_US
        wave = self._daily * np.sin(2 * math.pi * (hour - 9.0) / 24.0)
        if self._work is not None:
            at_work = self._work.at(time)
            wave *= 1.0 - CLOSED_OFF * (1.0 - at_work)
            wave += self._warmth * (at_work - self._work.mean)
        air = self._mean + wave
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


def work_of(calendar: Calendar) -> Work | None:
    """Give the work in a hall that keeps to *calendar*; None where it never rests."""
    return Work(calendar) if calendar.edges_us else None


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


@dataclass(frozen=True, slots=True, eq=False)
class AirOver:
    """The air of every hall at whole minutes from *first* on: temperature and dew point; (halls, minutes).

    *dew* is empty where no machine feels it. *felt* is the temperature as slow nodes feel it, by their time constant.
    """

    knots: Floats
    first: int
    dew: Floats
    felt: Mapping[float, Floats]

    def at(self, hall: Ints, time_us: Ints) -> Floats:
        """Give the air temperature of each machine's *hall* (machines,) at *time_us* (machines, scans), degC."""
        return self._read(self.knots, hall, time_us)

    def dew_point(self, hall: Ints, time_us: Ints) -> Floats:
        """Give the dew point of each machine's *hall* (machines,) at *time_us* (machines, scans), degC."""
        return self._read(self.dew, hall, time_us)

    def felt_at(self, taus_us: Mapping[str, float], hall: Ints, time_us: Ints) -> dict[str, Floats]:
        """Give the air as nodes of *taus_us* feel it, by the same names, as *at* does."""
        if not taus_us:
            return {}
        minute, part = minutes_of(time_us)
        place = minute - (self.first - hall[:, None] * self.knots.shape[1])
        return {name: between(self.felt[tau_us].ravel(), place, part) for name, tau_us in taus_us.items()}

    def _read(self, knots: Floats, hall: Ints, time_us: Ints) -> Floats:
        return read_off(knots.ravel(), self.first - hall[:, None] * knots.shape[1], time_us)

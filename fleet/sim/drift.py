"""How a sensor drifts over days and years, in closed form: bounded, as a random walk, or steadily.

Drift is computed at knots that lie at whole multiples of a span of time, wherever a block is cut, and read off
linearly between; a block sees two or three of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import DAY_US, HOUR_US, Floats, Ints, Words
from fleet.scenario.kind import Sensor
from fleet.sim.address import keys, normals, uniforms

WEIGHTS = np.sqrt((0.0921, 0.0637, 0.1477, 0.2769, 0.3199, 0.0997))
"""Octaves of smooth value noise whose knots are 1/8, 1/4, ... 4 time constants apart. Their sum has the variance of an
Ornstein-Uhlenbeck process and its autocorrelation, exp(-t / tau), within 1 % for t up to 2 tau (least squares)."""

FINE = 8
"""Knots in the shortest octave: between them drift is a straight line."""

TAU_SPREAD = 0.5
"""A sensor's time constant is drawn evenly within this share about its kind's: 30 to 90 days about 60."""

WALK_KNOT_US = HOUR_US
WALK_LEVELS = 20
"""A random walk is known for so many doublings of an hour, 120 years, from the start of the run on."""

YEAR_US = 365.25 * DAY_US

AtKnots = Callable[[Ints], Floats]  # numbers of knots (sensors, machines, knots) to values


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """Drift that comes back: as an Ornstein-Uhlenbeck process of this size, 1 sigma. Arrays are (sensors, machines)."""

    rows: Ints  # which sensors of the chain
    size: Floats  # (sensors, 1, 1), units
    knot_us: Ints
    streams: tuple[Words, ...]  # one an octave

    def at(self, machines: slice, time_us: Ints) -> Floats:
        """Give it at *time_us* (machines, scans); (sensors, machines, scans)."""
        streams = [stream[:, machines, None] for stream in self.streams]
        return self.size * read_off(lambda k: value_noise(streams, k), self.knot_us[:, machines], time_us)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Drift that never comes back: a random walk from 0 at the start of the run."""

    rows: Ints
    size: Floats  # (sensors, 1, 1), units a square root of a day
    start_us: int
    stream: Words  # (sensors, machines)

    def at(self, machines: slice, time_us: Ints) -> Floats:
        """Give it at *time_us* (machines, scans); (sensors, machines, scans)."""
        stream = self.stream[:, machines, None]
        knot_us = np.full((len(self.rows), len(time_us)), WALK_KNOT_US)
        walked = read_off(lambda k: random_walk(stream, k), knot_us, time_us - self.start_us)
        return np.asarray(self.size * np.sqrt(WALK_KNOT_US / DAY_US) * walked)


@dataclass(frozen=True, slots=True, eq=False)
class Ageing:
    """Drift at a steady rate, drawn once a sensor; 0 at the start of the run."""

    rows: Ints
    rate: Floats  # (sensors, machines), units a year
    start_us: int

    def at(self, machines: slice, time_us: Ints) -> Floats:
        """Give it at *time_us* (machines, scans); (sensors, machines, scans)."""
        return np.asarray(self.rate[:, machines, None] * ((time_us - self.start_us) / YEAR_US))


Drift = Bounded | Walk | Ageing


def drifts_of(names: Sequence[str], sensors: Sequence[Sensor], words: Words, start_us: int) -> tuple[Drift, ...]:
    """Draw how *sensors* of *names* drift on the machines with *words*, from *start_us* on."""

    def streams(rows: Ints, purpose: str) -> Words:
        return np.stack([keys(words, f"{names[row]}.{purpose}") for row in rows.tolist()])

    def rows(sizes: Sequence[float]) -> Ints:
        return np.flatnonzero(np.array(sizes))

    def sizes(which: Ints, all_sizes: Sequence[float]) -> Floats:
        return np.array(all_sizes, np.float64)[which][:, None, None]

    once = np.zeros(1, np.int64)
    found: list[Drift] = []
    bounded = [sensor.drift for sensor in sensors]
    if len(which := rows(bounded)):
        spread = 1.0 + TAU_SPREAD * (2.0 * uniforms(streams(which, "drift.tau"), once) - 1.0)
        tau_s = np.rint(sizes(which, [sensor.drift_tau for sensor in sensors])[..., 0] * spread)
        knot_us = np.maximum(tau_s.astype(np.int64), 1) * (1_000_000 // (FINE * 8))
        octaves = tuple(streams(which, f"drift.{octave}") for octave in range(len(WEIGHTS)))
        found.append(Bounded(which, sizes(which, bounded), knot_us, octaves))
    walks = [sensor.walk for sensor in sensors]
    if len(which := rows(walks)):
        found.append(Walk(which, sizes(which, walks), start_us, streams(which, "walk")))
    ageing = [sensor.ageing * (sensor.span[1] - sensor.span[0]) for sensor in sensors]
    if len(which := rows(ageing)):
        drawn = normals(streams(which, "ageing"), once).astype(np.float64)
        found.append(Ageing(which, sizes(which, ageing)[..., 0] * drawn, start_us))
    return tuple(found)


def read_off(at_knots: AtKnots, knot_us: Ints, time_us: Ints) -> Floats:
    """Read what is known *at_knots*, *knot_us* (sensors, machines) apart, off at *time_us* (machines, scans).

    Shaped (sensors, machines, scans). Each instant sees only the knots beside it, whatever else is asked.
    """
    first = time_us.min(axis=1) // knot_us
    count = int((time_us.max(axis=1) // knot_us - first).max()) + 2
    known = at_knots(first[..., None] + np.arange(count))
    age = time_us - (first * knot_us)[..., None]
    spans = knot_us[..., None]
    if count == 2:
        low, high = known[..., :1], known[..., 1:]
    else:
        knot = age // spans
        age -= knot * spans
        low, high = np.take_along_axis(known, knot, axis=2), np.take_along_axis(known, knot + 1, axis=2)
    return np.asarray(low + (high - low) * (age / spans))


def value_noise(streams: Sequence[Words], knot: Ints) -> Floats:
    """Give the sum of octaves of smooth value noise at fine knots; *streams* broadcast against *knot*."""
    total = np.zeros(knot.shape)
    for octave, (stream, weight) in enumerate(zip(streams, WEIGHTS.tolist(), strict=True)):
        spacing = FINE << octave
        place = knot // spacing
        part = (knot - place * spacing) / spacing
        ease = part * part * (3.0 - 2.0 * part)
        blend = normals(stream, place) * (1.0 - ease) + normals(stream, place + 1) * ease
        total += blend * (weight / np.sqrt((1.0 - ease) ** 2 + ease**2))
    return total


def random_walk(stream: Words, knot: Ints) -> Floats:
    """Give a random walk of unit steps at *knot* steps from its beginning, by midpoint displacement.

    The end of the horizon is drawn first, then the middle given both ends (half their sum, and a normal of a quarter
    of the span's variance), and so on: any knot in WALK_LEVELS draws.
    """
    knot = np.clip(knot, 0, (1 << WALK_LEVELS) - 1)
    span = 1 << WALK_LEVELS
    low = np.zeros(knot.shape)
    high = normals(stream, np.zeros(knot.shape, np.int64)) * np.sqrt(float(span))
    begin = np.zeros(knot.shape, np.int64)
    for level in range(1, WALK_LEVELS + 1):
        half = span >> 1
        number = (1 << level) + (begin >> (WALK_LEVELS - level + 1))  # of the span within its level, no two alike
        middle = 0.5 * (low + high) + normals(stream, number) * np.sqrt(span / 4.0)
        right = knot >= begin + half
        low, high = np.where(right, middle, low), np.where(right, high, middle)
        begin = np.where(right, begin + half, begin)
        span = half
    return low

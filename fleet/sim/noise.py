"""White and 1/f noise on rectangles of (machines, ordinals), closed form in the ordinal.

An *ordinal* numbers a sensor's readings: its n-th due tick. Every ordinal has its noise, also one
whose reading is then lost, so a run and its healthy twin differ only where a fault acts.
"""

from __future__ import annotations

import numpy as np

from fleet.data import Floats, Ints, Singles, Words
from fleet.sim.address import NORMAL, hashes, keys, normals

OCTAVES = 6
"""Held variates of 2, 4, ... 64 ordinals: power falls as 1/f over these octaves."""


def white(stream: Words, start: int, stop: int) -> Singles:
    """Draw N(0, 1) for ordinals *start* to *stop* of every key; (..., stop - start) float32 for *stream* (...).

    One hash gives four consecutive ordinals.
    """
    first, last = start >> 2, (stop + 3) >> 2
    words = hashes(stream[..., None], np.arange(first, last, dtype=np.uint64))
    lanes = words.astype("<u8", copy=False).view("<u2")
    skip = start - (first << 2)
    return NORMAL.take(lanes[..., skip : skip + stop - start])


def flicker(streams: tuple[Words, ...], start: int, stop: int) -> Singles:
    """Draw 1/f noise, unit variance an octave, for ordinals *start* to *stop*; (..., stop - start).

    *streams* has one array of keys an octave. Octave j holds each variate for 2**j ordinals; the
    sum of octaves of equal variance has a spectrum falling as 1/f (Voss and McCartney's sum, with
    addresses in place of state). Built from the slowest octave down, so that the work is two
    values a reading however many octaves there are; ordinals first, because slow octaves have hardly any.
    """
    octave = len(streams)
    first, last = start >> octave, ((stop - 1) >> octave) + 1
    total = _white_by_ordinal(streams[octave - 1], first, last)
    for octave in range(len(streams) - 1, 0, -1):
        slower, first, last = first, start >> octave, ((stop - 1) >> octave) + 1
        drawn = _white_by_ordinal(streams[octave - 1], first, last)
        drawn += _held(total, slower, first, last)
        total = drawn
    return np.ascontiguousarray(np.moveaxis(_held(total, first, start, stop), 0, -1))


def _white_by_ordinal(stream: Words, start: int, stop: int) -> Singles:
    """Draw what *white* does; (stop - start, ...)."""
    first, last = start >> 2, (stop + 3) >> 2
    index = np.arange(first, last, dtype=np.uint64).reshape(-1, *(1,) * stream.ndim)
    words = hashes(stream, index).astype("<u8", copy=False)
    lanes = np.moveaxis(words.view("<u2").reshape(*words.shape, 4), -1, 1).reshape(4 * len(words), *stream.shape)
    skip = start - (first << 2)
    return NORMAL.take(lanes[skip : skip + stop - start])


def _held(level: Singles, level_first: int, start: int, stop: int) -> Singles:
    """Hold every value of *level* (ordinals from *level_first* on, ...) for two ordinals, from *start* to *stop*."""
    return level.take((np.arange(start, stop) >> 1) - level_first, axis=0)


UNREST_SPANS_US = (7_000_000, 37_000_000, 190_000_000)
"""Distances of the knots of an unrest's octaves: no multiples of each other, so that none shows."""


def unrest(words: Words, time_us: Ints) -> Floats:
    """Draw what is never quite still at *time_us* (machines, scans): smooth noise N(0, 1), another for each of *words*.

    Octaves of equal variance, each smooth between addressed normals. It is a function of time, as a load is; a
    sensor's noise is one of its readings.
    """
    total = np.zeros(time_us.shape)
    row = np.arange(len(time_us))[:, None]
    for octave, span_us in enumerate(UNREST_SPANS_US):
        at = time_us * (1.0 / span_us)
        knot = at.astype(np.int64)
        first = int(knot.min())
        width = int(knot.max()) - first + 2
        table = normals(keys(words, f"unrest.{octave}")[:, None], first + np.arange(width)).ravel()
        ease = at - knot
        ease *= ease * (3.0 - 2.0 * ease)
        knot += row * width - first
        low = table.take(knot)
        total += low + (table.take(knot + 1) - low) * ease
    total *= 1.0 / np.sqrt(0.743 * len(UNREST_SPANS_US))  # 0.743: the variance of a blend, in the mean over a span
    return total

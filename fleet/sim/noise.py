"""White and 1/f noise on rectangles of (machines, ordinals), closed form in the ordinal.

An *ordinal* numbers a sensor's readings: its n-th due tick. Every ordinal has its noise, also one
whose reading is then lost, so a run and its healthy twin differ only where a fault acts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

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


def flicker(streams: Words, start: int, stop: int) -> Singles:
    """Draw 1/f noise, unit variance an octave, for ordinals *start* to *stop*; (..., stop - start).

    *streams* (octaves, ...) has the keys of each octave. Octave j holds each variate for 2**j ordinals; the
    sum of octaves of equal variance has a spectrum falling as 1/f (Voss and McCartney's sum, with
    addresses in place of state). Built from the slowest octave down, so that the work is two
    values a reading however many octaves there are; ordinals first, because slow octaves have hardly any.
    """
    plan = _plan(len(streams), start, stop)
    words = hashes(streams[plan.octave], plan.word.reshape(-1, *(1,) * (streams.ndim - 1)))
    lanes = words.astype("<u8", copy=False).view("<u2").reshape(*words.shape, 4)
    drawn = NORMAL.take(lanes[plan.row, ..., plan.lane])
    total: Singles = drawn[plan.cells[0]]
    for cells, slower in zip(plan.cells[1:], plan.slower, strict=False):
        faster = drawn[cells]
        faster += total.take(slower, axis=0)
        total = faster
    return np.ascontiguousarray(np.moveaxis(total.take(plan.slower[-1], axis=0), 0, -1))


class _Plan(NamedTuple):
    """Where the variates of a stretch of 1/f noise are found, octave by octave from the slowest on."""

    octave: Ints  # of each hash
    word: Words  # its address
    row: Ints  # the hash of each variate
    lane: Ints  # and the part of it
    cells: tuple[slice, ...]  # the variates of each octave
    slower: tuple[Ints, ...]  # which of them each one of the next octave, and at last each ordinal, is held from


@functools.lru_cache(maxsize=256)
def _plan(octaves: int, start: int, stop: int) -> _Plan:
    octave, word, row, lane, cells, slower = [], [], [], [], [], []
    hashed = drawn = 0
    for number in range(octaves, 0, -1):
        first, last = start >> number, ((stop - 1) >> number) + 1
        own, index = np.arange(first, last), np.arange(first >> 2, (last + 3) >> 2)
        octave.append(np.full(len(index), number - 1))
        word.append(index.astype(np.uint64))
        row.append((own >> 2) - index[0] + hashed)
        lane.append(own & 3)
        cells.append(slice(drawn, drawn + len(own)))
        faster = np.arange(start >> number - 1, ((stop - 1) >> number - 1) + 1)
        slower.append((faster >> 1) - first)
        hashed, drawn = hashed + len(index), drawn + len(own)
    join = np.concatenate
    return _Plan(join(octave), join(word), join(row), join(lane), tuple(cells), tuple(slower))


UNREST_SPANS_US = (7_000_000, 37_000_000, 190_000_000)
"""Distances of the knots of an unrest's octaves: no multiples of each other, so that none shows."""


def unrest_streams(words: Words) -> tuple[Words, ...]:
    """Give the keys of each octave of the unrest of the machines with *words*."""
    return tuple(keys(words, f"unrest.{octave}") for octave in range(len(UNREST_SPANS_US)))


def unrest(streams: Sequence[Words], time_us: Ints) -> Floats:
    """Draw what is never quite still at *time_us* (machines, scans): smooth noise N(0, 1), another for each machine.

    Octaves of equal variance, each smooth between addressed normals. It is a function of time, as a load is; a
    sensor's noise is one of its readings.
    """
    total = np.zeros(time_us.shape)
    row = np.arange(len(time_us))[:, None]
    for stream, span_us in zip(streams, UNREST_SPANS_US, strict=True):
        at = time_us * (1.0 / span_us)
        knot = at.astype(np.int64)
        first = int(knot.min())
        width = int(knot.max()) - first + 2
        table = normals(stream[:, None], first + np.arange(width)).ravel()
        at -= knot
        ease = 3.0 - 2.0 * at
        ease *= at
        ease *= at
        knot += row * width - first
        total += table.take(knot)
        ease *= np.diff(table).take(knot)
        total += ease
    total *= 1.0 / np.sqrt(0.743 * len(UNREST_SPANS_US))  # 0.743: the variance of a blend, in the mean over a span
    return total

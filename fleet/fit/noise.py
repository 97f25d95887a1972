"""A sensor's own noise: white and 1/f, from what is left of its readings when the machine is taken out of them.

By differences of block means: half of (before - 2 here + after) squared, the Hadamard variance, which a line through
the three blocks leaves at 0 (Riley, Handbook of Frequency Stability Analysis, NIST SP 1065, ch. 5.2.10). White noise
falls with the length of the blocks, 1/f noise does not; the two are told apart by how it goes from 1 to 16 readings.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fleet.data import Bools, Floats
from fleet.sim.address import keys, machine_words
from fleet.sim.noise import OCTAVES, flicker

BLOCKS = (1, 2, 4, 8, 16)
WINDOWS_MIN = 40
"""Fewer windows give no variance."""

TRIM = 3.0
TRIMMED = 0.9733
"""Variance that is left of a normal one when what is beyond TRIM sigma is cut off."""

RANGE_MIN = 1.8
"""Noise as a share of the signal is told from noise as such where the signal's levels differ by this factor."""

LEVELS = 6
FLAT = 0.3
NEAR = 3


@dataclass(frozen=True, slots=True)
class Noise:
    """White noise (1 sigma, units, and as a share of the signal) and 1/f noise (1 sigma an octave); None: unknown."""

    white: float | None
    share: float | None  # None: not told apart from white
    flicker: float | None
    flicker_error: float  # of its square
    level: float  # mean size of the signal where it was measured
    windows: int


@functools.cache
def octaves() -> Floats:
    """Give what 1/f noise of 1 an octave shows at each of BLOCKS: measured on the simulation's own."""
    words = machine_words(0, ["hadamard"])
    streams = np.stack([keys(words, f"octave.{each}") for each in range(OCTAVES)])
    series = flicker(streams, 0, 1 << 18)[0].astype(np.float64)
    return np.array([_hadamard(series, length).var() for length in BLOCKS])


def _hadamard(series: Floats, length: int) -> Floats:
    """Give second differences of neighbouring block means, scaled so that white noise keeps its variance at 1.

    Blocks begin at every reading, so that it does not matter where the octaves of 1/f noise change; a difference is
    NaN where one of its readings is.
    """
    sums = np.cumsum(np.append(0.0, np.nan_to_num(series)))
    holes = np.cumsum(np.append(0, np.isnan(series)))
    mean = (sums[length:] - sums[:-length]) / length
    mean[holes[length:] != holes[:-length]] = np.nan
    return np.asarray((mean[: -2 * length] - 2 * mean[length:-length] + mean[2 * length :]) / np.sqrt(6.0))


def _variance(found: Floats, step: float) -> float:
    """Give the variance of *found* without its outliers; steps of the resolution would spoil a plain median."""
    spread = max(1.4826 * float(np.median(np.abs(found))), 0.7 * step, 1e-12)
    for _ in range(3):
        kept = found[np.abs(found) <= TRIM * spread]
        spread = max(float(np.sqrt(np.mean(kept**2) / TRIMMED)), 0.4 * step, 1e-12)
    return float(np.mean(kept**2) / TRIMMED)


def noise_of(value: Floats, signal: Floats, usable: Bools, *, step: float, span: tuple[float, float]) -> Noise:
    """Estimate the noise of one sensor of one machine; arrays are (scans,), *value* NaN where there is no reading.

    *signal* is what the machine made of it, 0 where that is not known; *usable* leaves out pauses. *step* is the
    sensor's resolution, *span* its rails: a reading at one of them has lost half its noise.
    """
    here = np.isfinite(value)
    value, signal = value[here], signal[here]
    rest = np.where(_steady(value, signal, usable[here], step, span), value - signal, np.nan)
    variances, counts = np.full(len(BLOCKS), np.nan), np.zeros(len(BLOCKS))
    first_rest, first_level = np.zeros(0), np.zeros(0)
    for place, length in enumerate(BLOCKS):
        if len(rest) < 4 * length:
            continue
        differences, moved = _hadamard(rest, length), _hadamard(signal, length)
        good = np.isfinite(differences)
        if good.sum() < WINDOWS_MIN * length:
            continue
        usual = max(1.4826 * float(np.median(np.abs(differences[good]))), 0.3 * step / np.sqrt(length))
        good &= np.abs(moved) < FLAT * usual + 1e-12
        if good.sum() < WINDOWS_MIN * length:
            continue
        variances[place] = max(_variance(differences[good], step / np.sqrt(length)) - step**2 / 12 / length, 0.0)
        counts[place] = good.sum()
        if length == 1:
            first_rest, first_level = differences[good], np.abs(signal[1:-1][good])
    if not counts[0] or not np.nanmax(variances) > 0:
        return Noise(None, None, None, 0.0, 0.0, int(counts[0]))
    white2, flicker2, error = _parts(variances, counts)
    level = float(first_level.mean()) if len(first_level) else 0.0
    white, share = _by_level(first_rest, first_level, step, flicker2, float(np.sqrt(white2)))
    told = bool(np.isfinite(variances[2:]).any())
    return Noise(white, share, float(np.sqrt(flicker2)) if told else None, error, level, int(counts[0]))


def _steady(value: Floats, signal: Floats, usable: Bools, step: float, span: tuple[float, float]) -> Bools:
    """Leave out what is near a rail, and what is near a step of the signal, whose instant is known to a scan or two."""
    if len(value) < 8 or not usable.any():
        return usable
    usual = max(1.4826 * float(np.median(np.abs(_hadamard(value - signal, 1)))), 0.3 * step)
    steps = np.abs(np.diff(signal, prepend=signal[:1])) > 0.5 * usual
    near = np.convolve(steps, np.ones(2 * NEAR + 1), mode="same") > 0
    away = (value > span[0] + 4 * usual) & (value < span[1] - 4 * usual)
    return usable & ~near & away


def _parts(variances: Floats, counts: Floats) -> tuple[float, float, float]:
    """Split *variances* into white and 1/f by weighted least squares; neither is negative. Also the error of 1/f's."""
    known = np.isfinite(variances)
    shapes = np.stack([1.0 / np.array(BLOCKS), octaves()])[:, known]
    seen = variances[known]
    # A variance of n windows is known to a share of sqrt(2 / n), and neighbouring windows share blocks. No more than
    # a few percent is believed of any: long blocks may hold something of the machine's own.
    worth = np.sqrt(np.minimum(counts[known] / np.array(BLOCKS)[known], 2000.0) / 4.0)
    worth /= np.maximum(seen, seen.max() * 1e-6)
    design = (shapes * worth).T
    both = np.linalg.lstsq(design, seen * worth, rcond=None)[0]
    error = float(np.sqrt(np.linalg.pinv(design.T @ design)[1, 1]))
    if both.min() >= 0:
        return float(both[0]), float(both[1]), error
    alone = [max(0.0, float((shape * worth * seen * worth).sum() / ((shape * worth) ** 2).sum())) for shape in shapes]
    return (alone[0], 0.0, error) if both[1] < 0 else (0.0, alone[1], error)


def _by_level(rest: Floats, level: Floats, step: float, flicker2: float, white: float) -> tuple[float, float | None]:
    """Split white noise into a constant and a share of the signal where its levels tell them apart."""
    if len(rest) < LEVELS * WINDOWS_MIN:
        return white, None
    edges = np.linspace(level.min(), level.max(), LEVELS + 1)
    middles, sizes, numbers = [], [], []
    for low, high in pairwise(edges):
        inside = (level >= low) & ((level < high) | (high == edges[-1]))
        if inside.sum() >= WINDOWS_MIN:
            variance = _variance(rest[inside], step) - step**2 / 12 - flicker2 * octaves()[0]
            middles.append(float(level[inside].mean()))
            sizes.append(float(np.sqrt(max(variance, 0.0))))
            numbers.append(float(inside.sum()))
    if len(middles) < 2 or max(middles) < RANGE_MIN * max(min(middles), 1e-9 * max(middles)):
        return white, None
    weight = np.sqrt(np.array(numbers)) / np.maximum(np.array(sizes), 0.3 * step + 1e-12)
    design = np.stack([np.ones(len(middles)), np.array(middles)])
    both = np.linalg.lstsq((design * weight).T, np.array(sizes) * weight, rcond=None)[0]
    if both.min() >= 0:
        return float(both[0]), float(both[1])
    if both[0] < 0:
        return 0.0, float(
            (np.array(middles) * np.array(sizes) * weight**2).sum() / ((np.array(middles) * weight) ** 2).sum()
        )
    return white, 0.0

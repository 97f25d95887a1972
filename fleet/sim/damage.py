"""Damage as a closed form of the age of what wears: 0 until its onset, 1 at the end of its life.

The life is drawn first, so every path of growth is a bridge to it. A rough path is cumulated from increments that are
addressed by (machine, mode, number of the life), KNOTS of them over the growth, and linear between: any block
computes the same path, whichever part of it falls into the block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fleet.data import Bools, Floats, Ints, Words
from fleet.sim import changes as row
from fleet.sim.address import mix, normals, uniforms
from fleet.sim.changes import PPM, of_mode
from fleet.sim.rules import Mode

KNOTS = 128
"""Increments of a rough path over the whole of its growth: of an hour or so for a bearing that lasts some weeks."""

BREAK_IN, WORN_FAST = 0.1, 0.9
"""Shares of a tool's life at which its flank wear leaves break-in, and at which it speeds up (Taylor's stages)."""

FLANK_BREAK_IN, FLANK_FAST = 0.1 / 0.3, 0.25 / 0.3
"""Flank wear there, as shares of the 0.3 mm at which a tool is worn out (ISO 3685)."""


def damage(mode: Mode, words: Words, rows: Ints, number: int, place: Ints, age_us: Floats, executing: Bools) -> Floats:
    """Give the damage of failure *mode*, the *number*-th of its cohort, at each instant; (machines, scans).

    Or (machines, 1) where there is none. *words* (machines of the cohort,) address rough paths; *place* says which
    of the spans *rows* is in force, *age_us* how long it has been, *executing* whether the machine runs in it.
    """
    begun, onset, rate = (of_mode(rows, number, column) for column in (row.AGE, row.ONSET, row.RATE))
    before, pace, left = (begun - onset)[place], (rate / PPM)[place], of_mode(rows, number, row.LEFT)
    oldest = age_us[:, -1:] if place.shape[1] == 1 else age_us.max(axis=1, keepdims=True)
    past_onset = np.flatnonzero(((before + oldest * pace > 0.0) | (left > 0)[place]).any(axis=1))
    if not len(past_onset):  # as of most machines
        return np.zeros((len(place), 1))
    place, pace, ages = place[past_onset], pace[past_onset], age_us[past_onset]
    past = before[past_onset] + np.where(executing[past_onset], ages * pace, 0.0)
    grows_us = np.maximum(of_mode(rows, number, row.LIFE) - onset, 1)
    share = np.clip(past / grows_us[place], 0.0, 1.0)
    grows = share > 0.0
    if mode.growth in ROUGH:
        late = mode.felt_us * pace / grows_us[place]
        which, late = (np.broadcast_to(place, share.shape)[grows], np.broadcast_to(late, share.shape)[grows])
        share[grows] = _rough(mode, words, rows, number, which, late, share[grows])
    else:
        share[grows] = smooth(mode, share[grows])
    before_it = (left / PPM)[place]
    grown = np.zeros(age_us.shape)
    grown[past_onset] = before_it + (1.0 - before_it) * share
    return grown


DELAYS = tuple(-math.log(1.0 - (place + 0.5) / 8.0) for place in range(8))
"""Eight times, in time constants, that stand for an exponential memory: the middles of its eighths."""


def as_felt(mode: Mode, tau_us: float) -> Mode:
    """Give a failure mode whose damage is that of *mode* as what follows it with *tau_us* of running time feels it.

    The jumps of a rough path arrive over a few time constants, as heat does: the mean of what damage was a while ago.
    Smooth damage grows over hours anyway, and is felt at once.
    """
    return replace(mode, felt_us=tau_us) if mode.growth in ROUGH else mode


def smooth(mode: Mode, share: Floats) -> Floats:
    """Give the damage at each *share* of the growth, by a law without chance."""
    if mode.growth == "flank":
        return flank(share)
    grown: Floats = share**mode.exponent
    return grown


def flank(share: Floats) -> Floats:
    """Give the flank wear of a cutting tool at each *share* of its life, as a share of what it may have.

    Three stages: a quick break-in, a long steady one, a quick end; the slope never jumps at the first joint.
    """
    steady = (FLANK_FAST - FLANK_BREAK_IN) / (WORN_FAST - BREAK_IN)
    early = np.minimum(share / BREAK_IN, 1.0)
    # A parabola that meets the steady stage with its slope.
    bend = FLANK_BREAK_IN - steady * BREAK_IN
    rise = FLANK_BREAK_IN - bend * (1.0 - early) ** 2 - steady * BREAK_IN * (1.0 - early)
    middle = rise + steady * np.clip(share - BREAK_IN, 0.0, None)
    late = np.clip(share - WORN_FAST, 0.0, None) / (1.0 - WORN_FAST)
    return np.asarray(middle + (1.0 - FLANK_FAST - steady * (1.0 - WORN_FAST)) * late**2)


def _rough(mode: Mode, words: Words, rows: Ints, number: int, place: Ints, late: Floats, share: Floats) -> Floats:
    """Read the paths of those of *rows* at *place* (cells,) off at *share* (cells,) of their growth.

    *late* (cells,) is the time constant of what feels them, in shares of that.
    """
    if not len(place):
        return share
    lowest = int(place.min())
    used = np.zeros(int(place.max()) - lowest + 1, bool)
    used[place - lowest] = True
    chosen = np.flatnonzero(used) + lowest
    which = (np.cumsum(used) - 1)[place - lowest]
    table = paths(mode, words[rows[chosen, row.MACHINE]], of_mode(rows, number, row.NUMBER)[chosen])
    if not mode.felt_us:
        return read_off(table, which, share**mode.exponent)
    felt = np.zeros(len(share))
    for delay in DELAYS:
        felt += read_off(table, which, np.maximum(share - delay * late, 0.0) ** mode.exponent)
    return felt * (1.0 / len(DELAYS))


def read_off(table: Floats, which: Ints, grown: Floats) -> Floats:
    """Read path *which* of *table* (paths, KNOTS + 1) at the shares *grown* of its mean growth, linearly."""
    at = grown * KNOTS
    knot = np.minimum(at.astype(np.int64), KNOTS - 1)
    low = table[which, knot]
    return np.asarray(low + (table[which, knot + 1] - low) * (at - knot))


def paths(mode: Mode, words: Words, number: Ints) -> Floats:
    """Give the rough path of life *number* (paths,) of the machine with each of *words*; (paths, KNOTS + 1), 0 to 1."""
    return ROUGH[mode.growth](mode.roughness, mix(words ^ np.uint64(mode.path_word)), number)


def gamma_paths(roughness: float, stream: Words, number: Ints) -> Floats:
    """Give bridges of a gamma process: they rise in jumps, most of the time by next to nothing.

    Unbridged its end would vary by *roughness* (coefficient of variation): its shape is ``1 / roughness ** 2`` in all.
    A gamma variate of a shape a below 1 is one of shape a + 1 (Wilson and Hilferty's cube) times ``U ** (1 / a)``
    (Stuart's theorem).
    """
    shape = 1.0 / (roughness * roughness * KNOTS)
    index = number[:, None] * KNOTS + np.arange(KNOTS)
    more = shape + 1.0
    cube = 1.0 - 1.0 / (9.0 * more) + normals(stream[:, None], index).astype(np.float64) / (3.0 * np.sqrt(more))
    step = more * np.maximum(cube, 0.0) ** 3 * uniforms(mix(stream ^ _OTHER)[:, None], index) ** (1.0 / shape)
    cumulated = np.cumsum(step, axis=1)
    # At least one increment is above 0, but their sum may be tiny: then the path is a step at the end.
    table = np.concatenate([np.zeros((len(number), 1)), cumulated / np.maximum(cumulated[:, -1:], 1e-300)], axis=1)
    table[:, -1] = 1.0
    return table


def wiener_paths(roughness: float, stream: Words, number: Ints) -> Floats:
    """Give Wiener processes of diffusion *roughness* that pass the failing level for the first time at the end.

    Such a one is the failing level less a three-dimensional Bessel bridge to 0 (Williams), whatever its drift: so it
    wanders, also below where it began, and never touches 1 before its time. Below 0 it counts as 0.
    """
    share = np.arange(KNOTS + 1) / KNOTS
    total = np.zeros((len(number), KNOTS + 1))
    for axis in range(3):
        index = (number[:, None] * 3 + axis) * KNOTS + np.arange(KNOTS)
        walk = np.cumsum(normals(stream[:, None], index).astype(np.float64), axis=1) / np.sqrt(KNOTS)
        bridge = np.concatenate([np.zeros((len(number), 1)), walk], axis=1)
        bridge = roughness * (bridge - share * bridge[:, -1:])
        total += (bridge + (1.0 - share if axis == 0 else 0.0)) ** 2
    table = np.clip(1.0 - np.sqrt(total), 0.0, 1.0)
    table[:, -1] = 1.0
    return table


_OTHER = np.uint64(0x9E3779B97F4A7C15)

ROUGH = {"gamma": gamma_paths, "wiener": wiener_paths}


def level_of(mode: Mode, word: int, cells: Sequence[int]) -> float:
    """Give the damage of what stands still, by the mode's columns *cells*."""
    age, life, onset, _, left, number = cells
    begun, share = left / PPM, np.array([min((age - onset) / max(life - onset, 1), 1.0)])
    if share[0] <= 0.0:
        return begun
    if mode.growth in ROUGH:
        table = paths(mode, np.array([word], np.uint64), np.array([number], np.int64))
        grown = read_off(table, np.zeros(1, np.int64), share**mode.exponent)
    else:
        grown = smooth(mode, share)
    return begun + (1.0 - begun) * float(grown[0])


def age_at(mode: Mode, word: int, cells: Sequence[int], level: float) -> int:
    """Say at which age (us) damage first reaches *level*, by the mode's columns *cells*; its life at the latest."""
    _, life, onset, _, left, number = cells
    begun = left / PPM
    if level <= begun:
        return 0
    wanted = (level - begun) / (1.0 - begun)
    if wanted >= 1.0:
        return life
    return min(life, onset + round((life - onset) * _share_at(mode, word, number, wanted)))


def _share_at(mode: Mode, word: int, number: int, wanted: float) -> float:
    if mode.growth in ROUGH:
        table = paths(mode, np.array([word], np.uint64), np.array([number], np.int64))[0]
        knot = int(np.argmax(table >= wanted))
        low, high = float(table[knot - 1]), float(table[knot])
        return float(((knot - 1 + (wanted - low) / (high - low)) / KNOTS) ** (1.0 / mode.exponent))
    if mode.growth == "flank":
        share = np.linspace(0.0, 1.0, KNOTS * 8 + 1)
        return float(np.interp(wanted, flank(share), share))
    return float(wanted ** (1.0 / mode.exponent))

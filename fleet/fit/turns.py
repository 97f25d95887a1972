"""A compressor's turns of loaded and unloaded running, read off the sensors that show which of the two it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, State
from fleet.fit.graph import Timeline, inputs_of
from fleet.fit.records import Record
from fleet.scenario.kind import Kind

LOADED_LAW = "runs_loaded"
TURNS_MIN = 8
OFF_SHARE = 0.1
"""Below this share of its usual size a sensor of a turning machine says that it stands."""

APART = 0.08
"""Loaded and unloaded running must differ by this share of the sensor's size to be told apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """The timeline of a machine with a receiver, and the fill time that each of its turns shows, s."""

    timeline: Timeline
    fill_s: Floats


def turns_of(kind: Kind, record: Record) -> Turns | None:
    """Split the readings of the clearest sensor into standing, unloaded and loaded; None where none is clear.

    In a turn of period T and duty d the receiver, filled in F while nothing is taken, is filled in d T against what is
    taken, and emptied in (1 - d) T: with constant flows F = T d (1 - d).
    """
    best: tuple[float, Floats, float] | None = None
    for place, name in enumerate(record.sensors):
        inputs = inputs_of(kind, kind.sensors[name].signal)
        laws = {kind.signals[signal].law for signal in inputs & kind.signals.keys()}
        if LOADED_LAW in laws and not inputs & kind.nodes.keys():
            row = record.value[place]
            known = row[np.isfinite(row)]
            usual = float(np.median(known))
            running = known[known > OFF_SHARE * usual]
            low, high = _two_levels(running)
            scatter = 1.4826 * float(np.median(np.abs(np.diff(known)))) + 1e-12
            if high - low > APART * high and (best is None or (high - low) / scatter > best[0]):
                best = ((high - low) / scatter, row, 0.5 * (low + high))
    if best is None:
        return None
    _, row, middle = best
    known = np.flatnonzero(np.isfinite(row))
    held = row[known[np.clip(np.searchsorted(known, np.arange(len(row)), side="right") - 1, 0, None)]]
    running = held > OFF_SHARE * np.median(row[known])
    return _timeline(record, running, held > middle)


def _two_levels(value: Floats) -> tuple[float, float]:
    """Split *value* into two levels (2-means; Lloyd, IEEE Trans. Inf. Theory 28, 1982)."""
    low, high = (float(each) for each in np.quantile(value, [0.1, 0.9]))
    for _ in range(50):
        upper = value > 0.5 * (low + high)
        if upper.all() or not upper.any():
            break
        new = float(value[~upper].mean()), float(value[upper].mean())
        if new == (low, high):
            break
        low, high = new
    return low, high


def _timeline(record: Record, running: Bools, loaded: Bools) -> Turns | None:
    """Give every scan its place in its turn and the turn's duty; a turn begins when the machine is loaded."""
    scans = len(running)
    loaded = loaded & running
    begins = np.flatnonzero(np.diff(loaded.astype(np.int8), prepend=np.int8(loaded[0])) > 0)
    ends = np.flatnonzero(np.diff(loaded.astype(np.int8), prepend=np.int8(loaded[0])) < 0)
    if len(begins) < TURNS_MIN:
        return None
    phase, duty, fills = np.zeros(scans), np.full(scans, np.nan), []
    for start, stop in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        inside = ends[(ends > start) & (ends < stop)]
        if not len(inside) or not running[start:stop].all():
            continue
        # An edge is seen at the first scan after it: as a rule half a scan late, all of them alike.
        share = (float(inside[0]) - start) / (stop - start)
        phase[start:stop] = (np.arange(start, stop) + 0.5 - start) / (stop - start)
        duty[start:stop] = share
        fills.append((stop - start) * record.step_s * share * (1.0 - share))
    known = np.flatnonzero(np.isfinite(duty))
    if len(fills) < TURNS_MIN:
        return None
    level = np.interp(np.arange(scans), known, duty[known])
    rest = np.flatnonzero(~np.isfinite(duty))
    phase[rest] = np.where(loaded[rest], 0.5 * level[rest], 0.5 * (1.0 + level[rest]))
    state = np.where(running, int(State.EXECUTE), int(State.STOPPED)).astype(np.int64)
    zeros = np.zeros(scans, np.int64)
    return Turns(Timeline(record.start_us, record.step_s, state, phase, zeros, level), np.array(fills))

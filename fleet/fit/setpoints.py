"""At which setpoint a machine runs: the most likely path through levels, with and without a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fleet.data import Ints, Singles, State
from fleet.fit.graph import Timeline
from fleet.fit.records import Record
from fleet.fit.templates import CLIP, Decoded, classes_of, emissions, scales_of, seen_as, template
from fleet.scenario.kind import Kind

SWITCH = 30.0
"""What a change of setpoint costs (nats)."""

LEVELS = 41
RECIPE_PHASES = 64
SHORT_S = 60.0
"""A stretch of a setpoint or a pause shorter than this is a transition, no stretch of its own."""


def steady(kind: Kind, record: Record, places: list[int], parameters: Mapping[str, float], *, first: bool) -> Decoded:
    """Decode setpoints and stops."""
    low, high = (kind.setpoint.low, kind.setpoint.high) if kind.setpoint else (1.0, 1.0)
    grid = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), LEVELS if high > low else 1)
    classes = classes_of(kind)
    zero, one = np.zeros(1), np.ones(1)
    execute = template(kind, record, places, parameters, State.EXECUTE, np.zeros(len(grid)), grid)
    others = np.hstack([template(kind, record, places, parameters, state, zero, one) for state in classes])
    scale = None
    if not first:
        between = np.abs(np.diff(execute, axis=1)).max(axis=1) if len(grid) > 1 else np.zeros(len(places))
        scale = np.maximum(scales_of(kind, record, places, execute), 2 * between)
    seen = seen_as(record.value[places], execute, others, scale)
    both = np.hstack([seen.execute, seen.others])
    scans = record.value.shape[1]
    emission = emissions(seen, both, 0, scans)
    path = _sticky(emission, SWITCH)
    state = np.array([State.EXECUTE] * len(grid) + [int(each) for each in classes], np.int64)[path]
    piece = _pieces(path, state, SHORT_S / record.step_s)
    timeline = Timeline(record.start_us, record.step_s, state, np.zeros(scans), piece)
    return Decoded(timeline, np.zeros(0), 0.0)


def _sticky(emission: Singles, cost: float) -> Ints:
    """Find the most likely path where every change of hidden state costs the same."""
    steps, hidden = emission.shape
    stay = np.ones((steps, hidden), bool)
    best_before = np.zeros(steps, np.int64)
    score = emission[0].astype(np.float64)
    for step in range(1, steps):
        best = int(score.argmax())
        moved = score[best] - cost
        keep = score >= moved
        score = np.where(keep, score, moved) + emission[step]
        stay[step], best_before[step] = keep, best
    path = np.empty(steps, np.int64)
    path[-1] = at = int(score.argmax())
    for step in range(steps - 1, 0, -1):
        if not stay[step, at]:
            at = int(best_before[step])
        path[step - 1] = at
    return path


def _pieces(path: Ints, state: Ints, shortest: float) -> Ints:
    """Give every scan the number of its stretch of one setpoint.

    Short stretches belong to the one before; while the machine does not execute, the last one goes on.
    """
    level = path.copy()
    running = state == State.EXECUTE
    if not running.any():
        return np.zeros(len(path), np.int64)
    last = int(level[running][0])
    held = np.where(running, level, -1).tolist()
    level = np.array([last := (each if each >= 0 else last) for each in held], np.int64)
    edges = np.flatnonzero(np.diff(level)) + 1
    starts, stops = [0, *edges.tolist()], [*edges.tolist(), len(level)]
    piece = np.zeros(len(level), np.int64)
    number, value = -1, -1
    for start, stop in zip(starts, stops, strict=True):
        if number < 0 or (stop - start >= shortest and int(level[start]) != value):
            number, value = number + 1, int(level[start])
        piece[start:stop] = number
    return piece


def with_recipes(
    kind: Kind, record: Record, places: list[int], parameters: Mapping[str, float], found: Decoded, *, first: bool
) -> Decoded:
    """Add the setpoints to a timeline whose phases are known."""
    assert kind.setpoint is not None, "steered by a setpoint"
    low, high = kind.setpoint.low, kind.setpoint.high
    grid = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), LEVELS if high > low else 1)
    phase = (np.arange(RECIPE_PHASES) + 0.5) / RECIPE_PHASES
    cells = np.repeat(phase, len(grid)), np.tile(grid, len(phase))
    execute = template(kind, record, places, parameters, State.EXECUTE, *cells)
    scale = None
    if not first:
        between = np.abs(np.diff(execute.reshape(len(places), len(phase), -1), axis=2)).max(axis=(1, 2))
        scale = np.maximum(scales_of(kind, record, places, execute), 2 * between)
    timeline = found.timeline
    running = timeline.state == State.EXECUTE
    value = np.where(running, record.value[places], np.nan)
    seen = seen_as(value, execute, np.zeros((len(places), 1)), scale)
    at = np.minimum((timeline.phase * RECIPE_PHASES).astype(np.int64), RECIPE_PHASES - 1)
    emission = np.zeros((timeline.scans, len(grid)), np.float32)
    for row, known_as, width in zip(
        seen.value, seen.execute.reshape(len(places), len(phase), -1), seen.scale, strict=True
    ):
        known = np.flatnonzero(np.isfinite(row))
        z = (row[known, None] - known_as[at[known]]) / width
        emission[known] -= np.minimum(0.5 * z * z, CLIP).astype(np.float32)
    path = _sticky(emission, SWITCH)
    piece = _pieces(path, timeline.state, SHORT_S / record.step_s)
    return Decoded(replace(timeline, piece=piece), found.begins_s, found.period_s)

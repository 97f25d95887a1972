"""What can be looked for in a machine's readings: the unknowns that they could move, each with its prior."""

from __future__ import annotations

import numpy as np

from fleet.data import Floats, State
from fleet.fit.graph import Taus, changed, hall_air, inputs_of, settled, target_of, understood
from fleet.fit.predict import rows_of
from fleet.fit.problem import (
    PRIOR_AIR_K,
    PRIOR_CLOCK_S,
    PRIOR_DAMAGE,
    PRIOR_LOG,
    PRIOR_START,
    PRIOR_TAU_LOG,
    PRIOR_WANDER_K,
    WORN_MAX,
    WORN_S,
    Problem,
    Unknown,
    direct,
    knots_of,
)
from fleet.fit.records import Record
from fleet.fit.templates import Decoded
from fleet.scenario.kind import Kind

LAGGED = 20.0
"""A sensor's own lag shows behind a node that is no slower than so many times it."""

MOVED, RESTED = 0.1, 0.25
"""A node that moved by less than this share of its rise, or rested for less than this share of its time constant,
says nothing of it."""


def set_up(kind: Kind, record: Record, decoded: Decoded) -> Problem:
    """Find out what can be looked for in *record*, and step everything along its scans that no unknown moves."""
    timeline = decoded.timeline
    places = [place for place, name in enumerate(record.sensors) if not understood(kind, kind.sensors[name].signal)]
    signals = [kind.sensors[record.sensors[place]].signal for place in places]
    wanted = frozenset[str]().union(*(inputs_of(kind, signal) for signal in signals))
    pieces = int(timeline.piece.max()) + 1
    drives: dict[str, Floats] = {}
    for name, drive in kind.drives.items():
        if name in wanted:
            target = target_of(drive, timeline)
            if drive.setpoint and kind.setpoint:
                rows = [settled(target * (timeline.piece == each), timeline, drive.settle) for each in range(pieces)]
            else:
                level = timeline.level if drive.setpoint and timeline.level is not None else 1.0
                rows = [settled(target * level, timeline, drive.settle)]
            drives[name] = np.stack(rows)
    scans = timeline.scans
    air = hall_air(record.start_us, record.step_s, scans)
    if record.air is not None and np.isfinite(record.air).sum() > 10:
        known = np.flatnonzero(np.isfinite(record.air))
        air = np.interp(np.arange(scans), known, record.air[known])
    rails = [_rails(kind.sensors[record.sensors[place]].span, record.value[place]) for place in places]
    problem = Problem(kind, record, decoded, [], places, signals, wanted, drives, air, rails)
    problem.unknowns = _unknowns(problem, pieces)
    return problem


def _rails(span: tuple[float, float], value: Floats) -> tuple[float, float]:
    """Give the ends beyond which a sensor shows nothing; one that has readings beyond them has other ones."""
    low, high = span
    return (low if np.nanmin(value) >= low else -np.inf, high if np.nanmax(value) <= high else np.inf)


def _unknowns(problem: Problem, pieces: int) -> list[Unknown]:
    kind, record, wanted, places = problem.kind, problem.record, problem.wanted, problem.places
    listed = [Unknown("parameter", name, 0.0, PRIOR_LOG) for name in kind.parameters if name in wanted]
    resting_s = float((problem.decoded.timeline.state != State.EXECUTE).sum()) * record.step_s
    for name, node in kind.nodes.items():
        if name in wanted:
            if _moves(problem, name):
                listed.append(Unknown("tau", name, 0.0, PRIOR_TAU_LOG))
                if resting_s > RESTED * node.tau_at_rest:
                    listed.append(Unknown("rest", name, 0.0, PRIOR_TAU_LOG))
            listed.append(Unknown("start", name, 0.0, PRIOR_START))
    for place in places:
        name = record.sensors[place]
        inputs = inputs_of(kind, kind.sensors[name].signal)
        moves = any(kind.nodes[node].tau < LAGGED * kind.sensors[name].tau for node in inputs & kind.nodes.keys())
        if kind.sensors[name].tau > 0.5 * record.step_s and (moves or direct(kind, inputs) & kind.drives.keys()):
            listed.append(Unknown("lag", name, 0.0, PRIOR_TAU_LOG))
    for mode, usual in changed(kind):
        if f"damage.{mode}" in wanted:
            count = min(max(2, round(record.value.shape[1] * record.step_s / WORN_S) + 1), WORN_MAX)
            listed += [Unknown("damage", f"{mode}:{each}", usual, PRIOR_DAMAGE) for each in range(count)]
    if "ambient" in wanted and record.air is None:
        listed.append(Unknown("air", "", 0.0, PRIOR_AIR_K))
        listed += [Unknown("wander", str(each), 0.0, PRIOR_WANDER_K) for each in range(knots_of(record))]
    if any(kind.signals[name].law == "ripple" for name in wanted & kind.signals.keys()):
        listed.append(Unknown("clock", "", 0.0, PRIOR_CLOCK_S))
    if kind.setpoint and any(kind.drives[name].setpoint for name in wanted & kind.drives.keys()):
        middle, width = 0.5 * (kind.setpoint.low + kind.setpoint.high), kind.setpoint.high - kind.setpoint.low
        listed += [Unknown("level", str(each), middle, max(0.4 * width, 1e-3)) for each in range(pieces)]
    for place in places:
        sensor = kind.sensors[record.sensors[place]]
        if sensor.gain > 0:
            listed.append(Unknown("gain", record.sensors[place], 0.0, sensor.gain))
        if sensor.offset > 0:
            listed.append(Unknown("offset", record.sensors[place], 0.0, sensor.offset))
    return listed


def _moves(problem: Problem, name: str) -> bool:
    """Say whether the node *name* had anything to follow: its time constants show in nothing else."""
    node = problem.kind.nodes[name]
    usual = 1.0 if problem.kind.setpoint is None else 0.5 * (problem.kind.setpoint.low + problem.kind.setpoint.high)
    rows = rows_of(problem, name, Taus(node.tau, node.tau_at_rest))
    follows = np.sum([each.follows for each in rows], axis=0) * usual
    levels = len(rows)
    swing = float(np.ptp(follows)) / max(float(np.abs(follows).max()), 1e-12)
    return swing > MOVED or (levels > 1)

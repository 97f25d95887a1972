"""What the sensors of a machine show with given unknowns: its kind's laws along the scans."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleet.data import Floats, Ints
from fleet.fit.graph import (
    Taus,
    Value,
    Warmth,
    absent,
    changed,
    drawn_parameters,
    evaluate,
    inputs_of,
    lagged,
    warmth_of,
)
from fleet.fit.problem import LAG_UNIT_S, Problem, direct, parameter_value
from fleet.fit.records import Record
from fleet.scenario.kind import FELT, Drive

KEPT = 60
"""What was stepped along the scans is kept for so many time constants."""


def predict(problem: Problem, x: Floats, points: Floats) -> Floats:
    """Compute what the modelled sensors show at the scans *points* with the unknowns *x*; (sensors, points)."""
    kind, record = problem.kind, problem.record
    by_role: dict[str, dict[str, float]] = {}
    for unknown, value in zip(problem.unknowns, x.tolist(), strict=True):
        by_role.setdefault(unknown.role, {})[unknown.name] = value
    given: dict[str, Value] = dict(drawn_parameters(kind))
    for name, value in by_role.get("parameter", {}).items():
        given[name] = parameter_value(kind, name, value)
    at = points.astype(np.int64)
    given |= absent(kind)
    for mode, _ in changed(kind):
        if worn := [value for name, value in by_role.get("damage", {}).items() if name.partition(":")[0] == mode]:
            knots = np.linspace(0.0, record.value.shape[1] - 1.0, len(worn))
            given[f"damage.{mode}"] = np.clip(np.interp(points, knots, worn), 0.0, 1.0)
    air = problem.air[at] + by_role.get("air", {}).get("", 0.0)
    wander = list(by_role.get("wander", {}).values())
    given["ambient"] = air + _wandered(record, wander, points)
    for name, node in kind.nodes.items():
        if f"{FELT}{name}" in problem.wanted:  # it wanders so slowly that lagging is feeling what was before
            slow = _felt(problem, node.tau)[at] + by_role.get("air", {}).get("", 0.0)
            given[f"{FELT}{name}"] = slow + _wandered(record, wander, points - node.tau / record.step_s)
    given["time"] = np.asarray(at * record.step_s, np.float64) + by_role.get("clock", {}).get("", 0.0)
    levels = np.array(list(by_role.get("level", {}).values()))
    timeline = problem.decoded.timeline
    given["level"] = levels[timeline.piece[at]] if len(levels) else 1.0
    if timeline.level is not None:
        given["level"] = timeline.level[at]
    given["phase"] = timeline.phase[at]
    out = np.empty((len(problem.places), len(at)))
    for tau_s, rows in by_lag(problem, by_role.get("lag", {})).items():
        wanted = frozenset[str]().union(*(inputs_of(kind, problem.signals[row]) for row in rows))
        moving = _moving(problem, by_role, given, wanted, tau_s, at, levels)
        values = evaluate(kind, given | moving | {"time": given["time"] - tau_s}, wanted)
        for row in rows:
            name = record.sensors[problem.places[row]]
            gain = 1.0 + by_role.get("gain", {}).get(name, 0.0)
            shown = gain * values[problem.signals[row]] + by_role.get("offset", {}).get(name, 0.0)
            out[row] = np.clip(shown, *problem.rails[row])
    return out


def _wandered(record: Record, wander: list[float], points: Floats) -> Floats:
    """Give how far the air is off the usual at the scans *points*, by its knots; (points,)."""
    if not wander:
        return np.zeros(len(points))
    return np.asarray(np.interp(points, np.linspace(0.0, record.value.shape[1] - 1.0, len(wander)), wander))


def _felt(problem: Problem, tau_s: float) -> Floats:
    """Give the air as a node of the time constant *tau_s* feels it; (scans,)."""
    if tau_s not in problem.felt:
        problem.felt[tau_s] = lagged(problem.air, problem.decoded.timeline, tau_s)
    return problem.felt[tau_s]


def by_lag(problem: Problem, lags: Mapping[str, float]) -> dict[float, list[int]]:
    """Put the modelled sensors together that lag by the same time constant, s: the kind's, or as is being tried."""
    groups: dict[float, list[int]] = {}
    for row, place in enumerate(problem.places):
        name = problem.record.sensors[place]
        tau_s = problem.kind.sensors[name].tau
        if name in lags:
            tau_s = (tau_s or LAG_UNIT_S) * float(np.exp(lags[name]))
        groups.setdefault(tau_s, []).append(row)
    return groups


def _moving(
    problem: Problem,
    by_role: Mapping[str, Mapping[str, float]],
    given: Mapping[str, Value],
    wanted: frozenset[str],
    tau_s: float,
    at: Ints,
    levels: Floats,
) -> dict[str, Value]:
    """Give the drives and nodes among *wanted* at the scans *at*, as a sensor that lags by *tau_s* sees them."""
    kind = problem.kind
    values: dict[str, Value] = {}
    for name in problem.drives.keys() & direct(kind, wanted):
        values[name] = _mixed(kind.drives[name], _drive(problem, name, tau_s)[:, at], levels)
    for name in kind.nodes.keys() & wanted:
        node = kind.nodes[name]
        taus = Taus(
            node.tau * float(np.exp(by_role.get("tau", {}).get(name, 0.0))),
            node.tau_at_rest * float(np.exp(by_role.get("rest", {}).get(name, 0.0))),
            tau_s,
        )
        warmth = rows_of(problem, name, taus)
        follows = _mixed(kind.drives[node.drive], np.stack([each.follows[at] for each in warmth]), levels)
        beginning = by_role.get("start", {}).get(name, 0.0) * warmth[0].beginning[at]
        gain = given[node.gain] if isinstance(node.gain, str) else node.gain
        values[name] = gain * (follows + beginning)
    return values


def _drive(problem: Problem, name: str, tau_s: float) -> Floats:
    """Give the pieces of a drive as a sensor that lags by *tau_s* sees them; (pieces, scans)."""
    if tau_s <= 0.0:
        return problem.drives[name]
    key = (name, tau_s)
    if key not in problem.lagged:
        if len(problem.lagged) > KEPT:
            problem.lagged.clear()
        rows = [lagged(row, problem.decoded.timeline, tau_s) for row in problem.drives[name]]
        problem.lagged[key] = np.stack(rows)
    return problem.lagged[key]


def _mixed(drive: Drive, rows: Floats, levels: Floats) -> Floats:
    """Put the pieces of a drive that follows the setpoint together, each times its level."""
    return np.asarray(levels @ rows) if drive.setpoint and len(levels) else rows[0]


def rows_of(problem: Problem, name: str, taus: Taus) -> list[Warmth]:
    """Give how warm the slow node *name* is with the time constants *taus*, a row for each of its drive's pieces."""
    key = (name, taus)
    if key not in problem.warmth:
        if len(problem.warmth) > KEPT:
            problem.warmth.clear()
        rows = problem.drives[problem.kind.nodes[name].drive]
        timeline = problem.decoded.timeline
        problem.warmth[key] = [warmth_of(problem.kind, name, row, timeline, taus) for row in rows]
    return problem.warmth[key]

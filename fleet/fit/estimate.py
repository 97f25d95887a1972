"""One machine's parameters from its readings: the most probable ones, and how sure each is.

Maximum a posteriori by damped Gauss-Newton steps (Levenberg-Marquardt) with Huber's weights; the curvature at the end
gives the covariance (Laplace's approximation: Gelman et al., Bayesian Data Analysis, ch. 4). Priors are wide, so
that a parameter of which the readings say nothing stays at the kind's value with the prior's width: that is how what
cannot be identified is told from what can. What would be confounded with levels is estimated beside them: each
sensor's gain and offset, the hall's air, the setpoints, how warm the machine was at the first scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fleet.data import Bools, Floats, Ints, State
from fleet.fit.decode import Decoded
from fleet.fit.graph import (
    Taus,
    Value,
    Warmth,
    absent,
    changed,
    drawn_parameters,
    evaluate,
    hall_air,
    inputs_of,
    lagged,
    settled,
    target_of,
    understood,
    warmth_of,
)
from fleet.fit.records import Record
from fleet.scenario.kind import FELT, Drive, Kind

POINTS_MAX = 3_000
"""Readings of a sensor that the levels are fitted to; the noise uses all."""

ROUNDS = 30
CONVERGED = 1e-4
BLOCKS = (8, 32, 128)
KEPT = 60
"""What was stepped along the scans is kept for so many time constants."""

HUBER = 2.0
PRIOR_LOG, PRIOR_TAU_LOG, PRIOR_AIR_K, PRIOR_START = 1.0, 0.7, 0.5, 0.3
"""Widths of the priors: of a parameter's and a time constant's logarithm, of the air (K), of the beginning."""

PRIOR_CLOCK_S = 1000.0
"""When a ripple began."""

PRIOR_DAMAGE, WORN_S, WORN_MAX = 0.28, 600.0, 36
"""How worn a tool is, between new and worn out, is free at knots ten minutes apart."""

LAG_UNIT_S = 1.0
"""A sensor that has no lag in the kind has its logarithm over this."""

LAG_TRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LAG_GAIN = 40.0
"""A lag, tried in scans, is looked for in a sensor that should have none where it makes the readings so much likelier
(nats)."""

LAGGED = 20.0
"""A sensor's own lag shows behind a node that is no slower than so many times it."""

MOVED, RESTED = 0.1, 0.25
"""A node that moved by less than this share of its rise, or rested for less than this share of its time constant,
says nothing of it."""

PRIOR_WANDER_K, WANDER_S, WANDERS_MAX = 0.5, 3600.0, 24
"""The air's slow wander about its daily wave, K: free at knots an hour apart, or further where those are too many."""

FOLDS = 64
NOTHING_LOG = -30.0
TIMING_SCANS = 0.5
"""How well the instants of steps are known, in scans."""

RIPPLE_RANGE = 2.5
"""A ripple is looked for between the kind's period divided and multiplied by this."""

RANGE_LOG = 4.0
"""A parameter is looked for within a factor of e^4 = 55 of the kind's."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number to find: its *role* and *name*, and the prior's centre and width in the scale it is found in."""

    role: str  # parameter, tau, rest, start, lag, damage, gain, offset, air, wander, level, clock
    name: str
    centre: float
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was found for a machine; ``mean`` and ``sd`` are in the scale of *unknowns*, parameters' the logarithm."""

    record: Record
    decoded: Decoded
    unknowns: tuple[Unknown, ...]
    mean: Floats
    sd: Floats
    signal: Floats  # (sensors, scans): what the sensors should have shown; NaN where that is not understood
    modelled: Bools  # (sensors,)

    def found(self, role: str, name: str) -> tuple[float, float] | None:
        """Give mean and width of an unknown; None where it was not looked for."""
        for place, unknown in enumerate(self.unknowns):
            if unknown.role == role and unknown.name == name:
                return float(self.mean[place]), float(self.sd[place])
        return None


@dataclass(slots=True, eq=False)
class Problem:
    """A machine's least squares: the data on its points, and what the laws need there."""

    kind: Kind
    record: Record
    decoded: Decoded
    unknowns: list[Unknown]
    places: list[int]  # sensors that are modelled
    signals: list[str]
    wanted: frozenset[str]
    drives: dict[str, Floats]  # as decoded, one row a setpoint's piece: (pieces or 1, scans)
    air: Floats
    rails: list[tuple[float, float]]  # of each modelled sensor; without an end where its readings are beyond it
    warmth: dict[tuple[str, Taus], list[Warmth]] = field(default_factory=dict)
    lagged: dict[tuple[str, float], Floats] = field(default_factory=dict)
    felt: dict[float, Floats] = field(default_factory=dict)  # the air, by the time constant of the node that feels it


def parameters_of(fit: Fit, kind: Kind) -> dict[str, float]:
    """Give the machine's parameters: those found, the kind's own for the rest."""
    values = drawn_parameters(kind)
    for place, unknown in enumerate(fit.unknowns):
        if unknown.role == "parameter":
            values[unknown.name] = _parameter(kind, unknown.name, float(fit.mean[place]))
    return values


def _parameter(kind: Kind, name: str, x: float) -> float:
    value = kind.parameters[name].value.value
    return value * float(np.exp(x)) if value else x


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
        if kind.sensors[name].tau > 0.5 * record.step_s and (moves or _direct(kind, inputs) & kind.drives.keys()):
            listed.append(Unknown("lag", name, 0.0, PRIOR_TAU_LOG))
    for mode, usual in changed(kind):
        if f"damage.{mode}" in wanted:
            count = min(max(2, round(record.value.shape[1] * record.step_s / WORN_S) + 1), WORN_MAX)
            listed += [Unknown("damage", f"{mode}:{each}", usual, PRIOR_DAMAGE) for each in range(count)]
    if "ambient" in wanted and record.air is None:
        listed.append(Unknown("air", "", 0.0, PRIOR_AIR_K))
        listed += [Unknown("wander", str(each), 0.0, PRIOR_WANDER_K) for each in range(_knots(record))]
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


def _direct(kind: Kind, inputs: frozenset[str]) -> frozenset[str]:
    """Give what goes into the signals among *inputs* themselves, not through slow nodes only."""
    signals = inputs & kind.signals.keys()
    return frozenset(each for name in signals for each in kind.signals[name].inputs.values() if isinstance(each, str))


def _moves(problem: Problem, name: str) -> bool:
    """Say whether the node *name* had anything to follow: its time constants show in nothing else."""
    node = problem.kind.nodes[name]
    usual = 1.0 if problem.kind.setpoint is None else 0.5 * (problem.kind.setpoint.low + problem.kind.setpoint.high)
    rows = _warmth(problem, name, Taus(node.tau, node.tau_at_rest))
    follows = np.sum([each.follows for each in rows], axis=0) * usual
    levels = len(rows)
    swing = float(np.ptp(follows)) / max(float(np.abs(follows).max()), 1e-12)
    return swing > MOVED or (levels > 1)


def _knots(record: Record) -> int:
    """Give how many knots the air's wander has."""
    span_s = record.value.shape[1] * record.step_s
    return int(min(max(2, round(span_s / WANDER_S) + 1), WANDERS_MAX))


def predict(problem: Problem, x: Floats, points: Floats) -> Floats:
    """Compute what the modelled sensors show at the scans *points* with the unknowns *x*; (sensors, points)."""
    kind, record = problem.kind, problem.record
    by_role: dict[str, dict[str, float]] = {}
    for unknown, value in zip(problem.unknowns, x.tolist(), strict=True):
        by_role.setdefault(unknown.role, {})[unknown.name] = value
    given: dict[str, Value] = dict(drawn_parameters(kind))
    for name, value in by_role.get("parameter", {}).items():
        given[name] = _parameter(kind, name, value)
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
    for tau_s, rows in _by_lag(problem, by_role.get("lag", {})).items():
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


def _by_lag(problem: Problem, lags: Mapping[str, float]) -> dict[float, list[int]]:
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
    for name in problem.drives.keys() & _direct(kind, wanted):
        values[name] = _mixed(kind.drives[name], _drive(problem, name, tau_s)[:, at], levels)
    for name in kind.nodes.keys() & wanted:
        node = kind.nodes[name]
        taus = Taus(
            node.tau * float(np.exp(by_role.get("tau", {}).get(name, 0.0))),
            node.tau_at_rest * float(np.exp(by_role.get("rest", {}).get(name, 0.0))),
            tau_s,
        )
        warmth = _warmth(problem, name, taus)
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


def _warmth(problem: Problem, name: str, taus: Taus) -> list[Warmth]:
    key = (name, taus)
    if key not in problem.warmth:
        if len(problem.warmth) > KEPT:
            problem.warmth.clear()
        rows = problem.drives[problem.kind.nodes[name].drive]
        timeline = problem.decoded.timeline
        problem.warmth[key] = [warmth_of(problem.kind, name, row, timeline, taus) for row in rows]
    return problem.warmth[key]


# ---- least squares


def chosen_points(record: Record, places: list[int]) -> Floats:
    """Choose the scans that levels are fitted to: spread evenly, but at no fixed stride that a cycle could share."""
    have = np.flatnonzero(np.isfinite(record.value[places]).any(axis=0))
    if len(have) <= POINTS_MAX:
        return have.astype(np.float64)
    edges = np.linspace(0, len(have), POINTS_MAX + 1)
    golden = (np.arange(POINTS_MAX) * 0.6180339887498949) % 1.0  # quasi-random inside each stretch
    return have[np.minimum((edges[:-1] + golden * np.diff(edges)).astype(np.int64), len(have) - 1)].astype(np.float64)


def solve(problem: Problem, begin: Mapping[tuple[str, str], float]) -> tuple[Floats, Floats]:
    """Find the most probable unknowns and their widths, from *begin* on by (role, name)."""
    record = problem.record
    points = chosen_points(record, problem.places)
    data = record.value[problem.places][:, points.astype(np.int64)]
    known = np.isfinite(data)
    centre = np.array([unknown.centre for unknown in problem.unknowns])
    width = np.array([unknown.width for unknown in problem.unknowns])
    x = np.array([begin.get((unknown.role, unknown.name), unknown.centre) for unknown in problem.unknowns])
    smallest = np.array([problem.kind.sensors[record.sensors[place]].resolution for place in problem.places]) * 0.3
    damping = 1e-3
    expected = predict(problem, x, points)
    covariance = np.diag(width**2)
    blur = _blur(problem, x, points)
    scale = _scale(data - expected, known, smallest, blur)
    for turn in range(ROUNDS):
        slope = _slopes(problem, x, points, expected, width)
        weight = _weights(data - expected, known, scale)
        rest = np.where(known, data - expected, 0.0)
        root = np.sqrt(weight)
        weighted = (slope * root).reshape(len(x), -1)
        # No matrix products: on a busy computer their threads wait for one another, and cost more than they save.
        normal = np.einsum("ik,jk->ij", weighted, weighted) + np.diag(width**-2.0)
        pull = np.einsum("ik,k->i", weighted, (rest * root).ravel()) - (x - centre) / width**2
        before = _cost(rest, known, scale, x, centre, width)
        moved = False
        for _ in range(8):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), pull)
            trial = np.clip(x + step, centre - RANGE_LOG * np.maximum(width, 0), centre + RANGE_LOG * width)
            after_expected = predict(problem, trial, points)
            after = _cost(np.where(known, data - after_expected, 0.0), known, scale, trial, centre, width)
            if np.isfinite(after) and after < before:
                moved = True
                break
            damping = min(damping * 8, 1e8)
        covariance = np.linalg.inv(normal)
        if not moved:
            break
        small = np.abs(trial - x).max() < CONVERGED and turn > 2
        x, expected, damping = trial, after_expected, max(damping / 10, 1e-9)
        if turn < 6:
            blur = _blur(problem, x, points)
        scale = _scale(data - expected, known, smallest, blur)
        if small:
            break
    return x, np.asarray(np.sqrt(np.diag(covariance)), np.float64)


def _blur(problem: Problem, x: Floats, points: Floats) -> Floats:
    """Give what each point may be off because the instant of a step is known to a part of a scan; (sensors, points)."""
    last = problem.decoded.timeline.scans - 1.0
    here = predict(problem, x, points)
    before = predict(problem, x, np.maximum(points - 1, 0.0))
    after = predict(problem, x, np.minimum(points + 1, last))
    return np.asarray(TIMING_SCANS * np.maximum(np.abs(after - here), np.abs(here - before)))


def _scale(rest: Floats, known: Bools, smallest: Floats, blur: Floats) -> Floats:
    """Give the scatter of every point about the model: by the sensor's median absolute deviation where it is calm.

    (sensors, points); to it comes the *blur* of its instant.
    """
    calm = blur <= np.median(blur, axis=1, keepdims=True)
    known = np.where((known & calm).sum(axis=1, keepdims=True) > 30, known & calm, known)
    spread = np.array(
        [np.median(np.abs(row[here])) if here.any() else 1.0 for row, here in zip(rest, known, strict=True)]
    )
    return np.asarray(np.hypot(np.maximum(1.4826 * spread, smallest)[:, None], blur), np.float64)


def _weights(rest: Floats, known: Bools, scale: Floats) -> Floats:
    """Give Huber's weights, less by how far neighbouring residuals say the same twice; (sensors, points)."""
    z = np.abs(np.where(known, rest, 0.0)) / scale
    weight = np.where(known, np.minimum(1.0, HUBER / np.maximum(z, 1e-9)), 0.0) / scale**2
    repeats = np.array([_repeats(row[here]) for row, here in zip(rest, known, strict=True)])
    return np.asarray(weight / repeats[:, None], np.float64)


def _repeats(rest: Floats) -> float:
    """Give how many points of *rest* are worth one: the variance of block means over that of independent points."""
    if len(rest) < 8 * BLOCKS[0]:
        return 1.0
    clipped = np.clip(rest, *np.quantile(rest, [0.02, 0.98]))
    spread = float(clipped.var())
    worth = 1.0
    for length in BLOCKS:
        blocks = len(clipped) // length
        if blocks >= 8 and spread > 0:
            means = clipped[: blocks * length].reshape(blocks, length).mean(axis=1)
            worth = max(worth, float(np.clip(length * means.var() / spread, 1.0, length)))
    return worth


def _cost(rest: Floats, known: Bools, scale: Floats, x: Floats, centre: Floats, width: Floats) -> float:
    z = np.abs(rest) / scale
    huber = np.where(z <= HUBER, 0.5 * z * z, HUBER * (z - 0.5 * HUBER))
    return float((huber * known).sum() + 0.5 * (((x - centre) / width) ** 2).sum())


def _slopes(problem: Problem, x: Floats, points: Floats, expected: Floats, width: Floats) -> Floats:
    """Differentiate by small steps; (unknowns, sensors, points)."""
    slopes = np.empty((len(x), *expected.shape))
    for place in range(len(x)):
        step = 1e-4 * max(float(width[place]), 1e-3)
        moved = x.copy()
        moved[place] += step
        slopes[place] = (predict(problem, moved, points) - expected) / step
    return slopes


def fitted(problem: Problem, x: Floats, sd: Floats) -> Fit:
    """Put together what was found for a machine, with what its sensors should have shown at every scan."""
    record = problem.record
    scans = record.value.shape[1]
    signal = np.full(record.value.shape, np.nan)
    if problem.places:
        signal[problem.places] = predict(problem, x, np.arange(scans, dtype=np.float64))
    modelled = np.isin(np.arange(len(record.sensors)), problem.places)
    return Fit(record, problem.decoded, tuple(problem.unknowns), x, sd, signal, modelled)


def executing(fit: Fit) -> Bools:
    """Say at which scans the machine executes; (scans,)."""
    return np.asarray(fit.decoded.timeline.state == State.EXECUTE)


# ---- lags of sensors that should have none


def lags_of(problem: Problem, x: Floats) -> list[Unknown]:
    """Find the sensors without a lag in the kind whose readings are much likelier with one, each with the best tried.

    What all sensors lag by alike cannot be told from a machine that does everything later.
    """
    kind, record = problem.kind, problem.record
    points = chosen_points(record, problem.places)
    data = record.value[problem.places][:, points.astype(np.int64)]
    known = np.isfinite(data)
    smallest = np.array([kind.sensors[record.sensors[place]].resolution for place in problem.places]) * 0.3
    scale = _scale(data - predict(problem, x, points), known, smallest, _blur(problem, x, points))
    taken = {unknown.name for unknown in problem.unknowns if unknown.role == "lag"}
    names = [record.sensors[place] for place in problem.places]
    tried = [
        row
        for row, (name, signal) in enumerate(zip(names, problem.signals, strict=True))
        if name not in taken
        and kind.sensors[name].tau == 0
        and _direct(kind, inputs_of(kind, signal)) & kind.drives.keys()
    ]
    if len(tried) < 2:
        return []
    before = list(problem.unknowns)
    costs = np.empty((len(LAG_TRIES) + 1, len(problem.places)))
    for turn, scans in enumerate((0.0, *LAG_TRIES)):
        logs = [float(np.log(scans * record.step_s / LAG_UNIT_S))] * len(tried) if scans else []
        extra = [Unknown("lag", names[row], value, PRIOR_TAU_LOG) for row, value in zip(tried, logs, strict=False)]
        problem.unknowns = [*before, *extra]
        z = np.abs(np.where(known, data - predict(problem, np.append(x, logs), points), 0.0)) / scale
        costs[turn] = np.where(z <= HUBER, 0.5 * z * z, HUBER * (z - 0.5 * HUBER)).sum(axis=1)
    problem.unknowns = before
    found = []
    for row in tried:
        best = int(costs[:, row].argmin())
        if best and costs[0, row] - costs[best, row] > LAG_GAIN:
            value = float(np.log(LAG_TRIES[best - 1] * record.step_s / LAG_UNIT_S))
            found.append(Unknown("lag", names[row], value, PRIOR_TAU_LOG))
    return found if len(found) < len(tried) else []


# ---- a controller's ripple


def ripple_of(problem: Problem, x: Floats) -> dict[tuple[str, str], float]:
    """Find period, size and phase of a controller's ripple in what the fit *x* leaves over, by its spectrum.

    Least squares alone would not find a period: away from it nothing pulls towards it. Empty where the kind has none.
    """
    kind, record = problem.kind, problem.record
    name = next((name for name in kind.signals if name in problem.wanted and kind.signals[name].law == "ripple"), None)
    if name is None:
        return {}
    period, amplitude = kind.signals[name].inputs["period"], kind.signals[name].inputs["amplitude"]
    scans = record.value.shape[1]
    still = np.array(
        [
            NOTHING_LOG if unknown.name == amplitude else value
            for unknown, value in zip(problem.unknowns, x, strict=True)
        ]
    )
    rest = record.value[problem.places] - predict(problem, still, np.arange(scans, dtype=np.float64))
    shows = [row for row, signal in enumerate(problem.signals) if name in inputs_of(kind, signal)]
    row = max(shows, key=lambda each: int(np.isfinite(rest[each]).sum()))
    known = np.isfinite(rest[row])
    series = _folded_out(rest[row], known, problem.decoded)
    scatter = 1.4826 * float(np.median(np.abs(series[known])))
    series = np.clip(series, -4 * scatter, 4 * scatter)
    size = 1 << int(np.ceil(np.log2(4 * scans)))
    spectrum = np.fft.rfft(series, size)
    usual = kind.parameters[period].value.value if isinstance(period, str) else float(period)
    frequency = np.arange(len(spectrum)) / (size * record.step_s)
    inside = np.flatnonzero((frequency > 1 / (RIPPLE_RANGE * usual)) & (frequency < RIPPLE_RANGE / usual))
    if len(inside) < 3:
        return {}
    best = int(inside[np.abs(spectrum[inside]).argmax()])
    found_s = 1.0 / (frequency[best] or 1.0)
    phase = float(np.angle(spectrum[best])) + np.pi / 2  # of a sine
    lags = {
        unknown.name: float(value) for unknown, value in zip(problem.unknowns, x, strict=True) if unknown.role == "lag"
    }
    late_s = next(tau_s for tau_s, rows in _by_lag(problem, lags).items() if row in rows)
    begin = {("clock", ""): phase / (2 * np.pi) * found_s + late_s}
    strength = 2 * float(np.abs(spectrum[best])) / max(1, int(known.sum()))
    if isinstance(period, str):
        begin["parameter", period] = float(np.log(found_s / usual))
    if isinstance(amplitude, str):
        begin["parameter", amplitude] = float(np.log(max(strength, 1e-9) / kind.parameters[amplitude].value.value))
    return begin


def _folded_out(rest: Floats, known: Bools, decoded: Decoded) -> Floats:
    """Take out of *rest* what every cycle repeats: its harmonics could be taken for a ripple; 0 where not known."""
    bins = (decoded.timeline.phase * FOLDS).astype(np.int64) % FOLDS
    held = decoded.timeline.state != State.EXECUTE
    bins = np.where(held, FOLDS, bins)
    series = np.zeros(len(rest))
    for each in np.unique(bins).tolist():
        here = known & (bins == each)
        series[here] = rest[here] - np.median(rest[here]) if here.any() else 0.0
    return series

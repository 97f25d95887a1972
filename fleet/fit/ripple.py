"""A controller's ripple in what a fit leaves over, found by its spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, State
from fleet.fit.graph import inputs_of
from fleet.fit.predict import by_lag, predict
from fleet.fit.problem import Problem
from fleet.fit.templates import Decoded
from fleet.scenario.kind import Kind

FOLDS = 64
NOTHING_LOG = -30.0

RIPPLE_RANGE = 2.5
"""A ripple is looked for between the kind's period divided and multiplied by this."""


def ripples_of(problem: Problem, x: Floats) -> dict[tuple[str, str], float]:
    """Find period, size and phase of every controller's ripple in what the fit *x* leaves over, by its spectrum.

    Least squares alone would not find a period: away from it nothing pulls towards it. Empty where the kind has none.
    """
    kind, record = problem.kind, problem.record
    names = [name for name in kind.signals if name in problem.wanted and kind.signals[name].law == "ripple"]
    if not names:
        return {}
    sizes = {kind.signals[name].inputs["amplitude"] for name in names}
    unknowns = list(zip(problem.unknowns, x.tolist(), strict=True))
    still = np.array([NOTHING_LOG if unknown.name in sizes else value for unknown, value in unknowns])
    scans = record.value.shape[1]
    rest = record.value[problem.places] - predict(problem, still, np.arange(scans, dtype=np.float64))
    lags = {unknown.name: value for unknown, value in unknowns if unknown.role == "lag"}
    late = {row: tau_s for tau_s, rows in by_lag(problem, lags).items() for row in rows}
    found: dict[tuple[str, str], float] = {}
    for name in names:
        shows = [row for row, signal in enumerate(problem.signals) if name in inputs_of(kind, signal)]
        row = max(shows, key=lambda each: int(np.isfinite(rest[each]).sum()))
        wave = _wave(problem, rest[row], _number(problem, name, "period"))
        if wave is not None:
            found |= _beginnings(problem, name, wave, late[row], found.get(("clock", ""), 0.0))
    return found


@dataclass(frozen=True, slots=True)
class _Wave:
    """A sine: its *period_s*, its *size*, and by how much it is ahead of one that begins at the first scan, s."""

    period_s: float
    size: float
    ahead_s: float


def _number(problem: Problem, name: str, argument: str) -> float:
    given = problem.kind.signals[name].inputs[argument]
    return problem.kind.parameters[given].value.value if isinstance(given, str) else float(given)


def _wave(problem: Problem, rest: Floats, usual_s: float) -> _Wave | None:
    """Find the strongest sine in *rest* whose period is near the usual one; None in too short a record."""
    step_s = problem.record.step_s
    known = np.isfinite(rest)
    series = _folded_out(rest, known, problem.decoded)
    scatter = 1.4826 * float(np.median(np.abs(series[known])))
    series = np.clip(series, -4 * scatter, 4 * scatter)
    size = 1 << int(np.ceil(np.log2(4 * len(rest))))
    spectrum = np.fft.rfft(series, size)
    frequency = np.arange(len(spectrum)) / (size * step_s)
    inside = np.flatnonzero((frequency > 1 / (RIPPLE_RANGE * usual_s)) & (frequency < RIPPLE_RANGE / usual_s))
    if len(inside) < 3:
        return None
    best = int(inside[np.abs(spectrum[inside]).argmax()])
    period_s = 1.0 / (frequency[best] or 1.0)
    phase = float(np.angle(spectrum[best])) + np.pi / 2  # of a sine
    strength = 2 * float(np.abs(spectrum[best])) / max(1, int(known.sum()))
    return _Wave(period_s, strength, phase / (2 * np.pi) * period_s)


def _beginnings(
    problem: Problem, name: str, wave: _Wave, late_s: float, clock_s: float
) -> dict[tuple[str, str], float]:
    """Give where to begin to look for the ripple *name*, which *wave* shows *late_s* late.

    Its time is the clock's, or the clock's and a parameter that its controller began with.
    """
    kind = problem.kind
    inputs = kind.signals[name].inputs
    ahead_s = wave.ahead_s + late_s
    begin: dict[tuple[str, str], float] = {}
    start = start_of(kind, name)
    if start is None:
        begin["clock", ""] = ahead_s
    else:
        usual_s = kind.parameters[start].value.value
        turns = np.arange(-3, 4) * wave.period_s + (ahead_s - clock_s) % wave.period_s
        nearest = float(turns[turns > 0][np.abs(np.log(turns[turns > 0] / usual_s)).argmin()])
        begin["parameter", start] = float(np.log(nearest / usual_s))
    if isinstance(period := inputs["period"], str):
        begin["parameter", period] = float(np.log(wave.period_s / kind.parameters[period].value.value))
    if isinstance(size := inputs["amplitude"], str):
        begin["parameter", size] = float(np.log(max(wave.size, 1e-9) / kind.parameters[size].value.value))
    return begin


def start_of(kind: Kind, name: str) -> str | None:
    """Give the parameter that is added to the time of the ripple *name*; None where it runs by the clock alone."""
    time = kind.signals[name].inputs["time"]
    if not isinstance(time, str) or time not in kind.signals:
        return None
    added = [each for each in kind.signals[time].inputs.values() if isinstance(each, str) and each in kind.parameters]
    return next((each for each in added if kind.parameters[each].value.value > 0), None)


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

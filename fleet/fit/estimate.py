"""One machine's parameters from its readings: the most probable ones, and how sure each is.

Maximum a posteriori by damped Gauss-Newton steps (Levenberg-Marquardt) with Huber's weights; the curvature at the end
gives the covariance (Laplace's approximation: Gelman et al., Bayesian Data Analysis, ch. 4). Priors are wide, so
that a parameter of which the readings say nothing stays at the kind's value with the prior's width: that is how what
cannot be identified is told from what can. What would be confounded with levels is estimated beside them: each
sensor's gain and offset, the hall's air, the setpoints, how warm the machine was at the first scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, State
from fleet.fit.graph import drawn_parameters
from fleet.fit.predict import predict
from fleet.fit.problem import Problem, Unknown, parameter_value
from fleet.fit.records import Record
from fleet.fit.templates import Decoded
from fleet.fit.weights import HUBER, blur_of, scale_of, weights_of
from fleet.fit.widths import sandwich, widened
from fleet.scenario.kind import Kind

POINTS_MAX = 3_000
"""Readings of a sensor that the levels are fitted to; the noise uses all."""

ROUNDS = 30
CONVERGED = 1e-4

RANGE_LOG = 4.0
"""A parameter is looked for within a factor of e^4 = 55 of the kind's."""


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


def parameters_of(fit: Fit, kind: Kind) -> dict[str, float]:
    """Give the machine's parameters: those found, the kind's own for the rest."""
    values = drawn_parameters(kind)
    for place, unknown in enumerate(fit.unknowns):
        if unknown.role == "parameter":
            values[unknown.name] = parameter_value(kind, unknown.name, float(fit.mean[place]))
    return values


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
    blur = blur_of(problem, x, points)
    scale = scale_of(data - expected, known, smallest, blur)
    for turn in range(ROUNDS):
        slope = _slopes(problem, x, points, expected, width)
        weight = weights_of(data - expected, known, scale)
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
            blur = blur_of(problem, x, points)
        scale = scale_of(data - expected, known, smallest, blur)
        if small:
            break
    narrow = np.sqrt(np.diag(covariance))
    wide = sandwich(_slopes(problem, x, points, expected, width), data - expected, known, scale, width)
    return x, widened(problem, np.maximum(narrow, wide))


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

"""Lags of sensors that should have none."""

from __future__ import annotations

import numpy as np

from fleet.data import Floats
from fleet.fit.estimate import chosen_points
from fleet.fit.graph import inputs_of
from fleet.fit.predict import predict
from fleet.fit.problem import LAG_UNIT_S, PRIOR_TAU_LOG, Problem, Unknown, direct
from fleet.fit.weights import HUBER, blur_of, scale_of

LAG_TRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LAG_GAIN = 40.0
"""A lag, tried in scans, is looked for in a sensor that should have none where it makes the readings so much likelier
(nats)."""


def lags_of(problem: Problem, x: Floats) -> list[Unknown]:
    """Find the sensors without a lag in the kind whose readings are much likelier with one, each with the best tried.

    What all sensors lag by alike cannot be told from a machine that does everything later.
    """
    kind, record = problem.kind, problem.record
    points = chosen_points(record, problem.places)
    data = record.value[problem.places][:, points.astype(np.int64)]
    known = np.isfinite(data)
    smallest = np.array([kind.sensors[record.sensors[place]].resolution for place in problem.places]) * 0.3
    scale = scale_of(data - predict(problem, x, points), known, smallest, blur_of(problem, x, points))
    taken = {unknown.name for unknown in problem.unknowns if unknown.role == "lag"}
    names = [record.sensors[place] for place in problem.places]
    tried = [
        row
        for row, (name, signal) in enumerate(zip(names, problem.signals, strict=True))
        if name not in taken
        and kind.sensors[name].tau == 0
        and direct(kind, inputs_of(kind, signal)) & kind.drives.keys()
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

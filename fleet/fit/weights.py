"""How far each reading counts: its scatter about the model, and how often neighbours say the same."""

from __future__ import annotations

import numpy as np

from fleet.data import Bools, Floats
from fleet.fit.predict import predict
from fleet.fit.problem import Problem

BLOCKS = (8, 32, 128)

HUBER = 2.0

TIMING_SCANS = 0.5
"""How well the instants of steps are known, in scans."""


def blur_of(problem: Problem, x: Floats, points: Floats) -> Floats:
    """Give what each point may be off because the instant of a step is known to a part of a scan; (sensors, points)."""
    last = problem.decoded.timeline.scans - 1.0
    here = predict(problem, x, points)
    before = predict(problem, x, np.maximum(points - 1, 0.0))
    after = predict(problem, x, np.minimum(points + 1, last))
    return np.asarray(TIMING_SCANS * np.maximum(np.abs(after - here), np.abs(here - before)))


def scale_of(rest: Floats, known: Bools, smallest: Floats, blur: Floats) -> Floats:
    """Give the scatter of every point about the model: by the sensor's median absolute deviation where it is calm.

    (sensors, points); to it comes the *blur* of its instant.
    """
    calm = blur <= np.median(blur, axis=1, keepdims=True)
    known = np.where((known & calm).sum(axis=1, keepdims=True) > 30, known & calm, known)
    spread = np.array(
        [np.median(np.abs(row[here])) if here.any() else 1.0 for row, here in zip(rest, known, strict=True)]
    )
    return np.asarray(np.hypot(np.maximum(1.4826 * spread, smallest)[:, None], blur), np.float64)


def weights_of(rest: Floats, known: Bools, scale: Floats) -> Floats:
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

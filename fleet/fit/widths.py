"""How sure an unknown is: Laplace's width, or what stretches of the record disagree by, and what seeds have shown."""

from __future__ import annotations

import numpy as np

from fleet.data import Bools, Floats
from fleet.fit.graph import changed, inputs_of
from fleet.fit.problem import Problem
from fleet.fit.weights import HUBER

STRETCHES = 16
"""Stretches of a record that are taken as independent of one another."""

WIDER = {"tau": 2.0, "rest": 2.0, "lag": 1.6}
"""By how much widths are too narrow, by role: time constants hang on a few steps, and on air that wanders by itself.
From 20 seeds each of pumps, compressors, spindles, ovens and conveyors: what was found less what was true, over the
width."""

UNEVEN_LOG = 0.03
"""What is not known of a level beside a tool's wear, whose changes fall between the knots it is followed by."""


def sandwich(slope: Floats, rest: Floats, known: Bools, scale: Floats, width: Floats) -> Floats:
    """Give widths by how far stretches of the record pull the unknowns apart (Huber's sandwich, clustered in time).

    Laplace's widths take the residuals as noise. What the model lacks, as air that wanders otherwise or a tool that is
    changed, pulls for many minutes one way: the scatter of whole stretches has that in it.
    """
    z = np.where(known, rest, 0.0) / scale
    huber = np.clip(z, -HUBER, HUBER) / scale
    curve = np.where(known, np.abs(z) <= HUBER, False) / scale**2
    edges = np.linspace(0, rest.shape[1], STRETCHES + 1).astype(np.int64)[:-1]
    pull = np.add.reduceat((slope * huber).sum(axis=1), edges, axis=1)
    flat, root = slope.reshape(len(slope), -1), np.sqrt(curve).ravel()
    weighted = flat * root
    prior = np.diag(width**-2.0)
    bread = np.linalg.inv(np.einsum("ik,jk->ij", weighted, weighted) + prior)
    filling = np.einsum("ik,jk->ij", pull, pull) * (STRETCHES / (STRETCHES - 1)) + prior
    return np.asarray(np.sqrt(np.diag(bread @ filling @ bread)), np.float64)


def widened(problem: Problem, sd: Floats) -> Floats:
    """Widen *sd* of the problem's unknowns by what is known to be missing in them."""
    kind = problem.kind
    worn = {f"damage.{mode}" for mode, _ in changed(kind)}
    uneven: set[str] = set()
    for signal in problem.signals:
        if worn & (inputs := inputs_of(kind, signal)):
            uneven |= inputs
    wide = sd.copy()
    for place, unknown in enumerate(problem.unknowns):
        width = float(sd[place]) * WIDER.get(unknown.role, 1.0)
        if unknown.role == "parameter" and unknown.name in uneven:
            width = float(np.hypot(width, UNEVEN_LOG))
        wide[place] = max(min(width, unknown.width), float(sd[place]))  # a prior says so much by itself
    return wide

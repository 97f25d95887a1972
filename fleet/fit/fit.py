"""From readings to a kind's settings: every machine by itself, then all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from fleet.data import Floats
from fleet.fit.decode import decode
from fleet.fit.estimate import Fit, executing, fitted, parameters_of, solve
from fleet.fit.graph import drawn_parameters, healthy
from fleet.fit.lags import lags_of
from fleet.fit.noise import Noise, noise_of
from fleet.fit.problem import Problem
from fleet.fit.records import Record, Records, records_of, steps_of
from fleet.fit.ripple import ripples_of
from fleet.fit.setup import set_up
from fleet.fit.table import read_table
from fleet.fit.templates import Decoded
from fleet.scenario.kind import Kind

MACHINES_MAX = 16
"""Machines that are fitted: what differs between them is known well enough from so many."""

SAME_LEVEL = 0.012
"""Setpoints that are closer than this are one."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """All that the readings said: machine by machine, and sensor by sensor."""

    kind: Kind
    fits: tuple[Fit, ...]
    steps: Mapping[str, float | None]  # resolution by sensor
    noises: Mapping[str, tuple[Noise, ...]]  # one a machine that has the sensor
    remarks: tuple[str, ...]


def fit(
    file: Path, kind: Kind, *, mapping: Mapping[str, str], renamed: Mapping[str, str], progress: Progress
) -> Fitted:
    """Fit *kind* to the readings in *file*, whose columns *mapping* and whose sensors *renamed* name.

    ScenarioError and RequestError where the file is no table of readings of such a machine.
    """
    progress(f"reading {file}")
    table = read_table(file, mapping)
    said = table.remarks()
    records = records_of(table, kind, renamed)
    return fit_records(kind, records, said, progress)


def fit_records(kind: Kind, records: Records, said: Iterable[str], progress: Progress) -> Fitted:
    """Fit *kind* to *records*; *said* is what was said of them already."""
    kind = healthy(kind)
    remarks = [*said, *records.remarks]
    machines = records.machines[:MACHINES_MAX]
    if len(records.machines) > MACHINES_MAX:
        remarks.append(f"the first {MACHINES_MAX} of {len(records.machines)} machines are fitted")
    fits = []
    for number, record in enumerate(machines, start=1):
        progress(f"fitting {record.machine}, {number} of {len(machines)}")
        found = _machine(kind, record)
        if executing(found).sum() * record.step_s < 60.0:
            remarks.append(f"{record.machine}: hardly ever executes in these readings: left out")
        else:
            fits.append(found)
    progress("measuring noise")
    steps = {name: _step(name, fits) for name in kind.sensors if any(name in each.record.sensors for each in fits)}
    noises = {
        name: tuple(_noise(kind, each, name, steps[name] or 0.0) for each in fits if name in each.record.sensors)
        for name in steps
    }
    return Fitted(kind, tuple(fits), steps, noises, tuple(remarks))


def _machine(kind: Kind, record: Record) -> Fit:
    """Fit one machine: decode it by the kind's levels, fit the levels, and both once more by its own."""
    decoded: Decoded = decode(kind, record, drawn_parameters(kind), period_s=0.0, first=True)
    problem = set_up(kind, record, decoded)
    x, sd = solve(problem, {})
    found = fitted(problem, x, sd)
    decoded = decode(kind, record, parameters_of(found, kind), period_s=decoded.period_s, first=False)
    begin = {
        (unknown.role, unknown.name): float(value)
        for unknown, value in zip(problem.unknowns, x, strict=True)
        if unknown.role != "level"
    }
    problem = set_up(kind, record, decoded)
    x, sd = solve(problem, begin)
    if (merged := _merged(problem, x)) is not None:
        problem = set_up(kind, record, merged)
        x, sd = solve(problem, begin)
    if lags := lags_of(problem, x):
        begin = {(u.role, u.name): float(value) for u, value in zip(problem.unknowns, x, strict=True)}
        problem.unknowns = [*problem.unknowns, *lags]
        x, sd = solve(problem, begin)
    if ripple := ripples_of(problem, x):
        begin = {(u.role, u.name): float(value) for u, value in zip(problem.unknowns, x, strict=True)}
        x, sd = solve(problem, begin | ripple)
    return fitted(problem, x, sd)


def _merged(problem: Problem, x: Floats) -> Decoded | None:
    """Join neighbouring stretches whose setpoints were found to be the same; None where there are none.

    Each stretch has a prior of its own: two for what is one would make its level, and all that goes with it, surer
    than it is.
    """
    level = [float(value) for unknown, value in zip(problem.unknowns, x, strict=True) if unknown.role == "level"]
    joins = [abs(after - before) < SAME_LEVEL for before, after in pairwise(level)]
    if not any(joins):
        return None
    number = np.concatenate([[0], np.cumsum([not join for join in joins])])
    timeline = problem.decoded.timeline
    return replace(problem.decoded, timeline=replace(timeline, piece=number[timeline.piece].astype(np.int64)))


def _step(name: str, fits: list[Fit]) -> float | None:
    values = [each.record.value[each.record.sensors.index(name)] for each in fits if name in each.record.sensors]
    return steps_of(np.concatenate(values))


def _noise(kind: Kind, found: Fit, name: str, step: float) -> Noise:
    place = found.record.sensors.index(name)
    value: Floats = found.record.value[place]
    signal = found.signal[place] if found.modelled[place] else np.zeros(len(value))
    return noise_of(value, signal, executing(found), step=step, span=kind.sensors[name].span)

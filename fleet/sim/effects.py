"""What machine faults do to the truth: factors and shifts of drives, parameters, nodes and signals while they last.

A fault acts by its severity. What is slow, or is read by a slow sensor, is handed the severity lagged by its time
constant: severity rises in a line, stays, and ends, so its lag is a formula too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fleet.data import SECOND_US, Floats, Ints, State
from fleet.faults.catalogue import MACHINE
from fleet.faults.machine import MACHINE_FAULTS
from fleet.sim.cohorts import Graph, Model
from fleet.sim.nodes import FADED
from fleet.sim.struck import Cases, Struck

DAMAGE = "damage."

CELLS = 1_000_000
"""Cells (case, scan) that are computed at once: a machine may be warm from thousands of cases."""

AT_ONCE_US = 1000
"""What sets in at once takes a millisecond: no reading sees it, and a lag of it has digits left."""


class Effect(NamedTuple):
    """A change of some machines of a rectangle: ``times * quantity + plus``, (those machines, scans)."""

    row: Ints  # no two the same
    times: Floats
    plus: Floats


Effects = dict[str, list[Effect]]  # by the name of what is changed


def effects_on(struck: Struck, model: Model, graph: Graph, machines: slice | Ints, time_us: Ints) -> Effects:
    """Give what machine faults do to *graph* on a rectangle: *time_us* (machines, scans)."""
    found: Effects = {}
    row_of = np.full(len(model.members), -1, np.int64)
    row_of[machines] = np.arange(len(time_us))
    first_us, last_us = int(time_us.min()), int(time_us.max())
    for cases in struck.of(MACHINE).values():
        case = cases.during(first_us - struck.tail_us, last_us + 1)
        case = case[row_of[cases.machine[case]] >= 0]
        if len(case):
            _add(found, cases, case, row_of[cases.machine[case]], model, graph, time_us)
    return found


def changed(value: Floats, effects: list[Effect], shape: tuple[int, ...]) -> Floats:
    """Put *effects* into *value*, which is broadcast to *shape* first."""
    out = np.array(np.broadcast_to(value, shape))
    for effect in effects:
        out[effect.row] = out[effect.row] * effect.times + effect.plus
    return out


def _add(found: Effects, cases: Cases, case: Ints, row: Ints, model: Model, graph: Graph, time_us: Ints) -> None:
    function = MACHINE_FAULTS[cases.fault][0]
    rows, at = np.unique(row, return_inverse=True)  # a machine may have several cases, and what they left behind
    some = max(1, CELLS // time_us.shape[1])
    parts = [slice(begin, begin + some) for begin in range(0, len(case), some)]
    nodes = {node.name: node for node in model.nodes if node.slow}
    for role, names in model.kind.faults.get(cases.fault, {}).items():
        warmed = [node for name in names for node in _warmed_by(model, name)]
        for name in (*names, *warmed):
            if name not in graph.needed:
                continue
            node = nodes.get(name)
            lag_us = round(graph.tau_us) if node is not None else 0
            tau_us = float(node.tau_us[State.EXECUTE]) if node is not None else graph.tau_us
            whole = Effect(rows, np.ones((len(rows), time_us.shape[1])), np.zeros((len(rows), time_us.shape[1])))
            for part in parts:
                own, when = case[part], time_us[row[part]]
                seen_us = when - lag_us
                severity = lagged(cases, own, seen_us, tau_us)
                age_s = np.maximum(seen_us - cases.onset_us[own, None], 0) / SECOND_US
                change = function(severity, age_s, {key: value[own, None] for key, value in cases.set.items()})[role]
                plus = np.broadcast_to(change.plus, when.shape)
                if node is not None and node.mode >= 0:  # it is as warm as its damage is large
                    plus = plus * (node.gain[cases.machine[own]] * node.levels[State.EXECUTE])[:, None]
                np.multiply.at(whole.times, at[part], np.broadcast_to(change.times, when.shape))
                np.add.at(whole.plus, at[part], plus)
            found.setdefault(name, []).append(whole)


def _warmed_by(model: Model, name: str) -> list[str]:
    """Give the nodes that the damage *name* warms."""
    modes = [mode.name for mode in model.rules.modes]
    if not name.startswith(DAMAGE) or name.removeprefix(DAMAGE) not in modes:
        return []
    mode = modes.index(name.removeprefix(DAMAGE))
    return [node.name for node in model.nodes if node.mode == mode]


def lagged(cases: Cases, case: Ints, time_us: Ints, tau_us: float) -> Floats:
    """Give the severity of each *case*, lagged by *tau_us*, at *time_us* (cases, scans)."""
    onset_us, over_us = cases.onset_us[case, None], np.maximum(cases.over_us[case, None], AT_ONCE_US).astype(np.float64)
    lasts_us = (cases.stop_us[case, None] - onset_us).astype(np.float64)
    age_us = (time_us - onset_us).astype(np.float64)
    height = cases.severity[case, None]
    if tau_us < 1.0:
        return np.where((age_us >= 0.0) & (age_us < lasts_us), height * np.clip(age_us / over_us, 0.0, 1.0), 0.0)
    inside = np.clip(age_us, 0.0, lasts_us)
    risen = _ramp(inside, tau_us) - _ramp(np.maximum(inside - over_us, 0.0), tau_us)
    since_us = np.maximum(age_us - lasts_us, 0.0)
    faded = np.where(since_us <= FADED * tau_us, np.exp(-np.minimum(since_us / tau_us, FADED)), 0.0)
    return np.where(age_us >= 0.0, height * (risen / over_us) * faded, 0.0)


def _ramp(age_us: Floats, tau_us: float) -> Floats:
    """Give a unit ramp lagged: ``t - tau (1 - exp(-t / tau))``."""
    return np.asarray(age_us + tau_us * np.expm1(-age_us / tau_us))

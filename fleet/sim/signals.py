"""What the machines of a tile do at given instants: the signals of their kind's graph, on a rectangle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Floats, Ints, State
from fleet.faults.catalogue import MACHINE
from fleet.scenario.kind import OF_CYCLES, RISING
from fleet.sim import changes as row
from fleet.sim.address import normals
from fleet.sim.changes import PPM
from fleet.sim.cohorts import Graph, Model
from fleet.sim.damage import damage
from fleet.sim.effects import changed, effects_on
from fleet.sim.force import InForce
from fleet.sim.hall import AirOver
from fleet.sim.lags import NO_REST, on_grid
from fleet.sim.nodes import FADED, Node, cycles, decay, phases_between, profile_answer, scale_of
from fleet.sim.noise import unrest
from fleet.sim.profiles import PHASES
from fleet.sim.struck import Struck


@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """Some machines of a tile on a rectangle of instants, and what of them all graphs go by.

    Arrays are (machines, scans); *place* says which of the spans in force each instant is in, and is (machines, 1),
    as what depends on nothing else, where none of the machines changes.
    """

    model: Model
    force: InForce
    place: Ints
    time_us: Ints
    age_us: Floats  # since the state change
    executing: Bools
    phase: Ints | None  # where in its cycle each machine is, as a place in a profile's table
    struck: Struck | None  # scripted faults, where any of the machines has one

    def column(self, number: int) -> Ints:
        """Give a column of the state changes in force."""
        return self.force.rows[:, number][self.place]


def at_instants(model: Model, force: InForce, time_us: Ints, struck: Struck) -> Instants:
    """Find what is in force over the machines of *force* at *time_us* (machines, scans), and who is *struck*."""
    place, rows = force.places(time_us), force.rows
    phase = None
    if model.cycle is not None:
        phase = phases_between(rows, place, time_us, force.limits_us(time_us), model.cycle)
    ill = struck if force.first is not None and struck.of(MACHINE) else None
    age_us = (time_us - rows[:, row.TIME][place]).astype(np.float64)
    return Instants(model, force, place, time_us, age_us, (rows[:, row.STATE] == State.EXECUTE)[place], phase, ill)


def signals(at: Instants, graph: Graph, air: AirOver) -> Mapping[str, Floats]:
    """Evaluate *graph*, a part of the kind's, at the instants of *at*, in the *air* of the halls."""
    model, place, rows = at.model, at.place, at.force.rows
    values = _from_outside(at, graph, air)
    values["level"] = (rows[:, row.LEVEL].astype(np.float64) / PPM)[place]
    for name in graph.parameters:
        values[name] = model.parameters[name][at.force.machines, None]
    worn = _worn(at, {model.nodes[index].mode for index in graph.nodes} - {-1})
    for index in graph.nodes:
        values |= _node(at, graph, index, worn)
    for name, number in graph.lags.items():
        lag = model.lags[number]
        own = np.zeros(len(rows)) if lag.place == NO_REST else at.force.rest[lag.place]
        start, by = at.force.rest[len(model.nodes) + number], 1.0 if lag.node.mode < 0 else worn[lag.node.mode]
        if np.any(by) or own.any() or start.any():
            values[name] = on_grid(lag, rows, own, start, place, at.age_us, at.phase, by)
        else:  # nothing is worn, or was
            values[name] = np.zeros((len(place), 1))
    for number, mode in enumerate(model.rules.modes):
        if f"damage.{mode.name}" in graph.needed:
            values[f"damage.{mode.name}"] = damage(mode, model.words, rows, number, place, at.age_us, at.executing)
    if at.phase is not None and not graph.needed.isdisjoint(OF_CYCLES):
        values |= _of_cycles(at, at.phase, graph.needed.intersection(OF_CYCLES))
    if "line_power" in graph.needed:
        values["line_power"] = at.column(row.POWER).astype(np.float64) * 1e-3
    if "line_energy" in graph.needed:
        values["line_energy"] = _energy(at)
    effects = {} if at.struck is None else effects_on(at.struck, model, graph, at.force.machines, at.time_us)
    for name in effects.keys() & values.keys():
        values[name] = changed(values[name], effects[name], at.time_us.shape)
    for name, law, inputs in graph.signals:
        values[name] = law(**{key: values[value] if isinstance(value, str) else value for key, value in inputs.items()})
        if name in effects:
            values[name] = changed(values[name], effects[name], at.time_us.shape)
    return values


def _from_outside(at: Instants, graph: Graph, air: AirOver) -> dict[str, Floats]:
    """Give what is a function of time alone.

    It moves so slowly that lagging behind it is seeing it as it was a time constant ago.
    """
    model, machines = at.model, at.force.machines
    time_us = at.time_us - round(graph.tau_us)
    values = air.felt_at(graph.felt, model.hall[machines], time_us)
    if "ambient" in graph.needed:
        values["ambient"] = air.at(model.hall[machines], time_us)
    if "dew_point" in graph.needed:
        values["dew_point"] = air.dew_point(model.hall[machines], time_us)
    if "time" in graph.needed:
        values["time"] = (time_us - model.controllers.start_us).astype(np.float64) * 1e-6
    if "unrest" in graph.needed:
        values["unrest"] = unrest([stream[machines] for stream in model.unrest], time_us)
    return values


def _worn(at: Instants, modes: set[int]) -> dict[int, Floats]:
    """Give how worn the machines are by each of *modes*, in the mean."""
    model = at.model
    return {
        mode: damage(model.worn.modes[mode], model.words, at.force.rows, mode, at.place, at.age_us, at.executing)
        for mode in sorted(modes)
    }


def _node(at: Instants, graph: Graph, index: int, worn: Mapping[int, Floats]) -> dict[str, Floats]:
    """Give the value of a node, unless sensors see it lagged, and how far it is below what it heads for if needed."""
    node = at.model.nodes[index]
    rising = f"{RISING}{node.name}"
    if graph.lags and rising not in graph.needed:
        return {}
    if node.mode >= 0 and not worn[node.mode].any():
        answer = worn[node.mode]
    else:
        answer = _settled(node, at)
        if node.mode >= 0:
            answer = answer * worn[node.mode]
    left = _left(node, at, at.force.rest[index], answer)
    values = {} if graph.lags else {node.name: _with_left(answer, left)}
    if rising in graph.needed:
        values[rising] = _below(left, len(at.place))
    return values


def _of_cycles(at: Instants, phase: Ints, wanted: frozenset[str]) -> dict[str, Floats]:
    """Give what is *wanted* of the cycles: the phase, parts made, the last one's time, its scatter.

    All of it stands still with the machine.
    """
    cycle, rows = at.model.cycle, at.force.rows
    assert cycle is not None, "a phase is one of a cycle"
    frozen_us = np.where(at.executing, at.time_us, at.column(row.TIME))
    if "phase" in wanted and not at.executing.all():
        runs = rows[:, row.STATE] == State.EXECUTE
        first_us, last_us = (np.where(runs, limit, rows[:, row.TIME]) for limit in at.force.limits_us(at.time_us))
        phase = phases_between(rows, at.place, frozen_us, (first_us, last_us), cycle)
    turned = (phase.astype(np.float64) + 0.5) * (1.0 / PHASES)
    if wanted == {"phase"}:
        return {"phase": turned}
    start, period, done = (at.column(number) for number in (row.START, row.PERIOD, row.DONE))
    number, last = cycles(frozen_us, start, period, done, cycle, cycle.stream[at.force.machines, None])
    parts = done + number.astype(np.int64)
    return {
        "phase": turned,
        "parts": parts.astype(np.float64),
        "last_cycle": last * period * 1e-6,
        "part_scatter": normals(cycle.part_stream[at.force.machines, None], parts).astype(np.float64),
    }


def _energy(at: Instants) -> Floats:
    """Give what a meter has counted, kWh: up to the last change, and since; in whole milliseconds."""
    since, power, counted = (at.column(number) for number in (row.TIME, row.POWER, row.ENERGY))
    millijoules = counted + power * (at.time_us // 1000 - since // 1000)
    return millijoules.astype(np.float64) / 3.6e9


class _Left(NamedTuple):
    """What nodes still are away from their answers: of the machines *moving* only, (moving, scans)."""

    moving: Ints
    amount: Floats


def _settled(node: Node, at: Instants) -> Floats:
    """Give a node's periodic answer; (machines, scans), or (machines, 1) where it does not move."""
    rows, place = at.force.rows, at.place
    scale = scale_of(node, rows)
    answer: Floats = (node.levels[rows[:, row.STATE]] * scale)[place]
    if node.profile is None or at.phase is None:
        return answer
    running = profile_answer(node, node.profile, rows[:, row.PERIOD], place, at.phase)
    running *= scale[place]
    if not at.executing.all():
        np.copyto(running, answer, where=~at.executing)
    return running


def _left(node: Node, at: Instants, rest: Floats, answer: Floats) -> _Left:
    """Find which machines are still settling at a node, and by how much they are off; most have long been settled."""
    place, age_us = at.place, at.age_us
    rests, tau_us = rest[place], node.tau_us[at.force.rows[:, row.STATE]][place]
    since_us = age_us if place.shape == age_us.shape else age_us[:, :1]
    is_left = (rests != 0.0 if node.slow else ~np.isnan(rests)) & (since_us <= FADED * tau_us)
    moving = np.flatnonzero(is_left.any(axis=1))
    if not len(moving):
        return _Left(moving, np.zeros((0, 1)))
    if len(moving) < len(rests):
        rests, age_us, tau_us, answer = rests[moving], age_us[moving], tau_us[moving], answer[moving]
    left = decay(age_us, tau_us, node.lag_us)
    if node.slow:
        return _Left(moving, rests * left)
    return _Left(moving, np.where(np.isnan(rests), 0.0, (rests - answer) * left))


def _with_left(answer: Floats, left: _Left) -> Floats:
    """Give a node's value: its periodic *answer* and how far it is *left* from that."""
    if len(left.moving) == len(answer):
        return np.asarray(answer + left.amount)
    if len(left.moving):
        answer = np.array(np.broadcast_to(answer, (len(answer), left.amount.shape[1])))
        answer[left.moving] += left.amount
    return answer


def _below(left: _Left, machines: int) -> Floats:
    """Give how far a drive is below what it heads for; (machines, scans), or (machines, 1) where it is nowhere."""
    below = np.zeros((machines, left.amount.shape[1]))
    below[left.moving] = np.maximum(-left.amount, 0.0)
    return below

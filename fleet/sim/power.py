"""What machines take on average, by state and by the level of their load: what a line's meter adds up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleet.data import Floats, Ints, State
from fleet.scenario.kind import FELT
from fleet.sim.changes import PPM
from fleet.sim.cohorts import Model, law_inputs, part_for
from fleet.sim.laws import LAWS
from fleet.sim.nodes import Node
from fleet.sim.profiles import PHASES

LEVELS = 5
"""Levels of the load from 0 to 1 at which the mean power is tabulated; it is read off linearly between."""

_PLACES = np.arange(32, PHASES, 64)
"""Phases of a cycle over which power is averaged: 64 of them."""

_AIR, _DEW_POINT = 22.0, 9.0


def mean_power(model: Model) -> Ints:
    """Tabulate the mean electrical power of a cohort's machines, W; (machines, states, LEVELS or 1).

    One level where none is set. It is what the kind's own graph gives for its electrical signal with everything
    settled and nothing worn, averaged over the cycle.
    """
    varies = model.kind.setpoint is not None or model.kind.receiver is not None
    levels = np.linspace(0.0, 1.0, LEVELS) if varies else np.ones(1)
    table = np.zeros((len(model.members), len(State), len(levels)), np.int64)
    for place, level in enumerate(levels):
        for state in State:
            power = _settled(model, state, float(level))
            table[:, state, place] = np.rint(np.maximum(power.mean(axis=1), 0.0) * 1000.0).astype(np.int64)
    return table


def read_power(table: Ints, machine: Ints, state: Ints, level_ppm: Ints) -> Ints:
    """Read the mean power of *machine* in *state* at *level_ppm* off its *table*, W; all (rows,)."""
    if table.shape[2] == 1:
        only: Ints = table[machine, state, 0]
        return only
    at = np.clip(level_ppm, 0, PPM) * (LEVELS - 1)
    low = np.minimum(at // PPM, LEVELS - 2)
    here, above = table[machine, state, low], table[machine, state, low + 1]
    between: Ints = here + (above - here) * (at - low * PPM) // PPM
    return between


def _settled(model: Model, state: State, level: float) -> Floats:
    """Give the electrical power in *state* with everything settled, kW; (machines, phases or 1)."""
    kind = model.kind
    assert kind.electrical is not None, "asked of kinds that take power"
    signals, needed = part_for(kind, {kind.electrical})
    values: dict[str, Floats] = {name: np.zeros((1, 1)) for name in needed if name not in kind.signals}
    values |= {
        **{name: np.full((1, 1), _AIR) for name in needed if name == "ambient" or name.startswith(FELT)},
        "dew_point": np.full((1, 1), _DEW_POINT),
        "level": np.full((1, 1), level),
        "phase": (_PLACES[None, :] + 0.5) / PHASES,
    }
    values |= {name: drawn[:, None] for name, drawn in model.parameters.items()}
    values |= dict(_driven(model, state, level))
    for name in signals:
        law, inputs = law_inputs(kind, name)
        values[name] = LAWS[law](
            **{key: values[value] if isinstance(value, str) else value for key, value in inputs.items()}
        )
    return np.asarray(np.broadcast_to(values[kind.electrical], (len(model.members), values[kind.electrical].shape[-1])))


def _driven(model: Model, state: State, level: float) -> Iterator[tuple[str, Floats]]:
    for node in model.nodes:
        scale = node.gain[:, None] * (level if node.follows_setpoint else 1.0) * (node.mode < 0)
        yield node.name, _level(node, state) * scale


def _level(node: Node, state: State) -> Floats:
    """Give the level of a settled node; a slow one swings so little that its mean will do."""
    if node.profile is None or node.slow or state != State.EXECUTE:
        return np.full((1, 1), node.levels[state])
    return node.profile.level[_PLACES][None, :]

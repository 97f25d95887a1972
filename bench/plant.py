"""The benchmark plant at any size, loaded and simulated."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from fleet.api import load
from fleet.scenario.expansion import expand
from fleet.scenario.incident import Incident
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

FILE = Path(__file__).with_name("plant.yaml")
MACHINES_STEP = 50  # the fewest: two lines of the first two kinds, one of the third, ten machines each


def settings(machines: int) -> list[str]:
    """Give the ``--set`` values that make the plant *machines* large, a multiple of `MACHINES_STEP`."""
    assert machines % MACHINES_STEP == 0, "lines are whole"
    steps = machines // MACHINES_STEP
    counts = (2 * steps, 2 * steps, steps)
    return [f"lines[{line}].count={count}" for line, count in enumerate(counts)]


def scenario(machines: int) -> Scenario:
    """Load the plant at a size."""
    return load(FILE, settings=settings(machines))


def roster(machines: int) -> Roster:
    """Expand the plant at a size."""
    plant = scenario(machines)
    return expand(plant, kinds_for(plant, laws=LAW_INPUTS))


def simulation(machines: int, incidents: Sequence[Incident] = ()) -> Simulation:
    """Set up the plant at a size, with *incidents*."""
    plant = roster(machines)
    if incidents:
        script = plant.scenario.model_copy(update={"incidents": tuple(incidents)})
        plant = expand(script, kinds_for(script, laws=LAW_INPUTS))
        assert not plant.script.faults, plant.script.faults
    start_us = plant.scenario.start_us
    assert plant.scenario.seed is not None, "the plant names its seed"
    assert start_us is not None, "the plant names its start"
    return Simulation(plant, seed=plant.scenario.seed, start_us=start_us)


@functools.cache
def readings_per_machine_s() -> float:
    """Give how many readings a machine of the plant makes in a second, on average."""
    entries = roster(MACHINES_STEP).entries
    rates = [
        entry.count * entry.lines * sum(1.0 / sensor.period for sensor in entry.kind.sensors.values())
        for entry in entries
    ]
    return sum(rates) / MACHINES_STEP


def machines_for(readings_per_s: float) -> int:
    """Give the size of plant that makes about so many readings in a second."""
    return round(readings_per_s / readings_per_machine_s() / MACHINES_STEP) * MACHINES_STEP

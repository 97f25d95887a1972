"""The benchmark plant at its four sizes, loaded and simulated."""

from __future__ import annotations

from pathlib import Path

from fleet.api import load
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster, expand
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

FILE = Path(__file__).with_name("plant.yaml")
LINES = {100: (4, 4, 2), 1_000: (40, 40, 20), 10_000: (400, 400, 200), 100_000: (4_000, 4_000, 2_000)}
"""Machines of the plant, and the counts of its three kinds of line that make them."""


def settings(machines: int) -> list[str]:
    """Give the ``--set`` values that make the plant *machines* large."""
    return [f"lines[{line}].count={count}" for line, count in enumerate(LINES[machines])]


def scenario(machines: int) -> Scenario:
    """Load the plant at a size."""
    return load(FILE, settings=settings(machines))


def roster(machines: int) -> Roster:
    """Expand the plant at a size."""
    plant = scenario(machines)
    return expand(plant, kinds_for(plant, laws=LAW_INPUTS))


def simulation(machines: int) -> Simulation:
    """Set up the plant at a size."""
    plant = roster(machines)
    start_us = plant.scenario.start_us
    assert plant.scenario.seed is not None, "the plant names its seed"
    assert start_us is not None, "the plant names its start"
    return Simulation(plant, seed=plant.scenario.seed, start_us=start_us)

"""The public functions: load a scenario, simulate it. No Kafka, no event loop, no clock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.data import Block
from fleet.errors import RequestError
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for, load_text
from fleet.scenario.load import load as load_scenario
from fleet.scenario.model import Scenario
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS


def load(source: str | os.PathLike[str] | Mapping[str, Any], *, settings: Sequence[str] = ()) -> Scenario:
    """Load the scenario *source*: a file, the name of one that fleet ships, its YAML text, or the same as a mapping.

    Text is told from a name by having more than one line. *settings* are values like ``lines[0].count=100`` that
    replace those of the file. Raises ScenarioError with every problem of it.
    """
    if isinstance(source, Mapping) or (isinstance(source, str) and "\n" in source):
        return load_text(source, settings=settings, laws=LAW_INPUTS)
    return load_scenario(os.fspath(source), settings=settings, laws=LAW_INPUTS)


def simulate(
    scenario: Scenario,
    *,
    seed: int | None = None,
    start_us: int | None = None,
    duration_s: float | None = None,
    truth: bool = False,
) -> Iterator[Block]:
    """Compute *scenario* block by block: the same readings that a run sends.

    *seed*, *start_us* (us since 1970) and *duration_s* replace the scenario's; there must be a seed
    and a start from one of them. Without a duration the blocks never end. With *truth* each
    KindColumns also has the signals before the sensors. Raises RequestError where seed or start is missing.
    """
    seed = scenario.seed if seed is None else seed
    start_us = scenario.start_us if start_us is None else start_us
    if seed is None or start_us is None:
        missing = "seed" if seed is None else "start"
        raise RequestError(f"{scenario.name}: has no {missing} of its own; give one to simulate()")
    length_us = scenario.length_us(start_us=start_us) if duration_s is None else round(duration_s * 1_000_000)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    simulation = Simulation(roster, seed=seed, start_us=start_us, truth=truth)
    return _blocks(simulation, None if length_us is None else start_us + length_us)


def _blocks(simulation: Simulation, stop_us: int | None) -> Iterator[Block]:
    while stop_us is None or simulation.now_us < stop_us:
        until_us = simulation.now_us + simulation.span_us()
        yield simulation.advance(until_us if stop_us is None else min(until_us, stop_us))

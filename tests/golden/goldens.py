"""What the first simulated minutes of each scenario look like, small enough to read in a diff.

A golden file changes only together with a line under "Readings changed" in the changelog;
``python -m tests.golden.update`` rewrites them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from fleet.api import load
from fleet.data import SECOND_US, Block, Quality
from fleet.encode.digest import fold
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.scenario.load import kinds_for
from fleet.scenario.roster import Roster, expand
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
START_US = 1_772_431_200_000_000  # where a scenario starts now
FIRST = 5
STREAMS = {"readings": StreamPlan("readings"), "events": StreamPlan("events", "avro", "v1")}


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a scenario is looked at: simulated seconds, and every how manieth island."""

    seconds: int = 600
    of_islands: int = 1


PARTS = {"hundred-thousand": Part(seconds=3, of_islands=10_000)}
"""Scenarios too large to be looked at as a whole."""


def names() -> list[str]:
    """List the scenarios that fleet ships."""
    return sorted(file.stem for file in (ROOT / "scenarios").glob("*.yaml"))


def golden(name: str) -> dict[str, object]:
    """Simulate the first minutes of the scenario *name*."""
    scenario = load(ROOT / "scenarios" / f"{name}.yaml")
    assert scenario.seed is not None, "a scenario of ours names its seed"
    part = PARTS.get(name, Part())
    start_us = START_US if scenario.start_us is None else scenario.start_us
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    simulation = Simulation(roster, seed=scenario.seed, start_us=start_us, islands=(0, part.of_islands))
    encoder = Encoder(STREAMS, {"readings": 1, "events": 1})
    first: list[str] = []
    readings = events = 0
    while simulation.now_us < start_us + part.seconds * SECOND_US:
        until_us = min(simulation.now_us + simulation.span_us(), start_us + part.seconds * SECOND_US)
        block = simulation.advance(until_us)
        encoder.prepare(block).release(until_us)
        first = first or first_readings(block, start_us)
        readings, events = readings + block.readings, events + len(block.events)
    return {
        "seed": scenario.seed,
        "seconds": part.seconds,
        "machines": f"{machines(roster, part)} of {len(roster.machines)}",
        "readings": readings,
        "events": events,
        "digests": {
            stream: f"{sum(fold(logs.values()).values()) % 2**64:016x}" for stream, logs in encoder.digests.items()
        },
        "first": first,
    }


def machines(roster: Roster, part: Part) -> int:
    """Count the machines that are looked at."""
    return int((roster.island % part.of_islands == 0).sum())


def first_readings(block: Block, start_us: int) -> list[str]:
    """Write out the first readings of *block*."""
    rows = []
    for columns in block.kinds:
        for row in columns.due_us.argsort(kind="stable")[:FIRST].tolist():
            machine = columns.cohort.machines[int(columns.machine[row])].id
            since_us = int(columns.scan_us[row]) - start_us
            for place, number in enumerate(columns.sensors):
                sensor = columns.cohort.sensors[number]
                value, quality = float(columns.value[row, place]), Quality(int(columns.quality[row, place])).name
                seq = int(columns.seq[row]) + place
                rows.append((since_us, machine, seq, f"{sensor.name} {value!r} {sensor.units} {quality}"))
    return [f"{since_us} us: {machine} {seq} {text}" for since_us, machine, seq, text in sorted(rows)[:FIRST]]


def written(name: str) -> str:
    """Give the golden file of scenario *name* as it is now."""
    return yaml.safe_dump(golden(name), sort_keys=False, width=120)


def file_of(name: str) -> Path:
    """Say where the golden file of scenario *name* is."""
    return FOLDER / f"{name}.yaml"

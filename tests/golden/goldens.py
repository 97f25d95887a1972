"""What the first simulated minutes of each scenario look like, small enough to read in a diff.

A golden file changes only together with a line under "Readings changed" in the changelog;
``python -m tests.golden.update`` rewrites them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import yaml

from fleet.api import load
from fleet.data import SECOND_US, Block, Injection, Label, Quality
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from tests.sim.plants import events_of, logs_of

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
START_US = 1_772_431_200_000_000  # where a scenario starts now
FIRST = 5


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
    start_us = START_US if scenario.start_us is None else scenario.start_us
    part = PARTS.get(name, Part())
    if scenario.incidents:  # what they do and what their labels say is looked at as a whole
        length_us = scenario.length_us(start_us=start_us)
        assert length_us is not None, "a story has an end"
        part = Part(seconds=length_us // SECOND_US)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    simulation = Simulation(roster, seed=scenario.seed, start_us=start_us, islands=(0, part.of_islands))
    blocks: list[Block] = []
    while simulation.now_us < start_us + part.seconds * SECOND_US:
        blocks.append(
            simulation.advance(min(simulation.now_us + simulation.span_us(), start_us + part.seconds * SECOND_US))
        )
    labels = labels_in(simulation, blocks)
    return {
        "seed": scenario.seed,
        "seconds": part.seconds,
        "machines": f"{machines(roster, part)} of {len(roster.machines)}",
        "readings": sum(block.readings for block in blocks),
        "events": sum(len(block.events) for block in blocks),
        "digests": {"readings": digest_of_readings(blocks), "events": digest_of_events(blocks), **injected(blocks)},
        "kinds": digests_by_kind(blocks),
        **({"labels": [said_of(label, start_us) for label in labels]} if scenario.incidents else {}),
        "first": first_readings(blocks[0], start_us),
    }


def labels_in(simulation: Simulation, blocks: Sequence[Block]) -> list[Label]:
    """Give the last label of each fault, in order of onset."""
    found = {label.id: label for block in blocks for label in block.labels}
    going_on = [label for label in found.values() if label.is_open]
    found |= {label.id: label for label in simulation.ended(going_on, simulation.now_us)}
    return sorted(found.values(), key=lambda label: (label.onset_us, label.id))


def said_of(label: Label, start_us: int) -> str:
    """Say of *label* in a line when it was, and what became of readings."""
    assert label.stop_us is not None
    words = [f"{label.id} {label.fault} {_after(label.onset_us, start_us)} to {_after(label.stop_us, start_us)}"]
    if label.failure_us is not None:
        words.append(f"failed {_after(label.failure_us, start_us)}")
    counts = {
        what: sum(span.count for span in getattr(label, what)) for what in ("lost", "doubled", "late", "reordered")
    }
    counts["injected"] = label.injected
    words += [f"{what} {count}" for what, count in counts.items() if count]
    return ", ".join(words)


def _after(time_us: int, start_us: int) -> str:
    return f"{(time_us - start_us) / SECOND_US:.3f} s"


def digest_of_readings(blocks: Sequence[Block]) -> str:
    """Digest all readings to the last bit, machine by machine, wherever the blocks end."""
    digest = blake2b(digest_size=8)
    for machine, log in sorted(logs_of(blocks).items()):
        digest.update(f"{machine} {log.sensors}".encode())
        for column in (log.seq, log.scan_us, log.event_us, log.sensor):
            digest.update(column.astype("<i8").tobytes())
        digest.update(log.value.astype("<f8").tobytes())
        digest.update(log.quality.tobytes())
    return digest.hexdigest()


def digests_by_kind(blocks: Sequence[Block]) -> dict[str, str]:
    """Digest the readings of each kind by itself: a change shows where it is."""
    names = sorted({columns.kind for block in blocks for columns in block.kinds})
    return {name: digest_of_readings([_only(block, name) for block in blocks]) for name in names}


def injected(blocks: Sequence[Block]) -> dict[str, str]:
    """Digest what wrong clients send, fault by fault, where there are any."""
    parts: dict[str, list[Injection]] = {}
    for block in blocks:
        for each in block.injected:
            parts.setdefault(each.label, []).append(each)
    digest = blake2b(digest_size=8)
    for label, each_part in sorted(parts.items()):
        digest.update(f"{label} {each_part[0].fault} {each_part[0].cohort.machines[0].id}".encode())
        for name, form in (
            ("number", "<i8"),
            ("due_us", "<i8"),
            ("sensor", "<i8"),
            ("value", "<f8"),
            ("chance", "<f8"),
        ):
            digest.update(np.concatenate([getattr(part, name) for part in each_part]).astype(form).tobytes())
    return {"injected": digest.hexdigest()} if parts else {}


def _only(block: Block, kind: str) -> Block:
    return replace(block, kinds=tuple(columns for columns in block.kinds if columns.kind == kind))


def digest_of_events(blocks: Sequence[Block]) -> str:
    """Digest all events, machine by machine."""
    digest = blake2b(digest_size=8)
    for machine, events in sorted(events_of(blocks).items()):
        digest.update(machine.encode())
        for event in events:
            digest.update(repr(tuple(event[1:])).encode())
    return digest.hexdigest()


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
                seq = int(columns.seq[row] + columns.within[place])
                rows.append((since_us, machine, seq, f"{sensor.name} {value!r} {sensor.units} {quality}"))
    return [f"{since_us} us: {machine} {seq} {text}" for since_us, machine, seq, text in sorted(rows)[:FIRST]]


def written(name: str) -> str:
    """Give the golden file of scenario *name* as it is now."""
    return yaml.safe_dump(golden(name), sort_keys=False, width=120)


def file_of(name: str) -> Path:
    """Say where the golden file of scenario *name* is."""
    return FOLDER / f"{name}.yaml"

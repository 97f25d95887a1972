"""Plants with incidents, simulated in blocks of any length, as flat tables of readings and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fleet.api import load
from fleet.data import Event, Label
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

SECOND_US = 1_000_000
START_US = 1_772_431_200_000_000  # 2026-03-02T06:00:00Z


class Reading(NamedTuple):
    """One reading as it leaves the gateway."""

    machine: str
    seq: int
    is_copy: bool
    due_us: int
    scan_us: int
    event_us: int
    sensor: str
    value: float
    quality: int


@dataclass(slots=True)
class Run:
    """What a run made: readings by machine and number, first the one and then its copy."""

    readings: list[Reading] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    lost: int = 0

    def closed(self) -> dict[str, Label]:
        """Give the last label of each fault that an incident brought."""
        return {label.id: label for label in self.labels if not label.is_open and label.incident}

    def of(self, machine: str, sensor: str | None = None) -> list[Reading]:
        """Give the readings of a machine, of one sensor or of all, in order of their numbers, without copies."""
        return [
            each
            for each in self.readings
            if each.machine == machine and not each.is_copy and sensor in {None, each.sensor}
        ]


def roster_of(text: str, folder: Path) -> Roster:
    """Expand the scenario in *text*; it is written into *folder* first."""
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return expanded(load(file))


def expanded(scenario: Scenario) -> Roster:
    """Expand *scenario*."""
    return expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))


def twin(roster: Roster) -> Roster:
    """Give the same plant without its incidents."""
    return expanded(roster.scenario.model_copy(update={"incidents": ()}))


def simulated(
    roster: Roster, *, seconds: int, cuts: Sequence[int] = (600,), seed: int = 7, islands: tuple[int, int] = (0, 1)
) -> Run:
    """Simulate *seconds* in blocks of *cuts* seconds, taken in turn, and close what is still going on."""
    simulation = Simulation(roster, seed=seed, start_us=START_US, islands=islands)
    run, stop_us, number = Run(), START_US + seconds * SECOND_US, 0
    open_labels: dict[str, Label] = {}
    while simulation.now_us < stop_us:
        block = simulation.advance(min(stop_us, simulation.now_us + cuts[number % len(cuts)] * SECOND_US))
        number += 1
        run.labels += block.labels
        run.events += block.events
        run.lost += sum(int(each.readings.sum()) for each in block.lost)
        for label in block.labels:
            if label.is_open:
                open_labels[label.id] = label
            else:
                del open_labels[label.id]
        for columns in block.kinds:
            machines = [columns.cohort.machines[index].id for index in columns.machine.tolist()]
            for place, within in enumerate(columns.within.tolist()):
                name = columns.cohort.sensors[columns.sensors[place]].name
                cells = zip(
                    machines,
                    (columns.seq + within).tolist(),
                    [columns.copy] * len(machines),
                    columns.due_us.tolist(),
                    columns.scan_us.tolist(),
                    columns.event_us.tolist(),
                    [name] * len(machines),
                    columns.value[:, place].tolist(),
                    columns.quality[:, place].tolist(),
                    strict=True,
                )
                run.readings += map(Reading._make, cells)
    run.labels += simulation.ended(list(open_labels.values()), stop_us)
    return _in_order(run)


def joined(runs: Sequence[Run]) -> Run:
    """Put together what several workers made."""
    whole = Run(lost=sum(run.lost for run in runs))
    for run in runs:
        whole.readings += run.readings
        whole.labels += run.labels
        whole.events += run.events
    return _in_order(whole)


def _in_order(run: Run) -> Run:
    run.readings.sort()
    run.labels.sort(key=lambda label: (label.time_us, label.machine.id, label.id, not label.is_open))
    run.events.sort(key=lambda event: (event.time_us, event.machine.id, event.seq))
    return run


def numbers(label: Label, what: str) -> set[int]:
    """Give the numbers in the spans of *label* that say *what* became of readings."""
    spans = getattr(label, what)
    return {span.first + at * span.step for span in spans for at in range(span.count)}

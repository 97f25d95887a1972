"""What is described: a scenario as it would run against a Kafka, and its machines in groups that are alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fleet.data import Equipment, Ints
from fleet.run.plan import RunPlan, RunRequest, TargetPlan, make_plan
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Entry
from fleet.scenario.times import moment

START_US = 1_772_431_200_000_000
"""Where the scenario leaves its start open, 2026-03-02T06:00:00Z: the same is described each time."""

SEED = 0
KAFKA = "kafka://localhost:9092"


@dataclass(frozen=True, slots=True)
class Group:
    """Machines that are alike: one entry of a scenario's line, in all lines that it makes."""

    entry: Entry
    places: Ints  # of its machines in the roster
    pattern: str  # of their ids, as in line-{001..100}-pump-{001..004}
    lines: str  # likewise, of their lines
    area: str
    site: str
    hall: str

    @property
    def count(self) -> int:
        """How many machines."""
        return len(self.places)


def described(scenario: Scenario, source: str, *, run_header: bool = False, headers: str | None = None) -> RunPlan:
    """Plan the run that is described: against a Kafka, at speed 1; seed, start and run id are the same each time."""
    request = RunRequest(
        scenario=scenario,
        source=source,
        targets=(KAFKA,),
        start_us=START_US if scenario.start_us is None else None,
        seed=SEED if scenario.seed is None else None,
        run_header=run_header,
        headers=headers,
    )
    plan = make_plan(request, wall_us=START_US)
    began = re.sub(r"[-:Z]|\..*", "", moment(plan.start_us))
    return replace(plan, run_id=f"{began}-{plan.digest[:6]}")


def written(plan: RunPlan) -> TargetPlan:
    """Give what is written where."""
    return plan.targets[0]


def groups(plan: RunPlan) -> Iterator[Group]:
    """Give the machines of *plan* in groups, in the scenario's order."""
    roster = plan.roster
    order = np.argsort(roster.entry, kind="stable")
    ends = np.cumsum(np.bincount(roster.entry, minlength=len(roster.entries)))
    for entry, places in zip(roster.entries, np.split(order, ends[:-1]), strict=True):
        first, last = (roster.machines[place] for place in (places[0], places[-1]))
        yield Group(
            entry=entry,
            places=places,
            pattern=spread(first.id, last.id),
            lines=spread(first.line, last.line),
            area=first.area,
            site=first.site,
            hall=roster.halls[roster.lines[entry.line].hall].name,
        )


def machines_of(plan: RunPlan, group: Group) -> list[Equipment]:
    """Give the machines of a *group*."""
    return [plan.roster.machines[place] for place in group.places.tolist()]


def spread(first: str, last: str) -> str:
    """Write ids that count up from *first* to *last* as one: pump-{001..004}."""
    return "-".join(
        one if one == other else f"{{{one}..{other}}}"
        for one, other in zip(first.split("-"), last.split("-"), strict=True)
    )

"""The steps of the evolution expanded: which machines each is for, and what is wrong with what a user wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleet.data import SECOND_US, Ints
from fleet.faults.catalogue import PRODUCER
from fleet.faults.producer import INCOMPATIBLE_SCHEMA
from fleet.scenario.chosen import chosen
from fleet.scenario.evolution import SchemaStep
from fleet.scenario.quantities import DURATION, quantity
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import Fault, Scripted, Step
from fleet.scenario.timing import length_us_of


def steps_of(roster: Roster, where: Mapping[str, int]) -> tuple[list[Step], list[Fault]]:
    """Expand the evolution of *roster*'s scenario, in order of time; what is wrong with it is located."""
    steps: list[Step] = []
    faults: list[Fault] = []
    for place, step in enumerate(roster.scenario.evolution):
        machines, of_selectors = chosen(roster, step, where, for_what="schema")
        faults += [Fault(("evolution", place, key), text) for key, text in of_selectors]
        at_us = round(step.at * SECOND_US)
        own = roster.scenario.own_steps[place]
        layout = own.file if own is not None else f"v{step.version}"
        steps.append(Step(place, at_us, machines.nonzero()[0], layout, own, step.refused))
    faults += _at_once(roster, steps)
    return sorted(steps, key=lambda step: (step.at_us, step.place)), faults


def beyond_the_end(roster: Roster, steps: Sequence[Step]) -> Iterator[Fault]:
    """Yield *steps* that the run does not reach: a mistake in a file; where ``--for`` is shorter they do not happen."""
    length_us = length_us_of(roster)
    for step in steps:
        if length_us is not None and step.at_us >= length_us:
            found = f"which lasts {length_us / SECOND_US:g} s, is {step.at_us / SECOND_US:g} s"
            yield Fault(("evolution", step.place, "at"), f"must be within the run, {found}")


def _at_once(roster: Roster, steps: Sequence[Step]) -> Iterator[Fault]:
    """Yield steps that are for one machine at one instant."""
    at_instant: dict[int, list[Step]] = {}
    for one in steps:
        before = at_instant.setdefault(one.at_us, [])
        for other in before:
            both = set(one.machines.tolist()) & set(other.machines.tolist())
            if both:
                machine = roster.machines[min(both)].id
                text = f"must not be for '{machine}' at the same instant as another step"
                yield Fault(("evolution", one.place, "at"), text, ("evolution", other.place))
                break
        before.append(one)


def id_of(place: int) -> str:
    """Name the step that has this *place* in the scenario's list, in labels and in the journal."""
    return f"evolution-{place + 1}"


def named(roster: Roster, machines: Ints) -> str:
    """Name *machines* in a few words: one by its id."""
    return roster.machines[int(machines[0])].id if len(machines) == 1 else f"{len(machines):,} machines"


def deployments(steps: Sequence[Step], first: int, evolution: Sequence[SchemaStep]) -> list[Scripted]:
    """Give the steps that are refused as incidents, the *first* of which has that place: each has its labels."""
    fault, entry = INCOMPATIBLE_SCHEMA
    found: list[Scripted] = []
    for step in steps:
        if not step.refused:
            continue
        found.append(
            Scripted(
                place=first + len(found),
                id=id_of(step.place),
                family=PRODUCER,
                fault=fault,
                machines=step.machines,
                share=1.0,
                sensors=(),
                at_us=step.at_us,
                within_us=0,
                times=1,
                every_us=0,
                after=-1,
                when=None,
                over_us=0,
                lasts_us=round(quantity(entry.lasts, DURATION) * SECOND_US),
                severity=1.0,
                noticed_us=0,
                set={},
                said=(("schema", str(evolution[step.place].version)),),
            )
        )
    return found

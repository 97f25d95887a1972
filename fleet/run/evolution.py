"""The steps of a scenario's evolution for a run: what they write, whether readers can follow, what is said of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fleet.encode.evolving import Change
from fleet.encode.layouts import LAYOUTS, Layout
from fleet.encode.own import own_layout
from fleet.encode.schemas import schema_ids, schema_text
from fleet.errors import Problem, RequestError, ScenarioError
from fleet.scenario.model import Scenario
from fleet.scenario.own import OwnRecords
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import Step
from fleet.scenario.steps import id_of, named
from fleet.scenario.times import moment

LEVEL = "BACKWARD"
"""What a version must be after the one before it: readers that have it read what was written before."""


class Refused(NamedTuple):
    """A schema that must be refused: its *file* or layout, its *text*, and the first reason that our judges have."""

    file: str
    text: str
    reason: str


Refusals = Mapping[int, Refused]
"""By the step's place in the scenario."""


def layout_of(step: Step) -> Layout:
    """Give the layout that the machines of a *step* write from then on."""
    return _layout(step.layout, step.own)


def _layout(name: str, own: OwnRecords | None) -> Layout:
    return LAYOUTS["readings", name] if own is None else own_layout(own.file, own.text, own.sources)


def changes_of(roster: Roster) -> tuple[Change, ...]:
    """Give which machines of *roster* write another layout from when on, in order of time."""
    return tuple(
        Change(step.at_us, layout_of(step), frozenset(roster.machines[place].id for place in step.machines.tolist()))
        for step in roster.script.steps
        if not step.refused
    )


# ---------------------------------------------------------------- whether readers can follow


class _Version(NamedTuple):
    name: str
    text: str


def judged_steps(scenario: Scenario) -> Refusals:
    """See that each version is BACKWARD after the one before it, and that those are not that must be refused.

    ScenarioError says of each step that is otherwise where it stands and which field is why.
    """
    if not scenario.evolution:
        return {}
    first = LAYOUTS["readings", scenario.records.readings.layout]
    layouts, accepted = [first], [_Version(first.name, schema_text(first.schema))]
    refused: dict[int, Refused] = {}
    problems: list[Problem] = []
    for place in sorted(range(len(scenario.evolution)), key=lambda place: (scenario.evolution[place].at, place)):
        step, own = scenario.evolution[place], scenario.own_steps[place]
        name = own.file if own is not None else f"v{step.version}"
        try:
            if step.refused:
                text = own.text if own is not None else schema_text(LAYOUTS["readings", name].schema)
                refused[place] = Refused(name, text, _why_refused(_Version(name, text), accepted[-1]))
                continue
            layout = _layout(name, own)
            new = _Version(name, layout.text or schema_text(layout.schema))
            if new not in accepted:
                _see_that_it_follows(new, accepted[-1])
                _see_that_it_is_told_apart(layout, layouts)
                accepted.append(new)
                layouts.append(layout)
        except _StepError as error:
            problems.append(scenario.step_places[place]._replace(text=str(error)))
    if problems:
        raise ScenarioError(problems)
    return refused


class _StepError(RequestError):
    """What is wrong with a step; where it stands is not known yet."""


def _see_that_it_follows(new: _Version, last: _Version) -> None:
    reason = _first_reason(new, last)
    if reason:
        text = f"{new.name} must be {LEVEL} after {last.name}, is not: {reason}"
        raise _StepError(f"{text}; mend it, or say 'refused: true' where readers must be spared it")


def _why_refused(new: _Version, last: _Version) -> str:
    reason = _first_reason(new, last)
    if not reason:
        text = f"{new.name} must be incompatible to be refused, it is {LEVEL} after {last.name}"
        raise _StepError(f"{text}; take 'refused: true' away")
    return reason


def _first_reason(new: _Version, last: _Version) -> str:
    """Say of which field a reader of *new* cannot read what *last* has written; empty where it reads all."""
    from fleet.contract.compatibility import judged
    from fleet.contract.texts import parsed_schema
    from fleet.contract.versions import Schema

    try:
        parsed_schema(new.text)
    except ValueError as error:
        raise _StepError(f"{new.name} must be an Avro schema: {' '.join(str(error).split())}") from error
    reader, writer = (Schema(each.name, "", 0, "", each.text) for each in (new, last))
    findings = judged(reader, writer, {}).findings
    return f"{findings[0].field or 'the record'}: {findings[0].reason}" if findings else ""


def _see_that_it_is_told_apart(layout: Layout, others: Sequence[Layout]) -> None:
    """See that records with the same fields mean the same by them: JSON does not say by which schema it is."""
    if layout.own and layout.schema in schema_ids():
        raise _StepError(f"{layout.schema} must have another file's name: one of ours has it")
    for other in others:
        if set(layout.fields) == set(other.fields) and _meaning(layout) != _meaning(other):
            text = f"{layout.name} must not have the fields of {other.name} with another meaning"
            raise _StepError(f"{text}: sources, unit of time and precision must be the same; add or rename a field")


def _meaning(layout: Layout) -> tuple[Any, ...]:
    return layout.filled, layout.unit, layout.narrow, layout.scale


# ---------------------------------------------------------------- what is said of each


class Told(NamedTuple):
    """A step as a run says it when it happens: a line for people, an entry for the journal."""

    at_us: int
    line: str
    entry: Mapping[str, Any]


def told(roster: Roster, start_us: int, refusals: Mapping[int, str]) -> Iterator[Told]:
    """Give the steps of *roster* in order of time; *refusals* say by a step's place who refused it, and why."""
    for step in roster.script.steps:
        machines = len(step.machines)
        whom = named(roster, step.machines)
        at_us = start_us + step.at_us
        entry = {"step": id_of(step.place), "schema": step.layout, "machines": machines}
        if step.refused:
            why = refusals[step.place]
            line = f"{moment(at_us)}: {step.layout} is refused {why}; {whom} {_verb(machines, 'go')} on as before"
            yield Told(at_us, line, {"evolution": {**entry, "refused": why}})
        else:
            line = f"{moment(at_us)}: {whom} {_verb(machines, 'write')} {step.layout} from now on"
            yield Told(at_us, line, {"evolution": entry})


def _verb(machines: int, verb: str) -> str:
    return verb if machines > 1 else f"{verb}es" if verb.endswith("o") else f"{verb}s"

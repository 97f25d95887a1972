"""Which id every schema of a run has: our own, or the registry's, asked once before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleet.encode.layouts import Layout
from fleet.encode.schemas import schema_text
from fleet.run.plan import RunPlan, TargetPlan

if TYPE_CHECKING:
    from fleet.contract.ids import Needed


@dataclass(frozen=True, slots=True)
class SchemaIds:
    """The registry's ids by schema file, None where there is none, and what a person should know of them.

    *refusals* say by whom and why each step of the evolution is refused that must be, by its place in the scenario.
    """

    given: Mapping[str, int] | None
    notices: tuple[str, ...] = ()
    refusals: Mapping[int, str] = field(default_factory=dict)


async def settle_ids(plan: RunPlan) -> SchemaIds:
    """Ask the registry for the ids of *plan*, if it has one; RegistryError where that cannot be."""
    access = plan.request.registry
    if access is None:
        return _by_us(plan, None, (), why="no registry was asked")
    from fleet.contract.ids import give_ids
    from fleet.contract.memory import memory_file

    needed = [each for target in plan.targets for each in _needed(plan, target)]
    if not needed:
        notice = "--registry: nothing is written as Avro or Protobuf, so no id is needed"
        return _by_us(plan, None, (notice,), why="no registry was asked")
    given = await give_ids(access, needed, memory=memory_file(os.environ))
    if not any(each.refused for each in needed):
        return _by_us(plan, given.ids, given.notices, why="no registry was asked")
    if not given.refused:
        return _by_us(plan, given.ids, given.notices, why="no registry answered")
    refusals = {
        place: f"by the registry (HTTP 409), and by us for {refused.reason}" for place, refused in plan.refused.items()
    }
    return SchemaIds(given.ids, (*given.notices, *_told(plan, refusals)), refusals)


def _by_us(plan: RunPlan, given: Mapping[str, int] | None, notices: tuple[str, ...], *, why: str) -> SchemaIds:
    """Say that our own judges alone have refused what must be, and *why* no registry has."""
    refusals = {place: f"by us ({why}) for {refused.reason}" for place, refused in plan.refused.items()}
    return SchemaIds(given, (*notices, *_told(plan, refusals)), refusals)


def _told(plan: RunPlan, refusals: Mapping[int, str]) -> Iterator[str]:
    for place, why in refusals.items():
        yield f"evolution[{place}]: {plan.refused[place].file} is refused {why}"


def _needed(plan: RunPlan, target: TargetPlan) -> Iterator[Needed]:
    """Give the schemas that are written, each topic's in the order in which they come into use.

    Among those of readings stand the ones that must be refused, where somebody tries to deploy them.
    """
    from fleet.contract.ids import Needed

    for stream, written in target.streams.items():
        if not target.kind.encodes or not written.layout_of(stream).schema_in(written.format):
            continue
        layouts = written.layouts_of(stream)
        steps = plan.roster.script.steps if stream == "readings" else ()
        for topic in sorted(target.stream_topics[stream]):
            of = {layout.name: _needed_for(layout, written.format, topic) for layout in layouts}
            yield of.pop(layouts[0].name)
            for step in steps:
                if not step.refused and step.layout in of:
                    yield of.pop(step.layout)
                elif step.refused and written.format == "avro":
                    refused = plan.refused[step.place]
                    yield Needed(refused.file, refused.text, topic, refused=True)


def _needed_for(layout: Layout, form: str, topic: str) -> Needed:
    from fleet.contract.ids import Needed

    file = layout.schema_in(form)
    return Needed(file, layout.text or schema_text(file), topic)

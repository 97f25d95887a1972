"""Which id every schema of a run has: our own, or the registry's, asked once before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from fleet.encode.schemas import schema_text
from fleet.run.plan import RunPlan


class SchemaIds(NamedTuple):
    """The registry's ids by schema file, None where there is none, and what a person should know of them."""

    given: Mapping[str, int] | None
    notices: tuple[str, ...] = ()


async def settle_ids(plan: RunPlan) -> SchemaIds:
    """Ask the registry for the ids of *plan*, if it has one; RegistryError where that cannot be."""
    access = plan.request.registry
    if access is None:
        return SchemaIds(None)
    from fleet.contract.ids import Needed, give_ids
    from fleet.contract.memory import memory_file

    needed = []
    for target in plan.targets:
        for stream, written in target.streams.items():
            layout = written.layout_of(stream)
            file = layout.schema_in(written.format)
            if not target.kind.encodes or not file:
                continue
            text = layout.text or schema_text(file)
            needed += [Needed(file, text, topic) for topic in sorted(target.stream_topics[stream])]
    if not needed:
        return SchemaIds(None, ("--registry: nothing is written as Avro or Protobuf, so no id is needed",))
    given = await give_ids(access, needed, memory=memory_file(os.environ))
    return SchemaIds(given.ids, given.notices)

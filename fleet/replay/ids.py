"""The ids under which a replay's records go out: those of the recording, or those that another registry gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fleet.contract.access import Access
from fleet.contract.ids import Needed, give_ids
from fleet.contract.lookup import Lookup
from fleet.contract.memory import memory_file
from fleet.data import INJECTED
from fleet.encode.columns import NULL
from fleet.encode.layouts import RUNS_V1
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError
from fleet.replay.plan import ReplayPlan
from fleet.run.plan import RUNS_TOPIC

Say = Callable[[str], object]
TOLD_MAX = 10


async def with_ids(plan: ReplayPlan, say: Say) -> ReplayPlan:
    """Settle the ids of *plan*, where a registry is named; *say* is told what a person should know.

    What goes to a Kafka, or is recorded, is registered there, under the subjects of the topics it goes to, and gets the
    ids that come back. Other sinks only read: they get the schemas of ids that the recording does not have.
    RequestError where the registry refuses a schema, or nobody has it.
    """
    access = plan.request.registry
    if access is None or (plan.kind.packs and not plan.request.registers):
        return plan  # the same payloads is what a replay promises
    used = used_ids(plan)
    async with Lookup(access, say) as lookup:
        for number in {number for numbers in used.values() for number in numbers} - plan.source.schemas.keys():
            text = await lookup.text(number)
            if text is not None:
                plan.source.schemas[number] = text
    return await _registered(plan, access, used, say) if plan.kind.packs else plan


def used_ids(plan: ReplayPlan) -> dict[str, list[int]]:
    """Read all of a recording: the ids of each topic's records, in the order in which they begin."""
    found: dict[str, dict[int, None]] = {}
    for load in plan.source.loads():
        for piece in plan.source.read(load):
            if piece.stream != INJECTED:  # a wrong client registers nothing
                numbers, first = np.unique(piece.columns.schema_ids, return_index=True)
                for number in numbers[np.argsort(first)].tolist():
                    if number != NULL:
                        found.setdefault(piece.topic, {}).setdefault(number)
    return {topic: [*numbers] for topic, numbers in found.items()}


async def _registered(plan: ReplayPlan, access: Access, used: dict[str, list[int]], say: Say) -> ReplayPlan:
    """Register what is *used*, each under the subject of the topic it goes to."""
    nobody = sorted({number for numbers in used.values() for number in numbers} - plan.source.schemas.keys())
    if nobody:
        raise RequestError(
            f"{plan.source.name}: has records of the ids {', '.join(map(str, nobody[:TOLD_MAX]))}, whose schema nobody "
            "has: they cannot be registered; leave --registry out to send them as they are"
        )
    needed = [
        Needed(str(number), plan.source.schemas[number], plan.names[topic])
        for topic, numbers in used.items()
        for number in numbers
    ]
    runs = Needed(RUNS_V1.schema, schema_text(RUNS_V1.schema), RUNS_TOPIC)
    given = await give_ids(access, [*needed, runs], memory=memory_file(os.environ))
    for notice in given.notices:
        say(notice)
    if given.ids is None:
        say("the records keep the ids that they were recorded with")
        return plan
    ids = {int(file): number for file, number in given.ids.items() if file != RUNS_V1.schema}
    return replace(plan, ids=ids, runs_id=given.ids[RUNS_V1.schema])

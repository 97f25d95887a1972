"""Topics that are there already: how they differ from what is wanted, and deleting them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiokafka.errors as kafka_errors

from fleet.data import TopicPlan
from fleet.errors import RequestError, RunError
from fleet.sinks.connect import error_name, reach
from fleet.sinks.connection import Connection
from fleet.sinks.stamps import OURS
from fleet.sinks.topics import administer, beginning_offsets, end_offsets, has_controller, settings_of

GONE_TIMEOUT_S = 30.0  # between a topic is deleted and no broker knows it any longer
GONE_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class TopicThere:
    """A topic that is there: its partitions and replicas, its records, and what of it is other than planned."""

    name: str
    partitions: int
    replication: int
    records: int
    differs: tuple[str, ...]


async def topics_there(connection: Connection, plans: Sequence[TopicPlan]) -> list[TopicThere]:
    """Look at those topics of *plans* that are there; nothing is made by being asked for."""
    await reach(connection)
    async with administer(connection) as admin:
        listed = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(None)}
        found = [plan for plan in plans if listed.get(plan.name)]
        settings = await settings_of(admin, [plan.name for plan in found]) if found else {}
    counts = {plan.name: len(listed[plan.name]) for plan in found}
    begins, ends = await beginning_offsets(connection, counts), await end_offsets(connection, counts)
    there = []
    for plan in found:
        replication = min(len(row["replicas"]) for row in listed[plan.name])
        wanted = {**OURS, **plan.configs}
        seen = settings.get(plan.name, {})
        differs = [
            f"{what} {has}, not {wants}"
            for what, has, wants in (
                ("partitions", counts[plan.name], plan.partitions),
                ("replication", replication, plan.replication),
                *((name, seen[name], value) for name, value in wanted.items() if name in seen),
            )
            if has != wants
        ]
        records = sum(ends[plan.name]) - sum(begins[plan.name])
        there.append(TopicThere(plan.name, counts[plan.name], replication, records, tuple(differs)))
    return there


async def delete_topics(connection: Connection, names: Sequence[str]) -> None:
    """Delete the topics *names*, and wait until they are gone.

    RequestError where the broker does not let us, RunError where one is not gone in time.
    """
    await reach(connection)
    async with administer(connection) as admin:
        if not await has_controller(admin):
            raise RequestError(f"kafka: {connection.bootstrap} is no broker that can delete topics")
        response = (await admin.delete_topics(list(names))).to_object()
        for row in response["topic_error_codes"]:
            error = kafka_errors.for_code(row["error_code"])
            if error not in {kafka_errors.NoError, kafka_errors.UnknownTopicOrPartitionError}:
                raise RequestError(f"kafka: may not delete topic {row['topic']!r} ({error_name(error)})")
        await _gone(admin, names)


async def _gone(admin: Any, names: Sequence[str]) -> None:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while True:
        left = {topic["topic"] for topic in await admin.describe_topics(None)} & set(names)
        if not left:
            return
        if time.monotonic() > deadline:
            raise RunError(
                f"kafka: topic {min(left)!r} is still there {GONE_TIMEOUT_S:.0f} s after it was deleted; "
                "somebody who writes or reads it may make it anew: stop them first"
            )
        await asyncio.sleep(GONE_POLL_S)

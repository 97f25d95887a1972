"""Make the topics a run writes to, and see that those which are there suit it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiokafka.errors as kafka_errors
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fleet.data import TopicPlan, TopicSeen
from fleet.errors import RequestError
from fleet.sinks.connect import error_name, reach
from fleet.sinks.connection import Connection
from fleet.sinks.consumer import consuming
from fleet.sinks.logs import log_sparingly
from fleet.sinks.stamps import OURS, RECORD_TIME, RunTimes, check_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST_TIMEOUT_MS = 10_000
APPEAR_TIMEOUT_S = 10.0  # between a topic is made and all its partitions have leaders
APPEAR_POLL_S = 0.05
SEEN = (  # settings that a run's first record keeps
    *OURS,
    "retention.bytes",
    "max.message.bytes",
    "message.timestamp.difference.max.ms",  # before Kafka 3.6
    "min.insync.replicas",
    "compression.type",
)
REFUSALS = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
)


async def prepare_topics(
    connection: Connection,
    plans: Sequence[TopicPlan],
    *,
    first_ms: int,
    last_ms: int,
    endless: bool,
    speed_above_one: bool,
    way_out: str = RECORD_TIME,
) -> dict[str, TopicSeen]:
    """Make the topics of *plans* that are missing, and check the others against the run's time stamps.

    RequestError names what cannot be: a topic we may not make, or one whose settings would refuse or delete
    records; *way_out* is what else can be done. A broker that can neither make nor describe topics (the embedded one)
    is taken as it is.
    """
    await reach(connection)
    times = RunTimes(first_ms, last_ms, endless, speed_above_one)
    async with administer(connection) as admin:
        there = await _make_missing(admin, plans)
        settings = await settings_of(admin, [plan.name for plan in plans])
    for plan in plans:
        now_ms = time.time_ns() // 1_000_000
        check_settings(plan.name, settings.get(plan.name, {}), times, now_ms=now_ms, way_out=way_out)
    offsets = await end_offsets(connection, there)
    return {name: TopicSeen(count, tuple(offsets[name]), settings.get(name, {})) for name, count in there.items()}


@asynccontextmanager
async def administer(connection: Connection) -> AsyncIterator[Any]:
    """Be connected as an administrator while the context is open; RequestError where that cannot be."""
    log_sparingly()
    admin = AIOKafkaAdminClient(request_timeout_ms=REQUEST_TIMEOUT_MS, **connection.client_options())
    try:
        await admin.start()
        yield admin
    except kafka_errors.KafkaError as error:
        raise RequestError(f"kafka: cannot ask {connection.bootstrap}: {error_name(error)}: {error}") from error
    finally:
        await admin.close()


async def _make_missing(admin: Any, plans: Sequence[TopicPlan]) -> dict[str, int]:
    """Make what is missing of *plans*; give the number of partitions of every topic of theirs."""
    # All topics are listed, because asking for one by its name makes some brokers create it their own way.
    there = await _partitions(admin, None)
    missing = [plan for plan in plans if plan.name not in there]
    if not missing:
        return {plan.name: there[plan.name] for plan in plans}
    # Asked for a topic by its name the embedded broker makes it.
    if await has_controller(admin):
        with suppress(kafka_errors.IncompatibleBrokerVersion):
            await _create(admin, missing)
    return await _appeared(admin, plans)


async def has_controller(admin: Any) -> bool:
    """Say whether there is who makes and deletes topics: the embedded broker has nobody."""
    cluster = await admin.describe_cluster()
    return cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}


async def _create(admin: Any, plans: Sequence[TopicPlan]) -> None:
    new = [
        NewTopic(plan.name, plan.partitions, plan.replication, topic_configs={**OURS, **plan.configs}) for plan in plans
    ]
    response = (await admin.create_topics(new)).to_object()
    for row in response["topic_errors"]:
        plan = next(plan for plan in plans if plan.name == row["topic"])
        error = kafka_errors.for_code(row["error_code"])
        if error in {kafka_errors.NoError, kafka_errors.TopicAlreadyExistsError}:
            continue  # somebody else was quicker
        raise RequestError(refusal(plan, error, row.get("error_message") or ""))


def refusal(plan: TopicPlan, error: type[BaseException], says: str) -> str:
    """Say why a topic was not made, and the way out."""
    name = error_name(error)
    if error in REFUSALS:
        return (
            f"kafka: may not create topic {plan.name!r} ({name}); have it made with {plan.partitions} "
            f"partitions and {_listed({**OURS, **plan.configs})}"
        )
    if error is kafka_errors.InvalidReplicationFactorError:
        return (
            f"kafka: cannot create topic {plan.name!r} with replication {plan.replication} ({name}): "
            f"{says or 'there are fewer brokers'}; set topics' replication lower"
        )
    if error in {kafka_errors.InvalidConfigurationError, kafka_errors.PolicyViolationError}:
        return (
            f"kafka: topic {plan.name!r} may not have the settings {_listed({**OURS, **plan.configs})} "
            f"({name}): {says}; have it made with others, or use --record-time wall"
        )
    return f"kafka: cannot create topic {plan.name!r} ({name}){': ' + says if says else ''}"


def _listed(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


async def _partitions(admin: Any, names: list[str] | None) -> dict[str, int]:
    """Give the number of partitions by topic, of those that are ready: every partition has a leader."""
    found = {}
    for topic in await admin.describe_topics(names):
        if topic["error_code"] == kafka_errors.TopicAuthorizationFailedError.errno:
            raise RequestError(f"kafka: may not see topic {topic['topic']!r} (TOPIC_AUTHORIZATION_FAILED)")
        led = [row["leader"] >= 0 for row in topic["partitions"]]
        if topic["error_code"] == 0 and led and (names is None or all(led)):
            found[topic["topic"]] = len(led)
    return found


async def _appeared(admin: Any, plans: Sequence[TopicPlan]) -> dict[str, int]:
    """Wait until the topics of *plans* can be written to."""
    names = [plan.name for plan in plans]
    deadline = time.monotonic() + APPEAR_TIMEOUT_S
    while True:
        there = await _partitions(admin, names)
        absent = [name for name in names if name not in there]
        if not absent:
            return there
        if time.monotonic() > deadline:
            raise RequestError(f"kafka: topic {absent[0]!r} has no leader after {APPEAR_TIMEOUT_S:.0f} s")
        await asyncio.sleep(APPEAR_POLL_S)


async def settings_of(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Ask for the settings of the topics *names*; what the broker does not say is missing."""
    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    except kafka_errors.IncompatibleBrokerVersion:
        return {}
    return {
        resource["resource_name"]: {
            entry["config_names"]: entry["config_value"]
            for entry in resource["config_entries"]
            if entry["config_names"] in SEEN and entry["config_value"] is not None
        }
        for response in responses
        for resource in response.to_object()["resources"]
        if resource["error_code"] == 0
    }


async def partitions_of(connection: Connection, topic: str) -> int:
    """Give the number of partitions of *topic*; RequestError where there is no such topic."""
    await reach(connection)
    async with administer(connection) as admin:
        # Not asked for by its name: some brokers would make it.
        there = await _partitions(admin, None)
    if topic not in there:
        raise RequestError(f"kafka: no topic {topic!r} on {connection.bootstrap}")
    return there[topic]


@dataclass(frozen=True, slots=True)
class TopicNow:
    """A topic as it is: the first offset each partition has, where it ends, and the settings the broker says."""

    start_offsets: tuple[int, ...]
    end_offsets: tuple[int, ...]
    settings: Mapping[str, str]


async def describe_topics(connection: Connection, names: Sequence[str]) -> dict[str, TopicNow]:
    """Describe the topics *names*; RequestError where one is not there."""
    await reach(connection)
    async with administer(connection) as admin:
        there = await _partitions(admin, None)
        for name in names:
            if name not in there:
                raise RequestError(f"kafka: no topic {name!r} on {connection.bootstrap}")
        settings = await settings_of(admin, names)
    counts = {name: there[name] for name in names}
    begins, ends = await beginning_offsets(connection, counts), await end_offsets(connection, counts)
    return {name: TopicNow(tuple(begins[name]), tuple(ends[name]), settings.get(name, {})) for name in names}


async def end_offsets(connection: Connection, partitions: Mapping[str, int]) -> dict[str, list[int]]:
    """Ask where each partition of the topics ends now, by topic."""
    return await _offsets(connection, partitions, "end_offsets")


async def beginning_offsets(connection: Connection, partitions: Mapping[str, int]) -> dict[str, list[int]]:
    """Ask for the first offset that each partition of the topics still has, by topic."""
    return await _offsets(connection, partitions, "beginning_offsets")


async def _offsets(connection: Connection, partitions: Mapping[str, int], which: str) -> dict[str, list[int]]:
    places = [TopicPartition(topic, p) for topic, count in partitions.items() for p in range(count)]
    async with consuming(connection) as consumer:
        # Left to find out by itself which topics there are, it learns of one at a time and waits between them.
        await consumer._client.set_topics(list(partitions))
        found = await getattr(consumer, which)(places) if places else {}
    return {topic: [found[TopicPartition(topic, p)] for p in range(n)] for topic, n in partitions.items()}

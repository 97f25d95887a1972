"""On a real Kafka: two runs on one topic told apart, and what was deleted told from a gap."""

from __future__ import annotations

import math
import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from fleet.run.clock import RealClock
from fleet.run.execute import execute
from fleet.run.plan import RunRequest, make_plan
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from fleet.sinks.connection import Connection
from fleet.verify.check import verify
from tests.services.kafka import Kafka

START_US = 1_772_431_200_000_000
MINUTE_US = 60_000_000


@pytest.fixture
def scenario() -> Scenario:
    """Give the quickstart on topics of this test's own."""
    name = f"verify-{uuid.uuid4().hex[:8]}"
    return load("quickstart", settings=[f"records.readings.topic={name}", f"records.events.topic={name}.events"])


async def run_once(kafka: Kafka, scenario: Scenario, *, seed: int, format: str = "avro") -> str:  # noqa: A002
    request = RunRequest(
        scenario=scenario, source="quickstart", targets=(f"kafka://{kafka.bootstrap}",), speed=math.inf,
        start_us=START_US, length_us=MINUTE_US, seed=seed, format=format,
    )  # fmt: skip
    clock = RealClock()
    plan = make_plan(request, wall_us=clock.wall_us())
    result = await execute(plan, clock=clock, broker=None, proof=None, watch=lambda _: None)
    assert result.exit_code == 0, result.failure
    return plan.run_id


@pytest.mark.parametrize("format", ["avro", "json"])
async def test_two_runs_on_one_topic_are_each_proven_from_their_own_offsets(
    kafka: Kafka,
    scenario: Scenario,
    format: str,  # noqa: A002
) -> None:
    ids = [await run_once(kafka, scenario, seed=seed, format=format) for seed in (7, 8)]
    connection = Connection(kafka.bootstrap)

    verdicts = [await verify(connection, run=run_id, scenario=scenario) for run_id in ids]

    assert [(v.run_id, v.proven, v.digests, v.scenario) for v in verdicts] == [
        (run_id, True, "equal", "equal") for run_id in ids
    ], [verdict.lines() for verdict in verdicts]


async def test_a_record_that_somebody_else_wrote_behind_a_run_is_none_of_its(kafka: Kafka, scenario: Scenario) -> None:
    run_id = await run_once(kafka, scenario, seed=7)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(scenario.records.readings.topic, key=b"stranger", value=b"\x07hello", partition=0)
    producer.flush(20)

    verdict = await verify(Connection(kafka.bootstrap), run=run_id)

    assert verdict.proven, verdict.lines()


async def test_what_was_deleted_is_told_from_a_gap(kafka: Kafka, scenario: Scenario) -> None:
    run_id = await run_once(kafka, scenario, seed=7)
    _delete_before(kafka, scenario.records.readings.topic, 100)

    verdict = await verify(Connection(kafka.bootstrap), run=run_id)

    assert (verdict.counts, verdict.proven) == ({}, False)
    assert any("trimmed by the broker" in note for note in verdict.notes)


def _delete_before(kafka: Kafka, topic: str, offset: int) -> None:
    """Delete what every partition of *topic* has before *offset*, or all of it."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    count = len(admin.list_topics(topic, timeout=20).topics[topic].partitions)
    consumer_ends = _ends(kafka, topic, count)
    places = [TopicPartition(topic, p, min(offset, end)) for p, end in enumerate(consumer_ends) if end]
    for future in admin.delete_records(places).values():
        future.result(20)


def _ends(kafka: Kafka, topic: str, count: int) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "ends"})
    try:
        return [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(count)]
    finally:
        consumer.close()

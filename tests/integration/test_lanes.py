"""Several producers at once are one sink: every record once, in order, in one account; on a real Kafka."""

from __future__ import annotations

import pytest

from fleet.data import Delivery, TopicSeen
from fleet.errors import RequestError
from fleet.sinks.connection import Connection
from fleet.sinks.lanes import start_lanes
from fleet.sinks.reader import Trimmed, read
from fleet.sinks.settings import LANES, LANES_FROM, ProducerSettings, lanes
from tests.integration.test_kafka_sink import DEADLINE_S, a_topic, batch, prepared, to
from tests.services.kafka import Kafka

PARTITIONS, ROUNDS, RECORDS = 5, 8, 2_000


async def test_records_of_all_partitions_arrive_once_and_in_order(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, partitions=PARTITIONS)
    sink = await start_lanes(where, seen, settings=ProducerSettings(), lanes=LANES, deadline_s=DEADLINE_S)

    for _ in range(ROUNDS):
        for partition in range(PARTITIONS):
            await sink.send(batch(topic, partition, RECORDS))
    await sink.close(timeout_s=DEADLINE_S)

    records = ROUNDS * RECORDS
    assert sink.delivery["readings"] == Delivery(acknowledged=PARTITIONS * records)
    assert sink.latency.records == PARTITIONS * records
    found: dict[int, list[bytes]] = {}
    async for part in read(where, topic, dict.fromkeys(range(PARTITIONS), (0, records))):
        assert not isinstance(part, Trimmed)
        found.setdefault(part[0], []).extend(record.value[:6] for record in part[1])
    assert found == {partition: [b"%06d" % i for i in range(RECORDS)] * ROUNDS for partition in range(PARTITIONS)}


async def test_a_refusal_in_one_lane_is_booked_once_and_leaves_the_others_alone(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, {"message.timestamp.after.max.ms": "3600000"}, partitions=PARTITIONS)
    sink = await start_lanes(where, seen, settings=ProducerSettings(), lanes=LANES, deadline_s=DEADLINE_S)

    for partition in range(PARTITIONS):
        await sink.send(batch(topic, partition, 100))
    await sink.send(batch(topic, 1, 7, stamp_ms=1 << 42))
    for partition in range(PARTITIONS):
        await sink.send(batch(topic, partition, 100))
    await sink.close(timeout_s=DEADLINE_S)

    assert sink.delivery["readings"] == Delivery(acknowledged=PARTITIONS * 200, failed=7)
    assert len(sink.notices) == 1


async def test_a_kafka_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RequestError) as refused:
        await start_lanes(
            Connection("127.0.0.1:1"), dict[str, TopicSeen](), settings=ProducerSettings(), lanes=LANES, deadline_s=1.0
        )

    assert "\n" not in str(refused.value)


def test_slow_runs_have_one_producer() -> None:
    assert [lanes(rate) for rate in (0.0, LANES_FROM - 1, LANES_FROM, float("inf"))] == [1, 1, LANES, LANES]

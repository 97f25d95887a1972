"""Packed batches on a real Kafka, with every codec: what only a real broker judges."""

from __future__ import annotations

import itertools

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from fleet.data import SECOND_US, PackedBatch, TopicPlan
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.sinks.connection import Connection
from fleet.sinks.lanes import start_lanes
from fleet.sinks.settings import producer_settings
from fleet.sinks.topics import prepare_topics
from tests.encode.blocks import START_US, block, cohort, columns
from tests.services.kafka import Kafka

_numbers = itertools.count()


async def sent_and_read(
    kafka: Kafka, compression: str, *, batch_bytes: int = 64 * 1024
) -> tuple[list[bytes], list[bytes]]:
    """Send three blocks, packed; give the values that were encoded and those that a consumer reads."""
    topic = f"packed-{compression.replace(':', '-')}-{next(_numbers)}"
    connection = Connection(kafka.bootstrap)
    now_ms = START_US // 1000
    seen = await prepare_topics(
        connection, [TopicPlan(topic, 1, 1)], first_ms=now_ms, last_ms=now_ms, endless=False, speed_above_one=False
    )
    settings = producer_settings(compression=compression, batch_bytes=batch_bytes)
    sink = await start_lanes(connection, seen, settings=settings, lanes=1, deadline_s=20.0)
    of = cohort("pump", 20, ("flow", "pressure", "vibration"))
    plain = Encoder({"readings": StreamPlan(topic)}, {topic: 1})
    packer = Encoder({"readings": StreamPlan(topic)}, {topic: 1}, batch_bytes=batch_bytes)
    values: list[bytes] = []
    for first in range(0, 90, 30):
        made = block(columns(of, first=first, ticks=30), first=first, ticks=30)
        values += [r.value for b in plain.prepare(made).release(made.stop_us) for r in b.records]  # type: ignore[union-attr]
        for batch in packer.prepare(made).release(made.stop_us):
            assert isinstance(batch, PackedBatch)
            await sink.send(batch)
    await sink.close(timeout_s=20.0)
    assert sink.delivery["readings"].acknowledged == len(values)
    return values, await read(kafka, topic, len(values))


async def read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "lz4:9", "zstd", "zstd:6"])
async def test_every_codec_is_taken_by_the_broker_and_read_back(kafka: Kafka, compression: str) -> None:
    sent, received = await sent_and_read(kafka, compression)

    assert received == sent


async def test_small_batches_follow_one_another_without_a_gap(kafka: Kafka) -> None:
    sent, received = await sent_and_read(kafka, "none", batch_bytes=2048)

    assert received == sent


def test_the_blocks_of_this_test_are_what_they_seem() -> None:
    made = block(columns(cohort("pump", 20, ("flow",)), ticks=30), ticks=30)

    assert made.stop_us - made.start_us == 30 * SECOND_US

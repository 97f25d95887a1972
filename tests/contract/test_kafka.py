"""What other Kafka clients and the embedded broker make of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import Message, Producer

from fleet.broker.process import EmbeddedBroker
from fleet.data import TopicPlan
from fleet.encode.partition import partition_of
from fleet.errors import RequestError
from fleet.sinks.connection import Connection
from fleet.sinks.reader import partitions_of
from fleet.sinks.topics import prepare_topics


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        started.start({"keys": 12, "three": 3})
        yield started


def test_a_key_goes_where_librdkafkas_murmur2_random_sends_it(broker: EmbeddedBroker) -> None:
    keys = [f"filling-pump-{i:03d}".encode() for i in range(200)] + [b"x" * i for i in range(1, 20)]
    went: dict[bytes, int] = {}

    def delivered(_: object, message: Message) -> None:
        key, partition = message.key(), message.partition()
        assert isinstance(key, bytes)
        assert partition is not None
        went[key] = partition

    producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce("keys", b"v", key, on_delivery=delivered)
    producer.flush(10)

    assert went == {key: partition_of(key, 12) for key in keys}


async def test_a_broker_that_cannot_make_topics_is_taken_as_it_is(broker: EmbeddedBroker) -> None:
    connection = Connection(broker.bootstrap)

    seen = await prepare_topics(
        connection,
        [TopicPlan("three", 3, 1), TopicPlan("made.by.asking", 7, 1)],
        first_ms=0,
        last_ms=1 << 60,
        endless=True,
        speed_above_one=True,
    )

    assert (seen["three"].partitions, seen["three"].start_offsets) == (3, (0, 0, 0))
    assert seen["three"].settings == {}
    assert seen["made.by.asking"].partitions > 0


async def test_looking_for_a_topic_makes_none(broker: EmbeddedBroker) -> None:
    connection = Connection(broker.bootstrap)

    assert await partitions_of(connection, "three") == 3
    for _ in range(2):
        with pytest.raises(RequestError, match=r"no topic 'not\.there'"):
            await partitions_of(connection, "not.there")


def test_asking_for_a_sink_does_not_import_the_kafka_client() -> None:
    code = "import sys, fleet.sinks.open, fleet.sinks.properties; print('aiokafka' in sys.modules)"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "False"

"""The consumer in JavaScript: @platformatic/kafka and avsc."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fleet.encode.schemas import schema_text
from tests.conftest import skip_or_fail
from tests.examples.consumers import (
    Consumer,
    assert_goes_on_where_it_was_interrupted,
    assert_reads_all,
    assert_says_what_is_not_there,
    assert_tells_what_it_cannot_read,
    consume,
)
from tests.examples.readings import ReadingsLog
from tests.examples.records import encoded
from tests.integration.runs import make_topic
from tests.services.jars import ROOT
from tests.services.kafka import Kafka
from tests.services.node import beside, node, packages
from tests.services.process import ServiceUnavailable
from tests.services.registry import Apicurio

FOLDER = ROOT / "examples/javascript"


@pytest.fixture(scope="module")
def consumer() -> Iterator[Consumer]:
    try:
        modules = packages(FOLDER)
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))
    with beside(modules, filter(Path.is_file, FOLDER.iterdir())) as copy:
        yield Consumer([node(), copy / "consumer.js"], "javascript")


def test_the_consumer_reads_every_version(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_reads_all(consumer, readings)


def test_the_consumer_goes_on_where_it_was_interrupted(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_goes_on_where_it_was_interrupted(consumer, readings)


def test_the_consumer_tells_what_it_cannot_read(consumer: Consumer, poisoned: ReadingsLog) -> None:
    assert_tells_what_it_cannot_read(consumer, poisoned)


def test_the_consumer_says_what_is_not_there(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_says_what_is_not_there(consumer, readings)


def test_the_consumer_refuses_a_number_that_it_would_have_to_round(
    consumer: Consumer, kafka: Kafka, registry: Apicurio
) -> None:
    text = schema_text("machine-sensor.v3.avsc")
    reading = {"machine": "pump-1", "sensor": "flow", "units": "m3/h", "value": 1.5}
    with SchemaRegistryClient({"url": registry.url}) as client:
        frame = b"\0" + client.register_schema("test-long", Schema(text, "AVRO")).to_bytes(4, "big")
    topic = f"test-{uuid.uuid4().hex[:8]}"
    make_topic(kafka.bootstrap, topic, partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for seq in (2**53 + 1, 2**52):
        producer.produce(topic, frame + encoded(text, reading | {"seq": seq}))
    producer.flush()
    log = ReadingsLog(kafka.bootstrap, registry.url, topic, records=1, unreadable=1, digest="")

    ended = consume(consumer, log.environment("javascript"))

    assert ended.code == 0, ended.err
    assert "partition 0, offset 0: " in ended.err
    assert ended.out.splitlines()[-1].startswith("records=1 ")

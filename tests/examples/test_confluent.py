"""Confluent's serialiser and deserialiser for Python, with a real registry, beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fleet.contract.examples import made_up
from fleet.encode.decode import Decoder
from fleet.encode.schemas import schema_ids, schema_text
from tests.examples.readings import ReadingsLog, digest
from tests.examples.records import dump, edged, encoded, plain_text
from tests.integration.runs import values
from tests.services.registry import Apicurio

PUBLISHED = [schema_text(file) for file in schema_ids() if file.endswith(".avsc")]
# The library makes datetimes of instants, so those at their edges are numbers here.
CASES = [(text, made_up(text)) for text in PUBLISHED] + [(text, edged(text)) for text in map(plain_text, PUBLISHED)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOPIC = SerializationContext("test-confluent", MessageField.VALUE)


@pytest.fixture(scope="module")
def client(registry: Apicurio) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url}) as open_client:
        yield open_client


def sensor(version: str) -> str:
    return schema_text(f"machine-sensor.{version}.avsc")


def framed(client: SchemaRegistryClient, text: str, body: bytes) -> bytes:
    number = client.register_schema(f"test-{json.loads(text)['name']}", Schema(text, "AVRO"))
    return b"\0" + number.to_bytes(4, "big") + body


def instants_as_numbers(value: Any) -> Any:
    """Make *value* plain, a datetime microseconds: the library leaves an instant's default the number it is."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, dict):
        return {key: instants_as_numbers(each) for key, each in value.items()}
    return [instants_as_numbers(each) for each in value] if isinstance(value, list) else value


def test_it_reads_every_published_schema_and_we_read_what_it_writes(client: SchemaRegistryClient) -> None:
    deserialise = AvroDeserializer(client)

    for text, records in CASES:
        serialise = AvroSerializer(client, text)
        for record in records:
            ours = framed(client, text, encoded(text, record))
            theirs = serialise(record, TOPIC)

            expected = dump(Decoder({7: text}).decode(b"\0\0\0\0\7" + ours[5:]))
            assert dump(instants_as_numbers(deserialise(ours, TOPIC))) == expected
            assert dump(Decoder({int.from_bytes(theirs[1:5], "big"): text}).decode(theirs)) == expected


def test_it_reads_a_run_of_every_version_as_the_example_consumers_do(
    client: SchemaRegistryClient, readings: ReadingsLog
) -> None:
    deserialise = AvroDeserializer(client, sensor("v3"))

    found = [deserialise(value, TOPIC) for value in values(readings.bootstrap, readings.topic)]

    assert digest(map(instants_as_numbers, found)) == readings.digest


def test_it_honours_aliases(client: SchemaRegistryClient) -> None:
    record = {"machine": "pump-1", "sensor": "flow", "units": "m3/h", "value": 1.5}
    ours = framed(client, sensor("v2"), encoded(sensor("v2"), record))

    assert AvroDeserializer(client, sensor("v3-rename"))(ours, TOPIC)["machine_id"] == "pump-1"


def test_a_reader_of_version_1_is_told_that_it_cannot_read_later_ones(client: SchemaRegistryClient) -> None:
    ours = framed(client, sensor("v2"), encoded(sensor("v2"), made_up(sensor("v2"))[0]))

    with pytest.raises(Exception, match="double"):
        AvroDeserializer(client, sensor("v1"))(ours, TOPIC)

"""Packed batches with CloudEvents' headers on a real Kafka: read by other clients and libraries, and proven."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from confluent_kafka import Consumer

from fleet.encode.decode import Decoder
from fleet.encode.schemas import schema_text
from tests.cli.commands import fleet
from tests.integration.runs import ANSWER_S, Topics, acknowledged, assert_proven, kept, run
from tests.run.test_cloudevents import Bytes
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio


def events(bootstrap: str, topic: str) -> list[BaseCloudEvent]:
    """Read all records of *topic* as events, by librdkafka and the reference library."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[BaseCloudEvent] = []
    try:
        for _ in range(kept(bootstrap, topic)):
            message: Any = consumer.poll(ANSWER_S)
            assert message is not None
            assert message.error() is None
            found.append(from_kafka(KafkaMessage(dict(message.headers()), message.key(), message.value()), Bytes()))
    finally:
        consumer.close()
    return found


@pytest.mark.parametrize("form", ["avro", "json", "protobuf"])
def test_a_run_with_headers_is_read_by_others_and_proven(kafka: Kafka, form: str) -> None:
    topics = Topics()

    told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "2min", "--headers", "cloudevents", "--format", form)

    found = events(kafka.bootstrap, topics.readings)
    assert len(found) == acknowledged(told) == 9_000
    assert {event.get_datacontenttype() for event in found} == {f"application/{form}"}
    assert set(Counter((event.get_source(), event.get_id()) for event in found).values()) == {1}
    assert_proven(kafka.bootstrap, topics, told)


def test_tail_shows_headers_where_it_is_asked_to(kafka: Kafka) -> None:
    topics = Topics()
    run(kafka.bootstrap, topics, "--speed", "max", "--for", "1s", "--headers", "cloudevents")

    def tailed(*words: str) -> list[str]:
        looking = ("--from", f"kafka://{kafka.bootstrap}", "--beginning", "--count", "5", *words)
        return fleet("tail", topics.readings, *looking).out.splitlines()

    for line in map(json.loads, tailed("--headers", "--json")):
        machine = line["record"]["machine"]
        assert dict(line["headers"])["ce_source"].endswith(f"/{machine}")
        assert dict(line["headers"])["ce_id"].endswith(f"-{line['record']['seq']:015}")
    assert all(" ce_specversion=1.0 " in line for line in tailed("--headers"))
    assert not any("ce_" in line for line in (*tailed(), *tailed("--json")))


def test_events_name_their_schema_at_the_registry(
    kafka: Kafka, registry: Apicurio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    topics = Topics()
    words = ("--speed", "max", "--for", "20s", "--set", "records.headers=cloudevents", "--registry", registry.url)

    run(kafka.bootstrap, topics, *words)

    for event in events(kafka.bootstrap, topics.readings):
        data: Any = event.get_data()
        number = int.from_bytes(data[1:5], "big")
        assert event.get_dataschema() == f"{registry.url}/schemas/ids/{number}"
        assert Decoder({number: schema_text("machine-sensor.v2.avsc")}).decode(data, None)["machine"]

"""The producer in Go, whose door events are read by us."""

from __future__ import annotations

import json
import uuid
from itertools import cycle, islice

import pytest

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.cli.commands import fleet
from tests.conftest import skip_or_fail
from tests.examples.consumers import Consumer, consume
from tests.integration.runs import make_topic, values
from tests.services.go import go_program
from tests.services.jars import ROOT
from tests.services.kafka import Kafka
from tests.services.process import ServiceUnavailable
from tests.services.registry import Apicurio

EVENTS = 40
DOORS = {"north-gate", "loading-dock"}


@pytest.fixture(scope="module")
def doors() -> Consumer:
    try:
        return Consumer([go_program(ROOT / "examples/go/doors")], "doors")
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))


@pytest.fixture
def environment(kafka: Kafka, registry: Apicurio) -> dict[str, str]:
    topic = f"doors-{uuid.uuid4().hex[:8]}"
    make_topic(kafka.bootstrap, topic)
    return {
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SCHEMA_REGISTRY": registry.url,
        "TOPIC": topic,
        "DOORS": ",".join(DOORS),
        "RECORDS": str(EVENTS),
        "PAUSE": "1ms",
    }


async def test_events_of_doors_are_read_in_order_and_have_the_id_that_fleet_would_use(
    doors: Consumer, environment: dict[str, str]
) -> None:
    topic, bootstrap = environment["TOPIC"], environment["KAFKA_BOOTSTRAP"]

    ended = consume(doors, environment)
    words = ("--from", f"kafka://{bootstrap}", "--registry", environment["SCHEMA_REGISTRY"])
    tailed = fleet("tail", topic, *words, "--beginning", "--count", str(EVENTS), "--json")
    async with Registry(Access((environment["SCHEMA_REGISTRY"],))) as client:
        number = await client.register(f"{topic}-value", schema_text("machine-event.v2.avsc"))
        versions = await client.versions(f"{topic}-value")

    assert ended.code == 0, ended.err
    assert tailed.code == 0, tailed.err
    events = [json.loads(line) for line in tailed.out.splitlines()]
    assert {event["machine"] for event in events} == DOORS
    for door in DOORS:
        of_door = [event for event in events if event["machine"] == door]
        assert [event["seq"] for event in of_door] == list(range(len(of_door)))
        assert [event["state"] for event in of_door] == list(islice(cycle(["open", "closed"]), len(of_door)))
    assert {value[:5] for value in values(bootstrap, topic)} == {b"\0" + number.to_bytes(4, "big")}
    assert versions == [1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"TOPIC": "nobody-made-it"}, "UNKNOWN_TOPIC_OR_PARTITION"),
        ({"SCHEMA_REGISTRY": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        ({"PAUSE": "soon"}, "PAUSE must be a time such as 1s or 20ms, got"),
    ],
)
def test_what_is_wrong_is_one_line(
    doors: Consumer, environment: dict[str, str], change: dict[str, str], told: str
) -> None:
    ended = consume(doors, {**environment, **change})

    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert told in ended.err

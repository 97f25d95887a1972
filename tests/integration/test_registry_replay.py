"""Recordings between clusters whose registries give other ids: what is read, what is registered, what is proven."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import fastavro
import pytest
from confluent_kafka import Producer

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.avro import frame
from fleet.encode.decode import schema_id_of
from tests.cli.commands import fleet
from tests.integration.runs import Topics, make_topic, run, values
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio

VALVE = '{"type": "record", "name": "Valve", "fields": [{"name": "open", "type": "boolean"}]}'


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def send(kafka: Kafka, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, value, key=b"valve-1")
    assert producer.flush(20) == 0


def asked(registry: Apicurio, numbers: set[int]) -> dict[int, str]:
    async def ask() -> dict[int, str]:
        async with Registry(Access((registry.url,))) as client:
            return {number: json.loads(await client.by_id(number))["name"] for number in numbers}

    return asyncio.run(ask())


@pytest.mark.usefixtures("state")
def test_a_run_without_a_registry_is_played_into_one_and_proven(
    kafka: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    async def take_ids() -> None:
        async with Registry(Access((registry.url,))) as client:
            for number in range(10):  # so that ids are not ours by chance
                await client.register("taken-value", VALVE.replace("Valve", f"Taken{number}"))

    asyncio.run(take_ids())
    topics, source = Topics(), ("--from", f"kafka://{kafka.bootstrap}")
    events = ("--set", "records.events.format=avro")
    told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "1min", "--seed", "7", *events)
    recorded = fleet("record", *source, "--run", told["run"], "--out", "run.avro", cwd=tmp_path)
    again = f"{topics.readings}.again"
    words = ("--to", f"kafka://{kafka.bootstrap}", "--speed", "max", "--topic", again)

    replayed = fleet("replay", "run.avro", *words, "--registry", registry.url, cwd=tmp_path)

    assert (recorded.code, replayed.code) == (0, 0), recorded.err + replayed.err
    numbers = {schema_id_of(value) or 0 for value in values(kafka.bootstrap, again)}
    assert asked(registry, numbers) == dict.fromkeys(numbers, "MachineSensor")
    replay = next(line for line in replayed.lines if line.startswith("replay ")).split()[1].rstrip(":")
    where = ("--set", f"records.readings.topic={again}", "--run", replay)
    verified = fleet("verify", "quickstart", *source, *topics.words, *events, *where)
    assert verified.code == 0, verified.out
    assert "equal to the scenario's" in verified.out
    assert f"--registry {registry.url}" in replayed.err


@pytest.mark.usefixtures("state")
def test_records_of_others_are_recorded_with_the_registrys_schemas_and_read_anywhere(
    kafka: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    topic = f"valves-{uuid4().hex[:8]}"

    async def register() -> int:
        async with Registry(Access((registry.url,))) as client:
            return await client.register(f"{topic}-value", VALVE)

    number, body = asyncio.run(register()), BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(VALVE)), {"open": True})
    strange = f"{topic}.strange"
    for name, of in ((topic, number), (strange, 99_999)):
        make_topic(kafka.bootstrap, name, partitions=1)
        send(kafka, name, frame(of) + body.getvalue())
    source, there = ("--from", f"kafka://{kafka.bootstrap}"), ("--registry", registry.url)

    tailed = fleet("tail", topic, *source, "--beginning", "--count", "1", "--json", *there)
    tailed_strange = fleet("tail", strange, *source, "--beginning", "--count", "1", "--json", *there)
    recorded = fleet("record", topic, *source, "--out", "valves.avro", *there, cwd=tmp_path)
    recorded_strange = fleet("record", strange, *source, "--out", "strange.avro", *there, cwd=tmp_path)
    read = fleet("replay", "valves.avro", "--to", "stdout:", "--speed", "max", cwd=tmp_path)
    to = ("--to", f"kafka://{kafka.bootstrap}", "--speed", "max")
    refused = fleet("replay", "strange.avro", *to, *there, cwd=tmp_path)

    assert json.loads(tailed.out) == json.loads(read.out) == {"open": True}
    assert json.loads(tailed_strange.out)["undecodable"].startswith("no schema has the id 99999")
    assert "id 99999: has no such thing (HTTP 404" in tailed_strange.err
    assert (recorded.code, recorded_strange.code) == (0, 0)
    assert "1 records have ids whose schema the recording does not have (99999)" in recorded_strange.err
    assert refused.code == 2
    assert "records of the ids 99999, whose schema nobody has" in refused.lines[-1]

"""Protobuf in a real Kafka, its ids from a real registry: Google's library reads ours, and we read theirs."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer

from fleet.contract.access import Access
from fleet.contract.asking import RegistryRefusedError
from fleet.contract.registry import Registry
from fleet.contract.texts import same
from fleet.encode.schemas import schema_text
from tests.cli.commands import fleet
from tests.contract.protoc import compiled_text
from tests.integration.runs import Topics, acknowledged, assert_proven, make_topic, run, values
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio

VERSIONS = [schema_text(f"machine-sensor.{version}.proto") for version in ("v1", "v2", "v3")]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("layout", ["v1", "v3"])
async def test_googles_library_reads_a_run_by_the_registrys_schema_and_the_run_is_proven(
    kafka: Kafka, registry: Apicurio, layout: str
) -> None:
    topics = Topics()
    words = ("--format", "protobuf", "--set", f"records.readings.layout={layout}", "--registry", registry.url)

    told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "20s", *words)
    records = values(kafka.bootstrap, topics.readings)

    (number,) = {int.from_bytes(value[1:5], "big") for value in records}
    async with Registry(Access((registry.url,))) as client:
        text = await client.by_id(number)
    assert same(text, schema_text(f"machine-sensor.{layout}.proto"))
    theirs = compiled_text(text)
    read = [theirs.FromString(value[6:]) for value in records]
    assert {value[5] for value in records} == {0}
    assert [said.SerializeToString() for said in read] == [value[6:] for value in records]
    assert len(read) == acknowledged(told)
    assert all(said.machine and said.HasField("value") for said in read)
    ended = assert_proven(kafka.bootstrap, topics, told, "--set", f"records.readings.layout={layout}")
    assert "proven" in ended.out


@pytest.mark.usefixtures("state")
def test_what_googles_library_writes_is_read_by_fleet(kafka: Kafka) -> None:
    topic, said = f"theirs-{uuid.uuid4().hex[:8]}", compiled_text(VERSIONS[1])()
    said.machine, said.sensor, said.units, said.value = "press-1", "pressure", "bar", 0.0
    said.timestamp, said.seq, said.quality = -1, 7, 2
    make_topic(kafka.bootstrap, topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, b"\0\0\0\0\x0a\0" + said.SerializeToString(), key=b"press-1")
    producer.flush(20)

    tailed = fleet("tail", topic, "--from", f"kafka://{kafka.bootstrap}", "--beginning", "--json", "--count", "1")

    assert tailed.code == 0, tailed.err
    fields = json.loads(tailed.out)
    assert fields | {"machine": "press-1", "value": 0.0, "seq": 7, "quality": "BAD"} == fields
    assert fields["timestamp"] == "1969-12-31T23:59:59.999999Z"


async def test_a_registry_takes_every_version_as_compatible_and_refuses_another_type(registry: Apicurio) -> None:
    name = f"proto-{uuid.uuid4().hex[:8]}-value"
    async with Registry(Access((registry.url,))) as client:
        await client.set_level("BACKWARD", name)
        numbers = [await client.register(name, text) for text in VERSIONS]
        again = [await client.find(name, text) for text in VERSIONS]
        changed = VERSIONS[2].replace("optional sint64 seq = 6", "optional string seq = 6")
        judged = await client.judge(name, changed)
        with pytest.raises(RegistryRefusedError) as refused:
            await client.register(name, changed)
        avro = await client.register(f"avro-{name}", schema_text("machine-sensor.v2.avsc"))

    assert len({*numbers, avro}) == 4
    assert [None if each is None else (each.version, each.id) for each in again] == list(enumerate(numbers, 1))
    assert (judged.compatible, refused.value.status) == (False, 409)


def test_the_command_registers_shows_and_refuses_proto_files(registry: Apicurio, tmp_path: Path) -> None:
    subject = f"proto-{uuid.uuid4().hex[:8]}-value"
    words = ("--registry", registry.url, "--subject", subject)
    mine = tmp_path / "mine.proto"
    mine.write_text(VERSIONS[2].replace("optional double value = 4", "optional float value = 4"))

    done = fleet("schema", "register", "machine-sensor.v2.proto", "machine-sensor.proto", "--level", "full", *words)
    refused = fleet("schema", "register", str(mine), *words)
    shown = fleet("schema", "show", subject, "--registry", registry.url)

    assert done.code == 0, done.err
    assert [line.partition(", id ")[0] for line in done.out.splitlines()] == [
        f"machine-sensor.v2.proto: {subject} version 1",
        f"machine-sensor.v3.proto: {subject} version 2",
    ]
    assert same(shown.out, VERSIONS[2])
    assert refused.code == 1
    assert "HTTP 409" in refused.out
    assert "value: the writer writes double, which is no float to the reader (by number)" in refused.out

"""Runs whose ids come from a real registry, written to a real Kafka, read by whoever knows only the registry."""

from __future__ import annotations

import asyncio
import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.cli.commands import Live, fleet
from tests.integration.runs import Topics, acknowledged, assert_proven, run, values
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.usefixtures("state")
async def test_records_decode_by_the_registry_alone_and_the_run_is_proven(kafka: Kafka, registry: Apicurio) -> None:
    topics = Topics()
    async with Registry(Access((registry.url,))) as client:
        other = '{"type": "record", "name": "Taken", "fields": [{"name": "a", "type": "int"}]}'
        await client.register("another-value", other)  # so that ids are not ours by chance

        told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "1min", "--registry", registry.url)
        records = values(kafka.bootstrap, topics.readings)
        read: list[Any] = []
        for value in records:
            assert value[0] == 0
            schema = fastavro.parse_schema(json.loads(await client.by_id(int.from_bytes(value[1:5], "big"))))
            read.append(fastavro.schemaless_reader(BytesIO(value[5:]), schema, None))
        versions = await client.versions(f"{topics.readings}-value")

    assert len(read) == acknowledged(told)
    assert {fields["quality"] for fields in read} <= {"GOOD", "UNCERTAIN", "BAD"}
    assert versions == [1]
    assert_proven(kafka.bootstrap, topics, told)
    words = ("--from", f"kafka://{kafka.bootstrap}", "--beginning", "--json", "--count", "3")
    tailed = fleet("tail", topics.readings, *words)
    assert [json.loads(line)["quality"] for line in tailed.out.splitlines()] == ["GOOD"] * 3


@pytest.mark.usefixtures("state")
def test_a_version_that_the_registry_must_refuse_is_told_with_409_and_sends_nothing(
    kafka: Kafka, registry: Apicurio
) -> None:
    topics, layout = Topics(), "records.readings.layout=v1"
    words = ("--speed", "max", "--for", "10s", "--registry", registry.url)
    run(kafka.bootstrap, topics, *words)

    async def be_strict() -> None:
        async with Registry(Access((registry.url,))) as client:
            await client.set_level("BACKWARD", f"{topics.readings}-value")

    asyncio.run(be_strict())
    before = len(values(kafka.bootstrap, topics.readings))
    ended = fleet("run", "quickstart", "--to", f"kafka://{kafka.bootstrap}", *topics.words, "--set", layout, *words)

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert f"subject '{topics.readings}-value': refuses a schema that is not compatible" in ended.lines[0]
    assert "HTTP 409" in ended.lines[0]
    assert len(values(kafka.bootstrap, topics.readings)) == before


@pytest.mark.usefixtures("state")
def test_a_registry_that_goes_in_mid_run_stops_nothing_and_an_optional_one_is_remembered(kafka: Kafka) -> None:
    topics = Topics()
    words = ("run", "quickstart", "--to", f"kafka://{kafka.bootstrap}", *topics.words, "--for", "1h", "--exit")
    with Apicurio() as registry, Live(*words, "--registry", registry.url) as live:
        live.until("quickstart: ")
        registry.stop()
        time.sleep(1.0)  # some records more, without it
        live.press()
        ended = live.ended()

    again = fleet(*words[:-3], "--for", "10s", "--speed", "max", "--exit", "--registry", f"{registry.url},optional")

    assert ended.code == 130, ended.err  # interrupted, and nothing lost
    assert "registry" not in ended.err.partition("again:")[0]
    assert again.code == 0, again.err
    assert "goes on with the ids it gave last time" in again.err
    assert len({value[:5] for value in values(kafka.bootstrap, topics.readings)}) == 1


def test_the_registry_has_every_version_of_a_schema_as_it_is_published(registry: Apicurio) -> None:
    async def registered() -> list[str]:
        async with Registry(Access((registry.url,))) as client:
            names = [f"machine-sensor.{version}.avsc" for version in ("v1", "v2", "v3", "v3-rename")]
            numbers = [await client.register("all-versions-value", schema_text(name)) for name in names]
            assert len(set(numbers)) == 4
            return [await client.by_id(number) for number in numbers]

    found = asyncio.run(registered())

    assert [json.loads(text)["fields"][0]["name"] for text in found] == ["machine"] * 3 + ["machine_id"]

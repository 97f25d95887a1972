"""A schema that evolves in mid-run on a real Kafka with a real registry, while readers of all its versions look on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.cli.commands import Ended, Live, fleet
from tests.integration.runs import Topics, acknowledged, assert_proven, report, values
from tests.run.evolution import BROKEN, NEXT, evolving, next_version, version_of
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio

REASON = "value: the writer writes double, which is no long to the reader"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def set_level(registry: Apicurio, subject: str, level: str) -> None:
    async with Registry(Access((registry.url,))) as client:
        await client.set_level(level, subject)


async def registered(registry: Apicurio, subject: str) -> list[str]:
    """Give the texts that a subject has, the oldest version first."""
    async with Registry(Access((registry.url,))) as client:
        return [(await client.version(subject, number)).schema for number in await client.versions(subject)]


def sent(url: str, scenario: Path, topics: Topics, *words: str) -> Ended:
    return fleet("run", str(scenario), "--to", url, *topics.words, "--json", *words)


def of_run(bootstrap: str, topic: str, run: str) -> list[dict[str, Any]]:
    """Decode the records of labels or runs that *topic* has of a *run*."""
    found = []
    for value in values(bootstrap, topic):
        name = {"factory.labels": "fault-label.v1.avsc", "factory.runs": "run-record.v1.avsc"}[topic]
        schema = fastavro.parse_schema(json.loads(schema_text(name)))
        fields: Any = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
        found += [fields] if fields["run"] == run else []
    return found


def test_readers_of_each_version_see_what_they_can_while_the_schema_evolves(
    kafka: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    scenario, topics, file = evolving(tmp_path), Topics(), tmp_path / "expected.jsonl"
    assert fleet("run", str(scenario), "--to", f"file:{file}", "--speed", "max").code == 0
    expected = Counter(version_of(json.loads(line)) for line in file.read_bytes().splitlines())
    total, url, subject = expected.total(), f"kafka://{kafka.bootstrap}", f"{topics.readings}-value"
    assert set(expected) == {"v1", "v2", "v3", NEXT}
    assert fleet("check", str(scenario), "--create", "--to", url, *topics.words).code == 0
    asyncio.run(set_level(registry, subject, "BACKWARD"))
    looking = ("--from", url, "--registry", registry.url, "--beginning", "--json", "--count", str(total))

    with ExitStack() as stack:
        readers = {
            version: stack.enter_context(Live("tail", topics.readings, *looking, "--schema", version))
            for version in ("1", "2", "3")
        }
        ended = sent(url, scenario, topics, "--speed", "6", "--registry", registry.url)
        assert ended.code == 0, ended.err
        told = {version: reader.ended() for version, reader in readers.items()}

    assert acknowledged(report(ended)) == total
    for version, reader in told.items():
        assert reader.code == 0
        read = expected["v1"] if version == "1" else total
        assert f"machine-sensor.v{version} read {read:,} of {total:,} records" in reader.err
        seen = [json.loads(line) for line in reader.out.splitlines()]
        assert sum("unresolved" not in one for one in seen) == read
    assert f"did not read {expected['v2']:,} of " in told["1"].err
    assert f"did not read {expected['v3']:,} of " in told["1"].err
    assert f"did not read {expected[NEXT]:,} of " in told["1"].err
    assert told["1"].err.count("value: Schema mismatch: double is not float") == 3
    assert [json.loads(text) for text in asyncio.run(registered(registry, subject))] == [
        json.loads(text) for text in (*(schema_text(f"machine-sensor.v{n}.avsc") for n in (1, 2, 3)), next_version())
    ]
    _see_what_is_said(kafka.bootstrap, ended)
    proof = assert_proven(kafka.bootstrap, topics, report(ended), scenario=str(scenario))
    assert f"{total:,} readings of 5 machines in 12 partitions: in order, no gap, no duplicate" in proof.out


def _see_what_is_said(bootstrap: str, ended: Ended) -> None:
    """See that each step is told and journalled, and that the refused one has labels and nothing else."""
    run, refused = report(ended)["run"], f"{BROKEN} is refused by the registry (HTTP 409), and by us for {REASON}"
    assert f"evolution[2]: {refused}" in ended.lines
    assert "2026-03-02T06:00:12Z: 3 machines write v2 from now on" in ended.lines
    assert f"2026-03-02T06:00:30Z: {refused}; 3 machines go on as before" in ended.lines
    assert f"2026-03-02T06:00:48Z: 5 machines write {NEXT} from now on" in ended.lines
    steps = [json.loads(each["entry"]) for each in of_run(bootstrap, "factory.runs", run) if each["type"] == "JOURNAL"]
    assert [(each["evolution"]["step"], each["evolution"]["schema"]) for each in steps] == [
        ("evolution-1", "v2"), ("evolution-2", "v2"), ("evolution-3", BROKEN), ("evolution-4", "v3"),
        ("evolution-5", NEXT),
    ]  # fmt: skip
    assert "HTTP 409" in steps[2]["evolution"]["refused"]
    labels = of_run(bootstrap, "factory.labels", run)
    assert Counter((each["machine"], each["phase"]) for each in labels) == Counter(
        (f"filling-pump-00{n}", phase) for n in (1, 2, 3) for phase in ("OPEN", "CLOSED")
    )
    for each in labels:
        assert (each["family"], each["fault"], each["incident"]) == ("PRODUCER", "incompatible_schema", "evolution-3")
        assert each["parameters"] == {"schema": BROKEN}
        assert not any(each[effect] for effect in ("lost", "doubled", "late", "reordered", "injected"))


def test_a_registry_that_would_take_what_must_be_refused_ends_the_run_before_its_first_record(
    kafka: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    scenario, topics, url = evolving(tmp_path), Topics(), f"kafka://{kafka.bootstrap}"
    subject = f"{topics.readings}-value"  # which has the level of the registry itself: in an Apicurio that is NONE

    ended = sent(url, scenario, topics, "--speed", "max", "--registry", registry.url)

    assert ended.code == 2
    (line,) = ended.lines
    assert f"subject '{subject}': would take {BROKEN}, which it must refuse, because its level is NONE" in line
    assert len(asyncio.run(registered(registry, subject))) == 2  # what came before it, and not that one
    way_out = line.partition("set that with: fleet ")[2].split()
    assert fleet(*way_out).code == 0
    again = sent(url, scenario, topics, "--speed", "max", "--registry", registry.url)
    assert again.code == 0, again.err
    assert_proven(kafka.bootstrap, topics, report(again), scenario=str(scenario))
    once_more = sent(url, scenario, topics, "--speed", "max", "--registry", registry.url)
    assert once_more.code == 0, once_more.err  # all of its versions are there already
    assert len(asyncio.run(registered(registry, subject))) == 4

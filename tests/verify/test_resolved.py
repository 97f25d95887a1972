"""Topics with records of several versions, read by one of them: all that it can read, and the rest told once."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import pytest
from confluent_kafka import Producer

from fleet.broker.process import EmbeddedBroker
from fleet.contract.access import Access
from fleet.contract.lookup import Lookup
from fleet.data import SCHEMA_ID_MAX
from fleet.encode.avro import frame, parsed
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError
from fleet.run.clock import RealClock
from fleet.run.execute import execute
from fleet.run.plan import RunRequest, make_plan
from fleet.sinks.connection import Connection
from fleet.verify.check import verify
from fleet.verify.findings import Findings
from fleet.verify.log import LogChecker
from fleet.verify.readership import Learning, Readership, Reading
from fleet.verify.runs import runs_of
from fleet.verify.tail import READINGS, TailOptions, tail
from tests.cli.commands import fleet
from tests.registry.servers import Answer, Request, serving
from tests.verify.logs import START_US, Stored, columns_of, quickstart

TOPICS = {"factory.readings": 3, "factory.events": 3, "factory.runs": 1}
VERSIONS = ("v1", "v2", "v3")
NEXT = """{"type": "record", "name": "MachineSensor", "namespace": "thingum.factory", "fields": [
    {"name": "machine", "type": "string"},
    {"name": "quality", "type": {"type": "enum", "name": "Quality", "symbols": ["GOOD"]}}]}"""


VALVE = '{"type": "record", "name": "Valve", "fields": [{"name": "open", "type": "boolean"}]}'
Strangers = Callable[..., str]


def encoded(text: str, fields: dict[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, parsed(text), fields)
    return out.getvalue()


def framed(number: int, version: str = "v2", **fields: Any) -> bytes:
    """Frame a reading of a *version* with any id."""
    said = {"machine": "m", "sensor": "s", "units": "A", "value": 1.5, "machine_id": "m", **fields}
    return frame(number) + encoded(schema_text(f"machine-sensor.{version}.avsc"), said)


@pytest.fixture(scope="module")
def broker() -> Iterator[Connection]:
    with EmbeddedBroker() as embedded:
        yield Connection(embedded.start(TOPICS))


async def run(version: str, target: str) -> int:
    """Write ten seconds in a *version*; gives how many readings there are."""
    request = RunRequest(
        scenario=quickstart(f"records.readings.layout={version}"), source="quickstart", targets=(target,),
        speed=math.inf, start_us=START_US, length_us=10_000_000,
    )  # fmt: skip
    clock = RealClock()
    plan = make_plan(request, wall_us=clock.wall_us())
    result = await execute(plan, clock=clock, broker=None, proof=None, watch=lambda _: None)
    return result.targets[0].account.of("readings").acknowledged


@pytest.fixture(scope="module")
def written(broker: Connection) -> dict[str, int]:
    """Write all versions to one topic; gives how many readings there are of each."""
    return {version: asyncio.run(run(version, f"kafka://{broker.bootstrap}")) for version in VERSIONS}


@pytest.fixture
def strangers(broker: Connection) -> Strangers:
    """Give a function that sends values to a topic of its own, and its name."""

    def send(*values: bytes) -> str:
        topic = f"strangers-{uuid4().hex[:8]}"
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for value in values:
            producer.produce(topic, value, key=b"press-1")
        assert producer.flush(20) == 0
        return topic

    return send


class Seen:
    """What `fleet tail` writes, and what it says to people."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.said: list[str] = []

    async def of(self, broker: Connection, topic: str = READINGS, **asked: Any) -> Seen:
        options = TailOptions(**{"since": "beginning", "form": "json", **asked})
        await tail(
            broker, topic, options=options, write=lambda line: self.lines.append(json.loads(line)), say=self.said.append
        )
        return self


@pytest.mark.parametrize("version", ["2", "v3", "machine-sensor.v3", "3-rename"])
async def test_readers_of_later_versions_see_the_records_of_every_version(
    version: str, broker: Connection, written: dict[str, int]
) -> None:
    total = sum(written.values())

    # 3-rename is what comes after version 2, and has no place for what lost its old name.
    seen = await Seen().of(broker, schema=version, count=total)

    name = "machine_id" if version == "3-rename" else "machine"
    assert len(seen.lines) == total
    assert all(line[name] for line in seen.lines)
    assert sum(line["seq"] == -1 for line in seen.lines) == written["v1"]
    assert all("machine_id" in line for line in seen.lines) is version.endswith(("v3", "3-rename"))
    assert seen.said[0].startswith(
        f"machine-sensor.v{version.rpartition('v')[2]} read {total:,} of {total:,} records: "
    )


async def test_a_reader_of_version_1_sees_its_own_and_is_told_once_a_writer_with_field_and_reason(
    broker: Connection, written: dict[str, int]
) -> None:
    total = sum(written.values())

    seen = await Seen().of(broker, schema="v1", count=total)

    failed = [line["unresolved"] for line in seen.lines if "unresolved" in line]
    why = "value: Schema mismatch: double is not float (fastavro)"
    assert len(seen.lines) == written["v1"] + 2
    assert failed == [
        f"machine-sensor.v1 does not read id {number} (machine-sensor.{version}): {why}; further ones are counted"
        for number, version in ((2, "v2"), (7, "v3"))
    ]
    assert seen.said == [
        f"machine-sensor.v1 read {written['v1']:,} of {total:,} records: {written['v1']:,} of id 1 (machine-sensor.v1)",
        f"machine-sensor.v1 did not read {written['v2']:,} of id 2 (machine-sensor.v2): {why}",
        f"machine-sensor.v1 did not read {written['v3']:,} of id 7 (machine-sensor.v3): {why}",
    ]


async def test_a_schema_of_ones_own_reads_what_it_can_record_by_record(
    tmp_path: Path, broker: Connection, strangers: Strangers
) -> None:
    file = tmp_path / "next.avsc"
    file.write_text(NEXT)
    values = [framed(2, quality=quality) for quality in ("GOOD", "BAD", "GOOD")]
    topic = strangers(*values, b'{"machine": "m"}')

    seen = await Seen().of(broker, topic, schema=str(file), count=4)

    assert seen.lines[0] == seen.lines[2] == {"machine": "m", "quality": "GOOD"}
    assert "quality: BAD not found in reader symbol list" in seen.lines[1]["unresolved"]
    assert "no schema: the record: JSON, which no schema came with" in seen.lines[3]["unresolved"]
    assert seen.said[0].endswith("next.avsc read 2 of 4 records: 2 of id 2 (machine-sensor.v2)")


async def test_a_version_that_there_is_not_is_one_line(broker: Connection, written: dict[str, int]) -> None:
    with pytest.raises(RequestError, match=r"no version 'v9' of machine-sensor: must be machine-sensor\.v1, "):
        await Seen().of(broker, schema="v9")
    with pytest.raises(RequestError, match="no version '9' of machine-event"):
        await Seen().of(broker, "factory.events", schema="9")


# ---------------------------------------------------------------- verify


async def test_the_proof_is_of_what_was_written_whichever_version_reads(
    broker: Connection, written: dict[str, int]
) -> None:
    runs = await runs_of(broker)
    verdicts = {
        version: await verify(broker, run=run.id, reading=Reading("v1"))
        for version, run in zip(VERSIONS, runs, strict=True)
    }

    why = "value: Schema mismatch: double is not float (fastavro)"
    assert all(verdict.proven for verdict in verdicts.values())
    assert [verdict.exit_code for verdict in verdicts.values()] == [0, 1, 1]
    assert (
        verdicts["v1"].lines()[-2].startswith(f"machine-sensor.v1 read {written['v1']:,} of {written['v1']:,} records")
    )
    assert verdicts["v2"].lines()[-3:] == [
        f"machine-sensor.v1 read 0 of {written['v2']:,} records",
        f"machine-sensor.v1 did not read {written['v2']:,} of id 2 (machine-sensor.v2): {why}",
        f"proven; {written['v2']:,} records cannot be read by that version",
    ]
    assert verdicts["v3"].as_json()["readers"] == {
        "schema": "machine-sensor.v1",
        "read": [],
        "unread": [{"id": 7, "name": "machine-sensor.v3", "records": written["v3"], "why": why}],
    }


async def test_what_depends_on_the_record_is_counted_record_by_record(
    tmp_path: Path, broker: Connection, written: dict[str, int]
) -> None:
    file = tmp_path / "next.avsc"
    file.write_text(NEXT)
    of = (await runs_of(broker))[1]

    verdict = await verify(broker, run=of.id, reading=Reading(str(file)))
    seen = await Seen().of(broker, schema=str(file), since="run", run=of.id)

    assert verdict.proven
    assert verdict.readers is not None
    assert verdict.readers.lines() == seen.said
    assert verdict.readers.read.total() + verdict.unread == written["v2"]


def test_records_that_a_version_reads_only_some_of_are_counted_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "next.avsc"
    file.write_text(NEXT)
    readership = Readership(
        str(file), {2: schema_text("machine-sensor.v2.avsc"), 5: schema_text("machine-event.v2.avsc")}
    )
    event = {
        "machine": "m",
        "line": "l",
        "type": "state",
        "state": "idle",
        "cause": "",
        "parts": 0,
        "timestamp": 0,
        "seq": 0,
    }
    of_event = frame(5) + encoded(schema_text("machine-event.v2.avsc"), event)
    values = [framed(2), framed(2, quality="BAD"), b"{}", None, framed(9), framed(2), of_event, b"<xml/>", b"\0\0"]

    readership.look(columns_of([Stored(n, 0, b"m", value) for n, value in enumerate(values)]))

    read, unread = readership.tally.read, readership.tally.unread
    assert {who.id: count for who, count in read.items()} == {2: 2}
    assert {(who.id, why.partition(" not found")[0]): count for (who, why), count in unread.items()} == {
        (2, "quality: BAD"): 1,
        (9, "nobody has a schema of this id"): 1,
        (None, "the record: JSON, which no schema came with"): 1,
        (None, "the value is empty"): 1,
        (None, "neither a frame with an id nor JSON"): 2,
    }


def test_a_record_that_is_torn_is_counted_as_one_that_the_version_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "next.avsc"
    file.write_text(NEXT)
    readership = Readership(str(file), {2: schema_text("machine-sensor.v2.avsc")})
    whole = framed(2)
    values = [whole, *(whole[:stop] for stop in range(5, len(whole))), whole[:5] + b"\xff" * 20]

    readership.look(columns_of([Stored(n, 0, b"m", value) for n, value in enumerate(values)]))

    assert readership.tally.read.total() == 1
    assert {why for _, why in readership.tally.unread} == {
        "the record: not one of the schema that it was written with (fastavro)"
    }
    assert readership.tally.unread.total() == len(values) - 1


@pytest.mark.parametrize("known", [True, False])
async def test_ids_that_a_run_does_not_name_are_learnt_before_its_records_are_checked(known: bool) -> None:
    text, findings = schema_text("machine-sensor.v2.avsc"), Findings()
    checker = LogChecker(READINGS, streams=("readings",), partitions=1, findings=findings, schemas={})
    records = columns_of([Stored(n, 0, b"m", framed(900, seq=n)) for n in range(3)])
    answer = Answer({"schema": text}) if known else Answer({"error_code": 40403}, 404)
    said: list[str] = []

    with serving(lambda _: answer) as server:
        async with Lookup(Access((server.url,)), said.append) as lookup:
            await Learning({}, lookup).learn(checker, records)
            checker.feed(0, records)

    assert len(server.asked) == 1
    assert len(findings) == (0 if known else 3)
    assert len(said) == (0 if known else 1)


async def test_a_run_in_a_file_says_once_what_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "out.avro"
    await run("v2", f"file:{file}")

    with pytest.raises(RequestError, match=r"--schema: .*out\.avro does not say of each record what wrote it"):
        await verify(file, reading=Reading("v1"))


# ---------------------------------------------------------------- ids that only a registry knows


async def test_ids_of_others_are_asked_for_once_each_and_go_before_our_own(
    broker: Connection, strangers: Strangers
) -> None:
    texts = {2: VALVE, 900: schema_text("machine-sensor.v1.avsc"), SCHEMA_ID_MAX: schema_text("machine-sensor.v3.avsc")}
    valve = frame(2) + encoded(VALVE, {"open": True})
    topic = strangers(valve, framed(900, "v1"), valve, framed(SCHEMA_ID_MAX, "v3"), framed(900, "v1"))

    with serving(lambda request: Answer({"schema": texts[int(request.path.rpartition("/")[2])]})) as server:
        seen = await Seen().of(broker, topic, count=5, registry=Access((server.url,)))

    assert [line.get("open", line.get("machine_id", "v1")) for line in seen.lines] == [True, "v1", True, "m", "v1"]
    assert sorted(asked.path for asked in server.asked) == sorted(f"/schemas/ids/{number}" for number in texts)
    assert not seen.said


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            Answer({"error_code": 40403, "message": "Schema not found"}, 404),
            "id 77: has no such thing (HTTP 404: Schema",
        ),
        (Answer({"schema": "{}"}), "id 77: must answer with an Avro schema, got"),
        (
            Answer({"schema": '{"type": "object"}', "schemaType": "JSON"}),
            'a Protobuf schema, got {"schemaType": "JSON"}',
        ),
        (Answer({"schema": VALVE}), ""),
    ],
)
async def test_what_a_registry_cannot_say_of_an_id_is_said_once_and_ends_nothing(
    answer: Answer, told: str, broker: Connection, strangers: Strangers
) -> None:
    topic = strangers(framed(77), framed(77), framed(2))

    def answering(request: Request) -> Answer:
        return answer if request.path.endswith("/77") else Answer({"error_code": 40403}, 404)

    with serving(answering) as server:
        seen = await Seen().of(broker, topic, count=3, registry=Access((server.url,)))

    assert all("77" in line["undecodable"] for line in seen.lines[:2])
    assert seen.lines[2]["machine"] == "m"  # our own id, which the registry does not have
    assert told in "".join(seen.said)
    assert len([line for line in seen.said if "id 77" in line]) == bool(told)


async def test_a_registry_that_is_gone_is_one_line_and_what_is_known_is_read(
    broker: Connection, strangers: Strangers
) -> None:
    topic = strangers(framed(77), framed(2), framed(78), framed(7, "v3"))
    with serving(lambda _: None) as server:
        pass

    seen = await Seen().of(broker, topic, count=4, registry=Access((server.url,)))

    assert [line.get("machine") for line in seen.lines] == [None, "m", None, "m"]
    assert len(seen.said) == 1
    assert "connection refused" in seen.said[0]
    assert seen.said[0].endswith("; goes on with the schemas that are known")


async def test_a_registry_that_does_not_let_us_in_is_a_wrong_request(broker: Connection, strangers: Strangers) -> None:
    topic = strangers(framed(77))
    answer = Answer({"error_code": 401, "message": "Unauthorized: s3cret"}, 401)

    with serving(lambda _: answer) as server:
        known = Access((server.url,), username="anna", password="s3cret")
        with pytest.raises(RequestError) as refused:
            await Seen().of(broker, topic, count=1, registry=known)

    assert "id 77: does not know who asks" in str(refused.value)
    assert "s3cret" not in str(refused.value)


async def test_an_id_that_no_registry_gives_is_read_as_it_stands_and_asked_of_nobody(
    broker: Connection, strangers: Strangers
) -> None:
    topic = strangers(framed(SCHEMA_ID_MAX + 1), framed(0xFFFFFFFF))

    with serving(lambda _: Answer({}, 500)) as server:
        seen = await Seen().of(broker, topic, count=2, registry=Access((server.url,)))

    assert [line["undecodable"] for line in seen.lines] == [
        f"no schema has the id {number}; registries give none above 2147483647" for number in (2147483648, 4294967295)
    ]
    assert not server.asked


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (Answer({"error_code": 401, "message": "anna:s3cret"}, 401), 2, "id 77: does not know who asks"),
        (Answer({"message": "s3cret is down"}, 500), 0, "HTTP 500: *** is down (tried 3 times); goes on with"),
        (Answer(b"<html>s3cret</html>", kind="text/html"), 0, "HTTP 200 with text/html where a registry answers"),
    ],
)
async def test_what_a_person_sees_of_a_registry_that_misbehaves_is_one_line_without_a_secret(
    answer: Answer, code: int, told: str, broker: Connection, strangers: Strangers
) -> None:
    topic = strangers(framed(77), framed(78), framed(77))

    with serving(lambda _: answer) as server:
        secret = server.url.replace("http://", "http://anna:s3cret@")
        words = ("--from", f"kafka://{broker.bootstrap}", "--beginning", "--count", "3")
        ended = await asyncio.to_thread(fleet, "tail", topic, *words, env={"FLEET_REGISTRY": secret})

    assert ended.code == code, ended.err
    assert len(ended.lines) == 1
    assert told in ended.lines[0]
    assert "s3cret" not in ended.err + ended.out
    assert len(ended.out.splitlines()) == (0 if code else 3)

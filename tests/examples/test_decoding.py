"""Other Avro libraries of four languages read what we write, and we read what they write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.decode import Decoder
from fleet.encode.schemas import schema_ids, schema_text
from tests.conftest import skip_or_fail
from tests.examples.decoders import Asked, decoded
from tests.examples.readings import ReadingsLog
from tests.examples.records import dump, edged, encoded
from tests.integration.runs import values
from tests.services.go import go_program
from tests.services.jars import ROOT
from tests.services.javac import java_program
from tests.services.node import beside, node, packages
from tests.services.process import ServiceUnavailable

HERE = Path(__file__).parent
LIBRARIES = ("hamba/avro", "twmb/avro", "Apache Avro, Java", "Apache Avro, Python", "avsc")
ALIASES_IGNORED = {"Apache Avro, Python"}
READING = {
    "machine": "pump-1", "sensor": "flow", "units": "m3/h", "value": 1.5, "timestamp": 7, "seq": 3, "quality": "BAD",
}  # fmt: skip
EVOLUTION = [(reader, writer) for reader in ("v1", "v2", "v3") for writer in ("v1", "v2", "v3")]

Command = Sequence[object]


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Iterator[Command]:
    try:
        yield from start(request.param)
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))


def start(library: str) -> Iterator[Command]:
    match library:
        case "Apache Avro, Java":
            yield java_program(HERE / "decode/Decode.java")
        case "Apache Avro, Python":
            yield [sys.executable, "-m", "tests.examples.decode.decode"]
        case "avsc":
            with beside(packages(ROOT / "examples/javascript"), [HERE / "decode/decode.mjs"]) as folder:
                yield [node(), folder / "decode.mjs"]
        case _:
            yield [go_program(HERE / "decode"), library.partition("/")[0]]


def sensor(version: str) -> str:
    return schema_text(f"machine-sensor.{version}.avsc")


def test_they_read_every_published_schema_and_we_read_what_they_write(library: Command) -> None:
    texts = [schema_text(file) for file in schema_ids() if file.endswith(".avsc")]
    questions = [Asked(text, encoded(text, record)) for text in texts for record in edged(text)]

    answers = decoded(library, questions)

    for asked, answer in zip(questions, answers, strict=True):
        assert answer.get("error") is None, asked
        assert answer["value"] == asked.by_fastavro
        ours = Decoder({7: asked.writer})
        frame = b"\0" + (7).to_bytes(4, "big")
        assert dump(ours.decode(frame + bytes.fromhex(answer["again"]))) == dump(ours.decode(frame + asked.body))


async def test_they_read_what_runs_wrote(library: Command, readings: ReadingsLog, poisoned: ReadingsLog) -> None:
    found = [
        *values(readings.bootstrap, readings.topic)[::50],
        *values(readings.bootstrap, f"{readings.topic}.events"),
        *values(readings.bootstrap, f"{poisoned.topic}.labels"),
        *(value for value in values(readings.bootstrap, "factory.runs") if readings.topic.encode() in value),
    ]
    async with Registry(Access((readings.registry,))) as client:
        writers = [await client.by_id(int.from_bytes(value[:5], "big")) for value in found]
    questions = [Asked(writer, value[5:]) for writer, value in zip(writers, found, strict=True)]

    answers = decoded(library, questions)

    names = {json.loads(writer)["name"] for writer in writers}
    assert names == {"MachineSensor", "MachineEvent", "FaultLabel", "RunRecord"}
    assert [answer.get("value", answer) for answer in answers] == [asked.by_fastavro for asked in questions]


def test_they_resolve_the_versions_of_a_reading_as_fastavro_does(library: Command) -> None:
    pairs = [(reader, writer) for reader, writer in EVOLUTION if reader != "v1" or writer == "v1"]
    questions = [
        Asked(sensor(writer), encoded(sensor(writer), record), sensor(reader))
        for reader, writer in pairs
        for record in edged(sensor(writer))
    ]

    answers = decoded(library, questions)

    assert [answer.get("value", answer) for answer in answers] == [asked.by_fastavro for asked in questions]


def test_a_reader_of_version_1_is_told_that_it_cannot_read_later_ones(library: Command) -> None:
    questions = [
        Asked(sensor(writer), encoded(sensor(writer), record), sensor("v1"))
        for writer in ("v2", "v3")
        for record in edged(sensor(writer))
    ]

    assert all("double" in answer["error"] for answer in decoded(library, questions))


def test_a_body_that_is_cut_off_is_told(library: Command) -> None:
    (body, *_) = [encoded(sensor("v2"), record) for record in edged(sensor("v2"))]
    questions = [Asked(sensor("v2"), body[:length]) for length in range(len(body))]

    assert all(answer.get("error") for answer in decoded(library, questions))


def test_they_honour_aliases_or_say_that_the_field_is_missing(library: Command, request: pytest.FixtureRequest) -> None:
    body = encoded(sensor("v2"), READING)

    (answer,) = decoded(library, [Asked(sensor("v2"), body, sensor("v3-rename"))])

    if request.node.callspec.params["library"] in ALIASES_IGNORED:
        assert "machine_id" in answer["error"]
    else:
        assert answer["value"]["machine_id"] == "pump-1"

"""Documents are valid by AsyncAPI's own parser, and their Avro by Avro's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.asyncapi.conftest import Parse
from tests.cli.commands import fleet

HINT = "asyncapi: The latest version of AsyncAPi is not used."


@pytest.mark.parametrize("name", ["quickstart", "thingum", "hundred-thousand"])
def test_the_document_is_valid(name: str, parse: Parse, tmp_path: Path) -> None:
    fleet("asyncapi", name, "--out", str(tmp_path))

    said = parse(tmp_path / "asyncapi.yaml")

    assert said["wrong"] == []
    assert [hint for hint in said["hints"] if not hint.startswith(HINT)] == []
    for message in said["messages"].values():
        assert message["avro"] == []
        assert message["fields"]
    topics = {"thingum": "machine_sensors"}
    assert said["channels"]["readings"] == topics.get(name, "factory.readings")
    assert "send sendReadings" in said["operations"]
    assert "receive receiveReadings" in said["operations"]


def test_the_document_on_standard_output_stands_alone(parse: Parse, tmp_path: Path) -> None:
    file = tmp_path / "alone.yaml"
    file.write_text(fleet("asyncapi", "quickstart", "--run-header").out)

    said = parse(file)

    assert said["wrong"] == []
    assert "quality" in said["messages"]["readings-v2"]["fields"]


def test_protobuf_is_valid_too(parse: Parse, tmp_path: Path) -> None:
    fleet("asyncapi", "quickstart", "--set", "records.readings.format=protobuf", "--out", str(tmp_path))

    said = parse(tmp_path / "asyncapi.yaml")

    assert said["wrong"] == []
    assert said["messages"]["readings-v2"]["format"] == "application/vnd.google.protobuf;version=3"
    assert "quality" in said["messages"]["readings-v2"]["fields"]
    assert (tmp_path / "schemas" / "machine-sensor.v2.proto").is_file()


def test_a_missing_schema_is_found(parse: Parse, tmp_path: Path) -> None:
    fleet("asyncapi", "quickstart", "--out", str(tmp_path))
    (tmp_path / "schemas" / "machine-sensor.v2.avsc").unlink()

    assert any("machine-sensor.v2.avsc" in wrong for wrong in parse(tmp_path / "asyncapi.yaml")["wrong"])


def test_a_schema_with_a_wrong_type_is_found(parse: Parse, tmp_path: Path) -> None:
    fleet("asyncapi", "quickstart", "--out", str(tmp_path))
    file = tmp_path / "schemas" / "machine-sensor.v2.avsc"
    schema = json.loads(file.read_text())
    schema["fields"][3]["type"] = "doubble"
    file.write_text(json.dumps(schema))

    assert "doubble" in parse(tmp_path / "asyncapi.yaml")["messages"]["readings-v2"]["avro"][0]

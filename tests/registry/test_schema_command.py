"""``fleet schema``: what is said, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.encode.schemas import schema_folder, schema_text
from tests.cli.commands import fleet


def test_the_list_has_every_published_schema_with_its_id() -> None:
    ended = fleet("schema", "list", "--json")

    rows = json.loads(ended.out)
    published = {
        path.name.removesuffix(".avsc") for end in ("avsc", "proto") for path in schema_folder().glob(f"*.{end}")
    }
    assert {row["schema"] for row in rows} == published
    assert {row["schema"]: row["is"] for row in rows if row["is"]} == {
        "machine-event.v2": "FULL",
        "machine-event.v2.proto": "FULL",
        "machine-sensor.v2": "BACKWARD",
        "machine-sensor.v2.proto": "FULL",
        "machine-sensor.v3.proto": "FULL",
        "machine-sensor.v3": "FULL",
        "machine-sensor.v3-rename": "BACKWARD",
    }


def test_a_schema_is_shown_as_it_is_published() -> None:
    assert fleet("schema", "show", "machine-sensor.v3").out == schema_text("machine-sensor.v3.avsc")


def test_a_check_that_fails_names_field_and_reason_and_exits_with_1() -> None:
    ended = fleet("schema", "check", "machine-sensor.v2", "--level", "full")

    lines = ended.out.splitlines()
    assert ended.code == 1
    assert lines[0] == "machine-sensor.v2 is not FULL after machine-sensor.v1"
    assert "value: the writer writes double, which is no float to the reader (Apache Avro)" in ended.out
    assert "value: Schema mismatch: double is not float (fastavro)" in ended.out


def test_a_proposal_of_ones_own_is_held_against_the_latest_version(tmp_path: Path) -> None:
    proposal = json.loads(schema_text("machine-sensor.v3.avsc"))
    proposal["fields"].append({"name": "zone", "type": "string"})
    (tmp_path / "next.avsc").write_text(json.dumps(proposal))

    ended = fleet("schema", "check", "next.avsc", "--json", cwd=tmp_path)

    (told,) = json.loads(ended.out)
    assert ended.code == 1
    assert {(each["field"], each["judge"]) for each in told["verdicts"][0]["findings"]} == {
        ("zone", "Apache Avro"),
        ("zone", "fastavro"),
    }
    assert told["verdicts"][0]["records"] > 100  # of a run, and made up


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("paint",), "fleet schema: must be list or show or diff or check or register or code, got 'paint'"),
        (("show",), "fleet schema show: takes one name of a schema, got 0"),
        (("diff", "machine-sensor.v1"), "fleet schema diff: takes two names of a schema, got 1"),
        (("check", "machine-sensor.v2", "--level", "SIDE"), "--level: must be one of NONE, BACKWARD"),
        (("register", "machine-sensor.v2"), "fleet schema register: needs a registry: --registry URL"),
        (("show", "nothing.avsc"), "nothing.avsc: cannot be read: No such file or directory"),
        (("list", "--registry", "nonsense"), "--registry: must be URLs like"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(words: tuple[str, ...], told: str) -> None:
    ended = fleet("schema", *words)

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(told)


def test_the_example_of_the_docs_is_what_the_command_says() -> None:
    page = (schema_folder().parent / "docs" / "contract.md").read_text(encoding="utf-8")
    said = fleet("schema", "check", "machine-sensor.v2", "--level", "FULL").out

    assert "".join(f"    {line}\n" for line in said.splitlines()) in page

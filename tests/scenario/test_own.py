"""A schema beside the scenario: what fills its fields, and every way in which that can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.files import HEAD, mistakes, scenario_of

QUALITY = {"type": "enum", "name": "Q", "symbols": ["BAD", "GOOD", "UNCERTAIN"]}
FIELDS: list[dict[str, Any]] = [
    {"name": "device", "type": "string"},
    {"name": "sensor", "type": "string"},
    {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "val", "type": ["null", "double"]},
    {"name": "unit", "type": ["null", "string"], "default": None},
    {"name": "place", "type": "string", "default": "somewhere"},
    {"name": "quality", "type": QUALITY},
]
MAPPED = "{device: machine, ts: timestamp, val: value, place: =north}"


def text_of(readings: str) -> str:
    return f"{HEAD}lines: [{{name: a, machines: [{{kind: lift}}]}}]\nrecords:\n  readings:\n    {readings}\n"


def schema_in(folder: Path, fields: Any = FIELDS, **more: Any) -> None:
    tree = {"type": "record", "name": "Measurement", "fields": fields} | more
    (folder / "my.avsc").write_text(json.dumps(tree))


def test_every_field_has_its_source_its_namesake_or_its_default(tmp_path: Path) -> None:
    schema_in(tmp_path)

    own = scenario_of(tmp_path, text_of(f"schema: my.avsc\n    fields: {MAPPED}")).own

    assert own is not None
    assert own.file == "my.avsc"
    assert own.sources == {
        "device": "machine", "sensor": "sensor", "ts": "timestamp", "val": "value", "unit": "", "place": "=north",
        "quality": "quality",
    }  # fmt: skip


def test_a_scenario_without_a_schema_has_no_layout_of_its_own(tmp_path: Path) -> None:
    assert scenario_of(tmp_path, text_of("topic: t")).own is None


def test_a_field_that_nothing_fills_is_one_problem_with_its_line(tmp_path: Path) -> None:
    schema_in(tmp_path, [*FIELDS, {"name": "x", "type": "string"}])

    found = mistakes(tmp_path, text_of(f"schema: my.avsc\n    fields: {MAPPED}"))

    words = "field 'x' of my.avsc is filled by nothing and has no default; map it, e.g. {x: machine}"
    assert found == [f"7: records.readings.fields: {words}"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("{device: machin}", "fields.device: unknown source 'machin'; did you mean 'machine'?"),
        ("{device: 7}", "fields.device: must be text: a source like machine, or a constant like '=north', got 7"),
        ("{devise: machine}", "fields.devise: unknown field 'devise' of my.avsc; did you mean 'device'?"),
        (
            "{device: value}",
            "fields.device: field 'device' of my.avsc must be double, float or decimal to hold 'value'",
        ),
        ("{val: machine}", "fields.val: field 'val' of my.avsc must be string or bytes to hold 'machine', is null or"),
        ("{ts: seq}", "fields.ts: field 'ts' of my.avsc must be long or int to hold 'seq', is long (timestamp-millis)"),
        ("{val: =high}", "fields.val: field 'val' of my.avsc is null or double and cannot be 'high'"),
    ],
)
def test_a_source_that_does_not_fit_is_a_problem_with_its_line(fields: str, says: str, tmp_path: Path) -> None:
    schema_in(tmp_path)

    found = mistakes(tmp_path, text_of(f"schema: my.avsc\n    fields: {fields}"))

    assert any(line.startswith(f"7: records.readings.{says}") for line in found), found


def test_a_namesake_that_does_not_fit_is_a_problem(tmp_path: Path) -> None:
    schema_in(tmp_path, [{"name": "value", "type": "string", "default": ""}])

    found = mistakes(tmp_path, text_of("schema: my.avsc"))

    words = "field 'value' of my.avsc must be double, float or decimal to hold 'value', is string"
    fit = "machine or sensor or units or quality or line or area or site or kind"
    assert found == [f"5: records.readings.fields: {words}; fill it with {fit}, or with a constant like '=north'"]


def test_a_number_that_is_filled_by_a_text_says_what_fits_it(tmp_path: Path) -> None:
    schema_in(tmp_path, [{"name": "n", "type": "long"}, {"name": "m", "type": ["null", "long"]}])

    found = mistakes(tmp_path, text_of("schema: my.avsc\n    fields: {n: sensor, m: =abc}"))

    way = "fill it with timestamp or seq, or with a constant like '=3'"
    assert found == [
        f"7: records.readings.fields.n: field 'n' of my.avsc must be string or bytes to hold 'sensor', is long; {way}",
        f"7: records.readings.fields.m: field 'm' of my.avsc is null or long and cannot be 'abc'; {way}",
    ]


def test_an_enum_without_our_qualities_does_not_hold_them(tmp_path: Path) -> None:
    schema_in(tmp_path, [{"name": "quality", "type": {"type": "enum", "name": "Q", "symbols": ["OK", "GOOD"]}}])

    found = mistakes(tmp_path, text_of("schema: my.avsc"))

    assert "must be string or an enum with GOOD, UNCERTAIN, BAD to hold 'quality', is an enum of OK, GOOD" in found[0]


def test_a_schema_and_a_layout_of_ours_exclude_one_another(tmp_path: Path) -> None:
    schema_in(tmp_path)

    found = mistakes(tmp_path, text_of(f"schema: my.avsc\n    layout: v1\n    fields: {MAPPED}"))

    assert found == ["7: records.readings.layout: must be absent where 'my.avsc' says how records are"]


def test_fields_without_a_schema_are_a_problem(tmp_path: Path) -> None:
    found = mistakes(tmp_path, text_of("fields: {device: machine}"))

    assert found == ["6: records.readings.fields: must come with a 'schema' whose fields they are"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"\xff\xfe", "must be JSON in UTF-8, is not"),
        (b"record", "must be JSON, is not in line 1"),
        (b"[" * 100_000, "must be JSON, is not"),
        (b'"string"', "must be an Avro schema of type 'record', got 'string'"),
        (b'{"type": "enum"}', "must be an Avro schema of type 'record', got 'enum'"),
        (b'{"type": "record", "fields": []}', "every record must have a name"),
        (b'{"type": "record", "name": "R"}', "record 'R' must have fields, a list"),
        (b'{"type": "record", "name": "R", "fields": []}', "must have at least one field"),
        (b'{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "must have a type like 'string'"),
        (
            b'{"type": "record", "name": "R", "fields": [{"name": "a", "type": "strin"}]}',
            "unknown Avro type 'strin'; did you mean 'string'?",
        ),
        (
            b'{"type": "record", "name": "R", "fields": [{"name": "a b", "type": "int"}]}',
            "every field must have a name",
        ),
        (b" " * 300_000, "must be at most 256 KiB"),
    ],
)
def test_what_is_no_schema_of_records_is_one_problem_with_its_line(
    content: bytes | None, says: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "my.avsc").write_bytes(content)

    found = mistakes(tmp_path, text_of("schema: my.avsc"))

    assert len(found) == 1
    assert found[0].startswith(f"6: records.readings.schema: my.avsc {says}")

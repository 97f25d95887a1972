"""Published schemas never change, say what every field is, and are compatible as promised."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from typing import Any

import fastavro
import pytest

from fleet.encode.layouts import LAYOUTS
from fleet.encode.schemas import schema_folder, schema_ids, schema_text

FILES = sorted(schema_ids())
AVSC = [name for name in FILES if name.endswith(".avsc")]


def fields_of(node: Any) -> list[dict[str, Any]]:
    """Give every field of every record inside a schema."""
    if isinstance(node, list):
        return [field for part in node for field in fields_of(part)]
    if not isinstance(node, dict):
        return []
    mine = node.get("fields", [])
    return [*mine, *(field for part in node.values() for field in fields_of(part))]


def test_every_schema_has_an_id_of_its_own() -> None:
    files = sorted(path.name for end in ("avsc", "proto") for path in schema_folder().glob(f"*.{end}"))

    assert files == FILES
    assert sorted(schema_ids().values()) == list(range(1, len(FILES) + 1))


@pytest.mark.parametrize("name", AVSC)
def test_every_field_of_a_schema_says_what_it_is(name: str) -> None:
    schema = json.loads(schema_text(name))

    assert schema["namespace"] == "thingum.factory"
    assert schema["doc"]
    assert [field["name"] for field in fields_of(schema) if not field.get("doc")] == []


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS.values() if layout.schema])
def test_a_layouts_fields_are_its_schemas(layout: Any) -> None:
    schema = json.loads(schema_text(layout.schema))

    assert tuple(field["name"] for field in schema["fields"]) == layout.fields


def test_a_version_2_reader_reads_version_1_records() -> None:
    old = fastavro.parse_schema(json.loads(schema_text("machine-sensor.v1.avsc")))
    new = fastavro.parse_schema(json.loads(schema_text("machine-sensor.v2.avsc")))
    out = BytesIO()
    fastavro.schemaless_writer(out, old, {"machine": "m", "sensor": "s", "units": "A", "value": 1.5})

    read = fastavro.schemaless_reader(BytesIO(out.getvalue()), old, new)

    assert isinstance(read, dict)
    assert (read["value"], read["seq"], read["quality"]) == (1.5, -1, "GOOD")


def test_readers_of_either_version_read_events_of_the_other() -> None:
    old = fastavro.parse_schema(json.loads(schema_text("machine-event.v1.avsc")))
    new = fastavro.parse_schema(json.loads(schema_text("machine-event.v2.avsc")))
    said = {
        "machine": "m",
        "line": "l",
        "type": "state",
        "state": "held",
        "cause": "",
        "parts": 7,
        "timestamp": 1,
        "seq": 2,
    }
    in_old, in_new = BytesIO(), BytesIO()
    fastavro.schemaless_writer(in_old, old, said)
    fastavro.schemaless_writer(in_new, new, {**said, "scrap": 3, "product": "bracket", "lot": 4})

    by_new = fastavro.schemaless_reader(BytesIO(in_old.getvalue()), old, new)
    by_old = fastavro.schemaless_reader(BytesIO(in_new.getvalue()), new, old)

    assert isinstance(by_new, dict)
    assert isinstance(by_old, dict)
    assert (by_new["parts"], by_new["scrap"], by_new["product"], by_new["lot"]) == (7, 0, "", 0)
    assert by_old.keys() == said.keys()


PUBLISHED = {
    "fault-label.v1.avsc": "f79a148e0c9f74e5",
    "machine-event.v1.avsc": "a771d5b839813c1b",
    "machine-event.v2.avsc": "7c55525e86770c4b",
    "machine-sensor.v1.avsc": "33565698c6774ed3",
    "machine-sensor.v2.avsc": "2135ed6d953ede29",
    "machine-sensor.v3-rename.avsc": "7aacf7dd89f9056b",
    "machine-sensor.v3.avsc": "d211d01ca37d925a",
    "run-record.v1.avsc": "ff7a609048ba69f0",
    "fault-label.v1.proto": "03924025d396421a",
    "machine-event.v1.proto": "93b0c4ad8f1801d4",
    "machine-event.v2.proto": "4c09cff03537e096",
    "machine-sensor.v1.proto": "8bbf943c60fdf969",
    "machine-sensor.v2.proto": "45898f9d17565105",
    "machine-sensor.v3.proto": "9b34c2aad32e2cd7",
}
"""Digests of what others read by: such a file never changes, a new version is a new file."""


@pytest.mark.parametrize("name", FILES)
def test_a_published_schema_never_changes(name: str) -> None:
    assert hashlib.sha256(schema_text(name).encode()).hexdigest()[:16] == PUBLISHED[name]


def test_a_version_1_reader_does_not_read_version_2_records() -> None:
    old = fastavro.parse_schema(json.loads(schema_text("machine-sensor.v1.avsc")))
    new = fastavro.parse_schema(json.loads(schema_text("machine-sensor.v2.avsc")))
    out = BytesIO()
    fastavro.schemaless_writer(out, new, {"machine": "m", "sensor": "s", "units": "A", "value": 1.5})

    with pytest.raises(fastavro.read.SchemaResolutionError):
        fastavro.schemaless_reader(BytesIO(out.getvalue()), new, old)

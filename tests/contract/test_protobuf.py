"""Protobuf as Google's compiler and library have it: our files, our bytes with theirs, their bytes with ours."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import Event, Label
from fleet.encode import protogen
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.formats import EVENT_FORMATS, LABEL_FORMATS, READING_FORMATS
from fleet.encode.json import text_of
from fleet.encode.labels import label_fields, without_run
from fleet.encode.layouts import LAYOUTS
from fleet.encode.protogen import proto_files
from fleet.encode.schemas import schema_ids, schema_text
from fleet.verify.sound import unsound
from tests.contract.protoc import compiled, compiled_text
from tests.contract.test_encodings import EVENTS, LABELS, SCAN, TEXT, columns_of, expected_fields

LAYOUT_NAMES = [layout for form, layout in READING_FORMATS if form == "protobuf"]


def framed(file: str, said: Any) -> bytes:
    data: bytes = said.SerializeToString(deterministic=True)
    return b"\0" + schema_ids()[file].to_bytes(4, "big") + b"\0" + data


@pytest.mark.parametrize("name", proto_files())
def test_a_published_proto_file_is_what_the_generator_makes_of_its_avsc(name: str) -> None:
    assert schema_text(name) == proto_files()[name], "write it anew with: python -m fleet.encode.protogen"


def test_a_field_keeps_its_number_and_type_in_all_versions() -> None:
    numbers: dict[tuple[str, str], set[tuple[int, int]]] = {}

    for name in proto_files():
        for field in compiled(name).DESCRIPTOR.fields:
            numbers.setdefault((name.split(".")[0], field.name), set()).add((field.number, field.type))

    assert [place for place, known in numbers.items() if len(known) > 1] == []


def test_a_type_that_becomes_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "x.v1.avsc": '{"type":"record","name":"X","namespace":"n","fields":[{"name":"a","type":"string"}]}',
        "x.v2.avsc": '{"type":"record","name":"X","namespace":"n","fields":[{"name":"a","type":"long"}]}',
    }
    monkeypatch.setattr(protogen, "LINES", {"x": ("v1", "v2")})
    monkeypatch.setattr(protogen, "schema_text", texts.__getitem__)

    with pytest.raises(ValueError, match=r"X\.a: optional string became optional sint64"):
        proto_files()


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@given(name=TEXT, sensors=st.lists(TEXT, min_size=3, max_size=3), scans=st.lists(SCAN, min_size=1, max_size=4))
def test_a_readings_bytes_are_googles(layout: str, name: str, sensors: list[str], scans: list[Any]) -> None:
    columns = columns_of(name, scans, sensors)
    file = LAYOUTS["readings", layout].schema_in("protobuf")

    values = READING_FORMATS["protobuf", layout](schema_ids()).values(columns, np.arange(len(scans)))

    for value, fields in zip(values, expected_fields(columns, layout), strict=True):
        assert value == framed(file, compiled(file)(**fields))


@pytest.mark.parametrize("layout", ["v1", "v2"])
@given(event=EVENTS)
def test_an_events_bytes_are_googles(layout: str, event: Event) -> None:
    file = LAYOUTS["events", layout].schema_in("protobuf")

    _, value = EVENT_FORMATS["protobuf", layout](schema_ids())(event)

    fields = Decoder().decode(value)
    assert value == framed(file, compiled(file)(**fields))


@given(label=LABELS)
def test_a_labels_bytes_are_googles(label: Label) -> None:
    file = LAYOUTS["labels", "v1"].schema_in("protobuf")

    for fields in label_fields(label, run="r-1"):
        value = LABEL_FORMATS["protobuf", "v1"](schema_ids())(fields)

        assert value == framed(file, compiled(file)(**fields))


@given(label=LABELS, run=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_the_digest_of_a_label_is_not_of_its_run(label: Label, run: str) -> None:
    encode = LABEL_FORMATS["protobuf", "v1"](schema_ids())

    ours, others = (
        [without_run(encode(fields), name) for fields in label_fields(label, run=name)] for name in (run, "another")
    )

    assert ours == others


@given(scan=SCAN)
def test_a_reader_of_any_version_reads_what_any_other_wrote(scan: Any) -> None:
    columns = columns_of("m", [scan], ["a", "b", "c"])

    for wrote in LAYOUT_NAMES:
        value = READING_FORMATS["protobuf", wrote](schema_ids()).values(columns, np.arange(1))[0]
        said = expected_fields(columns, wrote)[0]
        for reads in LAYOUT_NAMES:
            file = LAYOUTS["readings", reads].schema_in("protobuf")
            read = Decoder({int.from_bytes(value[1:5], "big"): schema_text(file)}).decode(value)

            assert read == {name: said.get(name) for name in LAYOUTS["readings", reads].fields}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\x02\x00\x0a\x01m", ""),  # the first message, as a list of one number
        (b"\x02\x02\x0a\x01m", "not the first message of schema 10: it begins with 00 00 00 00 0a 02 02"),
        (b"", "not the first message of schema 10"),
        (b"\x00\x0a\x09m", "not a record of schema 10: "),
        (b"\x00\x00\x00", "not a record of schema 10: "),
        (b"\x00\x38\x07", "not a record of schema 10: quality has 7, which is no Quality"),
    ],
)
def test_what_is_no_record_of_a_schema_is_refused_with_the_reason(value: bytes, why: str) -> None:
    whole = b"\0\0\0\0\x0a" + value

    if not why:
        assert Decoder().decode(whole)["machine"] == "m"
        return
    with pytest.raises(UndecodableError, match=why):
        Decoder().decode(whole)


FOREIGN = """
syntax = 'proto3';
package other.space;
option java_package = "x.y";
/* Of somebody else. */
message Tree {
  reserved 9, 10 to 12;
  enum Kind { NONE = 0; LEAF = 3; }
  message Part { Part next = 2; repeated Kind kinds = 1 [packed = true]; fixed32 plain = 4; }
  optional Part part = 1;
  map<string, Part> parts = 2;
  repeated float numbers = 3;
  other.space.Tree.Kind kind = 4;
}
"""


def test_a_schema_of_somebody_elses_is_read_as_protoc_has_it() -> None:
    said = compiled_text(FOREIGN)(
        part={"next": {"plain": 7}, "kinds": [3, 0]}, parts={"a": {"plain": 1}}, numbers=[0.5, 2.0], kind=3
    )

    read = Decoder({1: FOREIGN}).decode(b"\0\0\0\0\x01\0" + said.SerializeToString())

    assert read == {
        "part": {"kinds": ["LEAF", "NONE"], "next": {"kinds": [], "next": None, "plain": 7}, "plain": 0},
        "parts": {"a": {"kinds": [], "next": None, "plain": 1}},
        "numbers": [0.5, 2.0],
        "kind": "LEAF",
    }


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("enum Kind { LEAF = 3; } optional Kind kind = 1;", "the first value must be zero"),
        ("enum A { NO = 0; } enum B { NO = 0; } optional A a = 1; optional B b = 2;", "duplicate symbol"),
        ("optional string a_b = 1; optional string aB = 2;", "duplicate json_name"),
    ],
)
def test_records_of_a_schema_that_only_a_registry_takes_are_refused_with_the_reason(fields: str, why: str) -> None:
    text = f'syntax = "proto3"; package other; message Tree {{ {fields} }}'

    with pytest.raises(UndecodableError, match=f"must be a schema that Google's library takes: .*{why}"):
        Decoder({1: text}).decode(b"\0\0\0\0\x01\0")


def test_what_a_writer_left_out_is_no_traceback_and_no_reading() -> None:
    value = framed("machine-sensor.v3.proto", compiled("machine-sensor.v3.proto")(machine="m", seq=3))

    fields = Decoder().decode(value)

    assert fields == {**dict.fromkeys(LAYOUTS["readings", "v3"].fields), "machine": "m", "seq": 3}
    assert json.loads(text_of(fields))["timestamp"] is None
    assert unsound(fields, "readings") == "sensor must be text"

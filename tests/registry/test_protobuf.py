"""Protobuf schemas beside one another, by numbers and types, and ``fleet schema`` with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fleet.api import load
from fleet.contract.compatibility import judged
from fleet.contract.diff import differences
from fleet.contract.ids import subject_of
from fleet.contract.texts import parsed_schema, same
from fleet.contract.versions import Schema, Shelf
from fleet.encode.messages import writer
from fleet.encode.protogen import proto_files
from fleet.encode.schemas import schema_ids, schema_text
from fleet.errors import RequestError
from fleet.run.plan import RunRequest, make_plan
from fleet.scenario.proto import read_proto
from tests.cli.commands import fleet

SHELF = Shelf({file: schema_text(file) for file in schema_ids()}, schema_ids())
BASE = """
syntax = "proto3";
package a.b;
message M {
  enum Kind { NONE = 0; LEAF = 1; }
  message Part { optional double size = 1; }
  optional string name = 1;
  optional sint64 count = 2;
  repeated Part parts = 3;
  optional Kind kind = 4;
  map<string, string> words = 5;
}
"""


def schema(text: str) -> Schema:
    return Schema("mine", "", 0, "", text)


def findings(reader: str, writer: str) -> list[tuple[str, str]]:
    return [(each.field, each.reason) for each in judged(schema(reader), schema(writer), {}).findings]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("optional sint64 count = 2", "optional sint32 count = 2", []),
        ("optional string name = 1", "optional bytes title = 1", []),
        ("optional sint64 count = 2;", "optional sint64 count = 2; optional float more = 9;", []),
        ("optional sint64 count = 2;", "", []),
        (
            "optional sint64 count = 2",
            "optional int64 count = 2",
            [("count", "the writer writes sint64, which is no int64 to the reader")],
        ),
        (
            "optional double size = 1",
            "optional float size = 1",
            [("parts.size", "the writer writes double, which is no float to the reader")],
        ),
        (
            "repeated Part parts = 3",
            "optional Part parts = 3",
            [("parts", "the writer writes repeated Part, which is no optional Part to the reader")],
        ),
        ("LEAF = 1;", "", [("kind", "the reader lacks LEAF")]),
        (
            "optional string name = 1",
            "optional string name = 6",
            [("name", "the writer has it as number 1, the reader as 6")],
        ),
        ("LEAF = 1;", "LEAF = 2; LEAVES = 1;", [("kind", "the reader has other numbers for LEAF")]),
        ("package a.b", "package a.c", [("", "reader's record is a.c.M, writer's is a.b.M")]),
    ],
)
def test_a_reader_fails_where_a_number_means_another_thing(old: str, new: str, told: list[tuple[str, str]]) -> None:
    assert old in BASE

    assert findings(BASE.replace(old, new), BASE) == told


BESIDE = """
syntax = "proto3";
message M {
  enum Kind { NONE = 0; LEAF = 1; }
  message Part { optional string name = 1; optional Whole of = 2; }
  message Whole { repeated Part parts = 1; optional Kind kind = 2; }
  optional Whole whole = 1;
}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "", []),
        (
            "string name = 1",
            "int32 name = 1",
            [("whole.parts.name", "the writer writes string, which is no int32 to the reader")],
        ),
        ("LEAF = 1;", "", [("whole.kind", "the reader lacks LEAF")]),
    ],
)
def test_types_that_stand_beside_one_another_or_hold_themselves_are_judged(
    old: str, new: str, told: list[tuple[str, str]]
) -> None:
    assert findings(BESIDE.replace(old, new), BESIDE) == told


def test_every_version_of_ours_reads_every_other() -> None:
    for one in proto_files():
        for other in proto_files():
            if one.split(".")[0] == other.split(".")[0]:
                assert judged(SHELF.named(one), SHELF.named(other), {}).holds


def test_what_differs_is_told_with_numbers_and_types() -> None:
    new = BASE.replace("sint64 count", "int64 number").replace("map<string, string> words = 5;", "").replace(
        "LEAF = 1;", "LEAF = 1; TREE = 2; "
    ).replace("double size = 1;", "double size = 1; optional bool round = 2;")  # fmt: skip

    assert differences(schema(BASE), schema(new)) == [
        "- words: map<string, string> = 5",
        "~ count: optional sint64 = 2 -> number: optional int64 = 2",
        "~ Kind: NONE, LEAF -> NONE, LEAF, TREE",
        "+ Part.round: optional bool = 2",
    ]
    assert differences(SHELF.named("machine-sensor.v2"), SHELF.named("machine-sensor.v2.proto")) == [
        "~ machine-sensor.v2 and machine-sensor.v2.proto: one is Avro and the other Protobuf"
    ]


def test_texts_are_the_same_whatever_their_layout_and_not_whatever_their_numbers() -> None:
    text = schema_text("machine-sensor.v2.proto")
    bare = " ".join(line for line in text.splitlines() if "//" not in line)

    assert same(text, bare)
    assert not same(text, bare.replace("seq = 6", "seq = 16"))
    assert not same(text, schema_text("machine-sensor.v2.avsc"))
    assert not same(schema_text("machine-sensor.v2.avsc"), text)


def test_names_and_subjects_are_those_of_the_record() -> None:
    text = schema_text("machine-sensor.v2.proto")

    assert SHELF.named("machine-sensor.proto").name == "machine-sensor.v3.proto"
    assert SHELF.named("10").name == "machine-sensor.v2.proto"
    assert SHELF.named("machine-sensor").name == "machine-sensor.v3"
    assert [each.name for each in SHELF.before(SHELF.named("11"))] == [
        "machine-sensor.v2.proto",
        "machine-sensor.v1.proto",
    ]
    assert subject_of("t", text) == "t-value"
    assert subject_of("t", text, alone=False) == "t-thingum.factory.MachineSensor"


def test_a_file_of_ones_own_is_held_against_the_versions_that_have_its_record(tmp_path: Path) -> None:
    mine, odd = tmp_path / "mine.proto", tmp_path / "odd.proto"
    mine.write_text(
        schema_text("machine-sensor.v3.proto").replace("optional sint64 seq = 6", "optional string seq = 6")
    )
    odd.write_text("message M {")

    ended, refused = fleet("schema", "check", str(mine), "--json"), fleet("schema", "check", str(odd))

    (told,) = json.loads(ended.out)
    assert (ended.code, told["compatible"]) == (1, False)
    assert told["verdicts"][0]["findings"] == [
        {
            "field": "seq",
            "reason": "the writer writes sint64, which is no string to the reader",
            "judge": "by number",
        }
    ]
    assert refused.code == 2
    assert refused.err == f"{odd}: must be a Protobuf schema: must be whole, ends in the middle\n"


def test_without_googles_library_it_is_one_line_with_the_command_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    told = r"install it with: pip install 'thingum-fleet\[protobuf\]'"

    with pytest.raises(RequestError, match=told):
        writer("syntax = 'proto3'; message Nobody { optional string has = 1; }")
    with pytest.raises(RequestError, match=told):
        make_plan(RunRequest(load("quickstart"), "quickstart", targets=("memory:",), format="protobuf"), wall_us=0)
    assert make_plan(RunRequest(load("quickstart"), "quickstart", targets=("memory:",)), wall_us=0)


def test_a_proto_text_is_no_avro_schema() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        parsed_schema(schema_text("machine-sensor.v2.proto"))
    assert read_proto(schema_text("machine-sensor.v2.proto")).full_name == "thingum.factory.MachineSensor"

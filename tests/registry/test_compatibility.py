"""Who reads what whom wrote: two judges, each naming field and reason, over the published versions and odd ones."""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from typing import Any

import fastavro
import pytest

from fleet.contract.compatibility import CHECKER, RESOLVER, Verdict, judged, pairs
from fleet.contract.diff import differences
from fleet.contract.examples import fitted, made_up, plain
from fleet.contract.resolve import Reader
from fleet.contract.versions import Schema, Shelf, topic_of
from fleet.encode.schemas import schema_ids, schema_text
from fleet.errors import RequestError

SHELF = Shelf({file: schema_text(file) for file in schema_ids()}, schema_ids())
READING = {
    "machine": "filling-pump-001", "machine_id": "filling-pump-001", "sensor": "pressure", "units": "bar", "value": 4.2,
    "timestamp": 1_772_431_200_000_000, "seq": 7, "quality": "UNCERTAIN",
}  # fmt: skip
REAL = {"thingum.factory.MachineSensor": [READING]}


def version(name: str) -> Schema:
    return SHELF.named(f"machine-sensor.{name}")


def of(*fields: dict[str, Any], name: str = "R") -> Schema:
    return Schema(name, "", 0, "", json.dumps({"type": "record", "name": "R", "fields": list(fields)}))


def reads(reader: Schema, writer: Schema) -> Verdict:
    return judged(reader, writer, REAL)


# What the evolution is to rehearse: design decisions, not results.
@pytest.mark.parametrize(
    ("reader", "writer", "fields"),
    [
        ("v1", "v1", set()), ("v1", "v2", {"value"}), ("v1", "v3", {"value"}),
        ("v1", "v3-rename", {"machine", "value"}),
        ("v2", "v1", set()), ("v2", "v2", set()), ("v2", "v3", set()), ("v2", "v3-rename", {"machine"}),
        ("v3", "v1", set()), ("v3", "v2", set()), ("v3", "v3", set()), ("v3", "v3-rename", {"machine"}),
        ("v3-rename", "v1", set()), ("v3-rename", "v2", set()), ("v3-rename", "v3", set()),
        ("v3-rename", "v3-rename", set()),
    ],
)  # fmt: skip
def test_both_judges_name_the_same_fields_of_every_pair_of_versions(reader: str, writer: str, fields: set[str]) -> None:
    verdict = reads(version(reader), version(writer))

    by = {judge: {each.field for each in verdict.findings if each.judge == judge} for judge in (CHECKER, RESOLVER)}
    assert by == {CHECKER: fields, RESOLVER: fields}
    assert verdict.holds is not bool(fields)


@pytest.mark.parametrize(
    ("name", "level", "holds"),
    [
        ("v2", "BACKWARD", True),
        ("v2", "FORWARD", False),
        ("v2", "FULL", False),
        ("v3", "FULL", True),
        ("v3", "BACKWARD_TRANSITIVE", True),
        ("v3", "FORWARD_TRANSITIVE", False),
        ("v3", "FULL_TRANSITIVE", False),
        ("v3-rename", "BACKWARD_TRANSITIVE", True),
        ("v3-rename", "FORWARD", False),
        ("v2", "NONE", True),
    ],
)
def test_a_level_is_what_the_published_versions_promise(name: str, level: str, holds: bool) -> None:
    new = version(name)

    asked = pairs(new, SHELF.before(new), level)

    assert all(reads(reader, writer).holds for reader, writer in asked) is holds


def test_a_transitive_level_asks_of_all_versions_and_the_plain_one_of_the_last() -> None:
    one, two, three = (version(name) for name in ("v1", "v2", "v3"))

    assert pairs(three, [two, one], "BACKWARD") == [(three, two)]
    assert pairs(three, [two, one], "FULL_TRANSITIVE") == [(three, two), (two, three), (three, one), (one, three)]
    with pytest.raises(RequestError, match=r"must be one of NONE, BACKWARD, .* got 'SIDEWAYS'"):
        pairs(three, [two], "SIDEWAYS")


def test_readers_of_version_3_find_the_id_under_both_names_and_of_older_records_under_the_old() -> None:
    old, new = plain(version("v2").text), plain(version("v3").text)

    def read(writer: Any, record: Any) -> Any:
        out = BytesIO()
        fastavro.schemaless_writer(out, writer, record)
        out.seek(0)
        return fastavro.schemaless_reader(out, writer, new)

    assert {read(new, READING)[name] for name in ("machine", "machine_id")} == {"filling-pump-001"}
    before = read(old, READING)
    assert (before["machine"], before["machine_id"]) == ("filling-pump-001", "")


def test_fastavro_honours_an_alias_and_apaches_python_reader_does_not() -> None:
    import avro.io
    import avro.schema

    texts = [version(name).text for name in ("v2", "v3-rename")]
    out = BytesIO()
    fastavro.schemaless_writer(out, plain(texts[0]), READING)

    by_fastavro: Any = fastavro.schemaless_reader(BytesIO(out.getvalue()), plain(texts[0]), plain(texts[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer, reader = (avro.schema.parse(text) for text in texts)
    decoder = avro.io.BinaryDecoder(BytesIO(out.getvalue()))

    assert by_fastavro["machine_id"] == "filling-pump-001"
    with pytest.raises(avro.errors.SchemaResolutionException, match="machine_id"):
        avro.io.DatumReader(writer, reader).read(decoder)


def a_list(*fields: Any) -> dict[str, Any]:
    return {"name": "a", "type": {"type": "array", "items": {"type": "record", "name": "I", "fields": list(fields)}}}


@pytest.mark.parametrize(
    ("reader", "writer", "field", "reason"),
    [
        (of({"name": "a", "type": "int"}), of({"name": "a", "type": "long"}), "a", "the writer writes long"),
        (of({"name": "a", "type": "int"}), of(), "a", "the reader has no default"),
        (
            of({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A"]}}),
            of({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}}),
            "a",
            "the reader lacks B",
        ),
        (of({"name": "a", "type": "int"}), of({"name": "a", "type": ["null", "int"]}), "a", "null"),
        (of({"name": "a", "type": ["null", "int"]}), of({"name": "a", "type": "string"}), "a", "string"),
        (of(a_list({"name": "b", "type": "int"})), of(a_list({"name": "b", "type": "string"})), "a[].b", "string"),
    ],
)
def test_what_breaks_a_reader_is_named_with_its_field(reader: Schema, writer: Schema, field: str, reason: str) -> None:
    found = judged(reader, writer, {}).findings

    by_checker = next(each for each in found if each.judge == CHECKER)
    by_resolver = next(each for each in found if each.judge == RESOLVER)
    assert by_checker.field == field
    assert reason in by_checker.reason
    assert by_resolver.field == field.partition("[")[0]


def test_made_up_records_have_every_symbol_and_branch_and_are_of_their_schema() -> None:
    for schema in (each for each in SHELF.all if not each.is_proto):
        records = made_up(schema.text)

        assert all(fastavro.validate(record, plain(schema.text)) for record in records)
    qualities = {record["quality"] for record in made_up(version("v2").text)}
    stops = {record["stop"] is None for record in made_up(SHELF.named("fault-label.v1").text)}
    assert (qualities, stops) == ({"GOOD", "UNCERTAIN", "BAD"}, {True, False})


def test_a_type_that_holds_itself_is_made_up_and_judged() -> None:
    tree = of({"name": "value", "type": "int"}, {"name": "next", "type": ["null", "R"]})

    assert judged(tree, tree, {}).holds
    assert judged(tree, of({"name": "value", "type": "int"}), {}).findings[0].field == "next"


def an_enum(count: int, *, without: int | None = None) -> Schema:
    symbols = [f"S{number}" for number in range(count) if number != without]
    return of({"name": "a", "type": {"type": "enum", "name": "E", "symbols": symbols}})


@pytest.mark.parametrize(
    ("writer", "reader", "settled"),
    [
        (an_enum(20), an_enum(20), True),
        (an_enum(1500), an_enum(1500, without=1200), False),
        (of({"name": "next", "type": ["null", "R"]}), of({"name": "next", "type": ["null", "R"]}), False),
    ],
)
def test_only_what_made_up_records_show_as_a_whole_settles_that_all_are_read(
    writer: Schema, reader: Schema, settled: bool
) -> None:
    assert Reader(reader).settled(writer.text) is settled


def test_real_records_are_fitted_to_what_a_writer_writes() -> None:
    (record,) = fitted(of({"name": "value", "type": "string"}, {"name": "seq", "type": "long"}).text, [READING])

    assert record["seq"] == 7  # as it is
    assert isinstance(record["value"], str)  # a number is none


def test_differences_are_said_field_by_field() -> None:
    said = differences(version("v2"), version("v3-rename"))

    assert said == ["- machine: string", "+ machine_id: string, without a default, alias machine"]
    assert differences(version("v3"), version("v3")) == []


def test_a_schema_is_found_by_name_family_id_or_file(tmp_path: Any) -> None:
    mine = tmp_path / "mine.avsc"
    mine.write_text(version("v2").text)

    assert SHELF.named("machine-sensor").name == "machine-sensor.v3"
    assert SHELF.named("2") == SHELF.named("machine-sensor.v2.avsc") == version("v2")
    found = SHELF.named(str(mine))
    assert [each.name for each in SHELF.before(found)] == [
        "machine-sensor.v3",
        "machine-sensor.v2",
        "machine-sensor.v1",
    ]
    assert topic_of(found, SHELF) == "factory.readings"


@pytest.mark.parametrize(
    ("text", "told"), [("{", "must be an Avro schema: "), ('{"type": "record"}', "must be an Avro schema: ")]
)
def test_a_file_that_is_no_schema_is_one_line(text: str, told: str, tmp_path: Any) -> None:
    (tmp_path / "odd.avsc").write_text(text)

    with pytest.raises(RequestError, match=f"odd.avsc: {told}") as raised:
        SHELF.named(str(tmp_path / "odd.avsc"))

    assert "\n" not in str(raised.value)
    with pytest.raises(RequestError, match=r"did you mean 'machine-sensor\.v2'"):
        SHELF.named("machine-sensr.v2")

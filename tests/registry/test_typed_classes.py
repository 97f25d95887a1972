"""Typed classes: printed modules that are sound as they are, and read and write the same bytes as fleet does."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.contract.python_code import python_code
from fleet.contract.versions import Schema
from fleet.encode.avro import frame
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError
from fleet.verify.resolved import shelf
from tests.cli.commands import ROOT, fleet
from tests.verify.logs import READINGS, past

NAMES = (
    "machine-sensor.v1", "machine-sensor.v2", "machine-sensor.v3", "machine-sensor.v3-rename", "machine-event.v2",
    "fault-label.v1", "run-record.v1",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ODD = r"""{"type": "record", "name": "Odd", "doc": "Says \"three\" \\ quotes \"\"\" and \\N{BELL}", "fields": [
    {"name": "class", "type": ["null", "string"], "default": null, "doc": "A word of Python's"},
    {"name": "str", "type": {"type": "enum", "name": "Words", "symbols": ["None", "mro", "plain"]}, "default": "None"},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 3},
    {"name": "__op", "type": {"type": "enum", "name": "Op", "symbols": ["_c_", "__d__", "__e"]}, "default": "_c_"},
    {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 2}, "default": "\u00ff\u0000"},
    {"name": "since", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 1500},
    {"name": "texts", "type": {"type": "map", "values": {"type": "array", "items": "Words"}}, "default": {}},
    {"name": "next", "type": ["null", "Odd"], "default": null, "doc": "%(s)s"}]}"""


@cache
def module(name: str, text: str = "") -> ModuleType:
    """Import what is printed for a schema of ours, or one whose *text* is given."""
    schema = Schema(name, "", 0, "", text) if text else shelf().named(name)
    spec = importlib.util.spec_from_loader(f"typed_{name.replace('-', '_').replace('.', '_')}", loader=None)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look there
    exec(compile(python_code(schema), f"{name}.py", "exec"), made.__dict__)
    return made


def typed(name: str) -> Any:
    """Give the class of the record."""
    return getattr(module(name), shelf().named(name).record.rpartition(".")[2])


def test_what_is_printed_passes_ruff_and_mypy_as_it_is(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name.replace('-', '_').replace('.', '_')}.py").write_text(python_code(shelf().named(name)))
    (tmp_path / "odd.py").write_text(python_code(Schema("odd", "", 0, "", ODD)))
    ours = ("--config", str(ROOT / "pyproject.toml"))
    commands = (
        ("ruff", "check", "--no-cache", *ours, "--config", "lint.per-file-ignores = {'*' = ['INP']}", "."),
        ("ruff", "format", "--no-cache", "--check", *ours, "."),
        ("ruff", "check", "--no-cache", "--isolated", "."),
        ("mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), "."),
    )

    for words in commands:
        done = subprocess.run((sys.executable, "-m", *words), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("record", ["MachineSensor", "MachineEvent"])
def test_the_examples_are_what_the_command_prints(record: str) -> None:
    file = f"examples/python/machine_{record.removeprefix('Machine').lower()}.py"

    printed = fleet("schema", "code", record, "--lang", "python")

    assert (ROOT / file).read_text() == printed.out, f"fleet schema code {record} --lang python > {file}"


# ---------------------------------------------------------------- bytes


def values(node: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw values of a type, as fastavro gives them."""
    if isinstance(node, list):
        return st.one_of([values(each, named) for each in node])
    if isinstance(node, str):
        return PRIMITIVES[node] if node in PRIMITIVES else values(named[node], named)
    if node["type"] in {"record", "enum"}:
        named[node["name"]] = node
    if node["type"] == "record":
        return st.fixed_dictionaries({each["name"]: values(each["type"], named) for each in node["fields"]})
    if node["type"] == "enum":
        return st.sampled_from(node["symbols"])
    if node["type"] == "array":
        return st.lists(values(node["items"], named), max_size=3)
    if node["type"] == "map":
        return st.dictionaries(st.text(max_size=3), values(node["values"], named), max_size=3)
    if node.get("logicalType") == "timestamp-micros":
        return st.datetimes(timezones=st.just(UTC)).map(lambda instant: (instant - EPOCH) // timedelta(microseconds=1))
    return values(node["type"], named)


PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(), "int": st.integers(-(1 << 31), (1 << 31) - 1), "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "float": st.floats(width=32, allow_nan=False), "double": st.floats(allow_nan=False), "string": st.text(max_size=9),
}  # fmt: skip


@given(data=st.data(), name=st.sampled_from(NAMES), number=st.integers(0, (1 << 32) - 1))
def test_what_is_encoded_is_decoded_again_and_is_what_fastavro_writes(
    data: st.DataObject, name: str, number: int
) -> None:
    schema = fastavro.parse_schema(json.loads(shelf().named(name).text))
    fields = data.draw(values(schema, {}))
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, fields)

    record = typed(name).from_avro(fields)
    value = record.encode(number)

    assert value == frame(number) + out.getvalue()
    assert typed(name).decode(value) == record
    assert module(name).schema_id(value) == number


@pytest.mark.parametrize(("layout", "number"), [("v1", 1), ("v2", 2), ("v3", 7)])
def test_readings_of_a_run_are_read_and_written_to_the_same_bytes(layout: str, number: int) -> None:
    logs = past(layout=layout).logs
    stored = [record.value or b"" for (topic, _), log in logs.items() if topic == READINGS for record in log]

    records = [typed(f"machine-sensor.{layout}").decode(value) for value in stored]

    assert len(records) > 100
    assert [record.encode(number) for record in records] == stored


def test_records_of_older_versions_have_defaults_for_what_is_new() -> None:
    old = typed("machine-sensor.v1")(machine="press-1", sensor="power", units="kW", value=1.5).encode(41)

    new = typed("machine-sensor.v3").decode(old, schema_text("machine-sensor.v1.avsc"))
    renamed = typed("machine-sensor.v3-rename").decode(old, schema_text("machine-sensor.v1.avsc"))

    assert (new.machine, new.machine_id, new.value, new.seq) == ("press-1", "", 1.5, -1)
    assert new.timestamp == EPOCH
    assert new.quality is module("machine-sensor.v3").Quality.GOOD
    assert renamed.machine_id == "press-1"


NEW = typed("machine-sensor.v2")(machine="m", sensor="s", units="A", value=1.5).encode(2)


@pytest.mark.parametrize(
    ("name", "value", "writer", "told"),
    [
        ("machine-sensor.v1", NEW, schema_text("machine-sensor.v2.avsc"), "Schema mismatch: double is not float"),
        ("machine-sensor.v2", NEW[:-1], None, "not read as MachineSensor: "),
        ("machine-sensor.v2", NEW + b"x", None, "bytes are left over"),
        ("machine-sensor.v2", NEW[:5] + bytes([255] * 9), None, "not read as MachineSensor: "),
        ("machine-sensor.v2", b"", None, "must be framed: 0x00"),
        ("machine-sensor.v2", b'{"machine": "m"}', None, "must be framed: 0x00"),
        ("machine-sensor.v2", NEW, "{}", "not read as MachineSensor: "),
    ],
)
def test_what_cannot_be_read_is_a_value_error_that_says_why(
    name: str, value: bytes, writer: str | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        typed(name).decode(value, writer)


def test_an_instant_without_a_zone_is_not_written() -> None:
    record = typed("machine-sensor.v2")(
        machine="m", sensor="s", units="A", value=1.5, timestamp=datetime(2026, 3, 2, 6, 0)
    )

    with pytest.raises(ValueError, match="must have a time zone"):
        record.encode(2)


def test_names_and_words_that_python_has_itself_are_taken() -> None:
    odd = module("odd", ODD)
    plain = odd.Odd()
    texts = {"a": (odd.Words.plain, odd.Words.None_), "b": ()}
    full = odd.Odd(class_="x", str_=odd.Words.mro_, raw=b"ab", texts=texts, next=plain, _op=odd.Op._e)
    older = '{"type": "record", "name": "Odd", "fields": []}'

    assert plain.class_ is None
    assert plain.day == 3
    assert plain._op is odd.Op._c
    assert plain.raw == b"\xff\0"
    assert plain.since == EPOCH + timedelta(seconds=1.5)
    assert odd.Odd.decode(full.encode(9)) == full
    assert odd.Odd.decode(b"\0\0\0\0\7", older) == plain
    assert odd.Odd.__doc__ == "Says \"three\" \\ quotes ''' and \\N{BELL}."


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ('["int", "string"]', "odd: a union other than of null and one type has no class here"),
        ('["null", "int", "string"]', "odd: a union other than"),
        ('{"type": "record", "name": "a.Odd", "fields": []}', "odd: has two types of the name Odd"),
        (
            '{"type": "record", "name": "I", "fields": [{"name": "if", "type": "I"}, {"name": "if_", "type": "I"}]}',
            "odd: I: two names in it become if_, which Python can have only once",
        ),
        (
            '{"type": "enum", "name": "E", "symbols": ["__y", "_y"]}',
            "odd: E: two names in it become _y",
        ),
    ],
)
def test_types_without_a_class_are_refused_in_one_line(kind: str, told: str) -> None:
    text = f'{{"type": "record", "name": "Odd", "fields": [{{"name": "x", "type": {kind}}}]}}'

    with pytest.raises(RequestError, match=told):
        python_code(Schema("odd", "", 0, "", text))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("MachinSensor --lang python", "did you mean 'MachineSensor'?"),
        ("MachineSensor --lang rust", "--lang: must be python, got 'rust'"),
        ("MachineSensor", "--lang: must be python, name a language"),
        ("MachineSensor --lang python --version 9", "no version '9' of machine-sensor: must be machine-sensor.v1, "),
        ("machine-sensor.v2.proto --lang python", "machine-sensor.v2.proto: protoc makes classes"),
    ],
)
def test_what_cannot_be_printed_is_one_line_and_exit_code_2(words: str, told: str) -> None:
    ended = fleet("schema", "code", *words.split())

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert told in ended.err

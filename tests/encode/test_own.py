"""A user's own schema: packed or one by one, as Avro or JSON, records are what the reference libraries make of it."""

from __future__ import annotations

import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import HEADER_BYTES, Block, PackedBatch, Quality, RecordBatch
from fleet.encode.decode import Decoder
from fleet.encode.digest import decoded_contents, placed
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.layouts import OWN_SCHEMA_ID, Layout
from fleet.encode.own import own_layout, slow_notices
from fleet.errors import RequestError, RunError
from tests.encode import blocks
from tests.encode.test_packed import GROWING, a_block, reference

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 1}
TYPES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("machine", "sensor", "units", "line", "area", "site", "kind"), ("string", "bytes")),
    "value": ("double", "float", DECIMAL),
    "timestamp": ("long", MICROS, MILLIS, NANOS),
    "seq": ("long", "int"),
    "quality": ("string", ("GOOD", "UNCERTAIN", "BAD"), ("other", "BAD", "GOOD", "UNCERTAIN")),
}
CONSTANTS: tuple[tuple[Any, str, Any], ...] = (
    ("string", "=north", "north"),
    ("bytes", "=n\N{DEGREE SIGN}", "n\N{DEGREE SIGN}".encode()),
    ("int", "=-7", -7),
    ("long", "=123456789012", 123456789012),
    ("double", "=1.5", 1.5),
    ("float", "=2", 2.0),
    ("boolean", "=true", True),
    ({"type": "array", "items": "int"}, "=[1,2]", [1, 2]),
)
DEFAULTS: tuple[tuple[Any, Any, Any], ...] = (
    ("string", "x", "x"),
    ("bytes", "\u00ff", b"\xff"),
    ("int", 5, 5),
    ("boolean", False, False),
    ("double", 1, 1.0),
    (["null", "string"], None, None),
    (["string", "null"], "s", "s"),
    ({"type": "map", "values": "long"}, {"a": 1}, {"a": 1}),
    ({"type": "fixed", "name": "F", "size": 2}, "ab", b"ab"),
    (
        {"type": "record", "name": "Inner", "fields": [{"name": "b", "type": "bytes"}]},
        {"b": "\u0001"},
        {"b": b"\1"},
    ),
)


def named(kind: Any, name: str) -> Any:
    """Make an enum of symbols, of a name of its own; give other types as they are."""
    return {"type": "enum", "name": f"E_{name}", "symbols": list(kind)} if isinstance(kind, tuple) else kind


@st.composite
def own(draw: st.DrawFn) -> tuple[Layout, dict[str, Any]]:
    """Give a layout of any fields, in any order, and what those that never change must hold."""
    rows: list[tuple[dict[str, Any], str]] = []
    fixed: dict[str, Any] = {}
    for source in draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=9)):
        name = f"f{len(rows)}"
        kind = named(draw(st.sampled_from(TYPES[source])), name)
        shape = draw(st.sampled_from([kind, ["null", kind], [kind, "null"]]))
        rows.append(({"name": name, "type": shape}, source))
    for kind, source, datum in draw(st.lists(st.sampled_from(CONSTANTS), max_size=2)):
        fixed[f"f{len(rows)}"] = datum
        rows.append(({"name": f"f{len(rows)}", "type": kind}, source))
    for kind, default, datum in draw(st.lists(st.sampled_from(DEFAULTS), max_size=2, unique_by=str)):
        fixed[f"f{len(rows)}"] = datum
        rows.append(({"name": f"f{len(rows)}", "type": kind, "default": default}, ""))
    rows = draw(st.permutations(rows))
    schema = {"type": "record", "name": "Own", "namespace": "plant", "fields": [field for field, _ in rows]}
    return own_layout("my.avsc", json.dumps(schema), {field["name"]: source for field, source in rows}), fixed


def datum_of(layout: Layout, fixed: dict[str, Any], given: dict[str, Any], *, schema: Any) -> dict[str, Any]:
    """Say what a whole record must hold, for the reference library to write."""
    found: dict[str, Any] = {}
    for field in schema["fields"]:
        name, source = field["name"], dict(layout.sources)[field["name"]]
        shape = field["type"]
        kind = next(each for each in shape if each != "null") if isinstance(shape, list) else shape
        datum = fixed[name] if name in fixed else given[source]
        if name not in fixed and kind == "bytes":
            datum = datum.encode()
        if name not in fixed and source == "timestamp" and isinstance(kind, dict):
            unit = kind["logicalType"].rpartition("-")[2]
            datum = {"micros": datum, "millis": datum // 1000, "nanos": datum * 1000}[unit]
        if name not in fixed and source == "value" and kind == DECIMAL:
            datum = Decimal(int(np.rint(datum * 10))).scaleb(-1)
        found[name] = datum
    return found


def readings(block: Block) -> list[dict[str, Any]]:
    """Give every reading of a block under our names."""
    return [
        {
            "machine": machine.id, "line": machine.line, "area": machine.area, "site": machine.site,
            "kind": machine.kind, "sensor": columns.cohort.sensors[s].name, "units": columns.cohort.sensors[s].units,
            "value": float(columns.value[i, j]), "timestamp": int(columns.event_us[i]),
            "seq": int(columns.seq[i] + columns.within[j]), "quality": Quality(int(columns.quality[i, j])).name,
        }
        for columns in block.kinds
        for i, machine in enumerate(columns.cohort.machines[m] for m in columns.machine.tolist())
        for j, s in enumerate(columns.sensors)
    ]  # fmt: skip


def one_by_one(layout: Layout, form: str, block: Block) -> list[RecordBatch]:
    batches = (
        Encoder({"readings": StreamPlan("t", form, "own", layout)}, {"t": 2}).prepare(block).release(block.stop_us)
    )
    assert all(isinstance(batch, RecordBatch) for batch in batches)
    return batches  # type: ignore[return-value]


@settings(max_examples=60)
@given(made=own(), seed=st.integers(0, 2**32))
def test_records_of_an_own_schema_are_the_reference_librarys(made: tuple[Layout, dict[str, Any]], seed: int) -> None:
    layout, fixed = made
    block = a_block(np.random.default_rng(seed), cohorts=2, machines=3, scans=6, first_seq=60, late=True)
    tree = json.loads(layout.text)
    schema = fastavro.parse_schema(tree)
    wanted = []
    for given_ in readings(block):
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, datum_of(layout, fixed, given_, schema=tree))
        wanted.append((given_["machine"].encode(), b"\0" + OWN_SCHEMA_ID.to_bytes(4, "big") + out.getvalue()))

    batches = one_by_one(layout, "avro", block)

    assert sorted((r.key, r.value) for batch in batches for r in batch.records) == sorted(wanted)


@settings(max_examples=60)
@given(
    made=own(),
    form=st.sampled_from(["avro", "json"]),
    seed=st.integers(0, 2**32),
    first_seq=st.sampled_from(GROWING),
    scans=st.sampled_from([5, 200]),
)
def test_packed_records_of_an_own_schema_are_those_made_one_by_one(
    made: tuple[Layout, dict[str, Any]], form: str, seed: int, first_seq: int, scans: int
) -> None:
    layout, _ = made
    block = a_block(np.random.default_rng(seed), cohorts=2, machines=3, scans=scans, first_seq=first_seq, late=True)
    left = {batch.partition: list(batch.records) for batch in one_by_one(layout, form, block)}
    packing = Encoder({"readings": StreamPlan("t", form, "own", layout)}, {"t": 2}, batch_bytes=60_000)

    for batch in packing.prepare(block).release(block.stop_us):
        records = left[batch.partition][: len(batch)]
        del left[batch.partition][: len(batch)]
        if isinstance(batch, PackedBatch):
            assert bytes(batch.data[HEADER_BYTES:]) == reference(batch, records)[HEADER_BYTES:]
        else:
            assert list(batch.records) == records
            assert packing.notices == slow_notices(layout) != []
    assert not any(left.values())


@settings(max_examples=60)
@given(made=own(), form=st.sampled_from(["avro", "json"]))
def test_the_digest_of_an_own_layout_is_that_of_what_is_read_back(
    made: tuple[Layout, dict[str, Any]], form: str
) -> None:
    layout, _ = made
    sensors = ("current", "vibration")
    work = blocks.block(
        blocks.columns(blocks.cohort("pump", 3, sensors)), blocks.columns(blocks.cohort("oven", 2, sensors))
    )
    sending = Encoder({"readings": StreamPlan("t", form, "own", layout)}, {"t": 2})
    batches = sending.prepare(work).release(work.stop_us)
    decoder = Decoder({OWN_SCHEMA_ID: layout.text}, owns=(layout,))

    found = {}
    for name in sending.digests["readings"]:
        mine = [(b.partition, r) for b in batches for r in b.records if r.key.decode() == name]  # type: ignore[union-attr]
        contents = decoded_contents(
            [decoder.decode(record.value, record.key) for _, record in mine],
            layout,
            partition=mine[0][0],
            stamps_ms=[record.timestamp_ms for _, record in mine],
        )
        found[name] = int(placed(contents, np.arange(len(mine), dtype=np.uint64)).sum(dtype=np.uint64))

    assert found == {name: log.digest for name, log in sending.digests["readings"].items()}


def of_fields(*fields: dict[str, Any], **sources: str) -> Layout:
    text = json.dumps({"type": "record", "name": "Own", "fields": list(fields)})
    return own_layout("my.avsc", text, {field["name"]: sources.get(field["name"], "") for field in fields})


def test_what_is_written_record_by_record_says_why() -> None:
    layout = of_fields({"name": "v", "type": ["null", DECIMAL]}, {"name": "t", "type": NANOS}, v="value", t="timestamp")

    head, tail = "records.readings: schema my.avsc has field", "written record by record, slower"
    assert slow_notices(layout) == [
        f"{head} 'v' of type bytes (decimal): {tail}",
        f"{head} 't' of type long (timestamp-nanos): {tail}",
    ]


def test_a_value_that_a_decimal_cannot_hold_ends_the_run_in_words() -> None:
    small = {"type": "bytes", "logicalType": "decimal", "precision": 1, "scale": 0}
    layout = of_fields({"name": "v", "type": small}, v="value")
    block = a_block(np.random.default_rng(1), cohorts=1, machines=1, scans=5, first_seq=0, late=False)

    with pytest.raises(RunError, match="field 'v' cannot hold"):
        one_by_one(layout, "avro", block)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"name": "a", "type": "long", "default": "x"}, "Default value <x> must match schema type: long"),
        ({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["a-b"]}, "default": "a-b"}, "symbol"),
        ({"name": "a", "type": ["null", "long"], "default": "x"}, "in union with type"),
    ],
)
def test_a_schema_that_is_wrong_in_depth_is_refused_before_anything_is_sent(field: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=f"my.avsc: no valid Avro schema: .*{says}"):
        of_fields(field)


def test_a_type_may_be_named_where_another_field_defines_it() -> None:
    inner = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}]}
    first = {"name": "a", "type": inner, "default": {"x": 1}}
    layout = of_fields(first, {"name": "b", "type": {"type": "array", "items": "In"}, "default": [{"x": 2}]})
    block = a_block(np.random.default_rng(1), cohorts=1, machines=1, scans=1, first_seq=0, late=False)

    record = one_by_one(layout, "avro", block)[0].records[0]

    assert record.value == b"\0\0\0\x03\xe8" + b"\x02" + b"\x02\x04\0"

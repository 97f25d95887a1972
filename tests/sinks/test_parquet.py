"""A Parquet file is one at any moment, holds whole groups, and has the columns of its layout."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fleet.data import Delivery, Record, RecordBatch
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError, RunError
from fleet.sinks.arrow import read_rows
from fleet.sinks.open import SinkSetup, open_sink
from fleet.sinks.parquet import ParquetSink
from tests.encode.blocks import block, cohort, columns
from tests.sinks.test_files import Disk

SCHEMA = schema_text("machine-sensor.v2.avsc")


def readings(start: int, stop: int, **said: Any) -> RecordBatch:
    rows = [
        {
            "machine": f"pump-{seq % 7}", "sensor": "flow", "units": "m3/h", "value": seq / 4,
            "timestamp": f"2026-03-02T06:00:00.{seq:06}Z", "seq": seq, "quality": "GOOD", **said,
        }
        for seq in range(start, stop)
    ]  # fmt: skip
    return RecordBatch("readings", "t", 0, [Record(b"k", json.dumps(row).encode(), 0) for row in rows])


def runs() -> RecordBatch:
    return RecordBatch("runs", "t", 0, [Record(b"k", b'{"type":"ENDED"}', 0)])


async def test_columns_are_those_of_the_layout_and_texts_are_in_dictionaries(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    sink = ParquetSink(path, schema=SCHEMA)

    await sink.send(readings(0, 100))
    await sink.close(timeout_s=1)

    assert pq.read_schema(path).remove_metadata() == pa.schema(
        {
            "machine": pa.string(), "sensor": pa.string(), "units": pa.string(), "value": pa.float64(),
            "timestamp": pa.timestamp("us", "UTC"), "seq": pa.int64(), "quality": pa.string(),
        }
    )  # fmt: skip
    assert pq.read_table(path).slice(9, 1).to_pylist() == [
        {
            "machine": "pump-2", "sensor": "flow", "units": "m3/h", "value": 2.25,
            "timestamp": datetime(2026, 3, 2, 6, 0, 0, 9, UTC), "seq": 9, "quality": "GOOD",
        }
    ]  # fmt: skip
    group = pq.read_metadata(path).row_group(0)
    assert [group.column(i).has_dictionary_page for i in range(7)] == [True, True, True, False, False, False, True]


async def test_whoever_is_killed_leaves_a_file_of_the_groups_so_far(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    sink = ParquetSink(path, schema=SCHEMA, group_rows=100)
    assert pq.read_table(path).num_rows == 0

    for at in range(0, 350, 50):
        await sink.send(readings(at, at + 50))
        seqs = pq.read_table(path)["seq"].to_pylist()  # as anybody else sees it, with nothing closed

        assert seqs == list(range((at + 50) // 100 * 100))
    assert pq.read_metadata(path).num_row_groups == 3
    await sink.close(timeout_s=1)
    assert pq.read_table(path)["seq"].to_pylist() == list(range(350))


async def test_nothing_is_said_of_a_run_before_its_readings_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    sink = ParquetSink(path, schema=SCHEMA)

    await sink.send(readings(0, 10))
    await sink.send(runs())

    assert pq.read_table(path).num_rows == 10
    await sink.close(timeout_s=1)


@pytest.mark.parametrize("room", range(6_000, 14_000, 500))
async def test_a_full_disk_leaves_whole_groups_and_fails_the_rest(tmp_path: Path, room: int) -> None:
    path = tmp_path / "out.parquet"
    sink = ParquetSink(path, schema=SCHEMA, group_rows=100, write=limited(room))

    with pytest.raises(RunError, match=r"cannot go on writing '.*out\.parquet': no space left on device"):
        await send_by_fifties(sink)
    with pytest.raises(RunError, match="no space left"):
        await sink.send(runs())
    await sink.close(timeout_s=1)

    kept = pq.read_table(path)["seq"].to_pylist()
    assert kept == list(range(len(kept)))
    assert sink.delivery["readings"] == Delivery(acknowledged=len(kept), failed=100)
    assert path.stat().st_size <= room


async def send_by_fifties(sink: ParquetSink) -> None:
    for at in range(0, 10_000, 50):
        await sink.send(readings(at, at + 50))


def limited(room: int) -> Any:
    """Give a disk that has room for a file of so many bytes."""

    def write(descriptor: int, data: bytes) -> int:
        left = room - os.lseek(descriptor, 0, os.SEEK_CUR)
        return Disk(max(0, left)).write(descriptor, data)

    return write


async def test_what_is_no_number_is_null_in_the_file_and_no_number_again(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    sink = ParquetSink(path, schema=SCHEMA)

    await sink.send(readings(0, 1, value=None))
    await sink.close(timeout_s=1)

    assert pq.read_table(path)["value"].to_pylist() == [None]
    assert [str(row["value"]) for row in read_rows(path)] == ["nan"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"null", "must be a JSON object, got 'null'"),
        (b'{"other":1}', "does not fit the columns: .*unexpected field"),
        (b'{"seq":"x"}', "does not fit the columns: "),
    ],
)
async def test_a_record_that_is_no_row_ends_the_run_in_one_line(tmp_path: Path, value: bytes, says: str) -> None:
    sink = ParquetSink(tmp_path / "out.parquet", schema=SCHEMA, group_rows=2)
    await sink.send(readings(0, 1))

    with pytest.raises(RunError, match=says) as failed:
        await sink.send(RecordBatch("readings", "t", 0, [Record(b"k", value, 0)]))
    await sink.close(timeout_s=1)

    assert "\n" not in str(failed.value)
    assert sink.delivery["readings"] == Delivery(failed=2)


def own(*fields: tuple[str, Any]) -> str:
    rows = [{"name": name, "type": kind} for name, kind in fields]
    return json.dumps({"type": "record", "name": "Own", "fields": rows})


async def test_columns_of_a_schema_of_ones_own_have_its_types(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    kinds = {
        "at": {"type": "long", "logicalType": "timestamp-millis"},
        "local": {"type": "long", "logicalType": "local-timestamp-micros"},
        "never": {"type": "long", "logicalType": "timestamp-micros"},
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        "narrow": ["null", "float"],
        "short": "int",
        "tags": {"type": "array", "items": "string"},
    }
    sink = ParquetSink(path, schema=own(*kinds.items()))
    said = {
        "at": "2026-03-02T06:00:00.123000Z", "local": "2026-03-02T06:00:00.123456Z", "never": 0, "price": 1.5,
        "narrow": None, "short": -3, "tags": ["a", "b"],
    }  # fmt: skip

    await sink.send(RecordBatch("readings", "t", 0, [Record(b"k", json.dumps(said).encode(), 0)]))
    await sink.close(timeout_s=1)

    found = pq.read_table(path)
    assert [str(field.type) for field in found.schema] == [
        "timestamp[ms, tz=UTC]", "timestamp[us]", "timestamp[us, tz=UTC]", "double", "float", "int32",
        "list<element: string>",
    ]  # fmt: skip
    row = found.to_pylist()[0]
    assert row["at"] == datetime(2026, 3, 2, 6, 0, 0, 123000, UTC)
    assert row["local"] == datetime(2026, 3, 2, 6, 0, 0, 123456)
    assert row["never"] == datetime(1970, 1, 1, tzinfo=UTC)
    assert (row["price"], row["narrow"], row["short"], row["tags"]) == (1.5, None, -3, ["a", "b"])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (["int", "string"], "a Parquet column has one type, field 'odd' has 2; use file:PATH.avro"),
        ({"type": "map", "values": "int"}, "no Parquet column has the type of field 'odd', map"),
    ],
)
async def test_a_schema_that_no_columns_have_is_refused_and_no_file_is_touched(
    tmp_path: Path, kind: Any, says: str
) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(b"old")

    with pytest.raises(RequestError, match=says):
        await open_sink(f"file:{path}", SinkSetup(schema=own(("odd", kind))))

    assert path.read_bytes() == b"old"


async def test_without_pyarrow_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(RequestError, match=r"Parquet needs pyarrow .*pip install 'thingum-fleet\[parquet\]'") as told:
        await open_sink(f"file:{tmp_path / 'out.parquet'}", SinkSetup(schema=SCHEMA))

    assert told.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


async def test_the_same_records_make_the_same_file(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        sink = ParquetSink(tmp_path / name, schema=SCHEMA, group_rows=7)
        work = block(columns(cohort("pump", 5, ("vibration",))))
        for batch in Encoder({"readings": StreamPlan("t", "json", "v2")}, {"t": 1}).prepare(work).release(work.stop_us):
            await sink.send(batch)
        await sink.close(timeout_s=1)

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no columns", b"PAR1\x01\x02PAR1"])
def test_what_is_no_parquet_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.parquet"
    path.write_bytes(content)

    with pytest.raises(RunError, match="is no whole Parquet file"):
        list(read_rows(path))


def test_a_file_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read .*no such file"):
        list(read_rows(tmp_path / "in.parquet"))

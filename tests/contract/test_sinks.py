"""What every sink must do: take batches, keep every record in order, and account for each of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.data import Delivery, Record, RecordBatch, TopicPlan
from fleet.encode.container import read_container
from fleet.encode.decode import Decoder
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.schemas import schema_text
from fleet.sinks.arrow import read_rows
from fleet.sinks.connection import Connection
from fleet.sinks.memory import MemorySink
from fleet.sinks.open import SinkSetup, format_for, open_sink, sink_kind
from fleet.sinks.reader import Trimmed, read, read_lines
from fleet.sinks.sink import Sink
from fleet.sinks.topics import prepare_topics
from tests.encode.blocks import block, cohort, columns, event, machine

TOPICS = {"factory.readings": 4, "factory.events": 4, "factory.runs": 1}
SCHEMA = schema_text("machine-sensor.v2.avsc")
Fields = dict[str, Any]


@dataclass
class Opened:
    """A sink, the format its readings want, and a way to read them back."""

    sink: Sink
    readings: str
    others: str
    read_back: Callable[[], Awaitable[list[Fields]]]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        started.start({})
        yield started


async def open_kafka(_: Path, broker: EmbeddedBroker) -> Opened:
    names = {name: f"{name}.{os.urandom(4).hex()}" for name in TOPICS}
    for name, partitions in TOPICS.items():
        broker.add_topic(names[name], partitions)
    connection = Connection(broker.bootstrap)
    plans = [TopicPlan(names[name], partitions, 1) for name, partitions in TOPICS.items()]
    seen = await prepare_topics(connection, plans, first_ms=0, last_ms=0, endless=False, speed_above_one=False)
    sink = await open_sink(f"kafka://{broker.bootstrap}", SinkSetup(connection=connection, topics=seen))

    async def read_back() -> list[Fields]:
        found = []
        spans: dict[int, tuple[int, int | None]] = dict.fromkeys(range(TOPICS["factory.readings"]), (0, 1 << 62))
        async for part in read(connection, names["factory.readings"], spans):
            if not isinstance(part, Trimmed):
                found += [Decoder().decode(record.value) for record in part[1]]
        return found

    return Opened(Renamed(sink, names), "avro", "avro", read_back)


class Renamed:
    """A sink whose topics are this test's own."""

    def __init__(self, sink: Sink, names: dict[str, str]) -> None:
        self._sink, self._names = sink, names
        self.delivery, self.latency, self.notices = sink.delivery, sink.latency, sink.notices

    async def send(self, batch: RecordBatch) -> None:
        await self._sink.send(
            RecordBatch(batch.stream, self._names[batch.topic], batch.partition, batch.records, batch.due_us)
        )

    async def close(self, *, timeout_s: float) -> None:
        await self._sink.close(timeout_s=timeout_s)


async def open_container(folder: Path, _: EmbeddedBroker) -> Opened:
    path = folder / "out.avro"
    sink = await open_sink(f"file:{path}", SinkSetup(schema=SCHEMA))

    async def read_back() -> list[Fields]:
        return list(read_container(path))

    return Opened(sink, "avro", "json", read_back)


async def open_lines(folder: Path, _: EmbeddedBroker) -> Opened:
    path = folder / "out.jsonl"
    sink = await open_sink(f"file:{path}", SinkSetup())

    async def read_back() -> list[Fields]:
        return [Decoder().decode(line) for line in read_lines(path)]

    return Opened(sink, "json", "json", read_back)


async def open_parquet(folder: Path, _: EmbeddedBroker) -> Opened:
    path = folder / "out.parquet"
    sink = await open_sink(f"file:{path}", SinkSetup(schema=SCHEMA))

    async def read_back() -> list[Fields]:
        return list(read_rows(path))

    return Opened(sink, "json", "json", read_back)


async def open_stdout(folder: Path, _: EmbeddedBroker) -> Opened:
    reader, writer = os.pipe()
    sink = await open_sink("stdout:", SinkSetup(descriptor=writer))

    def read_all() -> bytes:
        with os.fdopen(reader, "rb") as pipe:
            return pipe.read()

    reading = asyncio.create_task(asyncio.to_thread(read_all))

    async def read_back() -> list[Fields]:
        os.close(writer)
        values = [Decoder().decode(line) for line in (await reading).splitlines()]
        return [fields for fields in values if "sensor" in fields]

    return Opened(sink, "json", "json", read_back)


async def open_memory(_: Path, __: EmbeddedBroker) -> Opened:
    sink = await open_sink("memory:", SinkSetup())
    assert isinstance(sink, MemorySink)

    async def read_back() -> list[Fields]:
        records = [r for batch in sink.batches if batch.stream == "readings" for r in batch.records]
        return [Decoder().decode(record.value) for record in records]

    return Opened(sink, "avro", "json", read_back)


OPENERS = {
    "kafka": open_kafka,
    "file .avro": open_container,
    "file .jsonl": open_lines,
    "file .parquet": open_parquet,
    "stdout": open_stdout,
    "memory": open_memory,
}


@pytest.fixture(params=OPENERS)
async def opened(request: pytest.FixtureRequest, tmp_path: Path, broker: EmbeddedBroker) -> Opened:
    return await OPENERS[request.param](tmp_path, broker)


def batches_for(opened: Opened) -> list[RecordBatch]:
    plans = {
        "readings": StreamPlan("factory.readings", opened.readings, "v2"),
        "events": StreamPlan("factory.events", opened.others, "v1"),
        "runs": StreamPlan("factory.runs", opened.others, "v1"),
    }
    encoder = Encoder(plans, TOPICS)
    pumps = cohort("pump", 7, ("vibration", "pressure", "power"))
    work = block(columns(pumps, ticks=20), events=(event(machine("pump-001"), 0, 1.5),), ticks=20)
    prepared = encoder.prepare(work)
    batches = [b for i in range(1, 21) for b in prepared.release(work.start_us + i * 1_000_000)]
    run = encoder.encode_run({"run": "r", "type": "STARTED", "timestamp": work.start_us})
    return [*batches, RecordBatch("runs", "factory.runs", 0, [run])]


async def test_every_record_is_kept_in_its_machines_order_and_acknowledged(opened: Opened) -> None:
    batches = batches_for(opened)

    for batch in batches:
        await opened.sink.send(batch)
    await opened.sink.close(timeout_s=10)

    found = await opened.read_back()
    assert len(found) == 7 * 20 * 3
    for name in {fields["machine"] for fields in found}:
        assert [fields["seq"] for fields in found if fields["machine"] == name] == list(range(60))
    assert opened.sink.delivery["readings"] == Delivery(acknowledged=7 * 20 * 3)
    assert opened.sink.delivery["events"] == Delivery(acknowledged=1)
    assert opened.sink.delivery["runs"] == Delivery(acknowledged=1)
    assert opened.sink.notices == []


async def test_closing_a_sink_that_took_nothing_is_quick(opened: Opened) -> None:
    async with asyncio.timeout(3):
        await opened.sink.close(timeout_s=10)

    assert await opened.read_back() == []


@pytest.mark.parametrize(
    ("url", "readings", "events"),
    [
        ("kafka://h:1", "avro", "avro"),
        ("file:a.avro", "avro", "json"),
        ("file:a.jsonl", "json", "json"),
        ("file:a.parquet", "json", "json"),
        ("stdout:", "json", "json"),
        ("null:", "avro", "avro"),
    ],
)
def test_a_sink_says_which_formats_it_wants(url: str, readings: str, events: str) -> None:
    kind = sink_kind(url)

    assert format_for(kind, "readings", None) == readings
    assert format_for(kind, "events", None) == events


def test_only_the_null_sink_needs_no_records() -> None:
    assert [url for url in ("kafka://h:1", "file:a.avro", "null:", "stdout:") if not sink_kind(url).encodes] == [
        "null:"
    ]


async def test_side_files_hold_what_is_no_reading(tmp_path: Path) -> None:
    sink = await open_sink(f"file:{tmp_path / 'out.avro'}", SinkSetup(schema=SCHEMA))

    await sink.send(RecordBatch("events", "factory.events", 0, [Record(b"k", b'{"a":1}', 0)]))
    await sink.send(RecordBatch("runs", "factory.runs", 0, [Record(b"k", b'{"b":2}', 0)]))
    await sink.close(timeout_s=1)

    assert json.loads((tmp_path / "out.avro.events.jsonl").read_text()) == {"a": 1}
    assert json.loads((tmp_path / "out.avro.runs.jsonl").read_text()) == {"b": 2}
    assert list(read_container(tmp_path / "out.avro")) == []

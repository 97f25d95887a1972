"""A recording: every record as it was sent, in an Avro object container, with what it takes to send it again.

A block of the container holds *slices*: records that follow one another in one partition. They stand in it as in
Kafka's own record format, version 2, whose bytes are, for a record with a key and a value and without headers, those
of an Avro record too: its variable-length numbers are Avro's, and so are lengths in front of bytes. So they are
neither taken apart when a run is recorded nor when it is sent again, and any Avro reader still reads them field by
field. What has headers or lacks key or value is written a little differently (`avro_records`), and said so.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cramjam
from crc32c import crc32c

from fleet.data import HEADER_BYTES, Batch, Ints, PackedBatch, Record, TopicSeen
from fleet.errors import RequestError, RunError
from fleet.sinks.files import WholeFile, container_head, long_bytes
from fleet.sinks.sink import Latency, delivery_of

FORMAT = 1
META = "fleet.recording"
SYNC = b"fleet recording."  # between blocks; any sixteen bytes do
BLOCK_BYTES = 256 * 1024
"""Records in a block before it is compressed: what one who reads holds of each partition."""

BLOCK_S = 5.0
"""Wall time after which a block is written however small it is: so much is lost when the power fails."""

KEY_NULL, VALUE_NULL = 1, 2
"""Bits of a record's *attributes*, which Kafka has for nothing yet."""

RUNS = "runs"

SCHEMA: list[dict[str, Any]] = [
    {
        "type": "record",
        "name": "Slice",
        "namespace": "fleet.recording",
        "doc": "Records that follow one another in one partition of a topic.",
        "fields": [
            {"name": "stream", "type": "string", "doc": "What kind of records: readings, events, runs, ..."},
            {"name": "topic", "type": "string"},
            {"name": "partition", "type": "int"},
            {"name": "offset", "type": "long", "doc": "What the records' offset_delta is relative to."},
            {"name": "timestamp", "type": "long", "doc": "ms since 1970: what timestamp_delta is relative to."},
            {"name": "before", "type": "long", "doc": "us since 1970: when the record before the first was due."},
            {"name": "due", "type": "long", "doc": "us since 1970: when the last record was due."},
            {"name": "count", "type": "int", "doc": "How many records there are."},
            {"name": "plain", "type": "boolean", "doc": "Whether all have key and value and none has headers."},
            {
                "name": "dues",
                "type": {"type": "array", "items": "long"},
                "doc": "us after *before* at which each record was due, where their stamps do not say it.",
            },
            {"name": "crc", "type": "long", "doc": "CRC-32C of the bytes of all records."},
            {
                "name": "records",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Record",
                        "fields": [
                            {"name": "size", "type": "int", "doc": "Bytes of the rest, as Kafka writes it."},
                            {"name": "attributes", "type": "int", "doc": "1: the key is null; 2: the value is null."},
                            {"name": "timestamp_delta", "type": "long"},
                            {"name": "offset_delta", "type": "int"},
                            {"name": "key", "type": "bytes"},
                            {"name": "value", "type": "bytes"},
                            {"name": "headers", "type": "bytes", "doc": "As Kafka writes them; empty where none."},
                        ],
                    },
                },
            },
        ],
    },
    {
        "type": "record",
        "name": "End",
        "namespace": "fleet.recording",
        "doc": "The last one: without it the recording was cut off.",
        "fields": [
            {"name": "records", "type": "long", "doc": "Of all streams but the runs' own."},
            {"name": "missing", "type": {"type": "array", "items": "string"}, "doc": "What could not be had, and why."},
        ],
    },
]
SLICE, END = b"\x00", b"\x02"  # which branch of the union follows

CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "null": (bytes, bytes),
    "deflate": (lambda data: zlib.compress(data, 1, -15), lambda data: zlib.decompress(data, -15)),
    "zstandard": (
        lambda data: bytes(cramjam.zstd.compress(data, 1)),
        lambda data: bytes(cramjam.zstd.decompress(data)),
    ),
}
"""By Avro's names. Every reader of Avro knows the first two."""

CODEC_NAMES = {"none": "null", "deflate": "deflate", "zstd": "zstandard"}


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A slice, its records in Kafka's own format."""

    stream: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    before_us: int
    due_us: int
    count: int
    records: bytes | memoryview
    dues_us: Ints | None = None  # of each record, where their stamps do not say it


@dataclass(slots=True)
class RecordingMeta:
    """What the head of a recording says: the topics with partitions and settings, and the texts of schemas by id."""

    topics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    schemas: Mapping[int, str] = field(default_factory=dict)
    source: str = ""  # what was recorded, for people
    expected: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    """By topic and partition: the offsets from a start to a stop that were to be recorded, where that was known."""

    def text(self) -> str:
        """Write it as JSON."""
        return json.dumps(
            {
                "format": FORMAT,
                "source": self.source,
                "topics": {name: dict(topic) for name, topic in self.topics.items()},
                "schemas": {str(number): text for number, text in self.schemas.items()},
                "expected": {name: dict(spans) for name, spans in self.expected.items()},
            }
        )


def topic_meta(partitions: int, settings: Mapping[str, str]) -> dict[str, Any]:
    """Describe a topic for the head of a recording."""
    return {"partitions": partitions, "settings": dict(settings)}


class RecordingWriter:
    """Writes a recording to *path*; RequestError where that cannot be opened, RunError where it is full."""

    def __init__(self, path: Path, meta: RecordingMeta, *, codec: str = "deflate") -> None:
        self._compress = CODECS[codec][0]
        self._file = WholeFile(path)
        self._block: list[bytes] = []
        self._size = self._slices = 0
        self._opened_s = time.monotonic()
        self._due: dict[tuple[str, int], int] = {}
        self._offset: dict[tuple[str, int], int] = {}
        self.records = 0  # of all streams but the runs' own
        self.bytes = 0  # of all records, before compression
        head = {"avro.schema": json.dumps(SCHEMA), "avro.codec": codec, META: meta.text()}
        self._append([container_head(head, SYNC)])

    def add(self, batch: Batch, *, offset: int | None = None, plain: bool | None = None) -> None:
        """Add a *batch* of one partition; *offset* is its first record's, else they are counted.

        *plain* says of packed records whether all have key and value and none has headers; where nobody says it, the
        last byte does: there are either no headers or text in them, and what we pack always has key and value.
        """
        if isinstance(batch, PackedBatch):
            records: bytes | memoryview = batch.data[HEADER_BYTES:]
            first_ms, max_ms = batch.first_ms, batch.max_ms
            plain = records[-1] == 0 if plain is None else plain
        else:
            first_ms = batch.records[0].timestamp_ms
            max_ms = max(record.timestamp_ms for record in batch.records)
            records = kafka_records(batch.records)
            plain = all(record.key and record.value and not record.headers for record in batch.records)
        place = batch.topic, batch.partition
        offset = self._offset.get(place, 0) if offset is None else offset
        self._offset[place] = offset + len(batch)
        first_us = first_ms * 1000 if batch.dues_us is None else int(batch.dues_us[0])
        before_us = self._due.get(place, min(first_us, batch.due_us or first_us))
        due_us = self._due[place] = max(before_us, batch.due_us or max_ms * 1000)
        head = (batch.stream, *place, offset, first_ms, before_us, due_us, len(batch))
        self._put(Slice(*head, records, batch.dues_us), plain=plain)
        if batch.stream != RUNS:
            self.records += len(batch)

    def _put(self, part: Slice, *, plain: bool) -> None:
        records = part.records if plain else avro_records(part.records)
        numbers = (part.partition, part.offset, part.timestamp_ms, part.before_us, part.due_us, part.count)
        dues = [] if part.dues_us is None else (part.dues_us - part.before_us).tolist()
        self._block += [
            SLICE,
            *map(_with_length, (part.stream.encode(), part.topic.encode())),
            *map(varint, numbers),
            b"\x01" if plain else b"\x00",
            *([varint(len(dues)), *map(varint, dues)] if dues else []),
            b"\x00",
            varint(crc32c(records)),
            varint(-part.count),
            varint(len(records)),
            bytes(records),
            b"\x00",
        ]
        self._slices += 1
        self._size += len(records)
        self.bytes += len(records)
        if self._size >= BLOCK_BYTES or time.monotonic() - self._opened_s > BLOCK_S:
            self.flush()

    def flush(self) -> None:
        """Write the block that is open, if there is anything in it."""
        if self._slices:
            data = self._compress(b"".join(self._block))
            self._append([varint(self._slices) + varint(len(data)) + data + SYNC])
        self._block, self._size, self._slices, self._opened_s = [], 0, 0, time.monotonic()

    def end(self, missing: tuple[str, ...] = ()) -> None:
        """Write that this is all, and close the file."""
        self.flush()
        said = b"".join(varint(len(text.encode())) + text.encode() for text in missing)
        self._block = [END, varint(self.records), (varint(len(missing)) + said if missing else b"") + b"\x00"]
        self._slices = 1
        self.flush()
        if problem := self._file.close():
            raise RunError(problem)

    def abandon(self) -> None:
        """Write what there is and close the file without saying that it is all."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _append(self, pieces: list[bytes]) -> None:
        if self._file.append(pieces) < len(pieces):
            raise RunError(self._file.problem)


class RecordingSink:
    """Records a run as it goes: the sink ``record:FILE``."""

    def __init__(self, writer: RecordingWriter) -> None:
        self.delivery: dict[str, Any] = {}
        self.latency = Latency()
        self.notices: list[str] = []
        self._writer = writer
        self._broken = ""

    async def send(self, batch: Batch) -> None:
        """Write a *batch*."""
        row = delivery_of(self.delivery, batch.stream)
        began_ns = time.monotonic_ns()
        if not self._broken:
            try:
                self._writer.add(batch)
            except RunError as error:
                self._broken = str(error)
        if self._broken:
            row.failed += len(batch)
            raise RunError(self._broken)
        row.acknowledged += len(batch)
        self.latency.add((time.monotonic_ns() - began_ns) // 1000, len(batch))
        if batch.stream == "readings":
            self.latency.first_reading()

    async def close(self, *, timeout_s: float) -> None:
        """Write the end of the recording; of one that broke, none."""
        if self._broken:
            self._writer.abandon()
        else:
            self._writer.end()


def open_recording_sink(
    path: Path, topics: Mapping[str, TopicSeen], schemas: Mapping[int, str], *, codec: str
) -> RecordingSink:
    """Open the sink that records to *path*; RequestError where there is no such *codec*."""
    if codec not in CODEC_NAMES:
        raise RequestError(f"record: the codec must be {', '.join(CODEC_NAMES)}, got {codec!r}")
    was_there = path.is_file()
    meta = RecordingMeta(
        {name: topic_meta(seen.partitions, seen.settings) for name, seen in topics.items()}, schemas, "a run as it went"
    )
    sink = RecordingSink(RecordingWriter(path, meta, codec=CODEC_NAMES[codec]))
    if was_there:
        sink.notices.append(f"{path}: was there already, and was overwritten")
    return sink


# ---------------------------------------------------------------- records, one by one


def varint(value: int) -> bytes:
    """Write a whole number as Avro and Kafka do: zigzag, seven bits a byte."""
    return long_bytes(value) if value >= 0 else long_bytes_of_folded((-value << 1) - 1)


def long_bytes_of_folded(rest: int) -> bytes:
    """Write a number whose sign is in its last bit already."""
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read the number *at*; give it and where it ends. IndexError where the data end within."""
    folded = shift = 0
    while True:
        byte = data[at]
        at += 1
        folded |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (folded >> 1) ^ -(folded & 1), at
        shift += 7


def kafka_records(records: Iterator[Record] | Any) -> bytes:
    """Write *records* in Kafka's format, relative to the first one's stamp."""
    out: list[bytes] = []
    first_ms: int | None = None
    for number, record in enumerate(records):
        first_ms = record.timestamp_ms if first_ms is None else first_ms
        headers = [varint(len(record.headers))]
        for name, value in record.headers:
            headers += [_with_length(name.encode()), _with_length(value)]
        rest = b"".join(
            (b"\x00", varint(record.timestamp_ms - first_ms), varint(number), _with_length(record.key),
             _with_length(record.value), *headers)
        )  # fmt: skip
        out += (varint(len(rest)), rest)
    return b"".join(out)


def _with_length(data: bytes | None) -> bytes:
    return b"\x01" if data is None else varint(len(data)) + data


def avro_records(data: bytes | memoryview) -> bytes:
    """Write records in Kafka's format so that they are Avro: null is an empty text and a bit, headers are bytes."""
    out: list[bytes] = []
    at, data = 0, bytes(data)
    while at < len(data):
        size, body = read_varint(data, at)
        stop = body + size
        _, deltas = read_varint(data, body + 1)
        _, key_at = read_varint(data, deltas)
        key, value_at = _length_and(data, key_at)
        value, headers_at = _length_and(data, value_at)
        headers = data[headers_at:stop]
        bits = KEY_NULL * (key is None) + VALUE_NULL * (value is None)
        out += (
            data[at:body], varint(bits), data[body + 1 : key_at], key or b"\x00", value or b"\x00",
            b"\x00" if headers == b"\x00" else varint(len(headers)) + headers,
        )  # fmt: skip
        at = stop
    return b"".join(out)


def kafka_records_again(data: bytes | memoryview, count: int) -> bytes:
    """Undo `avro_records`."""
    out: list[bytes] = []
    at, data = 0, bytes(data)
    for _ in range(count):
        _, bits_at = read_varint(data, at)
        bits, body = read_varint(data, bits_at)
        _, deltas = read_varint(data, body)
        _, key_at = read_varint(data, deltas)
        key, value_at = _length_and(data, key_at)
        value, headers_at = _length_and(data, value_at)
        length, headers = read_varint(data, headers_at)
        out += (
            data[at:bits_at], b"\x00", data[body:key_at], b"\x01" if bits & KEY_NULL else key or b"",
            b"\x01" if bits & VALUE_NULL else value or b"", data[headers : headers + length] or b"\x00",
        )  # fmt: skip
        at = headers + length
    return b"".join(out)


def _length_and(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Give bytes with their length in front, or None for null, and where they end."""
    length, begin = read_varint(data, at)
    if length < 0:
        return None, begin
    return data[at : begin + length], begin + length

"""Avro bodies behind the schema registry's frame: 0x00, the schema's id (4 bytes, big-endian), the body.

An Avro record is its fields one after the other, so what never changes (frame, machine, sensor, units)
is encoded once and remembered, and fastavro writes only the rest of each record.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import fastavro

from fleet.data import Equipment, Event, Ints, KindColumns, Quality
from fleet.encode.layouts import SECOND_NAME, Layout
from fleet.encode.schemas import schema_text

MAGIC = b"\0"
CONSTANT_FIELDS = ("machine", "sensor", "units")  # the first three of every layout of readings
CACHED_TEXTS = 1 << 18
CACHED_EVENTS = 1 << 8
NOBODY = Equipment("", "", "", "", "")
QUALITY_NAMES = tuple(quality.name for quality in Quality)

Schema = dict[str, Any]


def frame(schema_id: int) -> bytes:
    """Give the five bytes that stand in front of a record of the schema with *schema_id*."""
    return MAGIC + struct.pack(">I", schema_id)


def parsed(text: str) -> Schema:
    """Parse a schema's *text*; instants stay integers, so that no microsecond is lost in a datetime."""
    return dict(parsed_type(text))


def parsed_type(text: str) -> Any:
    """Parse the *text* of a schema of any type, as `parsed` does."""
    return fastavro.parse_schema(json.loads(text, object_hook=_without_logical_type))


def _without_logical_type(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "logicalType"}


@lru_cache(maxsize=CACHED_TEXTS)
def text_bytes(text: str) -> bytes:
    """Give *text* as Avro writes a string."""
    return _write("string", text)


def _write(schema: Any, datum: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, datum)
    return out.getvalue()


class AvroReadings:
    """Encodes scans to framed bodies in a layout of readings."""

    def __init__(self, layout: Layout, schema_id: int) -> None:
        assert layout.fields[:3] == CONSTANT_FIELDS
        self._frame = frame(schema_id)
        self._numbered = layout.numbered
        self._renamed = SECOND_NAME in layout.fields
        assert not self._renamed or layout.fields[-1] == SECOND_NAME
        whole = parsed(schema_text(layout.schema))
        changing = whole["fields"][3 : -1 if self._renamed else None]
        self._rest = parsed(json.dumps({**whole, "name": "Rest", "fields": changing}))

    def values(self, columns: KindColumns, rows: Ints) -> list[bytes]:
        """Encode the scans *rows* of *columns*: one body a reading, scan after scan, sensor after sensor."""
        rests = self._rests(columns, rows)
        machines, known = columns.machine[rows].tolist(), columns.cohort.machines
        heads = {index: self._frame + text_bytes(known[index].id) for index in set(machines)}
        tails = {index: text_bytes(known[index].id) if self._renamed else b"" for index in heads}
        kinds = [columns.cohort.sensors[index] for index in columns.sensors]
        names = [text_bytes(sensor.name) + text_bytes(sensor.units) for sensor in kinds]
        return [heads[m] + name + rest + tails[m] for m, rest_of_scan in zip(machines, rests, strict=True)
                for name, rest in zip(names, rest_of_scan, strict=True)]  # fmt: skip

    def _rests(self, columns: KindColumns, rows: Ints) -> list[list[bytes]]:
        """Encode what differs from reading to reading, for each scan of *rows*."""
        out = BytesIO()
        write, schema, tell = fastavro.schemaless_writer, self._rest, out.tell
        ends = []
        for datum in self._data(columns, rows):
            write(out, schema, datum)
            ends.append(tell())
        data, width, starts = out.getvalue(), len(columns.sensors), [0, *ends]
        pieces = [data[a:b] for a, b in zip(starts, ends, strict=False)]
        return [pieces[at : at + width] for at in range(0, len(pieces), width)]

    def _data(self, columns: KindColumns, rows: Ints) -> list[dict[str, Any]]:
        values = columns.value[rows].tolist()
        if not self._numbered:
            return [{"value": value} for scan in values for value in scan]
        quality = [[QUALITY_NAMES[q] for q in scan] for scan in columns.quality[rows].tolist()]
        numbers = zip(columns.event_us[rows].tolist(), columns.seq[rows].tolist(), values, quality, strict=True)
        within = columns.within.tolist()
        return [
            {"value": value, "timestamp": timestamp, "seq": seq + j, "quality": q}
            for timestamp, seq, scan, qualities in numbers
            for j, value, q in zip(within, scan, qualities, strict=True)
        ]


def avro_event(layout: Layout, schema_id: int) -> Callable[[Event], tuple[bytes, bytes]]:
    """Make the encoder of events in a *layout* of ours to key and framed body."""
    assert layout.fields[:2] == ("machine", "line")
    whole, head = parsed(schema_text(layout.schema)), frame(schema_id)
    schema = parsed(json.dumps({**whole, "name": "Rest", "fields": whole["fields"][2:]}))

    # When a plant starts, a large fleet says the same thing at once.
    @lru_cache(maxsize=CACHED_EVENTS)
    def rest(*said: Any) -> bytes:
        return _write(schema, event_fields(Event(NOBODY, *said)))

    def encode(event: Event) -> tuple[bytes, bytes]:
        machine = event.machine
        key = machine.id.encode()
        return key, head + _string(key) + text_bytes(machine.line) + rest(*event[1:])

    return encode


def _string(text: bytes) -> bytes:
    """Give UTF-8 *text* as Avro writes a string; the lengths of names take one byte."""
    return (_LENGTHS[len(text)] if len(text) < len(_LENGTHS) else _write("long", len(text))) + text


_LENGTHS = [bytes([2 * length]) for length in range(64)]


def event_fields(event: Event) -> dict[str, Any]:
    """Give the fields of an *event* as `EVENTS_V2` names them."""
    return {
        "machine": event.machine.id,
        "line": event.machine.line,
        "type": event.type,
        "state": event.state,
        "cause": event.cause,
        "parts": event.parts,
        "timestamp": event.time_us,
        "seq": event.seq,
        "scrap": event.scrap,
        "product": event.product,
        "lot": event.lot,
    }


def avro_fields(layout: Layout, schema_id: int) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the encoder of records that come as fields; those that are not given take the schema's defaults."""
    schema, head = parsed(schema_text(layout.schema)), frame(schema_id)

    def encode(record: Mapping[str, Any]) -> bytes:
        return head + _write(schema, record)

    return encode

"""Protobuf bodies behind the schema registry's frame: 0x00, the schema's id, which message of it, the message.

Readings by a program: every field has presence (``optional``) and is written, also where it is 0, so a record is the
same parts in the same order, each behind its tag; Google's serializer writes the same bytes. ``sint64`` is Avro's long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.data import Event
from fleet.encode.avro import event_fields, frame
from fleet.encode.layouts import Layout
from fleet.encode.program import (
    QUALITIES,
    Fixed,
    Long,
    MachineText,
    Part,
    Program,
    Real,
    SensorText,
    Symbol,
    joined,
)
from fleet.encode.schemas import schema_text
from fleet.encode.varint import unsigned
from fleet.scenario.proto import DOUBLE, FIXED_32, FIXED_64, VARINTS, Message, ProtoField, read_proto

FORM = "protobuf"
FIRST_MESSAGE = b"\0"
"""Which message of its file a record is, in Confluent's short form: the first one."""

VARINT, WORD, BYTES, HALF_WORD = 0, 1, 2, 5  # wire types


def text(value: str) -> bytes:
    """Write *value* as Protobuf does: its length, its UTF-8 bytes."""
    data = value.encode()
    return unsigned(len(data)) + data


def tag(message: Message, field: ProtoField) -> bytes:
    """Give what stands in front of a *field* of *message*: its number and how long it is."""
    if field.type in VARINTS or field.type in message.enums:
        wire = VARINT
    else:
        wire = WORD if field.type in FIXED_64 else HALF_WORD if field.type in FIXED_32 else BYTES
    return unsigned(field.number << 3 | wire)


def protobuf_program(layout: Layout, ids: Mapping[str, int]) -> Program:
    """Give the program of a reading in a *layout* of ours."""
    file = layout.schema_in(FORM)
    message = read_proto(schema_text(file))
    parts: list[Part] = [Fixed(frame(ids[file]) + FIRST_MESSAGE)]
    for field in message.fields:
        source = layout.filled[field.name]
        kind, part = _PARTS[source](message)
        assert field.type == kind, "the generator gives our fields these types"
        parts += [Fixed(tag(message, field)), part]
    return joined(parts)


def _quality(message: Message) -> tuple[str, Part]:
    name = "Quality"
    good, uncertain, bad = (message.enums[name][quality] for quality in QUALITIES)
    return name, Symbol((good, uncertain, bad))


_PARTS: Mapping[str, Callable[[Message], tuple[str, Part]]] = {
    "machine": lambda _: ("string", MachineText("machine", unsigned)),
    "sensor": lambda _: ("string", SensorText("sensor", text)),
    "units": lambda _: ("string", SensorText("units", text)),
    "value": lambda _: (DOUBLE, Real(8)),
    "timestamp": lambda _: ("sint64", Long("timestamp")),
    "seq": lambda _: ("sint64", Long("seq")),
    "quality": _quality,
}
"""What writes a source, and the type of the field that it fills."""


def protobuf_event(layout: Layout, ids: Mapping[str, int]) -> Callable[[Event], tuple[bytes, bytes]]:
    """Make the encoder of events in a *layout* of ours to key and framed message."""
    write = protobuf_fields(layout, ids)

    def encode(event: Event) -> tuple[bytes, bytes]:
        said = event_fields(event)
        return event.machine.id.encode(), write({name: said[name] for name in layout.fields})

    return encode


def protobuf_fields(layout: Layout, ids: Mapping[str, int]) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the encoder of records that come as fields."""
    from fleet.encode.messages import writer  # where it is used: the library may not be there

    file = layout.schema_in(FORM)
    head, write = frame(ids[file]) + FIRST_MESSAGE, writer(schema_text(file))

    def encode(record: Mapping[str, Any]) -> bytes:
        return head + write(record)

    return encode

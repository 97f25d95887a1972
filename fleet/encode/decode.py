"""Bytes back to fields: framed Avro and Protobuf of any schema whose id is known, and our JSON texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

import fastavro
import numpy as np

from fleet.data import SCHEMA_ID_MAX
from fleet.encode.avro import MAGIC, Schema, parsed
from fleet.encode.flat import FlatField, flat_fields, flat_message
from fleet.encode.layouts import (
    DOORS_V1,
    EVENTS_V1,
    LABEL_INSTANTS,
    READINGS_V1,
    READINGS_V2,
    READINGS_V3,
    SECOND_NAME,
    TELLING_LABELS,
    TIMESTAMPS,
    Layout,
)
from fleet.encode.own import reading_of
from fleet.encode.schemas import schema_ids, schema_text
from fleet.errors import RunError
from fleet.scenario.proto import NotProtoError, is_proto, read_proto

FRAME_BYTES = 5
FIRST_MESSAGES = (b"\x00", b"\x02\x00")
"""The first message of a Protobuf file, in Confluent's short form and as the list of one number that it is."""

SHOWN_BYTES = 12
IDS_SHOWN = 20

# The fields that tell a stream from all others.
TELLING: tuple[tuple[str, frozenset[str]], ...] = (
    ("readings", frozenset(READINGS_V1.fields)),
    ("events", frozenset(EVENTS_V1.fields)),
    ("labels", TELLING_LABELS),
    ("runs", frozenset(("run", "type", "shard", "timestamp"))),
    ("doors", frozenset(DOORS_V1.fields)),
)


class UndecodableError(RunError):
    """A record's value is not what any known schema or JSON layout makes."""


def known_schemas() -> dict[int, str]:
    """Give the texts of our own schemas by the ids they have where there is no registry."""
    return {number: schema_text(name) for name, number in schema_ids().items()}


class Decoder:
    """Decodes values; *schemas* are the texts of the schemas that may occur, Avro's and Protobuf's, by id.

    Readings in one of *owns*, layouts of a user's own, have our names when they are decoded.
    """

    def __init__(self, schemas: Mapping[int, str] | None = None, *, owns: Sequence[Layout] = ()) -> None:
        self._own_by_fields = {frozenset(own.fields): own for own in owns}
        texts = known_schemas() if schemas is None else schemas
        self.schemas: dict[int, Schema] = {}  # Avro's, parsed
        self.protos: dict[int, str] = {}  # Protobuf's texts
        for number, text in texts.items():
            self.learn(number, text)

    def learn(self, number: int, text: str) -> None:
        """Take note of one schema more, the *text* of that with the id *number*."""
        if is_proto(text):
            self.protos[number] = text
        else:
            self.schemas[number] = parsed(text)

    def flat(self, number: int) -> tuple[FlatField, ...] | None:
        """Give the fields of the schema *number* as whole columns of its records have them; None where they cannot."""
        if number in self.schemas:
            return flat_fields(self.schemas[number])
        try:
            return flat_message(read_proto(self.protos[number]))
        except NotProtoError:
            return None

    def decode(self, value: bytes | None, key: bytes | None = None) -> dict[str, Any]:
        """Give the fields of *value*; instants are microseconds since 1970. UndecodableError says why not.

        The record's *key* is the machine of a reading that does not say it.
        """
        return self.ours(self.said(value), key)

    def said(self, value: bytes | None) -> dict[str, Any]:
        """Give the fields of *value* as `decode` does, but those of a user's own layout as they are written."""
        if not value:
            raise UndecodableError("the value is empty")
        if value[:1] == MAGIC:
            return self._framed(value)
        if value[:1] == b"{":
            return self._json(value)
        raise UndecodableError(
            f"neither framed Avro or Protobuf (first byte 0x00) nor a JSON object: it begins with {_shown(value)}"
        )

    def _framed(self, value: bytes) -> dict[str, Any]:
        if len(value) < FRAME_BYTES:
            raise UndecodableError(f"a frame needs {FRAME_BYTES} bytes before the body, got {len(value)}")
        number = int.from_bytes(value[1:FRAME_BYTES], "big")
        if number in self.schemas:
            return self._avro(value, number, self.schemas[number])
        if number in self.protos:
            return self._protobuf(value, number, self.protos[number])
        raise UndecodableError(f"no schema has the id {number}; {self._known_ids(number)}")

    def _protobuf(self, value: bytes, number: int, text: str) -> dict[str, Any]:
        from fleet.encode.messages import reader  # where it is used: the library may not be there

        which = next((one for one in FIRST_MESSAGES if value.startswith(one, FRAME_BYTES)), None)
        if which is None:
            raise UndecodableError(f"not the first message of schema {number}: it begins with {_shown(value)}")
        try:
            return reader(text)(value[FRAME_BYTES + len(which) :])
        except (ValueError, NotProtoError) as error:
            raise UndecodableError(f"not a record of schema {number}: {error}") from error

    def _avro(self, value: bytes, number: int, schema: Schema) -> dict[str, Any]:
        body = BytesIO(value)
        body.seek(FRAME_BYTES)
        try:
            fields = fastavro.schemaless_reader(body, schema, None)
        except Exception as error:  # fastavro says what is wrong by any exception at all
            raise UndecodableError(f"not a record of schema {number}: {type(error).__name__}") from error
        left = len(value) - body.tell()
        if left:
            raise UndecodableError(f"a record of schema {number} with {left} bytes left over")
        return cast("dict[str, Any]", fields)

    def _known_ids(self, number: int) -> str:
        if number > SCHEMA_ID_MAX:
            return f"registries give none above {SCHEMA_ID_MAX}"
        known = sorted([*self.schemas, *self.protos])
        more = f" and {len(known) - IDS_SHOWN} more" if len(known) > IDS_SHOWN else ""
        return f"known are {', '.join(map(str, known[:IDS_SHOWN])) or 'none'}{more}"

    def _json(self, value: bytes) -> dict[str, Any]:
        try:
            fields: dict[str, Any] = json.loads(value)
            if self.own_of(fields) is not None:
                return fields
            for name in TIMESTAMPS & fields.keys():
                fields[name] = microseconds(fields[name])
            if fields.keys() >= TELLING_LABELS:
                fields |= label_instants(fields)
        except ValueError as error:
            raise UndecodableError(f"not JSON as fleet writes it: {error}") from error
        if "value" in fields and fields["value"] is None:
            fields["value"] = float("nan")
        return fields

    def ours(self, fields: dict[str, Any], key: bytes | None) -> dict[str, Any]:
        """Give decoded *fields* in a user's own layout our names; others as they are."""
        reading = self.reading(fields, key)
        if reading is None:
            return fields
        # As in our own layouts, what has a number has the rest; digests leave it out.
        return {"timestamp": 0, "quality": "GOOD", **reading} if "seq" in reading else reading

    def reading(self, fields: Mapping[str, Any], key: bytes | None) -> dict[str, Any] | None:
        """Give what decoded *fields* say of a reading, if they are in a user's own layout, under our names."""
        own = self.own_of(fields)
        if own is None:
            return None
        try:
            return reading_of(own, fields, key)
        except ValueError as error:
            raise UndecodableError(f"not a reading by {own.name}: {error}") from error

    def own_of(self, fields: Mapping[str, Any]) -> Layout | None:
        """Give the layout of a user's own that has these *fields*, as they are written; None where there is none."""
        return self._own_by_fields.get(frozenset(fields)) if self._own_by_fields else None


def schema_id_of(value: bytes | None) -> int | None:
    """Give the id in front of a *value*, unsigned as it stands there; None where it is not framed."""
    if value is None or len(value) < FRAME_BYTES or value[:1] != MAGIC:
        return None
    return int.from_bytes(value[1:FRAME_BYTES], "big")


def microseconds(text: object) -> int:
    """Read RFC 3339 *text* in UTC as microseconds since 1970; ValueError where it is none."""
    if not (isinstance(text, str) and text.endswith("Z")):
        raise ValueError(f"an instant is text that ends in Z, got {text!r}")
    return int(np.datetime64(text[:-1], "us").astype(np.int64))


def label_instants(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the instants of a label's *fields* of JSON as microseconds; ValueError where one is none."""
    found: dict[str, Any] = {name: microseconds(fields[name]) for name in LABEL_INSTANTS if fields[name] is not None}
    knots = fields["severity"]
    if not (isinstance(knots, list) and all(isinstance(knot, dict) for knot in knots)):
        raise ValueError(f"severity is a list of knots, got {knots!r}")
    found["severity"] = [{**knot, "time": microseconds(knot.get("time"))} for knot in knots]
    return found


def _shown(value: bytes) -> str:
    return value[:SHOWN_BYTES].hex(" ") + (" ..." if len(value) > SHOWN_BYTES else "")


def stream_of(fields: Mapping[str, Any]) -> str:
    """Give the stream whose records have these *fields*; empty where it is none of ours."""
    return next((stream for stream, telling in TELLING if telling <= fields.keys()), "")


def reading_layout(fields: Mapping[str, Any]) -> Layout:
    """Give the layout of a reading's *fields*: one of ours."""
    if SECOND_NAME in fields:
        return READINGS_V3
    return READINGS_V2 if "seq" in fields else READINGS_V1

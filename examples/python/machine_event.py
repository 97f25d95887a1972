"""Records of thingum.factory.MachineEvent, as machine-event.v2 has them.

Made by `fleet schema code machine-event.v2 --lang python`; it needs fastavro alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any

import fastavro

MAGIC = b"\0"
FRAME_BYTES = 5


def plain(node: dict[str, Any]) -> dict[str, Any]:
    """Leave out logical types: what becomes of a number is said by the classes."""
    return {name: value for name, value in node.items() if name != "logicalType"}


@lru_cache(maxsize=1000)
def parsed(text: str) -> Any:
    """Parse the text of a schema, once."""
    return fastavro.parse_schema(json.loads(text, object_hook=plain))


def schema_id(value: bytes) -> int:
    """Give the id of the schema that a framed *value* was written with; ValueError where it is not framed."""
    if value[:1] != MAGIC or len(value) < FRAME_BYTES:
        raise ValueError("must be framed: 0x00, and the schema's id in four bytes")
    return int.from_bytes(value[1:FRAME_BYTES], "big")


EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


def since(instant: datetime) -> timedelta:
    """Give the time from 1970 to an *instant*; ValueError where that has no time zone, and could be any of several."""
    if instant.tzinfo is None:
        raise ValueError(f"must have a time zone, as datetime.now(UTC) has one, got {instant!r}")
    return instant - EPOCH


SCHEMA = r"""
{
  "type": "record",
  "name": "thingum.factory.MachineEvent",
  "fields": [
    {
      "name": "machine",
      "type": "string"
    },
    {
      "name": "line",
      "type": "string"
    },
    {
      "name": "type",
      "type": "string"
    },
    {
      "name": "state",
      "type": "string"
    },
    {
      "name": "cause",
      "type": "string"
    },
    {
      "name": "parts",
      "type": "long"
    },
    {
      "name": "timestamp",
      "type": {
        "type": "long"
      }
    },
    {
      "name": "seq",
      "type": "long"
    },
    {
      "default": 0,
      "name": "scrap",
      "type": "long"
    },
    {
      "default": "",
      "name": "product",
      "type": "string"
    },
    {
      "default": 0,
      "name": "lot",
      "type": "long"
    }
  ]
}
"""
"""What reads and writes machine-event.v2; to be registered is the file, which says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineEvent:
    """Something that happened to a machine: a change of its state, or a door that opened or closed."""

    machine: str
    """The machine's id; also the record's key. For a door: where it is."""
    line: str
    """The line the machine belongs to."""
    type: str
    """What kind of event this is: state or door."""
    state: str
    """The state from now on: stopped, idle, execute, held, suspended or aborted (PackML); for a door open or
    closed.
    """
    cause: str
    """Why: micro_stop, starved, blocked, ...; empty where the plan says so."""
    parts: int
    """Parts the machine has made since the start of the run."""
    timestamp: datetime
    """When it happened, in microseconds since 1970 UTC."""
    seq: int
    """The machine's events in order: 0, 1, 2, ... since the start of the run."""
    scrap: int = 0
    """Bad ones among the parts it has made."""
    product: str = ""
    """What the machine makes; empty where its line names no products."""
    lot: int = 0
    """The number of the line's lot it makes, from 1; 0 where there are none."""

    def to_avro(self) -> dict[str, Any]:
        """Give its fields as fastavro takes them."""
        return {
            "machine": self.machine,
            "line": self.line,
            "type": self.type,
            "state": self.state,
            "cause": self.cause,
            "parts": self.parts,
            "timestamp": since(self.timestamp) // MICROSECOND,
            "seq": self.seq,
            "scrap": self.scrap,
            "product": self.product,
            "lot": self.lot,
        }

    @classmethod
    def from_avro(cls, fields: Mapping[str, Any]) -> MachineEvent:
        """Make it of fields as fastavro gives them."""
        return cls(
            machine=fields["machine"],
            line=fields["line"],
            type=fields["type"],
            state=fields["state"],
            cause=fields["cause"],
            parts=fields["parts"],
            timestamp=EPOCH + fields["timestamp"] * MICROSECOND,
            seq=fields["seq"],
            scrap=fields["scrap"],
            product=fields["product"],
            lot=fields["lot"],
        )

    def encode(self, schema_id: int) -> bytes:
        """Write it framed, with the *schema_id* that the registry gave for this version of the schema."""
        out = BytesIO()
        out.write(MAGIC + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, parsed(SCHEMA), self.to_avro())
        return out.getvalue()

    @classmethod
    def decode(cls, value: bytes, writer: str | None = None) -> MachineEvent:
        """Read a framed *value*, which was written with the schema *writer*, by default with this version.

        The registry has the writer's text by `schema_id`. What the writer does not know has its default. ValueError
        where the value is no record of the writer's schema, or this version cannot read it.
        """
        schema_id(value)
        body = BytesIO(value)
        body.seek(FRAME_BYTES)
        try:
            fields: Any = fastavro.schemaless_reader(body, parsed(writer or SCHEMA), parsed(SCHEMA))
            found = cls.from_avro(fields)
        except Exception as error:  # fastavro says what is wrong by any exception at all
            raise ValueError(f"not read as MachineEvent: {type(error).__name__}: {error}") from error
        if body.read(1):
            raise ValueError("not read as MachineEvent: bytes are left over behind the record")
        return found

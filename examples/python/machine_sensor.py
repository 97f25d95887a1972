"""Records of thingum.factory.MachineSensor, as machine-sensor.v3 has them.

Made by `fleet schema code machine-sensor.v3 --lang python`; it needs fastavro alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
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
  "name": "thingum.factory.MachineSensor",
  "fields": [
    {
      "name": "machine",
      "type": "string"
    },
    {
      "name": "sensor",
      "type": "string"
    },
    {
      "name": "units",
      "type": "string"
    },
    {
      "name": "value",
      "type": "double"
    },
    {
      "default": 0,
      "name": "timestamp",
      "type": {
        "type": "long"
      }
    },
    {
      "default": -1,
      "name": "seq",
      "type": "long"
    },
    {
      "default": "GOOD",
      "name": "quality",
      "type": {
        "type": "enum",
        "name": "thingum.factory.Quality",
        "symbols": [
          "GOOD",
          "UNCERTAIN",
          "BAD"
        ]
      }
    },
    {
      "default": "",
      "name": "machine_id",
      "type": "string"
    }
  ]
}
"""
"""What reads and writes machine-sensor.v3; to be registered is the file, which says more."""


class Quality(Enum):
    """How far a reading may be trusted: OPC UA's three classes."""

    GOOD = "GOOD"
    UNCERTAIN = "UNCERTAIN"
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSensor:
    """One reading of one sensor of one machine, with its instant, its number and how far it may be trusted."""

    machine: str
    """The machine's id; also the record's key. To be called machine_id: writers of version 3 fill both."""
    sensor: str
    """The sensor's name, unique within its machine."""
    units: str
    """The unit the value is in, as text: A, bar, degC, rpm, mm/s, kW."""
    value: float
    """What the sensor reports, in its units, rounded to the sensor's resolution. A BAD reading carries the last
    good value.
    """
    timestamp: datetime = EPOCH
    """When the reading was taken by the controller's own clock, in microseconds since 1970 UTC. 0 where the
    writer did not say (version 1).
    """
    seq: int = -1
    """The machine's readings in order: 0, 1, 2, ... since the start of the run. A hole is a reading that was
    lost. -1 where the writer did not say (version 1).
    """
    quality: Quality = Quality.GOOD
    """How far this reading may be trusted."""
    machine_id: str = ""
    """The machine's id under its new name, the same as machine. Empty where the writer did not say (versions 1
    and 2).
    """

    def to_avro(self) -> dict[str, Any]:
        """Give its fields as fastavro takes them."""
        return {
            "machine": self.machine,
            "sensor": self.sensor,
            "units": self.units,
            "value": self.value,
            "timestamp": since(self.timestamp) // MICROSECOND,
            "seq": self.seq,
            "quality": self.quality.value,
            "machine_id": self.machine_id,
        }

    @classmethod
    def from_avro(cls, fields: Mapping[str, Any]) -> MachineSensor:
        """Make it of fields as fastavro gives them."""
        return cls(
            machine=fields["machine"],
            sensor=fields["sensor"],
            units=fields["units"],
            value=fields["value"],
            timestamp=EPOCH + fields["timestamp"] * MICROSECOND,
            seq=fields["seq"],
            quality=Quality(fields["quality"]),
            machine_id=fields["machine_id"],
        )

    def encode(self, schema_id: int) -> bytes:
        """Write it framed, with the *schema_id* that the registry gave for this version of the schema."""
        out = BytesIO()
        out.write(MAGIC + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, parsed(SCHEMA), self.to_avro())
        return out.getvalue()

    @classmethod
    def decode(cls, value: bytes, writer: str | None = None) -> MachineSensor:
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
            raise ValueError(f"not read as MachineSensor: {type(error).__name__}: {error}") from error
        if body.read(1):
            raise ValueError("not read as MachineSensor: bytes are left over behind the record")
        return found

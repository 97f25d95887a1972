"""Records as CloudEvents: their attributes as record headers, the value stays as it is.

This is the binary content mode of CloudEvents' Kafka protocol binding, version 1.0.2; the attributes are those of its
core specification 1.0.2, in which source and id together name an event for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from fleet.data import Equipment, Event, Label
from fleet.encode.headers import Header, Headers, Pairs, constant
from fleet.encode.json import instant
from fleet.encode.layouts import Layout
from fleet.encode.program import (
    PATH,
    Fixed,
    Instant,
    MachineText,
    SensorText,
    Serial,
    bare,
    machine_name,
    plain,
    serial,
)
from fleet.encode.schemas import schema_text

CLOUDEVENTS = "cloudevents"
"""What headers of this kind are called in scenarios and on the command line."""

SPECVERSION = b"1.0"
DOMAIN = "example."
"""In front of our schemas' full names they are reverse-DNS names, of a domain that nobody can own (RFC 2606)."""

DOOR = "thingum.factory.Door"
"""Doors as the story has them are JSON without a schema of ours."""

CONTENT_TYPES = {"json": "application/json", "avro": "application/avro", "protobuf": "application/protobuf"}
"""By format. The registry's frame around Avro has no type of its own; Debezium says application/avro of it as well."""


@dataclass(frozen=True, slots=True)
class CloudEvents:
    """What makes the events of one run: the same scenario, seed and start make the same events, with the same ids.

    *registry* is the URL of the registry that gave the schemas' ids, "" without one.
    """

    scenario: str
    seed: int
    start_us: int
    registry: str = ""

    def of(self, stream: str, layout: Layout, form: str, schema_id: int | None) -> StreamEvents:
        """Give the events of a *stream* that is written in a *layout* and format; JSON has no schema's id."""
        about = [
            ("ce_specversion", SPECVERSION),
            ("ce_type", _type_of(layout).encode()),
            ("content-type", CONTENT_TYPES[form].encode()),
        ]
        if self.registry and schema_id is not None:
            about.append(("ce_dataschema", f"{self.registry}/schemas/ids/{schema_id}".encode()))
        said = "\0".join((self.scenario, str(self.seed), str(self.start_us), stream))
        return StreamEvents(blake2b(said.encode(), digest_size=5).hexdigest(), tuple(about), layout.step_us)


@dataclass(frozen=True, slots=True)
class StreamEvents:
    """The events of one stream: what their ids begin with, and the attributes that all of them have."""

    origin: str
    about: Pairs
    step_us: int = 1

    def of_readings(self) -> Headers:
        """Give the headers of readings. A second copy of a reading has its id."""
        changing = (
            Header("ce_id", (Fixed(f"{self.origin}-".encode()), Serial())),
            Header("ce_source", (MachineText(PATH, bare),)),
            Header("ce_subject", (SensorText("sensor", plain),)),
            Header("ce_time", (Instant(self.step_us), Fixed(b"Z"))),
        )
        return (*changing, *constant(self.about))

    def of_event(self, event: Event) -> Pairs:
        """Give the headers of an *event* or of what a door does."""
        return self._pairs(serial(event.seq), source_of(event.machine), event.time_us)

    def of_label(self, label: Label, part: int) -> Pairs:
        """Give the headers of a *part* of a *label*: opened and closed are two events."""
        phase = "open" if label.is_open else "closed"
        return self._pairs(f"{label.id}-{phase}-{part}", source_of(label.machine), label.time_us)

    def of_run(self, record: Mapping[str, Any], ordinal: int) -> Pairs:
        """Give the headers of the *record* of a run that is the *ordinal*-th of its shard."""
        said = f"{record['timestamp']}-{ordinal}"
        return self._pairs(said, f"/runs/{record['run']}".encode(), record["timestamp"], subject=record["type"])

    def _pairs(self, number: str, source: bytes, time_us: int, *, subject: str = "") -> Pairs:
        said: list[tuple[str, bytes]] = [("ce_id", f"{self.origin}-{number}".encode()), ("ce_source", source)]
        if subject:
            said.append(("ce_subject", subject.encode()))
        return (*said, ("ce_time", instant(time_us).encode()), *self.about)


def source_of(machine: Equipment) -> bytes:
    """Give the source of what *machine* says: its place in the plant as a URI reference."""
    return machine_name(machine, PATH)


def _type_of(layout: Layout) -> str:
    """Give the type of events in *layout*: a user's own schema has a name of its own."""
    if not (layout.text or layout.schema):
        return DOMAIN + DOOR
    schema = json.loads(layout.text or schema_text(layout.schema))
    space = schema.get("namespace", "")
    name = schema["name"] if "." in schema["name"] or not space else f"{space}.{schema['name']}"
    return name if layout.own else DOMAIN + name

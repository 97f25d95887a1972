"""The model of what is written where: a scenario's streams of records, and the settings of their topics."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from fleet.scenario.fields import Model, Topic, choice_schema, counted, one_of
from fleet.scenario.own import source_trouble
from fleet.scenario.quantities import BYTES, bounded, refused
from fleet.scenario.wording import shown

PARTITIONS_MAX = 100_000
UNBOUNDED = -1.0  # retention.bytes of a topic that keeps everything
GIB = float(2**30)
HEADERS = ("none", "cloudevents")
"""What headers records may have."""


def _retention(value: object) -> float:
    if value == "unbounded":
        return UNBOUNDED
    return bounded(BYTES, above=0, most=2**62)(value)


def _source(value: object) -> str:
    if trouble := source_trouble(value):
        raise refused(trouble if isinstance(value, str) else f"{trouble}, got {shown(value)}")
    return str(value)


def _schema_file(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise refused(f"must be the name of a file like 'my.avsc', got {shown(value)}")


Retention = Annotated[
    float,
    BeforeValidator(_retention),
    WithJsonSchema({"type": "string", "examples": ["1 GiB", "unbounded"]}),
]
FORMATS = ("avro", "json", "protobuf")
Format = Annotated[str, BeforeValidator(one_of(*FORMATS)), choice_schema(*FORMATS)]
DoorFormat = Annotated[str, BeforeValidator(one_of("json")), choice_schema("json")]
Layout = Annotated[str, BeforeValidator(one_of("v1", "v2")), choice_schema("v1", "v2")]
READINGS_LAYOUTS = ("v1", "v2", "v3")
ReadingsLayout = Annotated[str, BeforeValidator(one_of(*READINGS_LAYOUTS)), choice_schema(*READINGS_LAYOUTS)]
HeadersKind = Annotated[str, BeforeValidator(one_of(*HEADERS)), choice_schema(*HEADERS)]
Source = Annotated[str, BeforeValidator(_source), WithJsonSchema({"type": "string", "examples": ["machine", "=north"]})]
SchemaFile = Annotated[str, BeforeValidator(_schema_file), WithJsonSchema({"type": "string", "examples": ["my.avsc"]})]


class ReadingsTopic(Model):
    """Where readings go and how they are written."""

    topic: Topic = "factory.readings"
    """A topic name; may be a template with {site}, {area}, {line}, {kind}."""
    format: Format = "avro"
    """How records are written."""
    layout: ReadingsLayout = "v2"
    """Which fields a record has; v1 is machine, sensor, value, units; v3 has machine_id beside machine."""
    avsc: SchemaFile | None = Field(default=None, alias="schema")
    """An Avro schema beside the scenario that says which fields a record has, in place of a layout of ours."""
    fields: dict[str, Source] = Field(default_factory=dict, examples=[{"device": "machine", "site": "=north"}])
    """What fills the fields of that schema: a source, or a constant behind `=`. Absent: namesakes and defaults."""


class TruthTopic(Model):
    """Where the truth goes: of every reading the signal before the sensor, as a record like the reading's."""

    topic: Topic = "factory.truth"
    """A topic name; may be a template with {site}, {area}, {line}, {kind}."""
    format: Format = "avro"
    """How records are written."""
    layout: ReadingsLayout = "v2"
    """Which fields a record has; v1 is machine, sensor, value, units; v3 has machine_id beside machine."""


class EventsTopic(Model):
    """Where events go and how they are written."""

    topic: Topic = "factory.events"
    """A topic name; may be a template with {site}, {area}, {line}, {kind}."""
    format: Format = "avro"
    """How records are written."""
    layout: Layout = "v2"
    """Which fields a record has; v1 is without scrap, product and lot."""


class DoorsTopic(Model):
    """Where openings of doors go, as JSON of location and state, keyed by location."""

    topic: Topic = "factory.doors"
    """A topic name; may be a template with {site}, {area}, {line}, {kind}."""
    format: DoorFormat = "json"
    """How records are written."""


class LabelsTopic(Model):
    """Where labels go: the truth about every fault, what it was, from when to when, and what it did."""

    topic: Topic = "factory.labels"
    """A topic name; may be a template with {site}, {area}, {line}, {kind}."""
    format: Format = "avro"
    """How records are written."""


class Records(Model):
    """The streams of records, each with its topic and its format."""

    readings: ReadingsTopic = ReadingsTopic()
    """One sensor reading a record."""
    events: EventsTopic = EventsTopic()
    """State changes of machines."""
    doors: DoorsTopic | None = None
    """Openings of doors. Absent: they go with the other events."""
    truth: TruthTopic | None = None
    """The signals before the sensors. Absent: they are not written."""
    labels: LabelsTopic | None = None
    """The truth about faults. Absent: it goes to factory.labels wherever anything may fail."""
    headers: HeadersKind = "none"
    """What headers all these records have in a Kafka; cloudevents: CloudEvents' attributes, in binary mode."""


class TopicSettings(Model):
    """Settings a topic is made with; what is absent is taken from `default`."""

    partitions: Annotated[int, *counted("a number of partitions", 1, PARTITIONS_MAX)] | None = None
    """How many partitions."""
    replication: Annotated[int, *counted("a number of replicas", 1, 100)] | None = None
    """How many replicas."""
    retention: Retention | None = None
    """Bytes that a partition keeps, or `unbounded`."""

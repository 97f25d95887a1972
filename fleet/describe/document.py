"""The AsyncAPI 3 document of a scenario, as plain values: made from the plan of its run, examples included."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fleet.contract.avro_json import json_schema
from fleet.contract.ids import Needed, subjects_of
from fleet.data import TopicPlan
from fleet.describe.examples import Example, Kind, text_of
from fleet.describe.servers import BINDING, Servers
from fleet.describe.subject import written
from fleet.describe.words import STREAMS, about
from fleet.encode.cloudevents import CONTENT_TYPES
from fleet.encode.encoder import ids_of
from fleet.encode.layouts import Layout
from fleet.run.plan import RunPlan
from fleet.sinks.connection import CLIENT_ID
from fleet.sinks.stamps import OURS

VERSION = "3.0.0"
SCHEMA_FORMATS = {
    "avro": "application/vnd.apache.avro;version=1.9.0",
    "protobuf": "application/vnd.google.protobuf;version=3",
}
"""What AsyncAPI calls the schemas of formats that have one."""

WIRE_FORMAT = (
    "https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format"
)
LICENCE = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
CONTACT = {"name": "The people who run this factory, with fleet"}
PARAMETERS = {
    "site": "The site, as ISA-95 has it.",
    "area": "The area of the site.",
    "line": "The line of machines.",
    "kind": "The kind of machine.",
}
"""What a template of topics may have in braces."""

ENUM_MAX = 50
"""A parameter's values are listed where they are no more."""

SENT = "Sent by an idempotent producer with acks=all, in order for each"
CLIENT = {"type": "string", "description": "What fleet's producer calls itself.", "const": CLIENT_ID}
GROUP = {
    "type": "string",
    "description": "Every reader has a group of its own; readers that share the work share a group.",
}
HEADERS = {
    "fleet-run": "The id of the run that sent the record.",
    "ce_specversion": "CloudEvents: the version of its specification.",
    "ce_type": "CloudEvents: what kind of event it is, the full name of the record's schema.",
    "ce_id": "CloudEvents: the event's id; the same again where a record was sent twice.",
    "ce_source": "CloudEvents: where the event is from, the machine's place in the plant as a URI reference.",
    "ce_subject": "CloudEvents: what of the source it is about, the sensor.",
    "ce_time": "CloudEvents: when it happened, RFC 3339.",
    "content-type": "CloudEvents: what the value is.",
}
"""Headers that records may have, all of them text in UTF-8."""
FRAMES = {
    "avro": "`0x00`, the schema's id in four bytes, the Avro body.",
    "protobuf": "`0x00`, the schema's id in four bytes, the message's index (`0x00`: the first), the Protobuf body.",
}
ENCODINGS = {
    "avro": "Examples are in Avro's JSON encoding: instants are microseconds since 1970 UTC.",
    "protobuf": "Examples are as `fleet tail` shows them: instants are text.",
}
NUMBERS = frozenset({"retention.ms", "retention.bytes"})
LISTS = frozenset({"cleanup.policy"})


@dataclass(frozen=True, slots=True)
class Document:
    """The document of *plan*, its brokers and its examples; *payload* says how a file's Avro schema is given."""

    plan: RunPlan
    servers: Servers
    examples: Mapping[Kind, list[Example]]
    expect: str
    payload: Callable[[str, str], Any]  # of a schema's file and text: the schema itself, or a reference

    def values(self) -> dict[str, Any]:
        """Give the whole document."""
        plan = self.plan
        name = plan.request.scenario.name
        streams = [stream for stream in STREAMS if stream in written(plan).streams]
        return {
            "asyncapi": VERSION,
            "id": f"urn:fleet:{name}",
            "info": {
                "title": f"{name}: what this factory sends to Kafka",
                "version": version("thingum-fleet"),
                "description": about(plan, self.expect),
                "contact": CONTACT,
                "license": LICENCE,
                "tags": [{"name": stream, "description": STREAMS[stream].summary} for stream in streams],
                "externalDocs": {"description": "How a schema's id stands before an Avro record", "url": WIRE_FORMAT},
            },
            "servers": self.servers.servers,
            "channels": {stream: self._channel(stream) for stream in streams},
            "operations": {name: each for stream in streams for name, each in self._operations(stream).items()},
            "components": {
                "messages": {name: self._message(stream, layout) for name, stream, layout in self._messages()},
                **({"securitySchemes": self.servers.schemes} if self.servers.schemes else {}),
            },
        }

    # ---- channels and operations

    def _messages(self) -> list[tuple[str, str, Layout]]:
        """Give the name, the stream and the layout of every message."""
        streams = written(self.plan).streams
        return [
            (message_name(stream, layout), stream, layout)
            for stream in STREAMS
            if stream in streams
            for layout in streams[stream].layouts_of(stream)
        ]

    def _channel(self, stream: str) -> dict[str, Any]:
        target = written(self.plan)
        address = target.streams[stream].topic
        topics = [topic for topic in target.topics if topic.name in target.stream_topics[stream]]
        said = [STREAMS[stream].summary]
        if len(topics) > 1:
            said.append(f"{len(topics):,} topics, {topics[0].name} to {topics[-1].name}.")
            said += _exceptions(topics)
        return {
            "address": address,
            "title": STREAMS[stream].title,
            "description": " ".join(said),
            **({"parameters": found} if (found := self._parameters(address)) else {}),
            "messages": {
                name: {"$ref": f"#/components/messages/{name}"} for name, of, _ in self._messages() if of == stream
            },
            "tags": [{"name": stream}],
            "bindings": {"kafka": _topic_binding(topics[0], named=len(topics) == 1)},
        }

    def _parameters(self, address: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in re.findall(r"\{(\w+)\}", address):
            there = list(dict.fromkeys(getattr(machine, name) for machine in self.plan.roster.machines))
            few = {"enum": there} if len(there) <= ENUM_MAX else {"examples": there[:3]}
            found[name] = {"description": PARAMETERS[name], **few}
        return found

    def _operations(self, stream: str) -> dict[str, Any]:
        title = STREAMS[stream].title
        return {
            f"receive{title}": self._operation(stream, reads=True),
            f"send{title}": self._operation(stream, reads=False),
        }

    def _operation(self, stream: str, *, reads: bool) -> dict[str, Any]:
        said = STREAMS[stream]
        client = {"groupId": {**GROUP, "examples": [said.group]}} if reads else {"clientId": CLIENT}
        return {
            "action": "receive" if reads else "send",
            "channel": {"$ref": f"#/channels/{stream}"},
            "title": f"{'Read' if reads else 'Send'} {said.title.lower()}",
            "summary": f"{said.title}, {'for you to read' if reads else 'sent by fleet'}",
            "description": said.reader if reads else f"{SENT} {'run' if stream == 'runs' else 'machine'}.",
            "messages": [
                {"$ref": f"#/channels/{stream}/messages/{name}"} for name, of, _ in self._messages() if of == stream
            ],
            "tags": [{"name": "reader" if reads else "producer"}, {"name": stream}],
            "bindings": {"kafka": {**client, "bindingVersion": BINDING}},
        }

    # ---- messages

    def _message(self, stream: str, layout: Layout) -> dict[str, Any]:
        plan = written(self.plan).streams[stream]
        said = STREAMS[stream]
        framed = plan.format in SCHEMA_FORMATS
        examples = self.examples[stream, layout.name]
        key = {
            "type": "string",
            "description": "The run's id." if stream == "runs" else "The machine's id, as UTF-8 text.",
            **({"examples": [examples[0].key]} if examples else {}),
        }
        binding = {"key": key, **(self._schema_id(stream, layout) if framed else {}), "bindingVersion": BINDING}
        headed = sorted(examples[0].headers) if examples else []
        return {
            "name": record_name(layout) or said.record.replace(" ", ""),
            "title": f"{said.record}{f', version {number}' if (number := version_of(layout)) else ''}",
            "summary": said.summary,
            "description": "\n\n".join(part for part in (said.more, self._framing(stream, layout)) if part),
            "contentType": CONTENT_TYPES[plan.format],
            "payload": self._payload(layout, plan.format),
            **({"headers": _headers(headed)} if headed else {}),
            "correlationId": {
                "description": "What belongs together; the record's key is the same.",
                "location": f"$message.payload#/{_key_field(stream, layout)}",
            },
            "tags": [{"name": stream}],
            "bindings": {"kafka": binding},
            **({"examples": [_example(each) for each in examples]} if examples else {}),
        }

    def _payload(self, layout: Layout, form: str) -> dict[str, Any]:
        if form in SCHEMA_FORMATS:
            schema = self.payload(layout.schema_in(form), text_of(layout, form))
            return {"schemaFormat": SCHEMA_FORMATS[form], "schema": schema}
        if layout.schema:
            return json_schema(text_of(layout))
        return {
            "type": "object",
            "description": "A door that opened or closed.",
            "required": list(layout.fields),
            "properties": {
                "location": {"type": "string", "description": "Where the door is; also the record's key."},
                "state": {"type": "string", "enum": ["open", "closed"], "description": "What it is from now on."},
            },
        }

    def _schema_id(self, stream: str, layout: Layout) -> dict[str, str]:
        by_topic = self._subject(stream, layout).endswith("-value")
        strategy = "TopicNameStrategy" if by_topic else "TopicRecordNameStrategy"
        return {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "4", "schemaLookupStrategy": strategy}

    def _subject(self, stream: str, layout: Layout) -> str:
        """Name the subject at a registry, as a run registers it."""
        streams = written(self.plan).streams
        needed: dict[tuple[str, str], Needed] = {}
        for _, of, each in self._messages():
            form = streams[of].format
            if file := each.schema_in(form):
                needed[of, file] = Needed(file, text_of(each, form), streams[of].topic)
        return subjects_of(list(needed.values()))[needed[stream, layout.schema_in(streams[stream].format)]]

    def _framing(self, stream: str, layout: Layout) -> str:
        form = written(self.plan).streams[stream].format
        if form not in SCHEMA_FORMATS:
            return "JSON text in UTF-8, no schema's id before it."
        number = ids_of(written(self.plan).streams)[layout.schema_in(form)]
        return (
            f"{FRAMES[form]} Subject at a registry: `{self._subject(stream, layout)}`; "
            f"the id is {number} where the factory runs without one. {ENCODINGS[form]}"
        )


def _headers(names: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": names,
        "properties": {name: {"type": "string", "description": HEADERS.get(name, "")} for name in names},
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "name": re.sub(r"[^\w-]", "-", example.key),
        "summary": f"key {example.key}, partition {example.partition}",
        **({"headers": dict(example.headers)} if example.headers else {}),
        "payload": example.payload,
    }


def message_name(stream: str, layout: Layout) -> str:
    """Name a message among those of a document."""
    return re.sub(r"[^\w.-]", "-", f"{stream}-{layout.name}")


def record_name(layout: Layout) -> str:
    """Give the name of a layout's record; nothing where it has none."""
    return str(json.loads(text_of(layout)).get("name", "")) if layout.schema else ""


def version_of(layout: Layout) -> str:
    """Give the version that a layout of ours has in the name of its file."""
    found = re.search(r"\.v(\d+(?:-\w+)?)\.avsc$", layout.schema)
    return found[1] if found and not layout.own else ""


def _key_field(stream: str, layout: Layout) -> str:
    if stream == "doors":
        return "location"
    return "run" if stream == "runs" else layout.names.get("machine", layout.fields[0])


def _topic_binding(topic: TopicPlan, *, named: bool) -> dict[str, Any]:
    settings = {**OURS, **topic.configs}
    return {
        **({"topic": topic.name} if named else {}),
        "partitions": topic.partitions,
        "replicas": topic.replication,
        "topicConfiguration": {name: _setting(name, value) for name, value in settings.items()},
        "bindingVersion": BINDING,
    }


def _setting(name: str, value: str) -> Any:
    if name in LISTS:
        return value.split(",")
    return int(value) if name in NUMBERS else value


def _exceptions(topics: list[TopicPlan]) -> list[str]:
    """Name the topics that are made otherwise than the first of them."""
    other = [each for each in topics if (each.partitions, each.replication, each.configs) != _made(topics[0])]
    return [
        f"{each.name} has {each.partitions} partitions, replication {each.replication}." for each in other[:ENUM_MAX]
    ]


def _made(topic: TopicPlan) -> tuple[int, int, Mapping[str, str]]:
    return topic.partitions, topic.replication, topic.configs

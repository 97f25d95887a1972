"""Producer faults: what a wrong client does to records, beside the plan or to the readings it should have sent.

Most are of a client that writes into our topics and is none of ours. It sends valid readings of the run's own layout
at a steady rate, and its fault turns each into the records that it really sends: ``record -> records``. Silence and
burst are of the client that sends our own readings: they change when scans are sent, as network faults do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import SECOND_US, Bools, Ints, Record
from fleet.faults.entry import Entry, Parameter
from fleet.faults.network import NO_COPY, GatewayAt, NetworkFault, Sent

MAGIC = b"\x00"
"""What every framed record begins with; four bytes of its schema's id follow."""

FRAME_BYTES = 5
FIRST_WRONG, LAST_WRONG = 1, 120
"""First bytes that begin neither framed Avro (0) nor a JSON object (123)."""

HOT = "hot-"
"""What the hot key begins with: the incident's id follows."""

FRAMING = "Confluent wire format; dead letters of Kafka Connect and Kafka Streams"
LIMITS = "Kafka: max.message.bytes of a topic, 1,048,588 bytes if nobody says"


@dataclass(frozen=True, slots=True)
class ClientAt:
    """What a wrong client's fault is like at one record."""

    set: Mapping[str, float]
    chance: float  # in (0, 1), its own
    another: Callable[[], bytes]  # a valid value of another schema, of the same machine and instant


ProducerFault = Callable[[Record, ClientAt], tuple[Record, ...]]


def hot_key(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Send one key far more often than any other: all goes to one partition. The key is its own already."""
    return (record,)


def oversized_record(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Send a value that is larger than a broker takes: a reading, and zeros behind it up to *size*."""
    return (record._replace(value=(record.value or b"").ljust(int(at.set["size"]), b"\0")),)


def broken_framing(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Put a wrong byte in front: neither framed Avro nor JSON begins so."""
    first = FIRST_WRONG + int(at.chance * (LAST_WRONG - FIRST_WRONG + 1))
    return (record._replace(value=bytes([first]) + (record.value or b"")[1:]),)


def unknown_schema_id(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Frame the value with the id of a schema that nobody has; a text gets a frame for it."""
    value = record.value or b""
    body = value[FRAME_BYTES:] if value[:1] == MAGIC else value
    return (record._replace(value=MAGIC + int(at.set["schema"]).to_bytes(4, "big") + body),)


def truncated_body(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Cut the body off somewhere; the frame stays whole."""
    value = record.value or b""
    head = FRAME_BYTES if value[:1] == MAGIC else 1
    return (record._replace(value=value[: head + int(at.chance * (len(value) - head))]),)


def wrong_schema(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Send a valid record of another schema into the topic: a machine's event among readings."""
    return (record._replace(value=at.another()),)


def null_key(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Forget the key: the record goes to any partition."""
    return (record._replace(key=None),)


def tombstone(record: Record, at: ClientAt) -> tuple[Record, ...]:
    """Send no value: in a compacted topic that deletes the key."""
    return (record._replace(value=None),)


def silence(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Send nothing for a while; afterwards send at once all that was due."""
    return event_us, np.maximum(due_us, at.stop_us), present, np.full(len(due_us), NO_COPY, np.int64)


def burst(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Collect for a *period*, then send all of it at once."""
    period_us = np.rint(at.set["period"] * SECOND_US).astype(np.int64)
    sent_us = np.minimum(at.scan_us - at.age_us % period_us + period_us, at.stop_us)
    return event_us, np.maximum(due_us, sent_us), present, np.full(len(due_us), NO_COPY, np.int64)


def _rate(default: str) -> Parameter:
    return Parameter("rate", default, "records that the wrong client sends beside each machine it strikes", 1e-5, 1e4)


PRODUCER_FAULTS: Mapping[str, tuple[ProducerFault, Entry]] = {
    "hot_key": (
        hot_key,
        Entry(
            "A wrong client sends one key far more often than any machine sends its own.",
            "one partition grows much faster than the others; its key, hot- and the incident's id, is no machine's",
            "10min",
            {"rate": _rate("100/s")},
            "",
            "skew of keys as in the Yahoo! Cloud Serving Benchmark's hot spot distribution",
        ),
    ),
    "oversized_record": (
        oversized_record,
        Entry(
            "A wrong client sends records that are larger than a broker takes.",
            "the broker refuses them (MESSAGE_TOO_LARGE); where the topic's limit is higher, a few very large values",
            "10min",
            {
                "rate": _rate("6/min"),
                "size": Parameter("bytes", "2 MiB", "bytes of a value", 1024.0, 64.0 * 2**20),
            },
            "",
            LIMITS,
        ),
    ),
    "broken_framing": (
        broken_framing,
        Entry(
            "A wrong client sends values that begin with a wrong byte.",
            "a decoder stops at the first byte",
            "10min",
            {"rate": _rate("1/s")},
            "",
            FRAMING,
        ),
    ),
    "unknown_schema_id": (
        unknown_schema_id,
        Entry(
            "A wrong client frames its values with the id of a schema that nobody has.",
            "the registry answers 404 for the id",
            "10min",
            {
                "rate": _rate("1/s"),
                "schema": Parameter("ratio", "999999", "the id that it writes", 0.0, float(2**31 - 1)),
            },
            "",
            FRAMING,
        ),
    ),
    "truncated_body": (
        truncated_body,
        Entry(
            "A wrong client sends values whose body is cut off.",
            "a decoder runs out of bytes",
            "10min",
            {"rate": _rate("1/s")},
            "",
            FRAMING,
        ),
    ),
    "wrong_schema": (
        wrong_schema,
        Entry(
            "A wrong client sends machine events into the topic of readings.",
            "records that decode well and are no readings",
            "10min",
            {"rate": _rate("1/s")},
            "",
            FRAMING,
        ),
    ),
    "null_key": (
        null_key,
        Entry(
            "A wrong client forgets the key.",
            "readings of a machine in every partition, without an order among them; a compacted topic refuses them",
            "10min",
            {"rate": _rate("1/s")},
        ),
    ),
    "tombstone": (
        tombstone,
        Entry(
            "A wrong client sends keys without a value.",
            "null values; a compacted topic forgets the machine",
            "10min",
            {"rate": _rate("1/s")},
        ),
    ),
}
"""Of a wrong client: how each of its readings is turned into what it sends."""

HOLDING_FAULTS: Mapping[str, tuple[NetworkFault, Entry]] = {
    "silence": (
        silence,
        Entry(
            "The producer stops for a while, and then sends at once what was due.",
            "no record of its machines, then all of them at the same moment; nothing is lost, all is in order",
            "5min",
            {},
        ),
    ),
    "burst": (
        burst,
        Entry(
            "The producer collects its records and sends them in bursts.",
            "silences of one length, each followed by everything that was due in it",
            "10min",
            {"period": Parameter("duration", "10 s", "from one burst to the next", 0.1, 86_400.0)},
        ),
    ),
}
"""Of the client that sends our readings: when it does."""

INCOMPATIBLE_SCHEMA: tuple[str, Entry] = (
    "incompatible_schema",
    Entry(
        "Machines are to write by a schema that readers could not read; the registry refuses it.",
        "nothing in the records: the machines go on in the version that they had; the registry answers 409",
        "1min",
        {},
        "",
        "compatibility levels of Confluent's schema registry",
    ),
)
"""No incident's: a step of a scenario's evolution with ``refused: true`` is labelled as this."""

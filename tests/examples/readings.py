"""Ten thousand readings of four versions in a real Kafka, and the digest that every reader of version 3 must find."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from aiokafka import AIOKafkaProducer
from fastavro.read import SchemaResolutionError

from fleet.contract.access import Access
from fleet.contract.asking import RegistryRefusedError
from fleet.contract.examples import plain
from fleet.contract.registry import Registry
from fleet.encode.avro import frame
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError
from tests.cli.commands import fleet
from tests.integration.runs import Topics, acknowledged, run, values

SCENARIO = Path(__file__).with_name("readings.yaml")
RECORDS = 10_000
POISONED = Path(__file__).with_name("poisoned.yaml")
READER = plain(schema_text("machine-sensor.v3.avsc"))
# A body that is too short, a schema that is no reading's or no Avro, an id that the registry does not or cannot have.
UNREADABLE = (EOFError, IndexError, SchemaResolutionError, RegistryRefusedError, RequestError, json.JSONDecodeError)
DIGEST_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True)
class ReadingsLog:
    """A topic of a real Kafka, and what every consumer must have printed last when it has read it."""

    bootstrap: str
    registry: str
    topic: str
    records: int
    unreadable: int
    digest: str

    @property
    def last_line(self) -> str:
        return f"records={self.records} digest={self.digest}"

    def environment(self, group: str) -> dict[str, str]:
        """Give what a consumer is told by its environment; the group is a new one, so it reads from the beginning."""
        return {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "SCHEMA_REGISTRY": self.registry,
            "TOPIC": self.topic,
            "GROUP": f"{group}-{uuid.uuid4().hex[:8]}",
            "RECORDS": str(self.records + self.unreadable),
        }


def write_readings(bootstrap: str, registry: str) -> ReadingsLog:
    """Write the readings by a run with ids of the registry at URL *registry*; give where they are, and their digest."""
    topics = Topics()
    acknowledged(run(bootstrap, topics, "--speed", "max", "--registry", registry, scenario=str(SCENARIO)))
    return asyncio.run(_logged(bootstrap, registry, topics.readings))


def write_poisoned(bootstrap: str, registry: str) -> ReadingsLog:
    """Write readings, and among them what nobody can read, as *write_readings* does."""
    topics = Topics()
    words = (*topics.words, "--set", f"records.labels.topic={topics.readings}.labels", "--registry", registry)
    ended = fleet("run", str(POISONED), "--to", f"kafka://{bootstrap}", *words, "--speed", "max", "--exit")
    assert ended.code == 0, ended.err
    asyncio.run(_write_protobuf(bootstrap, registry, topics.readings))
    return asyncio.run(_logged(bootstrap, registry, topics.readings))


async def _write_protobuf(bootstrap: str, registry: str, topic: str) -> None:
    """Write a record of another kind of schema, which the registry has."""
    async with Registry(Access((registry,))) as client:
        number = await client.register(f"{topic}.protobuf-value", schema_text("machine-sensor.v2.proto"))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, frame(number) + b"\0", partition=0)


async def _logged(bootstrap: str, registry: str, topic: str) -> ReadingsLog:
    """Read *topic* as the latest published version has it, by fastavro and the registry alone."""
    records: list[Any] = []
    writers: dict[bytes, Any] = {}
    framed = values(bootstrap, topic)
    async with Registry(Access((registry,))) as client:
        for value in framed:
            head, body = value[:5], BytesIO(value[5:])
            try:
                if head not in writers:
                    writers[head] = plain(await client.by_id(int.from_bytes(head, "big")))  # it begins with 0
                records.append(fastavro.schemaless_reader(body, writers[head], READER))
            except UNREADABLE:
                continue
    return ReadingsLog(bootstrap, registry, topic, len(records), len(framed) - len(records), digest(records))


def digest(records: Iterable[Mapping[str, Any]]) -> str:
    """Sum the first eight bytes of the SHA-256 of each record's text modulo 2^64: the same in any order of records.

    The text is ``machine|sensor|units|VALUE|timestamp|seq|quality|machine_id``, VALUE the bits of the double (IEEE 754,
    big-endian) as 16 hexadecimal digits, the timestamp in microseconds.
    """
    return f"{sum(map(_number, records)) % DIGEST_MODULUS:016x}"


def _number(record: Mapping[str, Any]) -> int:
    bits = struct.pack(">d", record["value"]).hex()
    names = (record["machine"], record["sensor"], record["units"], bits)
    text = "|".join(map(str, (*names, record["timestamp"], record["seq"], record["quality"], record["machine_id"])))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

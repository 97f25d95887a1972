"""Ten thousand readings of three versions in a real Kafka, and the digest that every reader of version 3 must find."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro

from fleet.contract.access import Access
from fleet.contract.examples import plain
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.integration.runs import Topics, acknowledged, run, values

SCENARIO = Path(__file__).with_name("readings.yaml")
RECORDS = 10_000
# One run a version, each after the one before it; the scenario makes 20 readings a second.
RUNS = (("v1", "06:00:00", "100s"), ("v2", "06:01:40", "200s"), ("v3", "06:05:00", "200s"))
DIGEST_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True)
class ReadingsLog:
    """A topic of a real Kafka, and what every consumer must have printed last when it has read it."""

    bootstrap: str
    registry: str
    topic: str
    digest: str

    @property
    def last_line(self) -> str:
        return f"records={RECORDS} digest={self.digest}"

    def environment(self, group: str) -> dict[str, str]:
        """Give what a consumer is told by its environment; the group is a new one, so it reads from the beginning."""
        return {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "SCHEMA_REGISTRY": self.registry,
            "TOPIC": self.topic,
            "GROUP": f"{group}-{uuid.uuid4().hex[:8]}",
            "RECORDS": str(RECORDS),
        }


def write_readings(bootstrap: str, registry: str) -> ReadingsLog:
    """Write the readings by runs with ids of the registry at URL *registry*; give where they are, and their digest."""
    topics = Topics()
    for layout, clock, span in RUNS:
        words = ("--set", f"records.readings.layout={layout}", "--start", f"2026-03-02T{clock}Z", "--for", span)
        acknowledged(run(bootstrap, topics, *words, "--speed", "max", "--registry", registry, scenario=str(SCENARIO)))
    records = asyncio.run(_read(values(bootstrap, topics.readings), registry))
    assert len(records) == RECORDS
    return ReadingsLog(bootstrap, registry, topics.readings, digest(records))


async def _read(framed: Iterable[bytes], registry: str) -> list[dict[str, Any]]:
    """Read *framed* records as the latest published version has them, by fastavro and the registry alone."""
    reader = plain(schema_text("machine-sensor.v3.avsc"))
    writers: dict[int, Any] = {}
    records: list[Any] = []
    async with Registry(Access((registry,))) as client:
        for value in framed:
            number = int.from_bytes(value[1:5], "big")
            if number not in writers:
                writers[number] = plain(await client.by_id(number))
            records.append(fastavro.schemaless_reader(BytesIO(value[5:]), writers[number], reader))
    assert len(writers) == len(RUNS), "every version is there, with an id of its own"
    return records


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

"""Readers of other makes: kcat, Java's console consumer, and groups of Python's clients."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer

from tests.integration.runs import Topics, acknowledged, run
from tests.services.kafka import Kafka

READ_WITHIN_S = 30.0
MEMBERS = 3
READINGS = 9_000


@pytest.fixture(scope="module")
def topics(kafka: Kafka) -> Topics:
    """Give topics that hold two minutes of the quickstart as JSON."""
    made = Topics()
    told = run(kafka.bootstrap, made, "--for", "2min", "--speed", "max", "--format", "json")
    assert acknowledged(told) == READINGS
    return made


def test_kcat_reads_them(kafka: Kafka, topics: Topics) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("no kcat here")

    command = [
        "kcat",
        "-b",
        kafka.bootstrap,
        "-C",
        "-t",
        topics.readings,
        "-o",
        "beginning",
        "-e",
        "-q",
        "-f",
        "%k %s\n",
    ]
    read = subprocess.run(command, capture_output=True, text=True, timeout=READ_WITHIN_S, check=True).stdout

    keys, values = zip(*(line.split(" ", 1) for line in read.splitlines()), strict=True)
    assert len(keys) == READINGS
    assert list(keys) == [json.loads(value)["machine"] for value in values]


def test_the_java_console_consumer_reads_them(kafka: Kafka, topics: Topics) -> None:
    read = kafka.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", kafka.bootstrap, "--topic", topics.readings, "--from-beginning"),
        *("--max-messages", str(READINGS), "--timeout-ms", "20000"),
    )

    machines = Counter(json.loads(line)["machine"] for line in read.splitlines())
    assert machines.total() == READINGS
    assert len(machines) == 10


async def test_each_of_three_members_of_a_group_reads_its_own_partitions(kafka: Kafka, topics: Topics) -> None:
    members = [await member(kafka, topics, group="three") for _ in range(MEMBERS)]
    seen: list[Counter[tuple[int, int]]] = [Counter() for _ in members]
    try:
        await shared_out(members)
        async with asyncio.timeout(READ_WITHIN_S):
            while sum(map(len, seen)) < READINGS:
                for one, records in zip(members, seen, strict=True):
                    for batch in (await one.getmany(timeout_ms=50)).values():
                        records.update((record.partition, record.offset) for record in batch)
    finally:
        await asyncio.gather(*(one.stop() for one in members))

    partitions = [{partition for partition, _ in records} for records in seen]
    assert all(partitions)
    assert sum(map(len, partitions)) == len(set().union(*partitions))
    assert sum(seen, Counter()).total() == len(set().union(*seen)) == READINGS


async def test_a_group_that_is_started_later_sees_all_of_them(kafka: Kafka, topics: Topics) -> None:
    late = await member(kafka, topics, group="late")
    seen: list[tuple[int, int]] = []
    machines: dict[bytes, int] = {}
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            while len(seen) < READINGS:
                for batch in (await late.getmany(timeout_ms=200)).values():
                    seen += [(record.partition, record.offset) for record in batch]
                    for record in batch:
                        number = json.loads(record.value)["seq"]
                        assert number == machines.get(record.key, -1) + 1
                        machines[record.key] = number
    finally:
        await late.stop()

    assert len(set(seen)) == READINGS
    assert len(machines) == 10


async def member(kafka: Kafka, topics: Topics, *, group: str) -> AIOKafkaConsumer:
    """Start a member of a *group* that begins at the first record there is."""
    consumer = AIOKafkaConsumer(
        topics.readings, bootstrap_servers=kafka.bootstrap, group_id=f"{topics.readings}-{group}",
        auto_offset_reset="earliest", enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    return consumer


async def shared_out(members: list[AIOKafkaConsumer]) -> None:
    """Wait until each member has its share of the partitions."""
    async with asyncio.timeout(READ_WITHIN_S):
        while sorted(len(one.assignment()) for one in members) != [4] * MEMBERS:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.05)

"""The discard server of the benchmark counts what real clients send, and notices what a broker would refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import Producer

from bench.ledger import Ledger
from bench.wire import Error
from tests.services.jars import ROOT

TIMEOUT_S = 20.0
RECORDS = 1_000
PARTITIONS = 12

Counts = Callable[[], dict[str, Any]]


@pytest.fixture
def discard() -> Iterator[tuple[str, Counts]]:
    """Give a server's address, and what ends it and gives its counts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.discard", "--partitions", str(PARTITIONS)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None

    def counts() -> dict[str, Any]:
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=TIMEOUT_S)
        found: dict[str, Any] = json.loads(out)
        return found

    try:
        yield process.stdout.readline().strip().removeprefix("bootstrap="), counts
    finally:
        process.kill()
        process.communicate()


async def test_it_counts_what_aiokafka_sends(discard: tuple[str, Counts]) -> None:
    bootstrap, counts = discard
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()

    for number in range(RECORDS):
        await producer.send("readings", b"value", b"key", partition=number % 2)
    await producer.stop()

    found = counts()
    assert found["records"]["readings"]["0"] == found["records"]["readings"]["1"] == RECORDS / 2
    assert found["faults"] == {"crc": 0, "sequence": 0}


def test_it_counts_what_librdkafka_sends(discard: tuple[str, Counts]) -> None:
    bootstrap, counts = discard
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})

    for number in range(RECORDS):
        producer.produce("readings", b"value", b"key", partition=number % PARTITIONS)
    left = producer.flush(TIMEOUT_S)

    found = counts()
    assert left == 0
    assert sum(found["records"]["readings"].values()) == RECORDS
    assert len(found["records"]["readings"]) == PARTITIONS
    assert found["faults"] == {"crc": 0, "sequence": 0}


def batch(*, sequence: int, records: int = 10) -> bytearray:
    """Build a batch of one producer as aiokafka does."""
    builder = DefaultRecordBatchBuilder(
        2, compression_type=0, is_transactional=False, producer_id=1, producer_epoch=0, base_sequence=sequence,
        batch_size=1 << 16,
    )  # fmt: skip
    for offset in range(records):
        builder.append(offset, 0, b"key", b"value", [])
    return builder.build()


def test_a_flipped_bit_is_noticed_and_not_counted() -> None:
    ledger, damaged = Ledger(), batch(sequence=0)
    damaged[-1] ^= 1

    answer = ledger.add("readings", 0, memoryview(damaged))

    assert answer == (Error.CORRUPT_MESSAGE, -1)
    assert ledger.as_json()["faults"] == {"crc": 1, "sequence": 0}
    assert ledger.end("readings", 0) == 0


def test_a_gap_in_the_sequence_is_noticed_and_not_counted() -> None:
    ledger = Ledger()

    first = ledger.add("readings", 0, memoryview(batch(sequence=0)))
    beyond = ledger.add("readings", 0, memoryview(batch(sequence=11)))

    assert first == (Error.NONE, 0)
    assert beyond == (Error.OUT_OF_ORDER_SEQUENCE, -1)
    assert ledger.as_json()["faults"] == {"crc": 0, "sequence": 1}
    assert ledger.end("readings", 0) == 10


def test_a_batch_sent_again_is_acknowledged_and_counted_once() -> None:
    ledger = Ledger()

    answers = [ledger.add("readings", 0, memoryview(batch(sequence=0)))[0] for _ in range(2)]

    assert answers == [Error.NONE, Error.NONE]
    assert ledger.end("readings", 0) == 10
    assert ledger.as_json()["duplicates"] == 1

"""aiokafka's producer with every option we rely on, started and stopped within bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaProducer

from fleet.data import PackedBatch, Record
from fleet.errors import RequestError
from fleet.sinks.connect import error_name
from fleet.sinks.connection import Connection
from fleet.sinks.logs import log_sparingly
from fleet.sinks.prebuilt import PrebuiltBatch
from fleet.sinks.settings import ProducerSettings
from fleet.sinks.unjoined import write_unjoined

START_TIMEOUT_S = 10.0
GIVEN_UP_S = 1.0  # for a producer that was never used to come to rest
STOP_AGAIN_S = 2.0  # for a producer whose orderly stop did not end
WIRE_BATCH_BYTES_MAX = 1024 * 1024
BATCH_HEAD_BYTES = 61
RECORD_HEAD_BYTES = 40  # at most: attributes and the varints of lengths, deltas and the count of headers
HEADER_HEAD_BYTES = 10


async def start_producer(connection: Connection, settings: ProducerSettings) -> Any:
    """Start a producer; RequestError when it cannot be within `START_TIMEOUT_S`."""
    log_sparingly()
    producer = AIOKafkaProducer(
        **connection.client_options(),
        **settings.producer_options,
        transactional_id=None,
        compression_type=None,
        max_batch_size=max(settings.batch_bytes, WIRE_BATCH_BYTES_MAX),
        max_request_size=max(
            settings.batch_bytes, WIRE_BATCH_BYTES_MAX
        ),  # of single sends only: whole batches are not looked at
        linger_ms=0,  # a batch of ours is whole when it comes
    )
    await started(producer, connection)
    _let_it_die(producer)
    _look_up_quickly(producer)
    write_unjoined(producer)
    return producer


async def started(producer: Any, connection: Connection) -> None:
    """Start *producer*, or stop it again; RequestError when it cannot be started within `START_TIMEOUT_S`."""
    starting = asyncio.create_task(producer.start())
    try:
        done, _ = await asyncio.wait({starting}, timeout=START_TIMEOUT_S)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=GIVEN_UP_S)  # cut off in the middle it leaves its connection open
        await _given_up(producer, starting)
        raise
    error = starting.exception() if done else None
    if done and error is None:
        return
    await _given_up(producer, starting)
    if error is None:
        raise RequestError(
            f"kafka: {connection.bootstrap} gives no producer id within {START_TIMEOUT_S:.0f} s; are all brokers up?"
        )
    if not isinstance(error, kafka_errors.KafkaError):
        raise error
    raise RequestError(f"kafka: {connection.bootstrap} lets no producer in: {error_name(error)}") from error


async def _given_up(producer: Any, starting: asyncio.Task[None]) -> None:
    """Stop a *producer* that did not start, or that nobody waits for any more."""
    starting.cancel()  # ours: aiokafka starts its own tasks last
    await asyncio.wait({starting}, timeout=GIVEN_UP_S)
    await stop_producer(producer, timeout_s=GIVEN_UP_S)


def _let_it_die(producer: Any) -> None:
    """Give who dies somebody to tell: a sender that ends with an error tells a waiter that only transactions have."""
    manager = producer._txn_manager
    if manager is not None and manager._transaction_waiter is None:
        waiter = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(asyncio.Future.exception)  # heard, and known by other ways
        manager._transaction_waiter = waiter


def _look_up_quickly(producer: Any) -> None:
    """Let a batch's partition be looked up: aiokafka copies the set of all partitions, twice for each batch."""
    cluster = producer.client.cluster

    def partitions_for_topic(topic: str) -> Any:
        known = cluster._partitions.get(topic)
        return None if known is None else known.keys()

    cluster.partitions_for_topic = partitions_for_topic


async def stop_producer(producer: Any, *, timeout_s: float) -> None:
    """Stop *producer*, for at most *timeout_s* in good order and then whatever it still waits for.

    Idempotent batches never expire while a leader is gone, and an orderly stop waits for them for ever
    (aiokafka's issue 1101). Its tasks must not be cancelled from outside (issue 1039): so its batches are
    failed, after which it stops by itself, and at last its connections are closed.
    """
    stopping = asyncio.create_task(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=timeout_s)
    if not done:
        producer._message_accumulator.fail_all(kafka_errors.ProducerClosed())
        done, _ = await asyncio.wait({stopping}, timeout=STOP_AGAIN_S)
    if not done:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(producer.client.close(), STOP_AGAIN_S)
        done, _ = await asyncio.wait({stopping}, timeout=STOP_AGAIN_S)
    for task in done:
        # A sender that died says so again when it is closed; what it was about is known by then.
        task.exception()


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A packed batch ready to be sent: its records compressed, or as they are."""

    batch: PackedBatch
    attributes: int

    def __len__(self) -> int:
        return len(self.batch)


Part = Sequence[Record] | Packed
"""What goes into one wire batch."""


def build_batch(producer: Any, part: Part) -> Any:
    """Make one wire batch of *producer* of records, or of bytes that are there already."""
    if isinstance(part, Packed):
        return PrebuiltBatch(part.batch, part.attributes)
    batch = producer.create_batch()
    append = batch.append
    for key, value, timestamp_ms, headers in part:
        taken = append(key=key, value=value, timestamp=timestamp_ms, headers=list(headers))
        assert taken is not None, "the records were split to fit"
    batch.close()
    return batch


def record_bytes(record: Record) -> int:
    """Give an upper bound of what *record* takes in a batch."""
    size = RECORD_HEAD_BYTES + len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += HEADER_HEAD_BYTES + 4 * len(name) + len(value)
    return size


def split(records: Sequence[Record], limit: int) -> list[Sequence[Record]]:
    """Cut *records* so that each part fits a wire batch of *limit* bytes.

    A record that fits none is a part of its own: the broker says what it thinks of it.
    """
    parts: list[Sequence[Record]] = []
    room = limit - BATCH_HEAD_BYTES
    start, size = 0, 0
    for at, record in enumerate(records):
        more = record_bytes(record)
        if size + more > room and at > start:
            parts.append(records[start:at])
            start, size = at, 0
        size += more
    if start < len(records):
        parts.append(records[start:])
    return parts

"""A wrong client beside ours: a plain producer of its own, whose refusals are what it is there for.

It is not idempotent, so what a broker refuses of it wedges nothing; it has its own connection, and a bounded number of
records waits for it. When it takes nothing any more, what comes is refused at once: it never keeps ours waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaProducer

from fleet.data import INJECTED, Record, RecordBatch, TopicSeen
from fleet.errors import FleetError
from fleet.sinks.connect import error_name
from fleet.sinks.connection import Connection
from fleet.sinks.producer import record_bytes, started, stop_producer
from fleet.sinks.settings import max_message_bytes
from fleet.sinks.sink import Books, delivery_of

CLIENT_ID = "fleet-wrong-client"
HELD_MAX = 5000  # records that wait or have no answer yet
HELD_BYTES_MAX = 128 << 20  # likewise; the largest record has half of it
BATCH_BYTES = 16 * 1024  # as clients have it where nobody says otherwise
REQUEST_BYTES_MAX = 80 << 20  # brokers take 100 MiB
REQUEST_TIMEOUT_MS = 15_000
ROOM_S = 5.0  # how long ours waits for it, once
STOP_TIMEOUT_S = 5.0

Item = tuple[Record, str, int]


class WrongClient:
    """Sends batches of the stream INJECTED, and books them under it."""

    def __init__(self, connection: Connection, topics: Mapping[str, TopicSeen], books: Books) -> None:
        self._connection, self._topics, self._books = connection, topics, books
        self._row = delivery_of(books.delivery, INJECTED)
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue()  # bounded by what is held
        self._on_way: dict[asyncio.Future[Any], int] = {}  # with the size of the record
        self._bytes = 0
        self._room = asyncio.Event()
        self._stuck = False
        self._dead = False
        self._pump = asyncio.create_task(self._run())

    async def send(self, batch: RecordBatch) -> None:
        """Take over a *batch*, record by record; what there is no room for is refused. Never raises."""
        seen = self._topics.get(batch.topic)
        # A broker that tells its limit enforces it; the embedded one does neither, so the client looks itself.
        limit = max_message_bytes(seen or TopicSeen(0, ())) if seen is None or not seen.settings else REQUEST_BYTES_MAX
        for record in batch.records:
            size = record_bytes(record)
            if size > limit or not await self._has_room(size):
                self._row.failed += 1
                continue
            self._row.pending += 1
            self._bytes += size
            self._queue.put_nowait((record, batch.topic, batch.partition))

    async def _has_room(self, size: int) -> bool:
        """Wait for room, once for as long as that may take."""
        while self._row.pending >= HELD_MAX or (self._bytes and self._bytes + size > HELD_BYTES_MAX):
            if self._stuck or self._dead:
                return False
            self._room.clear()
            try:
                async with asyncio.timeout(ROOM_S):
                    await self._room.wait()
            except TimeoutError:
                self._stuck = True
                self._say("kafka: the wrong client takes nothing any more; what it was to send counts as refused")
        return not self._dead

    async def _run(self) -> None:
        """Start the producer, and hand over what comes."""
        producer = AIOKafkaProducer(
            **(self._connection.client_options() | {"client_id": CLIENT_ID}),
            acks="all",
            enable_idempotence=False,
            transactional_id=None,
            compression_type=None,
            max_batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES_MAX,
            linger_ms=0,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await started(producer, self._connection)
            while (item := await self._queue.get()) is not None:
                await self._hand_over(producer, *item)
            if self._on_way:
                await asyncio.wait(self._on_way)
        except FleetError as error:
            self._say(f"{error}; what a wrong client was to send counts as refused")
        finally:
            self._dead = True
            for future in [*self._on_way]:  # an answer that comes now comes too late
                self._settle(self._on_way.pop(future), "in_doubt")
            self._forsake()
            await stop_producer(producer, timeout_s=STOP_TIMEOUT_S)

    async def _hand_over(self, producer: Any, record: Record, topic: str, partition: int) -> None:
        size = record_bytes(record)
        try:
            future = await producer.send(
                topic, record.value, record.key, partition, record.timestamp_ms, list(record.headers)
            )
        except kafka_errors.KafkaError as error:  # too large, or no room for as long as a request may take
            self._refused(size, topic, error)
            return
        except asyncio.CancelledError:
            self._settle(size, "failed")
            raise
        self._on_way[future] = size
        future.add_done_callback(partial(self._answered, topic))

    def _answered(self, topic: str, future: asyncio.Future[Any]) -> None:
        """Take note of the answer to a record."""
        size = self._on_way.pop(future, None)
        if size is None:
            future.cancelled() or future.exception()  # heard, and known already
            return
        error = kafka_errors.ProducerClosed() if future.cancelled() else future.exception()
        if error is None:
            self._settle(size, "acknowledged")
        elif isinstance(error, kafka_errors.BrokerResponseError) and not error.retriable:
            self._refused(size, topic, error)
        else:
            self._settle(size, "in_doubt")

    def _refused(self, size: int, topic: str, error: BaseException) -> None:
        self._settle(size, "failed")
        self._say(f"kafka: {topic!r} refuses records of the wrong client ({error_name(error)}), as it should")

    def _settle(self, size: int, outcome: str) -> None:
        """Move a record to the column of the account it belongs to."""
        self._row.pending -= 1
        self._bytes -= size
        setattr(self._row, outcome, getattr(self._row, outcome) + 1)
        self._stuck = False
        self._room.set()

    def _forsake(self) -> None:
        """Count what waits as refused."""
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if item is not None:
                self._settle(record_bytes(item[0]), "failed")

    def _say(self, text: str) -> None:
        if text not in self._books.notices:
            self._books.notices.append(text)

    async def close(self, *, timeout_s: float) -> None:
        """Drain for at most *timeout_s*; what has no answer then is in doubt."""
        self._queue.put_nowait(None)
        await asyncio.wait({self._pump}, timeout=timeout_s)
        self._pump.cancel()
        await asyncio.wait({self._pump}, timeout=2 * STOP_TIMEOUT_S)
        if self._pump.done() and not self._pump.cancelled():
            self._pump.result()

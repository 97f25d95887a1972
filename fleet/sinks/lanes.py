"""Several producers to one Kafka, each with some of the partitions.

aiokafka has one request in flight to a broker: until its answer has come and been read, the broker has nothing to do,
and over a long way that is most of the time. With a second producer there is a second request. Records are in order
within a partition, whose batches all go the same way, so nothing else changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fleet.data import INJECTED, Batch, RecordBatch, TopicSeen
from fleet.sinks.connect import reach
from fleet.sinks.connection import Connection
from fleet.sinks.kafka import KafkaSink
from fleet.sinks.producer import start_producer, stop_producer
from fleet.sinks.settings import ProducerSettings
from fleet.sinks.sink import Books
from fleet.sinks.wrong_client import WrongClient

STOP_TIMEOUT_S = 1.0  # for one that has sent nothing


class Lanes:
    """A Kafka sink of several; made by `start_lanes`. What is injected goes by a client of its own."""

    def __init__(
        self, lanes: Sequence[KafkaSink], books: Books, connection: Connection, topics: Mapping[str, TopicSeen]
    ) -> None:
        self.delivery, self.latency, self.notices = books.delivery, books.latency, books.notices
        self._lanes = lanes
        self._beside = connection, topics, books
        self._wrong: WrongClient | None = None
        self._lane_of: dict[tuple[str, int], KafkaSink] = {}

    async def send(self, batch: Batch) -> None:
        """Take over a *batch*; RunError when there is no room within the deadline, or no hope."""
        if batch.stream == INJECTED and isinstance(batch, RecordBatch):
            self._wrong = self._wrong or WrongClient(*self._beside)
            await self._wrong.send(batch)
            return
        place = batch.topic, batch.partition
        lane = self._lane_of.get(place)
        if lane is None:
            lane = self._lane_of[place] = self._lanes[len(self._lane_of) % len(self._lanes)]
        await lane.send(batch)

    async def close(self, *, timeout_s: float) -> None:
        """Drain all lanes for at most *timeout_s*."""
        closing = [lane.close(timeout_s=timeout_s) for lane in self._lanes]
        if self._wrong is not None:
            closing.append(self._wrong.close(timeout_s=timeout_s))
        await asyncio.gather(*closing)


async def start_lanes(
    connection: Connection,
    topics: Mapping[str, TopicSeen],
    *,
    settings: ProducerSettings,
    lanes: int,
    deadline_s: float,
) -> Lanes:
    """Connect with so many *lanes*; RequestError says in one line why that is not possible."""
    await reach(connection)
    starting = [asyncio.create_task(start_producer(connection, settings)) for _ in range(lanes)]
    try:
        await asyncio.wait(starting)
        started = [one.result() for one in starting]
    except BaseException:  # one cannot start, or nobody waits for them any more: then none is left
        for one in starting:
            one.cancel()
        ended = await asyncio.gather(*starting, return_exceptions=True)
        running = [one for one in ended if not isinstance(one, BaseException)]
        await asyncio.gather(*(stop_producer(one, timeout_s=STOP_TIMEOUT_S) for one in running))
        raise
    books = Books()
    sinks = [KafkaSink(connection, one, topics, settings, deadline_s=deadline_s, books=books) for one in started]
    return Lanes(sinks, books, connection, topics)

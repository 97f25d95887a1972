"""Read whole partitions fast: fetch requests of our own through aiokafka's client, batches as they are.

aiokafka's consumer makes an object of every record, which takes longer than all that is done with them here. Only
its client (connections, metadata) and the classes of its protocol are used; a contract test names the members.
Every broker has one request under way while the answer before it is being looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiokafka.errors as kafka_errors
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

from fleet.data import RawBatches
from fleet.errors import FleetError, RequestError, RunError
from fleet.sinks.batches import BatchHeader, headers, pieces
from fleet.sinks.connect import error_name, reach
from fleet.sinks.connection import Connection
from fleet.sinks.logs import LOG, log_sparingly
from fleet.sinks.reader import SILENCE_S, Trimmed, settled
from fleet.sinks.topics import beginning_offsets

FETCH_BYTES = 8 << 20  # an answer; memory is at most two answers a broker, and one of them decompressed
PARTITION_BYTES = 2 << 20
MIN_BYTES = 1
MAX_WAIT_MS = 500
LONG_WAIT_MS = 2000  # where there are thousands of partitions, whose names alone are a lot to send and to read
UNCOMMITTED = 0
REQUEST_TIMEOUT_MS = 10_000
BACK_OFF_S = 0.1
TELL_AFTER_S = 3.0  # what lasts longer a person should know
START_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
PASSING = frozenset({74, 75, 78})
"""Errors that aiokafka does not know: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE."""


async def fetch(
    connection: Connection, topic: str, offsets: Mapping[int, tuple[int, int | None]]
) -> AsyncIterator[RawBatches | Trimmed]:
    """Read, for each partition, the batches with *offsets* from a start to a stop (None: for ever).

    Gives them as they come, in order of offset within a partition: each goes on at the offset at which the one
    before stopped, and holds the offsets from its ``start`` to its ``stop``. `Trimmed` is for what the broker does
    not have. RunError when a partition cannot be read for `SILENCE_S` before its stop.
    """
    await reach(connection)
    trimmed, spans = await settled(connection, topic, offsets)
    for gone in trimmed:
        yield gone
    if not spans:
        return
    async with _connected(connection, topic) as client:
        reading = _Reading(connection, client, topic, spans)
        try:
            while not reading.done:
                async for found in reading.turn():
                    yield found
        finally:
            await reading.close()


@asynccontextmanager
async def _connected(connection: Connection, topic: str) -> AsyncIterator[Any]:
    """Give a started client that knows who leads *topic*."""
    log_sparingly()
    client = AIOKafkaClient(request_timeout_ms=REQUEST_TIMEOUT_MS, **connection.client_options())
    failed: type[FleetError] = RequestError
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await client.bootstrap()
            await client.set_topics([topic])
        failed = RunError
        yield client
    except (TimeoutError, kafka_errors.KafkaError) as error:
        raise failed(f"kafka: cannot read from {connection.bootstrap}: {error_name(error)}") from error
    finally:
        closing = asyncio.create_task(client.close())
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
        if closing.done() and not closing.cancelled():
            closing.exception()


class _Part(NamedTuple):
    """What one answer has of one partition."""

    partition: int
    code: int
    answer: bytes

    @property
    def error(self) -> type[kafka_errors.KafkaError]:
        """The error that the code stands for."""
        error: type[kafka_errors.KafkaError] = kafka_errors.for_code(self.code)
        return error

    @property
    def passes(self) -> bool:
        """Whether the error may be gone at the next try."""
        return bool(self.error.retriable or self.error.invalid_metadata) or self.code in PASSING


class _Place:
    """How far one partition is."""

    def __init__(self, start: int, stop: int | None) -> None:
        self.at = start  # next offset to ask for
        self.stop = stop
        self.moved_s = time.monotonic()  # when all was well with it last
        self.trouble = ""  # what has kept it from being read since then

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask for."""
        return self.stop is not None and self.at >= self.stop


class _Reading:
    """Requests under way, and answers that nobody has looked at yet: at most one of each for a broker."""

    def __init__(
        self, connection: Connection, client: Any, topic: str, spans: Mapping[int, tuple[int, int | None]]
    ) -> None:
        self._connection = connection
        self._client = client
        self._topic = topic
        self._places = {p: _Place(start, stop) for p, (start, stop) in spans.items()}
        self._turns = deque(self._places)  # who was served longest ago is asked for first
        self._flights: dict[int, asyncio.Task[list[_Part]]] = {}
        self._asked: dict[int, set[int]] = {}  # partitions, by the broker that was asked
        self._stale = False
        self._told = False  # of the trouble there is now

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return all(place.done for place in self._places.values()) and not self._flights

    async def close(self) -> None:
        """Give up what is under way."""
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    async def turn(self) -> AsyncIterator[RawBatches | Trimmed]:
        """Ask the brokers that are free, wait for an answer and look at it while they work on the next one."""
        await self._ask()
        if not self._flights:
            await self._wait_for_leaders()
            return
        landed, _ = await asyncio.wait(self._flights.values(), return_when=asyncio.FIRST_COMPLETED)
        found: list[tuple[_Part, list[BatchHeader], int]] = []
        lost: list[int] = []
        for node in [node for node, flight in self._flights.items() if flight in landed]:
            parts = await self._landed(node)
            for part in parts:
                if part.error is kafka_errors.OffsetOutOfRangeError:
                    lost.append(part.partition)
                elif part.error is not kafka_errors.NoError:
                    self._refused(part)
                else:
                    found += self._taken(part)
        for gone in await self._gone(lost):
            yield gone
        if found:
            await self._ask()
        for part, batches, start in found:
            for piece in self._pieces(part, batches, start):
                yield piece
        self._judge_silence()

    # ------------------------------------------------------------ asking

    async def _ask(self) -> None:
        """Send a request to every broker that has none and leads a partition that is not done."""
        if self._stale:
            self._stale = False
            await asyncio.wait([self._client.force_metadata_update()], timeout=REQUEST_TIMEOUT_MS / 1000)
        wanted: dict[int, list[tuple[int, int, int]]] = {}
        for p in self._turns:
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, p))
            if self._places[p].done or any(p in asked for asked in self._asked.values()):
                continue
            if leader is None or leader < 0:
                self._trouble(p, "LeaderNotAvailableError")
            elif leader not in self._flights:
                wanted.setdefault(leader, []).append((p, self._places[p].at, PARTITION_BYTES))
        for node, parts in wanted.items():
            self._asked[node] = {p for p, _, _ in parts}
            self._flights[node] = asyncio.create_task(self._flight(node, parts))
        await asyncio.sleep(0)  # lets the requests go out before the answers at hand are looked at

    async def _flight(self, node: int, parts: list[tuple[int, int, int]]) -> list[_Part]:
        wait_ms = min(max(MAX_WAIT_MS, len(parts) // 2), LONG_WAIT_MS)
        request = FetchRequest(wait_ms, MIN_BYTES, FETCH_BYTES, UNCOMMITTED, [(self._topic, parts)])
        response = await self._client.send(node, request)
        # The batches come last in every version of the answer.
        return [_Part(row[0], row[1], row[-1] or b"") for _, rows in response.topics for row in rows]

    async def _landed(self, node: int) -> list[_Part]:
        """Take the answer of a broker; none where it gave none, which is tried again."""
        flight, asked = self._flights.pop(node), self._asked.pop(node)
        try:
            return flight.result()
        except kafka_errors.KafkaError as error:
            for p in asked:
                self._trouble(p, error_name(error))
            await asyncio.sleep(BACK_OFF_S)
            return []

    async def _wait_for_leaders(self) -> None:
        """Wait a moment where no partition that is left has a leader."""
        await asyncio.sleep(BACK_OFF_S)
        self._judge_silence()

    # ------------------------------------------------------------ answers

    def _taken(self, part: _Part) -> list[tuple[_Part, list[BatchHeader], int]]:
        """Take note of how far an answer leads, so that the next request can go out before it is looked at."""
        place = self._places[part.partition]
        batches = headers(part.answer, place=f"{self._topic}-{part.partition}")
        batches = [batch for batch in batches if batch.stop_offset > place.at]
        if not batches:
            if place.stop is None:
                place.moved_s, place.trouble = time.monotonic(), ""  # nothing was written, and that may be so
            return []
        self._turns.remove(part.partition)
        self._turns.append(part.partition)
        start, place.at = place.at, batches[-1].stop_offset
        place.moved_s, place.trouble = time.monotonic(), ""
        return [(part, batches, start)]

    def _pieces(self, part: _Part, batches: list[BatchHeader], start: int) -> Iterator[RawBatches]:
        stop = self._places[part.partition].stop
        end = batches[-1].stop_offset
        return pieces(
            part.answer, batches, partition=part.partition, start=start, stop=end if stop is None else min(stop, end)
        )

    def _refused(self, part: _Part) -> None:
        """Try again what may become better, and say what does not."""
        if not part.passes:
            raise RunError(f"kafka: cannot read {self._topic}-{part.partition}: {error_name(part.error)}")
        self._trouble(part.partition, error_name(part.error))

    async def _gone(self, partitions: list[int]) -> list[Trimmed]:
        """Go on at the first offset there is, where the broker deleted what was to be read."""
        if not partitions:
            return []
        begins = (await beginning_offsets(self._connection, {self._topic: max(partitions) + 1}))[self._topic]
        found = []
        for p in partitions:
            place = self._places[p]
            if begins[p] <= place.at:
                raise RunError(f"kafka: {self._topic}-{p} has lost what it had from offset {place.at}")
            first = begins[p] if place.stop is None else min(begins[p], place.stop)
            found.append(Trimmed(p, place.at, first))
            place.at, place.moved_s = first, time.monotonic()
        return found

    # ------------------------------------------------------------ trouble

    def _trouble(self, partition: int, name: str) -> None:
        self._places[partition].trouble = name
        self._stale = True

    def _judge_silence(self) -> None:
        """Give up where a partition that must have more has given nothing for too long; RunError."""
        now = time.monotonic()
        for p, place in self._places.items():
            if (place.stop is not None or place.trouble) and not place.done and now - place.moved_s > SILENCE_S:
                why = f": {place.trouble}" if place.trouble else ""
                raise RunError(f"kafka: {self._topic}-{p} fell silent at offset {place.at}{why}")
        self._tell([place for place in self._places.values() if place.trouble], now)

    def _tell(self, troubled: list[_Place], now_s: float) -> None:
        """Say it once when there is no answer for a while, and once when there is one again."""
        if self._told and not troubled:
            self._told = False
            LOG.warning("kafka: %s answers again", self._connection.bootstrap)
        elif not self._told and any(now_s - place.moved_s > TELL_AFTER_S for place in troubled):
            self._told = True
            LOG.warning(
                "kafka: %s does not answer (%s); waiting up to %.0f s",
                self._connection.bootstrap, troubled[0].trouble, SILENCE_S,
            )  # fmt: skip

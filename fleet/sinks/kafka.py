"""Record batches to Kafka: bounded, in order, and every record accounted for.

One pump a partition takes batches from a queue of at most two and hands them to aiokafka, which has one in
flight and one waiting for each partition. What became of a batch is learnt from its future, beside which a
deadline of our own runs: an idempotent send has none.

When a broker refuses a batch for good (too large, wrong stamp), aiokafka's sequence has advanced past it, and
every later batch of that partition would fail, silently, for ever. So the refused batch counts as failed, the
producer is replaced, and what failed only because of its predecessor is sent again, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from time import monotonic, monotonic_ns
from typing import Any, NamedTuple

import aiokafka.errors as kafka_errors

from fleet.data import Batch, PackedBatch, TopicSeen
from fleet.errors import FleetError, RunError
from fleet.sinks.codecs import compressed
from fleet.sinks.connect import error_name
from fleet.sinks.connection import Connection
from fleet.sinks.producer import Packed, Part, build_batch, split, start_producer, stop_producer
from fleet.sinks.settings import ProducerSettings, max_message_bytes
from fleet.sinks.sink import Books, delivery_of

QUEUED_MAX = 2  # batches waiting for a partition's pump
AT_ONCE_BYTES = 16 * 1024  # compressed sooner than handed to a thread and back
STOP_TIMEOUT_S = 5.0  # for a producer with nothing left to send
RETRY_S = 0.1
NOTICES_MAX = 100

# What no other batch would fare better with: the run ends.
HOPELESS = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.UnsupportedForMessageFormatError,
)


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Fate(Enum):
    """What became of a wire batch."""

    OPEN = 0
    IN_DOUBT = 1  # no answer within the deadline; one that comes later still counts
    SETTLED = 2


@dataclass(slots=True, eq=False)
class Ticket:
    """One wire batch on its way."""

    place: Place
    stream: str
    part: Part
    taken_ns: int  # when the sink took it over
    fate: Fate = Fate.OPEN
    due_s: float | None = None  # by the event loop's clock, when it has to be answered; None: not handed over yet


@dataclass(slots=True, eq=False)
class Pump:
    """What waits for one partition."""

    queue: asyncio.Queue[tuple[Batch, int] | None] = field(default_factory=lambda: asyncio.Queue(QUEUED_MAX))
    task: asyncio.Task[None] | None = None
    again: list[Ticket] = field(default_factory=list)  # failed because of their predecessor only
    refused: bool = False  # by the producer of now


class KafkaSink:
    """Sends to a Kafka, by one producer; made by `fleet.sinks.lanes.start_lanes`."""

    def __init__(
        self,
        connection: Connection,
        producer: Any,
        topics: Mapping[str, TopicSeen],
        settings: ProducerSettings,
        *,
        deadline_s: float,
        books: Books | None = None,
    ) -> None:
        books = books or Books()
        self.delivery, self.latency, self.notices = books.delivery, books.latency, books.notices
        self._connection = connection
        self._producer = producer
        self._topics = topics
        self._settings = settings
        self._deadline_s = deadline_s
        self._pumps: dict[Place, Pump] = {}
        self._on_way: dict[asyncio.Future[Any], Ticket] = {}
        self._watch: asyncio.TimerHandle | None = None  # one for everything that is on its way
        self._handing = 0  # pumps inside aiokafka's send_batch
        self._ready = asyncio.Event()
        self._ready.set()
        self._replacing: asyncio.Task[None] | None = None
        self._hopeless = ""
        self._ending = False

    # ------------------------------------------------------------ taking over

    async def send(self, batch: Batch) -> None:
        """Take over a *batch*; RunError when there is no room within the deadline, or no hope."""
        taken_ns = monotonic_ns()
        row = delivery_of(self.delivery, batch.stream)
        if self._hopeless:
            row.failed += len(batch)
            raise RunError(self._hopeless)
        pump = self._pump(Place(batch.topic, batch.partition))
        try:
            if pump.queue.full():
                async with asyncio.timeout(self._deadline_s):
                    await pump.queue.put((batch, taken_ns))
            else:
                pump.queue.put_nowait((batch, taken_ns))
        except TimeoutError:
            row.failed += len(batch)
            self._hopeless = f"kafka: {self._connection.bootstrap} took nothing for {self._deadline_s:.0f} s"
            raise RunError(self._hopeless) from None
        row.pending += len(batch)
        if pump.task is not None and pump.task.done():
            self._forsake(pump)
            pump.task.result()  # a mistake of ours ended it: better seen than waited for

    def _pump(self, place: Place) -> Pump:
        pump = self._pumps.get(place)
        if pump is None:
            pump = self._pumps[place] = Pump()
            pump.task = asyncio.create_task(self._run(place, pump))
            pump.task.add_done_callback(lambda _: self._forsake(pump))
        return pump

    def _forsake(self, pump: Pump) -> None:
        """Count what waits for a *pump* that has ended as failed; who waits for room there need wait no longer."""
        while not pump.queue.empty():
            item = pump.queue.get_nowait()
            if item is not None:
                row = self.delivery[item[0].stream]
                row.pending -= len(item[0])
                row.failed += len(item[0])

    async def _run(self, place: Place, pump: Pump) -> None:
        """Hand over what comes to *place*, batch by batch."""
        limit = self._wire_bytes(place.topic)
        while (item := await pump.queue.get()) is not None:
            batch, taken_ns = item
            parts = [await self._packed(batch)] if isinstance(batch, PackedBatch) else split(batch.records, limit)
            tickets = [Ticket(place, batch.stream, part, taken_ns) for part in parts]
            try:
                for ticket in tickets:
                    await self._hand_over(ticket)
            except asyncio.CancelledError:  # close() has given up on what the producer did not take
                for ticket in tickets:
                    if ticket.due_s is None:
                        self._settle(ticket, "failed")
                raise

    async def _packed(self, batch: PackedBatch) -> Packed:
        """Compress a packed *batch*, a large one in a thread: the event loop has other batches to see to."""
        codec = self._settings.codec
        if codec.compress is None:
            return Packed(batch, 0)
        if len(batch.data) <= AT_ONCE_BYTES:
            data = compressed(codec, batch.data)
        else:
            data = await asyncio.to_thread(compressed, codec, batch.data)
        # The whole release stands behind a batch's view: it is let go as soon as there is a copy.
        return Packed(replace(batch, data=data), codec.attributes)

    def _wire_bytes(self, topic: str) -> int:
        seen = self._topics.get(topic)
        return min(self._settings.batch_bytes, max_message_bytes(seen)) if seen else self._settings.batch_bytes

    async def _hand_over(self, ticket: Ticket) -> None:
        """Give a *ticket* to the producer, as soon as there is one that has room."""
        while True:
            await self._ready.wait()
            if self._hopeless:
                self._settle(ticket, "failed")
                return
            if await self._try(ticket, self._producer):
                return

    async def _try(self, ticket: Ticket, producer: Any) -> bool:
        """Give a *ticket* to this *producer*; False where it did not take it."""
        self._handing += 1
        try:
            batch = build_batch(producer, ticket.part)
            future = await producer.send_batch(batch, ticket.place.topic, partition=ticket.place.partition)
        except kafka_errors.KafkaTimeoutError:
            return False  # no room yet; the deadline of whoever waits in send() ends this
        except kafka_errors.KafkaError as error:
            if isinstance(error, HOPELESS):
                self._give_up(ticket, error)
                return False
            # The batch before this one failed, or the producer is no more: its own future says which.
            await asyncio.sleep(RETRY_S)
            return False
        finally:
            self._handing -= 1
        self._on_way[future] = ticket
        loop = asyncio.get_running_loop()
        ticket.due_s = loop.time() + self._deadline_s
        if self._watch is None:
            self._watch = loop.call_at(ticket.due_s, self._look)
        future.add_done_callback(self._answered)
        return True

    # ------------------------------------------------------------ what became of it

    def _answered(self, future: asyncio.Future[Any]) -> None:
        """Take note of the answer to a batch."""
        ticket = self._on_way.pop(future)
        error = kafka_errors.ProducerClosed() if future.cancelled() else future.exception()
        if error is None:
            self.latency.add((monotonic_ns() - ticket.taken_ns) // 1000, len(ticket.part))
            if ticket.stream == "readings":
                self.latency.first_reading()
            self._settle(ticket, "acknowledged")
            return
        pump = self._pumps[ticket.place]
        refused = isinstance(error, kafka_errors.BrokerResponseError) and not error.retriable
        if isinstance(error, kafka_errors.OutOfOrderSequenceNumber) and pump.refused:
            pump.again.append(ticket)
        elif isinstance(error, HOPELESS):
            self._give_up(ticket, error)
            return
        elif refused:
            pump.refused = True
            self._settle(ticket, "failed")
            self._say(f"kafka: {ticket.place.topic!r} refuses records ({error_name(error)}); they count as failed")
        else:
            # Sent perhaps, and nobody will answer any more.
            self._settle(ticket, "in_doubt")
            self._say(f"kafka: lost track of records for {ticket.place.topic!r} ({error_name(error)})")
        self._replace()

    def _give_up(self, ticket: Ticket, error: BaseException) -> None:
        self._settle(ticket, "failed")
        topic = ticket.place.topic
        self._hopeless = f"kafka: may not write to topic {topic!r} ({error_name(error)})"

    def _look(self) -> None:
        """Look for what should have been answered by now, and again when the next answer is due."""
        loop = asyncio.get_running_loop()
        self._watch = None
        for ticket in self._on_way.values():  # in the order in which they are due: all have the same time
            assert ticket.due_s is not None, "it was handed over"
            if ticket.fate is Fate.OPEN and ticket.due_s > loop.time():
                self._watch = loop.call_at(ticket.due_s, self._look)
                return
            if ticket.fate is Fate.OPEN:
                self._expire(ticket)

    def _expire(self, ticket: Ticket) -> None:
        """Count a *ticket* without an answer as in doubt, for now."""
        ticket.fate = Fate.IN_DOUBT
        row = self.delivery[ticket.stream]
        row.pending -= len(ticket.part)
        row.in_doubt += len(ticket.part)
        self._say(
            f"kafka: no answer for {ticket.place.topic!r} within {self._deadline_s:.0f} s; the records are in doubt"
        )

    def _settle(self, ticket: Ticket, outcome: str) -> None:
        """Move the records of a *ticket* to the column of the account they belong to."""
        row, count = self.delivery[ticket.stream], len(ticket.part)
        if ticket.fate is Fate.OPEN:
            row.pending -= count
        elif ticket.fate is Fate.IN_DOUBT:
            row.in_doubt -= count
        else:
            return
        ticket.fate = Fate.SETTLED
        setattr(row, outcome, getattr(row, outcome) + count)

    def _say(self, text: str) -> None:
        """Note a *text* for people, once."""
        if text not in self.notices and len(self.notices) < NOTICES_MAX:
            self.notices.append(text)

    # ------------------------------------------------------------ another producer

    def _replace(self) -> None:
        """See that the producer is replaced, once for everything that is on its way now."""
        if self._ending:
            return
        self._ready.clear()
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._replaced())

    async def _replaced(self) -> None:
        while not self._ready.is_set():
            await self._landed()
            await stop_producer(self._producer, timeout_s=STOP_TIMEOUT_S)
            try:
                self._producer = await start_producer(self._connection, self._settings)
            except FleetError as error:
                self._hopeless = str(error)
            for pump in self._pumps.values():
                pump.refused = False
            if await self._sent_again():
                self._ready.set()

    async def _landed(self) -> None:
        """Wait, for as long as a delivery may take, until nothing is on its way with the old producer."""
        until = monotonic() + self._deadline_s
        while (self._on_way or self._handing) and monotonic() < until:
            if self._on_way:
                await asyncio.wait(set(self._on_way), timeout=RETRY_S)
            else:
                await asyncio.sleep(RETRY_S)

    async def _sent_again(self) -> bool:
        """Send again what failed because of its predecessor; False where one of them was refused itself."""
        for pump in self._pumps.values():
            waiting, pump.again = pump.again, []
            for at, ticket in enumerate(waiting):
                while not self._hopeless and not pump.refused and not await self._try(ticket, self._producer):
                    pass
                if self._hopeless:
                    self._settle(ticket, "failed")
                elif pump.refused and ticket.fate is not Fate.SETTLED and ticket not in self._on_way.values():
                    pump.again += waiting[at:]
                    return False
        return True

    # ------------------------------------------------------------ the end

    async def close(self, *, timeout_s: float) -> None:
        """Drain for at most *timeout_s*; what is still on its way then is in doubt, what waits has failed."""
        until = monotonic() + timeout_s
        tasks = [asyncio.create_task(self._finished(pump)) for pump in self._pumps.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        while (waiting := {*self._on_way, *self._busy()}) and monotonic() < until:
            await asyncio.wait(waiting, timeout=until - monotonic(), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # lets the answers be noted
        self._ending = True
        if self._watch is not None:
            self._watch.cancel()
        await self._cancelled(tasks)
        for ticket in [*self._on_way.values()]:
            self._settle(ticket, "in_doubt")
        for pump in self._pumps.values():
            for ticket in pump.again:
                self._settle(ticket, "failed")
        await stop_producer(self._producer, timeout_s=max(until - monotonic(), STOP_TIMEOUT_S))

    def _busy(self) -> list[asyncio.Task[None]]:
        """Give the task that replaces the producer, if one does."""
        return [] if self._replacing is None or self._replacing.done() else [self._replacing]

    async def _finished(self, pump: Pump) -> None:
        """Let a *pump* empty its queue and end."""
        await pump.queue.put(None)
        if pump.task is not None:
            await pump.task

    async def _cancelled(self, tasks: list[asyncio.Task[None]]) -> None:
        """Cancel the tasks that are ours, and only those; count what still waited."""
        ours = [*tasks, *self._busy(), *(pump.task for pump in self._pumps.values() if pump.task is not None)]
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours, timeout=STOP_TIMEOUT_S)
        for pump in self._pumps.values():
            self._forsake(pump)

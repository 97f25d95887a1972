"""The open ends of a run: for each sink its encoder, its account and its topics as they were found."""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from fleet.broker.process import EmbeddedBroker
from fleet.data import Batch, Block, Delivery, Ints, Record, RecordBatch, TopicSeen
from fleet.encode.encoder import READ, Encoder
from fleet.encode.schemas import schema_text
from fleet.errors import FleetError
from fleet.run.account import Account
from fleet.run.plan import EMBEDDED, RunPlan, TargetPlan, record_time
from fleet.sinks.connection import Connection
from fleet.sinks.open import SinkSetup, open_sink
from fleet.sinks.settings import batch_bytes
from fleet.sinks.sink import Sink, SinkClosed


class Ready(Protocol):
    """A block made ready for one sink."""

    block: Block

    def release(self, stop_us: int, *, wall_ms: int = 0) -> Sequence[Batch]:
        """Give what is due before *stop_us* and was not given yet."""
        ...

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us* and was not given yet."""
        ...


class Reader(Protocol):
    """Who reads along, and must not be left behind."""

    async def room(self, handed_over: int) -> None:
        """Return when of so many records *handed_over* few enough are still to be read."""
        ...


class Writer(Protocol):
    """What makes blocks ready: the encoder, or for a sink that only counts, the counter."""

    def prepare(self, block: Block) -> Ready:
        """Make *block* ready."""
        ...


class Due:
    """Counts what of a block is due in a span, by stream, from the block itself; doors count as events."""

    def __init__(self, block: Block) -> None:
        self._events = [event.time_us for event in block.events]
        self._scans = [(np.sort(columns.due_us), len(columns.sensors)) for columns in block.kinds]
        withheld = [(np.sort(columns.due_us), columns.withheld) for columns in block.kinds if columns.withheld]
        self._withheld = withheld + [(np.sort(silent.due_us), silent.scheduled) for silent in block.silent]

    def between(self, start_us: int, stop_us: int) -> dict[str, int]:
        """Count readings and events due from *start_us* to *stop_us*, without readings withheld by policy."""
        return {
            "readings": _count(self._scans, start_us, stop_us),
            "events": bisect_left(self._events, stop_us) - bisect_left(self._events, start_us),
        }

    def withheld(self, start_us: int, stop_us: int) -> int:
        """Count the readings scheduled from *start_us* to *stop_us* that report policies withhold."""
        return _count(self._withheld, start_us, stop_us)


def _count(scans: Sequence[tuple[Ints, int]], start_us: int, stop_us: int) -> int:
    """Count the readings of *scans*, given as sorted due times and readings in each, in a span."""
    readings = 0
    for due_us, each in scans:
        first, last = np.searchsorted(due_us, (start_us, stop_us))
        readings += int(last - first) * each
    return readings


class _Counted:
    """A block of which only the numbers are wanted."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._due = Due(block)
        self._from_us = block.start_us

    def release(self, stop_us: int, *, wall_ms: int = 0) -> Sequence[Batch]:
        """Give batches that have a length and nothing else."""
        due = self._due.between(self._from_us, stop_us)
        self.skip(stop_us)
        return [
            RecordBatch(stream, "", 0, cast("Sequence[Record]", range(count))) for stream, count in due.items() if count
        ]

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us*."""
        self._from_us = max(self._from_us, stop_us)


class Counter:
    """Makes blocks ready for a sink that needs no records."""

    def prepare(self, block: Block) -> Ready:
        """Make *block* ready."""
        return _Counted(block)


@dataclass(slots=True)
class Target:
    """One sink of a run, open."""

    plan: TargetPlan
    sink: Sink
    writer: Writer
    encoder: Encoder | None
    topics: Mapping[str, TopicSeen]
    connection: Connection | None = None
    account: Account = field(default_factory=Account)
    broken: bool = False  # nothing more goes there
    reader: Reader | None = None

    async def send(self, batches: Sequence[Batch]) -> None:
        """Hand batches over and book them as produced, whatever comes between.

        What the sink does not take over has failed; for what nobody reads any longer the run ended before.
        """
        for batch in batches:
            self.account.of(batch.stream).produced += len(batch)
        for at, batch in enumerate(batches):
            before = self._taken(batch.stream)
            try:
                await self.sink.send(batch)
            except BaseException as error:
                self.broken = True
                book = self.account.unwanted if isinstance(error, SinkClosed) else self.account.refuse
                book(batch.stream, len(batch) - (self._taken(batch.stream) - before))
                for left in batches[at + 1 :]:
                    book(left.stream, len(left))
                raise
        if self.reader is not None:
            await self.reader.room(sum(self._taken(stream) for stream in self.sink.delivery))

    def _taken(self, stream: str) -> int:
        """Count what the sink has taken over of *stream*."""
        row = self.sink.delivery.get(stream, Delivery())
        return row.acknowledged + row.failed + row.in_doubt + row.pending

    async def tell(self, record: Mapping[str, Any]) -> None:
        """Write a record of the run itself."""
        if self.encoder is None:
            return
        written: Record = self.encoder.encode_run(record)
        topic = self.plan.streams["runs"].topic
        self.account.of("runs").scheduled += 1
        await self.send([RecordBatch("runs", topic, 0, [written])])

    @property
    def pending(self) -> int:
        """How many records the sink holds without an answer."""
        return sum(delivery.pending for delivery in self.sink.delivery.values())


async def tell_all(targets: Sequence[Target], make: Callable[[Target], Mapping[str, Any]]) -> None:
    """Write a record of the run to all *targets*, also when one of them fails; then raise what it raised.

    A target that broke learns nothing more. One that is given up in the middle leaves none that can say where it ends.
    """
    failed: FleetError | None = None
    for target in targets:
        if target.broken:
            continue
        try:
            await target.tell(make(target))
        except FleetError as error:
            failed = worse(failed, error)
        except asyncio.CancelledError:
            for one in targets:
                one.broken = True
            raise
    if failed is not None:
        raise failed


def worse(one: FleetError | None, other: FleetError) -> FleetError:
    """Choose what is raised of two ends: a reader that has gone is no failure, and hides none."""
    return other if one is None or (isinstance(one, SinkClosed) and not isinstance(other, SinkClosed)) else one


async def open_target(plan: RunPlan, target: TargetPlan, *, broker: EmbeddedBroker | None, wall_us: int) -> Target:
    """Open the sink of *target*, its topics made and checked first; RequestError where it cannot be."""
    connection: Connection | None = None
    topics: Mapping[str, TopicSeen] = {}
    if target.url == EMBEDDED:
        assert broker is not None, "the run starts it"
        connection = Connection(broker.bootstrap)
        topics = {t.name: TopicSeen(t.partitions, (0,) * t.partitions) for t in target.topics}
    elif target.kind.name == "kafka":
        connection = connection_for(target.url, plan)
        topics = await _prepare(plan, target, connection, wall_us)
    else:
        topics = {t.name: TopicSeen(1, ()) for t in target.topics}
    layout = target.streams["readings"].layout_of("readings")
    setup = SinkSetup(
        schema=layout.text or schema_text(layout.schema),
        connection=connection,
        topics=topics,
        producer=plan.request.producer,
        readings_per_s=plan.roster.readings_per_second * plan.request.speed,
    )
    sink = await open_sink("kafka://" if target.url == EMBEDDED else target.url, setup)
    encoder = _encoder(plan, target, topics)
    return Target(target, sink, encoder or Counter(), encoder, topics, connection)


def connection_for(url: str, plan: RunPlan) -> Connection:
    """Settle how to reach the Kafka of *url*: its servers, ``--kafka-config`` and the environment."""
    from fleet.sinks.properties import connection

    configured = connection(url.removeprefix("kafka://"), plan.request.kafka_config, os.environ)
    return configured.connection


async def _prepare(plan: RunPlan, target: TargetPlan, connection: Connection, wall_us: int) -> Mapping[str, TopicSeen]:
    from fleet.sinks.topics import prepare_topics

    wall = plan.request.record_time == "wall"  # then every stamp is the present, whatever is simulated
    first_us = wall_us if wall else plan.start_us
    last_us = first_us if wall or plan.stop_us is None else plan.stop_us
    return await prepare_topics(
        connection,
        target.topics,
        first_ms=first_us // 1000,
        last_ms=last_us // 1000,
        endless=plan.stop_us is None and not wall,
        speed_above_one=plan.request.speed > 1 and not wall,
    )


def _encoder(plan: RunPlan, target: TargetPlan, topics: Mapping[str, TopicSeen]) -> Encoder | None:
    """Make the encoder of *target*; packed batches fit into the smallest of its topics."""
    if not target.kind.encodes:
        return None
    packed_bytes = None
    if target.kind.packs:
        packed_bytes = batch_bytes(
            plan.request.producer.batch_bytes,
            [topics[name] for stream in READ for name in target.stream_topics.get(stream, ())],
        )
    return Encoder(
        target.streams,
        {name: topic.partitions for name, topic in topics.items()},
        record_time=record_time(plan, target),
        headers=(("fleet-run", plan.run_id.encode()),) if plan.request.run_header else (),
        batch_bytes=packed_bytes,
    )

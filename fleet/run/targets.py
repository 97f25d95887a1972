"""The open ends of a run: for each sink its encoder, its account and its topics as they were found."""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from fleet.broker.process import EmbeddedBroker
from fleet.data import INJECTED, Batch, Block, Delivery, Ints, Label, Record, RecordBatch, TopicSeen
from fleet.encode.encoder import READ, Encoder, StreamPlan, ids_of
from fleet.encode.labels import records_of
from fleet.encode.schemas import schema_text
from fleet.errors import FleetError
from fleet.run.account import Account
from fleet.run.plan import EMBEDDED, RunPlan, TargetPlan, cloudevents, record_time
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

    async def room(self, handed_over: Mapping[tuple[str, int], int]) -> None:
        """Return when of the records *handed_over* to each partition few enough are still to be read."""
        ...


class Writer(Protocol):
    """What makes blocks ready: the encoder, or for a sink that only counts, the counter."""

    def prepare(self, block: Block) -> Ready:
        """Make *block* ready."""
        ...

    def close(self, labels: Sequence[Label], *, wall_ms: int = 0) -> Sequence[Batch]:
        """Give the *labels* of what the end of the run has ended."""
        ...


class Due:
    """Counts what of a block is due in a span, by stream, from the block itself; doors count as events."""

    def __init__(self, block: Block) -> None:
        self._events = [event.time_us for event in block.events]
        self._labels = _Counts.of([(np.array([label.time_us], np.int64), records_of(label)) for label in block.labels])
        planned = [columns for columns in block.kinds if not columns.copy]
        self._scans = _Counts.of([(columns.due_us, len(columns.sensors)) for columns in planned])
        self._copies = _Counts.of([(c.due_us, len(c.sensors)) for c in block.kinds if c.copy])
        withheld = [(columns.due_us, columns.withheld) for columns in planned if columns.withheld]
        self._by_policy = _Counts.of(withheld + [(silent.due_us, silent.scheduled) for silent in block.silent])
        self._injected = _Counts([(injection.due_us, 1) for injection in block.injected])
        self._by_label = [(lost.label, _Counts([(lost.due_us, lost.readings)])) for lost in block.lost]

    def between(self, start_us: int, stop_us: int) -> dict[str, int]:
        """Count readings, events and labels due from *start_us* to *stop_us*, by the plan and not withheld."""
        return {
            "readings": self._scans.between(start_us, stop_us),
            "events": bisect_left(self._events, stop_us) - bisect_left(self._events, start_us),
            "labels": self._labels.between(start_us, stop_us),
        }

    def copies(self, start_us: int, stop_us: int) -> int:
        """Count the second copies of readings that are due from *start_us* to *stop_us*: beside the plan."""
        return self._copies.between(start_us, stop_us)

    def injected(self, start_us: int, stop_us: int) -> int:
        """Count what wrong clients send from *start_us* to *stop_us*: beside the plan."""
        return self._injected.between(start_us, stop_us)

    def by_policy(self, start_us: int, stop_us: int) -> int:
        """Count the readings scheduled from *start_us* to *stop_us* that report policies withhold."""
        return self._by_policy.between(start_us, stop_us)

    def by_label(self, start_us: int, stop_us: int) -> Tally[str]:
        """Count the readings scheduled from *start_us* to *stop_us* that faults lose, by the fault's id."""
        found: Tally[str] = Tally()
        for label, lost in self._by_label:
            found[label] += lost.between(start_us, stop_us)
        return found


class _Counts:
    """Numbers of records by due time: columns of sorted times, and how many each has, or how many all of them have."""

    def __init__(self, columns: Sequence[tuple[Ints, int | Ints]]) -> None:
        self._columns = [
            (due_us, each if isinstance(each, int) else np.append(0, np.cumsum(each))) for due_us, each in columns
        ]

    @classmethod
    def of(cls, columns: Sequence[tuple[Ints, int]]) -> _Counts:
        """Take columns whose times are in any order."""
        return cls([(np.sort(due_us), each) for due_us, each in columns])

    def between(self, start_us: int, stop_us: int) -> int:
        """Count the records due from *start_us* to *stop_us*."""
        records = 0
        for due_us, each in self._columns:
            first, last = np.searchsorted(due_us, (start_us, stop_us))
            records += int(last - first) * each if isinstance(each, int) else int(each[last] - each[first])
        return records


class _Counted:
    """A block of which only the numbers are wanted."""

    def __init__(self, block: Block, streams: Collection[str]) -> None:
        self.block = block
        self._streams = streams
        self._due = Due(block)
        self._from_us = block.start_us
        self._labels_from_us = block.start_us

    def release(self, stop_us: int, *, wall_ms: int = 0) -> Sequence[Batch]:
        """Give batches that have a length and nothing else."""
        due = self._due.between(self._from_us, stop_us)
        due["readings"] += self._due.copies(self._from_us, stop_us)
        due["labels"] = self._due.between(self._labels_from_us, stop_us)["labels"]
        injected = self._due.injected(self._labels_from_us, stop_us) if "readings" in self._streams else 0
        self._labels_from_us = max(self._labels_from_us, stop_us)
        self.skip(stop_us)
        batches = [counted(stream, count) for stream, count in due.items() if count and stream in self._streams]
        return [*batches, counted(INJECTED, injected)] if injected else batches

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us*, but for labels and what is injected."""
        self._from_us = max(self._from_us, stop_us)


def counted(stream: str, count: int) -> RecordBatch:
    """Make a batch that has a length and nothing else."""
    return RecordBatch(stream, "", 0, cast("Sequence[Record]", range(count)))


class Counter:
    """Makes blocks ready for a sink that needs no records, of certain *streams*."""

    def __init__(self, streams: Collection[str]) -> None:
        self._streams = streams

    def prepare(self, block: Block) -> Ready:
        """Make *block* ready."""
        return _Counted(block, self._streams)

    def close(self, labels: Sequence[Label], *, wall_ms: int = 0) -> Sequence[Batch]:
        """Count the *labels* of what the end of the run has ended, where labels are wanted."""
        records = sum(map(records_of, labels))
        return [counted("labels", records)] if records and "labels" in self._streams else []


@dataclass(slots=True)
class Target:
    """One sink of a run, open."""

    plan: TargetPlan
    sink: Sink
    writer: Writer
    encoder: Encoder | None
    topics: Mapping[str, TopicSeen]
    ids: Mapping[str, int] = field(default_factory=dict)  # of its schemas, by file
    connection: Connection | None = None
    account: Account = field(default_factory=Account)
    broken: bool = False  # nothing more goes there
    reader: Reader | None = None
    handed_over: Tally[tuple[str, int]] = field(default_factory=Tally)  # by topic and partition, for the reader

    async def send(self, batches: Sequence[Batch], *, copies: Mapping[str, int] | None = None) -> None:
        """Hand batches over and book them as produced, whatever comes between; by stream some are *copies*: injected.

        What a wrong client sends is injected, all of it.
        What the sink does not take over has failed; for what nobody reads any longer the run ended before.
        """
        for batch in batches:
            account = self.account.of(batch.stream)
            if batch.stream == INJECTED:
                account.injected += len(batch)
            else:
                account.produced += len(batch)
        for stream, count in (copies or {}).items():
            self.account.of(stream).produced -= count
            self.account.of(stream).injected += count
        for at, batch in enumerate(batches):
            before = self._taken(batch.stream)
            failed = self.sink.delivery.get(INJECTED, Delivery()).failed if batch.stream == INJECTED else 0
            try:
                await self.sink.send(batch)
            except BaseException as error:
                self.broken = True
                book = self.account.unwanted if isinstance(error, SinkClosed) else self.account.refuse
                book(batch.stream, len(batch) - (self._taken(batch.stream) - before))
                for left in batches[at + 1 :]:
                    book(left.stream, len(left))
                raise
            refused = self.sink.delivery[INJECTED].failed if batch.stream == INJECTED else 0
            self.handed_over[batch.topic, batch.partition] += len(batch) - (refused - failed)
        if self.reader is not None:
            await self.reader.room(self.handed_over)

    def _taken(self, stream: str) -> int:
        """Count what the sink has taken over of *stream*."""
        row = self.sink.delivery.get(stream, Delivery())
        return row.acknowledged + row.failed + row.in_doubt + row.pending

    async def tell(self, record: Mapping[str, Any]) -> None:
        """Write a record of the run itself."""
        assert self.encoder is not None, "who keeps records of runs has one"
        written: Record = self.encoder.encode_run(record)
        topic = self.plan.streams["runs"].topic
        self.account.of("runs").scheduled += 1
        await self.send([RecordBatch("runs", topic, 0, [written])])

    @property
    def keeps_runs(self) -> bool:
        """Whether records of the run itself are written to it."""
        return self.encoder is not None and "runs" in self.plan.streams

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
        if target.broken or not target.keeps_runs:
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


async def open_target(
    plan: RunPlan,
    target: TargetPlan,
    *,
    broker: EmbeddedBroker | None,
    wall_us: int,
    given_ids: Mapping[str, int] | None = None,
) -> Target:
    """Open the sink of *target*, its topics made and checked first; RequestError where it cannot be.

    Where a registry has *given_ids*, schemas have those and no others: our own could be the same numbers.
    """
    ids = ids_of(target.streams) if given_ids is None else given_ids
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
        spreads = target.kind.spreads
        topics = {t.name: TopicSeen(t.partitions if spreads else 1, (), t.configs) for t in target.topics}
    layout = target.streams[target.main].layout_of(target.main)
    setup = SinkSetup(
        schema=layout.text or schema_text(layout.schema),
        main=target.main,
        connection=connection,
        topics=topics,
        producer=plan.request.producer,
        readings_per_s=plan.roster.readings_per_second * plan.request.speed,
        schemas=_schemas(target.streams, ids),
    )
    sink = await open_sink("kafka://" if target.url == EMBEDDED else target.url, setup)
    encoder = _encoder(plan, target, topics, ids, registered=given_ids is not None)
    return Target(target, sink, encoder or Counter(target.streams), encoder, topics, ids, connection)


def _schemas(streams: Mapping[str, StreamPlan], ids: Mapping[str, int]) -> dict[int, str]:
    """Give the texts of all schemas by the ids that records have them by."""
    own = {own.schema: own.text for plan in streams.values() for own in plan.owns}
    return {number: own.get(name) or schema_text(name) for name, number in ids.items()}


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


def _encoder(
    plan: RunPlan, target: TargetPlan, topics: Mapping[str, TopicSeen], ids: Mapping[str, int], *, registered: bool
) -> Encoder | None:
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
        run=plan.run_id,
        record_time=record_time(plan, target),
        headers=(("fleet-run", plan.run_id.encode()),) if plan.request.run_header else (),
        cloudevents=cloudevents(plan, target, registered=registered),
        batch_bytes=packed_bytes,
        ids=ids,
        start_us=plan.start_us,
    )

"""Turn blocks into record batches: topic, partition, key, value, stamp, in log order.

`Encoder.prepare` merges and numbers a block's scans in one go of arrays; `Prepared.release` makes the records
that are due, partition by partition. Values are encoded at release: a block is up to 64 ticks of everything,
more Python objects than one wants to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleet.data import Batch, Block, Cohort, Equipment, Event, Ints, Record, RecordBatch, Words, truth_of
from fleet.encode.avro import frame
from fleet.encode.digest import MachineDigest, placed, word_of_record, words_of
from fleet.encode.formats import DOOR_FORMATS, EVENT_FORMATS, READING_FORMATS, RUN_FORMATS, EventFormat, made
from fleet.encode.layouts import LAYOUTS, OWN_SCHEMA_ID, Layout
from fleet.encode.order import Places, places_in_log, topics_for
from fleet.encode.own import own_program, slow_notices
from fleet.encode.packed import Headers, Packer
from fleet.encode.program import Fixed, Program, joined, json_program, packable
from fleet.encode.readings import PackWriter, Readings, RecordTime, RecordWriter, Scans, Writer
from fleet.encode.schemas import schema_ids, schema_text
from fleet.encode.single import ProgramReadings
from fleet.encode.walk import walk
from fleet.errors import RequestError
from fleet.scenario.avsc import read_avsc

READ = ("readings", "truth")  # streams made of scans
BATCH_BYTES = 512 * 1024
"""Size of a packed batch where nobody says otherwise, header included."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Where a stream goes and how: *topic* may be a template of {site} {area} {line} {kind}.

    *own* is a layout of a user's own, in place of the one of ours that *layout* names.
    """

    topic: str
    format: str = "avro"
    layout: str = "v2"
    own: Layout | None = None

    def layout_of(self, stream: str) -> Layout:
        """Give the layout of the *stream* that goes this way; RequestError where there is none of that name."""
        layout = self.own or LAYOUTS.get((stream, self.layout))
        if layout is None:
            raise RequestError(f"{stream}: no layout {self.layout!r}; there is {', '.join(_layouts_of(stream))}")
        return layout


def _layouts_of(stream: str) -> list[str]:
    return [name for of, name in LAYOUTS if of == stream]


def ids_of(streams: Mapping[str, StreamPlan]) -> dict[str, int]:
    """Give the ids that schemas have where no registry hands them out, by file, those of a user's own among them."""
    own = [plan.own.schema for plan in streams.values() if plan.own is not None]
    return {**schema_ids(), **{file: OWN_SCHEMA_ID + at for at, file in enumerate(own)}}


def topics_of(plan: StreamPlan, machines: Iterable[Equipment]) -> dict[str, str]:
    """Give each machine's topic under *plan*, by machine id; RequestError where a name cannot be one."""
    listed = list(machines)
    return dict(zip((machine.id for machine in listed), topics_for(plan.topic, listed), strict=True))


class Encoder:
    """Encodes the blocks of one run; knows how far each machine's log is, and its digest.

    *streams* has "readings" and whichever of "truth", "events", "doors" and "runs" are wanted: what has no plan is
    not encoded (truth needs blocks that have it), and doors without a plan of their own are events. *partitions* says
    how many each topic has. *record_time* is what the records' own stamps are: the scan's instant, the wall clock's at
    release (which the digest then leaves out), or of no account ("none", for sinks that do not keep it).
    With *batch_bytes* readings come as packed batches of at most so many bytes, where their format allows it.
    """

    def __init__(
        self,
        streams: Mapping[str, StreamPlan],
        partitions: Mapping[str, int],
        *,
        record_time: RecordTime = "scan",
        headers: Headers = (),
        ids: Mapping[str, int] | None = None,
        batch_bytes: int | None = None,
    ) -> None:
        numbers = ids_of(streams) if ids is None else ids
        self._plans = dict(streams)
        self._readings: dict[str, Readings] = {}
        self.notices: list[str] = []
        for stream in READ:
            if stream not in streams:
                continue
            plan = streams[stream]
            writer = _writer(plan, record_time, headers, numbers, batch_bytes)
            layout = plan.layout_of(stream)
            self._readings[stream] = Readings(
                writer, layout, Places(plan.topic, partitions), record_time, stream=stream
            )
            if layout.own and batch_bytes is not None and isinstance(writer, RecordWriter):
                self.notices += slow_notices(layout)
        self._events = {
            stream: _Events(stream, streams[stream], partitions, record_time, numbers)
            for stream in ("events", "doors")
            if stream in streams
        }
        self._run_format = None
        if "runs" in streams:
            row = (streams["runs"].format, streams["runs"].layout)
            self._run_format = made(RUN_FORMATS, row, stream="runs", ids=numbers)

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that readings of *cohorts* can be written, before anything is sent; RequestError says why not."""
        for readings in self._readings.values():
            readings.check(cohorts)

    def prepare(self, block: Block) -> Prepared:
        """Put a *block* in log order. Blocks are prepared in order, and may be ahead of what is released."""
        events = {stream: encoder.of(block.events, self._events) for stream, encoder in self._events.items()}
        of = {stream: block if stream == "readings" else truth_of(block) for stream in self._readings}
        read = [(readings, of[stream], readings.prepare(of[stream])) for stream, readings in self._readings.items()]
        return Prepared(block, read, self._events, events)

    def encode_run(self, record: Mapping[str, Any]) -> Record:
        """Encode a *record* of the run itself; its fields are those of ``run-record.v1.avsc``."""
        assert self._run_format is not None, "the run has no plan for runs"
        return Record(record["run"].encode(), self._run_format(record), record["timestamp"] // 1000)

    @property
    def holes(self) -> dict[str, int]:
        """By stream: how many numbers its logs lack, before the last one of each machine."""
        found = {stream: readings.holes for stream, readings in self._readings.items()}
        return found | {stream: encoder.holes for stream, encoder in self._events.items()}

    @property
    def digests(self) -> dict[str, dict[str, MachineDigest]]:
        """By stream and machine: the digest and count of what was released so far."""
        found = {stream: readings.digests() for stream, readings in self._readings.items()}
        return found | {stream: encoder.digests() for stream, encoder in self._events.items()}


def _program(plan: StreamPlan, ids: Mapping[str, int]) -> Program:
    """Give what a reading's value consists of."""
    layout = plan.layout_of("readings")
    if plan.format == "json":
        return own_program(layout, form="json") if layout.own else json_program(numbered=layout.numbered)
    if layout.own:
        walked = own_program(layout, form="avro")
    else:
        walked = walk(read_avsc(schema_text(layout.schema)), layout.names)
    head = Fixed(frame(ids[layout.schema]))
    return joined((head, *walked))


def _writer(
    plan: StreamPlan, record_time: RecordTime, headers: Headers, ids: Mapping[str, int], batch_bytes: int | None
) -> Writer:
    """Choose how readings are written: packed where that is wanted and the schema allows it."""
    if plan.own is None and (batch_bytes is None or (plan.format, plan.layout) not in READING_FORMATS):
        encoding = made(READING_FORMATS, (plan.format, plan.layout), stream="readings", ids=ids)
        return RecordWriter(encoding, record_time, headers)
    program = _program(plan, ids)
    if batch_bytes is not None and packable(program):
        return PackWriter(Packer(program, headers, batch_bytes=batch_bytes), record_time)
    return RecordWriter(ProgramReadings(program), record_time, headers)


class _Events:
    """A stream of events."""

    def __init__(
        self,
        stream: str,
        plan: StreamPlan,
        partitions: Mapping[str, int],
        record_time: RecordTime,
        ids: Mapping[str, int],
    ) -> None:
        table = DOOR_FORMATS if stream == "doors" else EVENT_FORMATS
        self._encode: EventFormat = made(table, (plan.format, plan.layout), stream=stream, ids=ids)
        self._stream = stream
        self._places = Places(plan.topic, partitions)
        self._record_time = record_time
        self._digests = np.zeros(0, np.uint64)  # by machine: of its log
        self._released = np.zeros(0, np.int64)  # by machine: events in its log
        self._next_seq = np.zeros(0, np.int64)  # by machine: behind its log's last number

    def of(self, events: tuple[Event, ...], streams: Mapping[str, _Events]) -> list[Event]:
        """Pick the *events* of this stream, given which *streams* there are."""
        if self._stream == "doors":
            return [event for event in events if event.type == "door"]
        return [event for event in events if event.type != "door" or "doors" not in streams]

    def release(self, events: list[Event], wall_ms: int) -> list[RecordBatch]:
        """Encode *events*, which are in order of time."""
        if not events:
            return []
        numbers = self._places.numbers([event.machine for event in events])
        places, group_of = self._places.places, self._places.group_of
        records: dict[int, list[Record]] = {}
        due: dict[int, int] = {}
        contents: list[int] = []
        for number, event in zip(numbers, events, strict=True):
            group = group_of[number]
            key, value = self._encode(event)
            stamp = wall_ms if self._record_time == "wall" else event.time_us // 1000
            records.setdefault(group, []).append(Record(key, value, stamp))
            due[group] = event.time_us
            kept = stamp if self._record_time == "scan" else 0
            contents.append(word_of_record(places[group].partition, kept, key, value))
        seq = np.array([event.seq for event in events], np.int64)
        self._count(np.array(numbers, np.int64), seq, np.array(contents, np.uint64))
        return [RecordBatch(self._stream, *places[group], rows, due[group]) for group, rows in records.items()]

    def _count(self, number: Ints, seq: Ints, contents: Words) -> None:
        """Add records with these numbers and *contents* to their machines' logs."""
        more = len(self._places.names) - len(self._released)
        self._digests, self._released = np.pad(self._digests, (0, more)), np.pad(self._released, (0, more))
        self._next_seq = np.pad(self._next_seq, (0, more))
        one = np.ones(len(number), np.int64)
        n = places_in_log(number, one, self._released)
        np.add.at(self._digests, number, placed(contents, words_of(n)))
        np.add.at(self._released, number, one)
        np.maximum.at(self._next_seq, number, seq + 1)

    @property
    def holes(self) -> int:
        """How many numbers were passed over before the last one of each machine's log."""
        return int((self._next_seq - self._released).sum())

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        places, group = self._places.places, self._places.group_of
        logs = zip(self._places.names, self._digests.tolist(), self._released.tolist(), strict=True)
        return {
            name: MachineDigest(*places[group[number]], digest, count)
            for number, (name, digest, count) in enumerate(logs)
        }


class Prepared:
    """A block in log order, of which what is due can be released bit by bit."""

    def __init__(
        self,
        block: Block,
        read: Sequence[tuple[Readings, Block, Scans]],
        events: Mapping[str, _Events],
        waiting: dict[str, list[Event]],
    ) -> None:
        self.block = block
        self._read = read
        self._events = events
        self._waiting = waiting

    def release(self, stop_us: int, *, wall_ms: int = 0) -> list[Batch]:
        """Encode what is due before *stop_us* and was not released yet, partition by partition.

        *wall_ms* is the stamp of the records where their time is the wall clock's.
        """
        batches: list[Batch] = []
        for readings, block, scans in self._read:
            stop = _place(scans, stop_us)
            if stop > scans.at:
                batches += readings.release(block, scans, stop, wall_ms)
        for stream, events in self._waiting.items():
            due = _due(events, stop_us)
            batches += self._events[stream].release(events[:due], wall_ms)
            del events[:due]
        return batches

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us* and was not released yet: it never enters a log."""
        for readings, _, scans in self._read:
            readings.skip(scans, _place(scans, stop_us))
        for events in self._waiting.values():
            del events[: _due(events, stop_us)]


def _place(scans: Scans, stop_us: int) -> int:
    """Count the *scans* that are due before *stop_us*."""
    return int(np.searchsorted(scans.order.due_us, stop_us, side="left"))


def _due(events: list[Event], stop_us: int) -> int:
    """Count the *events*, which are in order of time, before *stop_us*."""
    return next((i for i, event in enumerate(events) if event.time_us >= stop_us), len(events))

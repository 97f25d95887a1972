"""Turn blocks into record batches: topic, partition, key, value, stamp, in log order.

`Encoder.prepare` merges and numbers a block's scans in one go of arrays; `Prepared.release` makes the records
that are due, partition by partition. Values are encoded at release: a block is up to 64 ticks of everything,
more Python objects than one wants to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from fleet.data import Batch, Block, Cohort, Equipment, Label, Record, truth_of
from fleet.encode.avro import frame
from fleet.encode.cloudevents import CloudEvents, StreamEvents
from fleet.encode.digest import MachineDigest
from fleet.encode.evolving import Change, Evolving, EvolvingWriter
from fleet.encode.formats import EVENT_FORMATS, READING_FORMATS, RUN_FORMATS, ReadingFormat, made
from fleet.encode.headers import Headers, Pairs, constant
from fleet.encode.injected import Injecting
from fleet.encode.layouts import LAYOUTS, OWN_SCHEMA_ID, SECOND_NAME, Layout
from fleet.encode.moments import Moments, due_before, events_of, labels_of, picked
from fleet.encode.order import Places, topics_for
from fleet.encode.own import own_program, slow_notices
from fleet.encode.packed import Packer
from fleet.encode.program import Fixed, Program, joined, json_program, packable
from fleet.encode.protobuf import protobuf_program
from fleet.encode.readings import Readings, Scans
from fleet.encode.schemas import schema_ids, schema_text
from fleet.encode.single import ProgramReadings
from fleet.encode.walk import walk
from fleet.encode.writers import PackWriter, RecordTime, RecordWriter, Writer
from fleet.errors import RequestError
from fleet.scenario.avsc import read_avsc

READ = ("readings", "truth")  # streams made of scans
BATCH_BYTES = 512 * 1024
"""Size of a packed batch where nobody says otherwise, header included."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Where a stream goes and how: *topic* may be a template of {site} {area} {line} {kind}.

    *own* is a layout of a user's own, in place of the one of ours that *layout* names. *changes* say which machines
    write another one from when on, in order of time.
    """

    topic: str
    format: str = "avro"
    layout: str = "v2"
    own: Layout | None = None
    changes: tuple[Change, ...] = ()

    def layout_of(self, stream: str) -> Layout:
        """Give the layout of the *stream* that goes this way; RequestError where there is none of that name."""
        layout = self.own or LAYOUTS.get((stream, self.layout))
        if layout is None:
            raise RequestError(f"{stream}: no layout {self.layout!r}; there is {', '.join(_layouts_of(stream))}")
        return layout

    def layouts_of(self, stream: str) -> tuple[Layout, ...]:
        """Give all layouts that records of the *stream* have, in the order in which they are first written."""
        return tuple(dict.fromkeys((self.layout_of(stream), *(change.layout for change in self.changes))))

    @property
    def owns(self) -> tuple[Layout, ...]:
        """The layouts of a user's own among them."""
        layouts = (self.own, *(change.layout for change in self.changes))
        return tuple(dict.fromkeys(layout for layout in layouts if layout is not None and layout.own))


def _layouts_of(stream: str) -> list[str]:
    return [name for of, name in LAYOUTS if of == stream]


def ids_of(streams: Mapping[str, StreamPlan]) -> dict[str, int]:
    """Give the ids that schemas have where no registry hands them out, by file, those of a user's own among them."""
    own = dict.fromkeys(own.schema for plan in streams.values() for own in plan.owns)
    return {**schema_ids(), **{file: OWN_SCHEMA_ID + at for at, file in enumerate(own)}}


def topics_of(plan: StreamPlan, machines: Iterable[Equipment]) -> dict[str, str]:
    """Give each machine's topic under *plan*, by machine id; RequestError where a name cannot be one."""
    listed = list(machines)
    return dict(zip((machine.id for machine in listed), topics_for(plan.topic, listed), strict=True))


class Encoder:
    """Encodes the blocks of one run; knows how far each machine's log is, and its digest.

    *streams* has whichever of "readings", "truth", "events", "doors", "labels" and "runs" are wanted: what has no plan
    is not encoded (truth needs blocks that have it), and doors without a plan of their own are events. Labels say of
    which *run* they are. *partitions* says how many each topic has. *record_time* is what the records' own stamps are:
    the scan's instant, the wall clock's at release (which the digest then leaves out), or of no account ("none", for
    sinks that do not keep it). Where layouts change in mid-run, *start_us* is its start.
    *headers* stand on all readings; with *cloudevents* all records but injected ones have those attributes as headers.
    With *batch_bytes* readings come as packed batches of at most so many bytes, where their format allows it.
    """

    def __init__(
        self,
        streams: Mapping[str, StreamPlan],
        partitions: Mapping[str, int],
        *,
        run: str = "",
        record_time: RecordTime = "scan",
        headers: Pairs = (),
        cloudevents: CloudEvents | None = None,
        ids: Mapping[str, int] | None = None,
        batch_bytes: int | None = None,
        start_us: int = 0,
    ) -> None:
        numbers = ids_of(streams) if ids is None else ids
        self._plans = dict(streams)
        self._readings: dict[str, Readings] = {}
        self.notices: list[str] = []
        for stream in READ:
            if stream not in streams:
                continue
            plan = streams[stream]
            evolving = Evolving(plan.layout_of(stream), plan.changes, start_us=start_us)
            writers = []
            for each in (_in_layout(plan, layout) for layout in evolving.layouts):
                about = _about(stream, each, cloudevents, numbers)
                stands = (*constant(headers), *(() if about is None else about.of_readings()))
                writers.append(_writer(each, record_time, stands, numbers, batch_bytes))
                if batch_bytes is not None and each.own is not None and isinstance(writers[-1], RecordWriter):
                    self.notices += slow_notices(each.own)
            writer = writers[0] if len(writers) == 1 else EvolvingWriter(writers, evolving)
            places = Places(plan.topic, partitions)
            self._readings[stream] = Readings(writer, evolving, places, record_time, stream=stream)
        abouts = {stream: _about(stream, plan, cloudevents, numbers) for stream, plan in streams.items()}
        forms = {stream: (plan.format, plan.layout) for stream, plan in streams.items()}
        self._moments: dict[str, Moments[Any]] = {
            stream: events_of(
                stream,
                forms[stream],
                Places(streams[stream].topic, partitions),
                record_time,
                numbers,
                abouts[stream],
            )
            for stream in ("events", "doors")
            if stream in streams
        }
        if "labels" in streams:
            places = Places(streams["labels"].topic, partitions)
            self._moments["labels"] = labels_of(
                forms["labels"], places, record_time, numbers, run=run, about=abouts["labels"]
            )
        self._injecting = _injecting(streams, partitions, record_time, run, numbers)
        self._run_format, self._about_runs, self._told = None, abouts.get("runs"), 0
        if "runs" in streams:
            self._run_format = made(RUN_FORMATS, forms["runs"], stream="runs", ids=numbers)

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that readings of *cohorts* can be written, before anything is sent; RequestError says why not."""
        for readings in self._readings.values():
            readings.check(cohorts)

    def prepare(self, block: Block) -> Prepared:
        """Put a *block* in log order. Blocks are prepared in order, and may be ahead of what is released."""
        waiting: dict[str, list[Any]] = {
            stream: list(block.labels) if stream == "labels" else picked(stream, block.events, self._moments)
            for stream in self._moments
        }
        of = {stream: block if stream == "readings" else truth_of(block) for stream in self._readings}
        read = [(readings, of[stream], readings.prepare(of[stream])) for stream, readings in self._readings.items()]
        return Prepared(block, read, self._moments, waiting, self._injecting)

    def close(self, labels: Sequence[Label], *, wall_ms: int = 0) -> Sequence[Batch]:
        """Encode the *labels* of what the end of the run has ended, in order of time, where labels are wanted."""
        stream = self._moments.get("labels")
        return [] if stream is None else stream.release(labels, wall_ms)

    def encode_run(self, record: Mapping[str, Any]) -> Record:
        """Encode a *record* of the run itself; its fields are those of ``run-record.v1.avsc``."""
        assert self._run_format is not None, "the run has no plan for runs"
        headers: Pairs = () if self._about_runs is None else self._about_runs.of_run(record, self._told)
        self._told += 1
        return Record(record["run"].encode(), self._run_format(record), record["timestamp"] // 1000, headers)

    @property
    def holes(self) -> dict[str, int]:
        """By stream: how many numbers its logs lack, before the last one of each machine."""
        found = {stream: readings.holes for stream, readings in self._readings.items()}
        return found | {stream: moments.holes for stream, moments in self._moments.items()}

    @property
    def digests(self) -> dict[str, dict[str, MachineDigest]]:
        """By stream and machine: the digest and count of what was released so far."""
        found = {stream: readings.digests() for stream, readings in self._readings.items()}
        return found | {stream: moments.digests() for stream, moments in self._moments.items()}


def _in_layout(plan: StreamPlan, layout: Layout) -> StreamPlan:
    """Give the *plan* of a stream that is written in one *layout* from the beginning."""
    return replace(plan, layout=layout.name, own=layout if layout.own else None, changes=())


def _about(
    stream: str, plan: StreamPlan, cloudevents: CloudEvents | None, ids: Mapping[str, int]
) -> StreamEvents | None:
    """Give what the events of a *stream* have in common, where they are CloudEvents."""
    if cloudevents is None:
        return None
    layout = plan.layout_of(stream)
    return cloudevents.of(stream, layout, plan.format, ids.get(layout.schema_in(plan.format)))


def _program(plan: StreamPlan, ids: Mapping[str, int]) -> Program:
    """Give what a reading's value consists of."""
    return _PROGRAMS[plan.format](plan.layout_of("readings"), ids)


def _json_program(layout: Layout, _: Mapping[str, int]) -> Program:
    if layout.own:
        return own_program(layout, form="json")
    return json_program(numbered=layout.numbered, renamed=SECOND_NAME in layout.fields)


def _avro_program(layout: Layout, ids: Mapping[str, int]) -> Program:
    if layout.own:
        walked = own_program(layout, form="avro")
    else:
        walked = walk(read_avsc(schema_text(layout.schema)), layout.filled)
    return joined((Fixed(frame(ids[layout.schema])), *walked))


_PROGRAMS: Mapping[str, Callable[[Layout, Mapping[str, int]], Program]] = {
    "avro": _avro_program,
    "json": _json_program,
    "protobuf": protobuf_program,
}


def _writer(
    plan: StreamPlan, record_time: RecordTime, headers: Headers, ids: Mapping[str, int], batch_bytes: int | None
) -> Writer:
    """Choose how readings are written: packed where that is wanted and the schema allows it."""
    if plan.own is None and (batch_bytes is None or (plan.format, plan.layout) not in READING_FORMATS):
        return RecordWriter(_one_by_one(plan, ids), record_time, headers)
    program = _program(plan, ids)
    if batch_bytes is not None and packable(program):
        return PackWriter(Packer(program, headers, batch_bytes=batch_bytes), record_time)
    return RecordWriter(ProgramReadings(program), record_time, headers)


def _one_by_one(plan: StreamPlan, ids: Mapping[str, int]) -> ReadingFormat:
    """Give what writes readings one by one."""
    if plan.own is None:
        return made(READING_FORMATS, (plan.format, plan.layout), stream="readings", ids=ids)
    return ProgramReadings(_program(plan, ids))


def _injecting(
    streams: Mapping[str, StreamPlan],
    partitions: Mapping[str, int],
    record_time: RecordTime,
    run: str,
    ids: Mapping[str, int],
) -> Injecting | None:
    """Make what writes the records of wrong clients, where there are readings that they may stand among."""
    plan = streams.get("readings")
    if plan is None:
        return None
    event = made(EVENT_FORMATS, (plan.format, _event_layout(ids)), stream="events", ids={**schema_ids(), **ids})
    headers = (("fleet-run", run.encode()),) if run else ()
    return Injecting(plan.topic, partitions, _one_by_one(plan, ids), event, record_time, headers)


def _event_layout(ids: Mapping[str, int]) -> str:
    """Name the layout of events that has an id: a registry gave *ids* only to those that the run writes."""
    known = {PurePath(file).stem for file in ids}
    layouts = {name: PurePath(each.schema).stem for (stream, name), each in LAYOUTS.items() if stream == "events"}
    return next((name for name, stem in layouts.items() if stem in known), "v1")


class Prepared:
    """A block in log order, of which what is due can be released bit by bit."""

    def __init__(
        self,
        block: Block,
        read: Sequence[tuple[Readings, Block, Scans]],
        moments: Mapping[str, Moments[Any]],
        waiting: dict[str, list[Any]],
        injecting: Injecting | None = None,
    ) -> None:
        self.block = block
        self._injecting, self._injected = injecting, [0] * len(block.injected)  # how many records of each were released
        self._read = read
        self._moments = moments
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
        for stream, waiting in self._waiting.items():
            due = due_before(waiting, stop_us)
            batches += self._moments[stream].release(waiting[:due], wall_ms)
            del waiting[:due]
        return batches + self._inject(stop_us, wall_ms)

    def _inject(self, stop_us: int, wall_ms: int) -> list[Batch]:
        """Write what wrong clients send before *stop_us* and was not written yet."""
        found: list[Batch] = []
        for at, injection in enumerate(self.block.injected if self._injecting is not None else ()):
            assert self._injecting is not None
            stop = int(np.searchsorted(injection.due_us, stop_us))
            found += self._injecting.batches(injection, self._injected[at], stop, wall_ms)
            self._injected[at] = max(self._injected[at], stop)
        return found

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us* and was not released yet: it never enters a log.

        But for labels: what they say is true of what is not skipped. They wait for the next release, and so does what
        a wrong client sends, which knows nothing of our schedule.
        """
        for readings, _, scans in self._read:
            readings.skip(scans, _place(scans, stop_us))
        for stream, waiting in self._waiting.items():
            if stream != "labels":
                del waiting[: due_before(waiting, stop_us)]


def _place(scans: Scans, stop_us: int) -> int:
    """Count the *scans* that are due before *stop_us*."""
    return int(np.searchsorted(scans.order.due_us, stop_us, side="left"))

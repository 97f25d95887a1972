"""Turn blocks into record batches: topic, partition, key, value, stamp, in log order.

`Encoder.prepare` merges and numbers a block's scans in one go of arrays; `Prepared.release` makes the records
that are due, partition by partition. Values are encoded at release: a block is up to 64 ticks of everything,
more Python objects than one wants to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np

from fleet.data import Block, Cohort, Equipment, Event, Ints, Record, RecordBatch, Words
from fleet.encode.digest import (
    MachineDigest,
    add_bytes,
    placed,
    reading_contents,
    scan_words,
    value_words,
    words_of,
)
from fleet.encode.formats import DOOR_FORMATS, EVENT_FORMATS, READING_FORMATS, RUN_FORMATS, EventFormat, made
from fleet.encode.layouts import LAYOUTS, Layout
from fleet.encode.order import CohortPlaces, Merged, Places, cohort_places, merged, places_in_log, topic_of
from fleet.encode.schemas import schema_ids

RecordTime = Literal["scan", "wall", "none"]
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Where a stream goes and how: *topic* may be a template of {site} {area} {line} {kind}."""

    topic: str
    format: str = "avro"
    layout: str = "v2"


def topics_of(plan: StreamPlan, machines: Iterable[Equipment]) -> dict[str, str]:
    """Give each machine's topic under *plan*, by machine id; RequestError where a name cannot be one."""
    return {machine.id: topic_of(plan.topic, machine) for machine in machines}


class Encoder:
    """Encodes the blocks of one run; knows how far each machine's log is, and its digest.

    *streams* has "readings" and whichever of "events", "doors" and "runs" are wanted: what has no plan
    is not encoded, and doors without a plan of their own are events. *partitions* says how many partitions
    each topic has. *record_time* is what the records' own stamps are: the scan's instant, the wall clock's
    at release (which the digest then leaves out), or of no account ("none", for sinks that do not keep it).
    """

    def __init__(
        self,
        streams: Mapping[str, StreamPlan],
        partitions: Mapping[str, int],
        *,
        record_time: RecordTime = "scan",
        headers: Headers = (),
        ids: Mapping[str, int] | None = None,
    ) -> None:
        numbers = schema_ids() if ids is None else ids
        self._plans = dict(streams)
        self._readings = _Readings(streams["readings"], partitions, record_time, headers, numbers)
        self._events = {
            stream: _Events(stream, streams[stream], partitions, record_time, numbers)
            for stream in ("events", "doors")
            if stream in streams
        }
        self._run_format = None
        if "runs" in streams:
            row = (streams["runs"].format, streams["runs"].layout)
            self._run_format = made(RUN_FORMATS, row, stream="runs", ids=numbers)

    def prepare(self, block: Block) -> Prepared:
        """Put a *block* in log order. Blocks are prepared in order, and may be ahead of what is released."""
        events = {stream: encoder.of(block.events, self._events) for stream, encoder in self._events.items()}
        return Prepared(block, self._readings, self._readings.prepare(block), self._events, events)

    def encode_run(self, record: Mapping[str, Any]) -> Record:
        """Encode a *record* of the run itself; its fields are those of ``run-record.v1.avsc``."""
        assert self._run_format is not None, "the run has no plan for runs"
        return Record(record["run"].encode(), self._run_format(record), record["timestamp"] // 1000)

    @property
    def digests(self) -> dict[str, dict[str, MachineDigest]]:
        """By stream and machine: the digest and count of what was released so far."""
        found = {"readings": self._readings.digests()}
        return found | {stream: encoder.digests() for stream, encoder in self._events.items()}


@dataclass(slots=True, eq=False)
class _Scans:
    """A block's scans in log order."""

    order: Merged
    at: int = 0  # how many were released or skipped


class _Readings:
    """The stream of readings."""

    def __init__(
        self,
        plan: StreamPlan,
        partitions: Mapping[str, int],
        record_time: RecordTime,
        headers: Headers,
        ids: Mapping[str, int],
    ) -> None:
        self._format = made(READING_FORMATS, (plan.format, plan.layout), stream="readings", ids=ids)
        self._layout: Layout = LAYOUTS["readings", plan.layout]
        self._places = Places(plan.topic, partitions)
        self._cohorts: dict[int, CohortPlaces] = {}
        self._record_time = record_time
        self._headers = headers
        self._released = np.zeros(0, np.int64)  # by machine: readings in its log
        self._digest = np.zeros(0, np.uint64)

    def cohort(self, cohort: Cohort) -> CohortPlaces:
        """Look up a *cohort*, once."""
        known = self._cohorts.get(id(cohort))
        if known is None:
            known = self._cohorts[id(cohort)] = cohort_places(cohort, self._places)
            more = len(self._places.names) - len(self._released)
            self._released = np.pad(self._released, (0, more))
            self._digest = np.pad(self._digest, (0, more))
        return known

    def prepare(self, block: Block) -> _Scans:
        """Merge a *block*'s scans."""
        return _Scans(merged(block, self.cohort))

    def _digest_span(self, block: Block, order: Merged, span: slice) -> None:
        """Add the scans of *span* to their machines' digests and counts."""
        number, readings = order.number[span], order.readings[span]
        source, row = order.source[span], order.row[span]
        n = places_in_log(number, readings, self._released)
        for k in range(len(block.kinds)):
            where = np.flatnonzero(source == k)
            np.add.at(self._digest, number[where], self._adds(block, k, row[where], n[where]))
        np.add.at(self._released, number, readings)

    def _adds(self, block: Block, k: int, rows: Ints, n: Ints) -> Words:
        columns, at = block.kinds[k], self.cohort(block.kinds[k].cohort)
        machine = columns.machine[rows]
        stamp_ms = columns.scan_us[rows] // 1000 if self._record_time == "scan" else np.zeros_like(n)
        numbered = self._layout.numbered
        scan = scan_words(
            at.machine_words[machine],
            words_of(at.partition[machine]),
            words_of(stamp_ms),
            words_of(columns.event_us[rows]) if numbered else None,
        )[:, None]
        within = np.arange(len(columns.sensors))
        numbers = words_of(columns.seq[rows][:, None] + within), words_of(columns.quality[rows])
        contents = reading_contents(
            scan,
            at.sensor_words[list(columns.sensors)],
            value_words(columns.value[rows], self._layout),
            numbers if numbered else None,
        )
        adds: Words = placed(contents, words_of(n[:, None] + within)).sum(axis=1, dtype=np.uint64)
        return adds

    def release(self, block: Block, scans: _Scans, stop: int, wall_ms: int) -> list[RecordBatch]:
        """Encode the scans from where *scans* is to *stop*."""
        order, span = scans.order, slice(scans.at, stop)
        scans.at = stop
        self._digest_span(block, order, span)
        source, group = order.source[span], order.group[span]
        kinds = [iter(self._scan_records(block, k, order.row[span][source == k], wall_ms))
                 for k in range(len(block.kinds))]  # fmt: skip
        records: dict[int, list[Record]] = {number: [] for number in np.unique(group).tolist()}
        due: dict[int, int] = {}
        for k, number, due_us in zip(source.tolist(), group.tolist(), order.due_us[span].tolist(), strict=True):
            records[number].extend(next(kinds[k]))
            due[number] = due_us
        places = self._places.places
        return [RecordBatch("readings", *places[number], records[number], due[number]) for number in records]

    def _scan_records(self, block: Block, k: int, rows: Ints, wall_ms: int) -> list[list[Record]]:
        """Encode the scans *rows* of the *k*-th kind to one list of records a scan."""
        if not len(rows):
            return []
        columns, keys, headers = block.kinds[k], self.cohort(block.kinds[k].cohort).keys, self._headers
        values, width = self._format.values(columns, rows), len(columns.sensors)
        wall = self._record_time == "wall"
        stamps: list[int] = [wall_ms] * len(rows) if wall else (columns.scan_us[rows] // 1000).tolist()
        make = Record._make
        return [
            list(map(make, zip(repeat(keys[machine]), values[i : i + width], repeat(stamp), repeat(headers))))
            for i, machine, stamp in zip(
                range(0, len(values), width), columns.machine[rows].tolist(), stamps, strict=True
            )
        ]

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        places, group = self._places.places, self._places.group_of
        return {
            name: MachineDigest(*places[group[number]], digest, count)
            for number, (name, digest, count) in enumerate(
                zip(self._places.names, self._digest.tolist(), self._released.tolist(), strict=True)
            )
        }


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
        self._logs: dict[int, tuple[int, int]] = {}  # by machine: digest and count

    def of(self, events: tuple[Event, ...], streams: Mapping[str, _Events]) -> list[Event]:
        """Pick the *events* of this stream, given which *streams* there are."""
        if self._stream == "doors":
            return [event for event in events if event.type == "door"]
        return [event for event in events if event.type != "door" or "doors" not in streams]

    def release(self, events: list[Event], wall_ms: int) -> list[RecordBatch]:
        """Encode *events*, which are in order of time."""
        records: dict[int, list[Record]] = {}
        due: dict[int, int] = {}
        for event in events:
            number = self._places.number(event.machine)
            group = self._places.group_of[number]
            key, value = self._encode(event)
            stamp = wall_ms if self._record_time == "wall" else event.time_us // 1000
            records.setdefault(group, []).append(Record(key, value, stamp))
            due[group] = event.time_us
            self._count(number, key, value, stamp if self._record_time == "scan" else 0)
        places = self._places.places
        return [RecordBatch(self._stream, *places[group], rows, due[group]) for group, rows in records.items()]

    def _count(self, number: int, key: bytes, value: bytes, stamp_ms: int) -> None:
        digest, n = self._logs.get(number, (0, 0))
        partition = self._places.places[self._places.group_of[number]].partition
        digest = add_bytes(digest, n=n, partition=partition, stamp_ms=stamp_ms, key=key, value=value)
        self._logs[number] = digest, n + 1

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        return {
            self._places.names[number]: MachineDigest(
                *self._places.places[self._places.group_of[number]], *self._logs.get(number, (0, 0))
            )
            for number in range(len(self._places.names))
        }


class Prepared:
    """A block in log order, of which what is due can be released bit by bit."""

    def __init__(
        self,
        block: Block,
        readings: _Readings,
        scans: _Scans,
        events: Mapping[str, _Events],
        waiting: dict[str, list[Event]],
    ) -> None:
        self.block = block
        self._readings = readings
        self._scans = scans
        self._events = events
        self._waiting = waiting

    def release(self, stop_us: int, *, wall_ms: int = 0) -> list[RecordBatch]:
        """Encode what is due before *stop_us* and was not released yet, one batch a stream and partition.

        *wall_ms* is the stamp of the records where their time is the wall clock's.
        """
        stop = self._place(stop_us)
        batches: list[RecordBatch] = []
        for stream, events in self._waiting.items():
            due = _due(events, stop_us)
            batches += self._events[stream].release(events[:due], wall_ms)
            del events[:due]
        if stop > self._scans.at:
            batches += self._readings.release(self.block, self._scans, stop, wall_ms)
        return batches

    def skip(self, stop_us: int) -> None:
        """Pass over what is due before *stop_us* and was not released yet: it never enters a log."""
        self._scans.at = max(self._scans.at, self._place(stop_us))
        for events in self._waiting.values():
            del events[: _due(events, stop_us)]

    def _place(self, stop_us: int) -> int:
        return int(np.searchsorted(self._scans.order.due_us, stop_us, side="left"))


def _due(events: list[Event], stop_us: int) -> int:
    """Count the *events*, which are in order of time, before *stop_us*."""
    return next((i for i, event in enumerate(events) if event.time_us >= stop_us), len(events))

"""``fleet record TOPIC``: what a run wrote to topics, or all that topics hold, into a recording."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fleet.contract.access import Access
from fleet.contract.lookup import Lookup
from fleet.data import RecordBatch
from fleet.encode.columns import NULL, RecordColumns, record_columns
from fleet.encode.decode import known_schemas
from fleet.encode.repack import repacked
from fleet.encode.runs import run_record
from fleet.errors import RequestError
from fleet.run.execute import EXIT_INTERRUPTED, EXIT_LOST, Stopper
from fleet.sinks.connection import Connection
from fleet.sinks.recording import CODEC_NAMES, RUNS, RecordingMeta, RecordingWriter, topic_meta
from fleet.verify.closing import closing
from fleet.verify.runs import TOPIC, Run, find, runs_of

SLICE_BYTES = 256 * 1024
LOOK_S = 0.5
"""How often one looks whether a run that goes on has written more, or has ended."""

UNKNOWN = "records"
"""The stream of records of which nobody knows what they are."""

UNKNOWN_MAX = 10
"""So many ids are told of which nobody has the schema."""

Spans = dict[int, tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """What was asked for."""

    topics: tuple[str, ...]  # none: all that the run wrote to
    out: Path
    run: str | None = None
    codec: str = "deflate"
    for_s: float | None = None  # of wall time; None: to the end of the run, or of the topic as it is now
    registry: Access | None = None  # asked for the schemas of the topics


@dataclass(slots=True)
class Recorded:
    """What was recorded."""

    path: Path
    run: Run | None
    records: int = 0
    bytes: int = 0
    took_s: float = 0.0
    interrupted: bool = False
    missing: list[str] = field(default_factory=list)
    unknown: Counter[int] = field(default_factory=Counter)  # records of schemas that it does not have, by id

    @property
    def exit_code(self) -> int:
        """Give 0, 1 where something could not be had, 130 where it was interrupted."""
        return EXIT_LOST if self.missing else EXIT_INTERRUPTED if self.interrupted else 0

    def as_json(self) -> dict[str, Any]:
        """Say it for machines."""
        return {
            "file": str(self.path),
            "run": None if self.run is None else self.run.id,
            "records": self.records,
            "bytes": self.bytes,
            "took_s": round(self.took_s, 3),
            "missing": list(self.missing),
            "interrupted": self.interrupted,
            "exit": self.exit_code,
        }

    def lines(self) -> list[str]:
        """Say it for people."""
        what = f"run {self.run.id}" if self.run is not None else "records"
        rate = self.records / self.took_s if self.took_s else 0.0
        head = f"{self.path}: {self.records:,} records of {what}, {self.bytes:,} bytes of them, in {self.took_s:.1f} s"
        lines = [f"{head} ({rate:,.0f} records/s)"]
        lines += [f"missing: {text}" for text in self.missing]
        if self.unknown:
            ids = ", ".join(map(str, self.unknown))
            told = f"{self.unknown.total():,} records have ids whose schema the recording does not have ({ids})"
            lines.append(f"{told}; a registry may: --registry")
        lines += ["interrupted: this is what there was until then"] if self.interrupted else []
        return [*lines, f"again: fleet replay {self.path}"]


async def record(connection: Connection, request: RecordRequest, *, say: Callable[[str], None]) -> Recorded:
    """Record what *request* asks for; RequestError where there is no such topic or run, RunError where it broke."""
    from fleet.sinks.topics import describe_topics

    if request.codec not in CODEC_NAMES:
        raise RequestError(f"--codec: must be {', '.join(CODEC_NAMES)}, got {request.codec!r}")
    run = await _run(connection, request)
    seen = await describe_topics(connection, request.topics or tuple(run.topics if run is not None else ()))
    for name in request.topics:
        if run is not None and name not in run.topics:
            raise RequestError(f"{name}: run {run.id} did not write there; it wrote {', '.join(run.topics)}")
    spans = {name: _spans(run, name, topic.start_offsets, topic.end_offsets) for name, topic in seen.items()}
    follow = request.for_s is not None or (run is not None and not run.ended)
    async with Lookup(request.registry, say) as lookup:
        schemas = {**known_schemas(), **await lookup.of_topics(seen), **({} if run is None else run.schemas)}
    meta = RecordingMeta(
        {name: topic_meta(len(topic.end_offsets), topic.settings) for name, topic in seen.items()},
        schemas,
        f"{', '.join(seen)} on {connection.bootstrap}",
        {} if follow else {name: {str(p): (a, b or 0) for p, (a, b) in of.items()} for name, of in spans.items()},
    )
    writer = RecordingWriter(request.out, meta, codec=CODEC_NAMES[request.codec])
    recording = _Recording(connection, request, run, writer, Recorded(request.out, run), frozenset(schemas))
    try:
        await recording.take(spans, follow=follow, say=say)
    except BaseException:
        writer.abandon()
        raise
    writer.end(tuple(recording.result.missing))
    recording.result.records, recording.result.bytes = writer.records, writer.bytes
    return recording.result


async def _run(connection: Connection, request: RecordRequest) -> Run | None:
    """Find the run to record: the one named, else the last one that wrote to the topics; None where none did."""
    try:
        runs = await runs_of(connection)
    except RequestError:
        if request.run is not None:
            raise
        runs = []
    if request.run is not None or not request.topics:
        return find(runs, request.run, where=TOPIC)
    return next((one for one in reversed(runs) if set(request.topics) <= one.topics.keys()), None)


def _spans(run: Run | None, name: str, begins: Sequence[int], ends: Sequence[int]) -> Spans:
    """Settle the offsets of a topic: those that the run wrote, else all there are now."""
    if run is None:
        return {p: (begin, end) for p, (begin, end) in enumerate(zip(begins, ends, strict=True)) if begin < end}
    part = run.topics[name]
    starts = part.start_offsets or tuple(begins)
    stops: Sequence[int | None] = part.end_offsets or [None] * len(starts)
    pairs = enumerate(zip(starts, stops, strict=True))
    return {p: (start, stop) for p, (start, stop) in pairs if stop is None or start < stop}


class _Recording:
    """A recording under way."""

    def __init__(
        self,
        connection: Connection,
        request: RecordRequest,
        run: Run | None,
        writer: RecordingWriter,
        result: Recorded,
        ids: frozenset[int],
    ) -> None:
        self._connection, self._request, self._run, self._writer = connection, request, run, writer
        self.result = result
        self._ids = ids  # those that the recording has the schemas of
        self._at: dict[tuple[str, int], int] = {}

    async def take(self, spans: Mapping[str, Spans], *, follow: bool, say: Callable[[str], None]) -> None:
        """Record *spans*; with *follow* go on as long as the run does, or for as long as was asked."""
        begun_s, stopper = time.monotonic(), Stopper()
        until_s = None if self._request.for_s is None else begun_s + self._request.for_s
        self._tell_run(started=True)
        with stopper.listening():
            left = {name: dict(of) for name, of in spans.items()}
            while True:
                over = not follow or stopper.soft.is_set() or (until_s is not None and time.monotonic() >= until_s)
                if self._run is not None and follow and not over:
                    self._run = find(await runs_of(self._connection), self._run.id, where=TOPIC)
                    over = self._run.ended
                for name, of in left.items():
                    await self._topic(name, of, stopper)
                if over or stopper.soft.is_set():
                    break
                say(f"{self._writer.records:,} records so far")
                await asyncio.wait({asyncio.create_task(stopper.soft.wait())}, timeout=LOOK_S)
        self.result.interrupted = stopper.soft.is_set()
        self.result.took_s = time.monotonic() - begun_s
        self._tell_run(started=False)

    async def _topic(self, name: str, of: Spans, stopper: Stopper) -> None:
        """Record what a topic has now of its spans."""
        from fleet.sinks.fetch import fetch
        from fleet.sinks.reader import Trimmed
        from fleet.sinks.topics import end_offsets

        count = max(of, default=-1) + 1
        ends = (await end_offsets(self._connection, {name: count}))[name]
        spans: dict[int, tuple[int, int | None]] = {}
        for p, (start, stop) in of.items():
            at, last = self._at.get((name, p), start), ends[p] if stop is None else stop
            if at < last:
                spans[p] = (at, last)
        if not spans:
            return
        async with closing(fetch(self._connection, name, spans)) as found:
            async for piece in found:
                if isinstance(piece, Trimmed):
                    gone = f"{name}[{piece.partition}] from offset {piece.start:,} to {piece.stop:,}"
                    self.result.missing.append(f"{gone}: the broker does not have it any more")
                else:
                    columns = record_columns(piece)
                    self._damaged(name, piece.partition, columns)
                    self._count_unknown(columns)
                    self._write(name, piece.partition, columns)
                self._at[name, piece.partition] = piece.stop
                if stopper.soft.is_set():
                    return

    def _damaged(self, name: str, partition: int, columns: RecordColumns) -> None:
        for first, records, why in columns.damaged:
            self.result.missing.append(f"{name}[{partition}] from offset {first:,}, {records:,} records: {why}")

    def _count_unknown(self, columns: RecordColumns) -> None:
        """Count the records of schemas that the recording does not have: who plays them cannot read them."""
        numbers, counts = np.unique(columns.schema_ids, return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if (
                number != NULL
                and number not in self._ids
                and (number in self.result.unknown or len(self.result.unknown) < UNKNOWN_MAX)
            ):
                self.result.unknown[number] += count

    def _write(self, name: str, partition: int, columns: RecordColumns) -> None:
        """Write records, cut where offsets are missing between them and where they begin or cease to be plain."""
        if not len(columns):
            return
        plain = (columns.key_length != NULL) & (columns.value_length != NULL) & (columns.headers == 0)
        cut = np.flatnonzero((np.diff(columns.offset) != 1) | (plain[1:] != plain[:-1])) + 1
        stream = self._stream(name)
        for first, stop in zip([0, *cut.tolist()], [*cut.tolist(), len(columns)], strict=True):
            part = columns.chosen(slice(first, stop))
            offset = int(part.offset[0])
            for batch in repacked(part, stream=stream, topic=name, partition=partition, batch_bytes=SLICE_BYTES):
                self._writer.add(batch, offset=offset, plain=bool(plain[first]))
                offset += len(batch)

    def _stream(self, name: str) -> str:
        """Name what a topic holds."""
        if self._run is None or name not in self._run.topics:
            return UNKNOWN
        return self._run.topics[name].streams[0]

    def _tell_run(self, *, started: bool) -> None:
        """Keep what the run said of itself: its start first, the rest when all is recorded."""
        if self._run is None:
            return
        for shard in self._run.shards.values():
            ended = [] if shard.ended is None else [shard.ended]
            for fields in [shard.started] if started else [*shard.journal, *ended]:
                self._writer.add(RecordBatch(RUNS, TOPIC, 0, [run_record(fields)]))

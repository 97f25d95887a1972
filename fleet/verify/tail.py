"""``fleet tail``: decoded records of a topic, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fleet.contract.access import Access
from fleet.contract.lookup import Lookup
from fleet.contract.resolve import Reader
from fleet.contract.versions import family_of
from fleet.encode.decode import known_schemas
from fleet.errors import RequestError
from fleet.sinks.connection import Connection
from fleet.verify.asking import Asking
from fleet.verify.closing import closing
from fleet.verify.log import UNREADABLE
from fleet.verify.render import LINES, Tailed, headed
from fleet.verify.resolved import Resolving, shelf
from fleet.verify.runs import TOPIC, Run, find, runs_of

READINGS = "factory.readings"

Spans = dict[int, tuple[int, int | None]]  # by partition: first offset, and where to end


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What to show. *machine* and *sensor* are globs; with a *sensor* only readings are shown.

    *since* is ``now``, ``beginning`` or ``run``: then exactly the records of *run*, or of the last one, and on
    until it ends. *count* ends after so many. *form* is a row of the table in `fleet.verify.render`. Records are
    resolved to *schema*, where one is named; ids that nobody knows are asked for at the *registry*. With *headers*
    each record's are shown as well.
    """

    machine: str = "*"
    sensor: str = "*"
    since: str = "now"
    run: str | None = None
    count: int | None = None
    form: str = "text"
    topic_runs: str = TOPIC
    schema: str | None = None
    registry: Access | None = None
    headers: bool = False


def _nobody(_: str) -> None:
    """Tell nobody."""


async def tail(
    connection: Connection,
    topic: str,
    *,
    options: TailOptions,
    write: Callable[[str], object],
    say: Callable[[str], object] = _nobody,
) -> int:
    """Write the records of *topic* that *options* ask for, a line each, and give how many there were.

    What cannot be decoded is shown as such and ends nothing; a reader that has gone (BrokenPipeError from
    *write*) ends it quietly. What the reader's schema cannot read is written once for each writer and reason; at the
    end *say* is told how many records were read and how many were not. RequestError where there is no such topic, run
    or schema.
    """
    if options.count is not None and options.count <= 0:
        return 0
    shown, line = 0, LINES[options.form]()
    if options.headers:
        line = headed(line, options.form)
    resolving: Resolving | None = None
    try:
        async with Lookup(options.registry, say, ours=known_schemas()) as lookup:
            spans, run = await _spans(connection, topic, options)
            known = _Known(connection, topic, options.topic_runs, run, lookup)
            await known.look()
            if options.schema is not None:
                resolving = Resolving(Reader(shelf().version(options.schema, known.family)), known.texts)
            async with closing(tailed(connection, topic, options, spans, known)) as records:
                async for record in records:
                    told = record if resolving is None else resolving.resolve(record)
                    if told is not None:
                        write(line(told) + "\n")
                    shown += 1
                    if shown == options.count:
                        break
    except BrokenPipeError:
        pass
    finally:
        for each in resolving.tally.lines() if resolving is not None else ():
            say(each)
    return shown


async def tailed(
    connection: Connection, topic: str, options: TailOptions, spans: Spans, known: _Known
) -> AsyncIterator[Tailed]:
    """Give the records in *spans* of *topic* that *options* ask for, decoded; for ever, or to the end of a run."""
    from fleet.sinks.reader import Trimmed, read

    if not spans:
        return
    async with closing(read(connection, topic, spans)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Trimmed):
                continue  # who looks on asks for no proof
            partition, records = piece
            for record in records:
                found = await known.decode(partition, record)
                if wanted(found, options):
                    yield found


class _Known:
    """What is known of how a topic's records are written: by *run*, or by the last one that wrote there.

    Ids that it does not name are asked for by *lookup*. A run may begin while one looks on, so who finds records that
    nobody can read asks again: after the first of them, the second, the fourth, the eighth ... *texts* are the schemas
    by id.
    """

    def __init__(self, connection: Connection, topic: str, topic_runs: str, run: Run | None, lookup: Lookup) -> None:
        self._connection, self._topic, self._topic_runs, self._run = connection, topic, topic_runs, run
        self._lookup = lookup
        self._unread = 0
        self.texts: dict[int, str] = {}
        self._take(run)

    async def look(self) -> None:
        """Ask which run wrote to the topic last, where nobody named one."""
        if self._run is not None:
            return
        try:
            runs = await runs_of(self._connection, topic=self._topic_runs)
        except RequestError:
            return  # somebody else's topic is read as well
        self._take(next((run for run in reversed(runs) if self._topic in run.topics), None))

    def _take(self, run: Run | None) -> None:
        streams = () if run is None else run.topics[self._topic].streams
        self.family = family_of(self._topic, streams)
        owns = run.owns if run is not None and "readings" in streams else ()
        self._asking = Asking({} if run is None else run.schemas, self._lookup, owns=owns, texts=self.texts)

    async def decode(self, partition: int, record: Any) -> Tailed:
        """Decode a *record*."""
        await self._asking.learn(record.value)
        found = self._decode(partition, record)
        if found.fields is None and self._run is None:
            self._unread += 1
            if self._unread & (self._unread - 1) == 0:
                await self.look()
                found = self._decode(partition, record)
        return found

    def _decode(self, partition: int, record: Any) -> Tailed:
        key = (record.key or b"").decode(errors="replace")
        place = (self._topic, partition, record.offset, record.timestamp, key)
        try:
            fields = self._asking.decoder.said(record.value)
            reading = self._asking.decoder.reading(fields, record.key)
        except UNREADABLE as error:
            return Tailed(*place, None, str(error), value=record.value or b"", headers=tuple(record.headers))
        return Tailed(*place, fields, "", reading, record.value, headers=tuple(record.headers))


async def _spans(connection: Connection, topic: str, options: TailOptions) -> tuple[Spans, Run | None]:
    """Settle which offsets to read, and of which run, where one was asked for."""
    from fleet.sinks.reader import partitions_of
    from fleet.sinks.topics import end_offsets

    count = await partitions_of(connection, topic)
    if options.since == "beginning":
        return dict.fromkeys(range(count), (0, None)), None
    if options.since == "now":
        ends = (await end_offsets(connection, {topic: count}))[topic]
        return {p: (end, None) for p, end in enumerate(ends)}, None
    run = find(await runs_of(connection, topic=options.topic_runs), options.run, where=options.topic_runs)
    if topic not in run.topics:
        raise RequestError(f"{topic}: run {run.id} did not write there; it wrote {', '.join(run.topics)}")
    part = run.topics[topic]
    starts = part.start_offsets or (0,) * part.partitions
    stops: tuple[int | None, ...] = part.end_offsets or (None,) * part.partitions
    pairs = zip(starts, stops, strict=True)
    return {p: (a, b) for p, (a, b) in enumerate(pairs) if b is None or a < b}, run


def wanted(record: Tailed, options: TailOptions) -> bool:
    """Say whether *options* ask for *record*. What has no machine of its own goes by its key."""
    fields = record.reading or record.fields or {}
    machine = str(fields.get("machine") or fields.get("location") or record.key)
    if not fnmatchcase(machine, options.machine):
        return False
    return options.sensor == "*" or fnmatchcase(str(fields.get("sensor", "")), options.sensor)

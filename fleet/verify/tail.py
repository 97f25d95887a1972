"""``fleet tail``: decoded records of a topic, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fleet.encode.decode import Decoder
from fleet.encode.schemas import schema_text
from fleet.errors import RequestError
from fleet.sinks.connection import Connection
from fleet.verify.closing import closing
from fleet.verify.log import UNREADABLE
from fleet.verify.render import LINES, Tailed
from fleet.verify.runs import TOPIC, find, runs_of

READINGS = "factory.readings"


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What to show. *machine* and *sensor* are globs; with a *sensor* only readings are shown.

    *since* is ``now``, ``beginning`` or ``run``: then exactly the records of *run*, or of the last one, and on
    until it ends. *count* ends after so many. *form* is a row of the table in `fleet.verify.render`.
    """

    machine: str = "*"
    sensor: str = "*"
    since: str = "now"
    run: str | None = None
    count: int | None = None
    form: str = "text"
    topic_runs: str = TOPIC


async def tail(connection: Connection, topic: str, *, options: TailOptions, write: Callable[[str], object]) -> int:
    """Write the records of *topic* that *options* ask for, a line each, and give how many there were.

    What cannot be decoded is shown as such and ends nothing; a reader that has gone (BrokenPipeError from
    *write*) ends it quietly. RequestError where there is no such topic or run.
    """
    if options.count is not None and options.count <= 0:
        return 0
    shown, line = 0, LINES[options.form]()
    try:
        async with closing(tailed(connection, topic, options)) as records:
            async for record in records:
                write(line(record) + "\n")
                shown += 1
                if shown == options.count:
                    break
    except BrokenPipeError:
        pass
    return shown


async def tailed(connection: Connection, topic: str, options: TailOptions) -> AsyncIterator[Tailed]:
    """Give the records of *topic* that *options* ask for, decoded; for ever, or to the end of a run."""
    from fleet.sinks.reader import Trimmed, read

    spans, schemas = await _spans(connection, topic, options)
    if not spans:
        return
    decoder = Decoder(schemas)
    async with closing(read(connection, topic, spans)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Trimmed):
                continue  # who looks on asks for no proof
            partition, records = piece
            for record in records:
                found = _decode(decoder, topic, partition, record)
                if wanted(found, options):
                    yield found


async def _spans(
    connection: Connection, topic: str, options: TailOptions
) -> tuple[dict[int, tuple[int, int | None]], Mapping[int, str] | None]:
    """Settle which offsets to read, and the schemas they are written with, where a run says so."""
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
    schemas = {number: schema_text(name) for name, number in run.first["schema_ids"].items()}
    pairs = zip(starts, stops, strict=True)
    return {p: (a, b) for p, (a, b) in enumerate(pairs) if b is None or a < b}, schemas


def _decode(decoder: Decoder, topic: str, partition: int, record: Any) -> Tailed:
    key = (record.key or b"").decode(errors="replace")
    fields: dict[str, Any] | None
    try:
        fields, problem = decoder.decode(record.value), ""
    except UNREADABLE as error:
        fields, problem = None, str(error)
    return Tailed(topic, partition, record.offset, record.timestamp, key, fields, problem)


def wanted(record: Tailed, options: TailOptions) -> bool:
    """Say whether *options* ask for *record*. What has no machine of its own goes by its key."""
    fields = record.fields or {}
    machine = str(fields.get("machine") or fields.get("location") or record.key)
    if not fnmatchcase(machine, options.machine):
        return False
    return options.sensor == "*" or fnmatchcase(str(fields.get("sensor", "")), options.sensor)

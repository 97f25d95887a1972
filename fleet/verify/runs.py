"""What ran: the records of ``factory.runs``, put together to runs whose shards are one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.encode.decode import Decoder, UndecodableError, stream_of
from fleet.encode.digest import MASK
from fleet.encode.layouts import Layout
from fleet.encode.own import said_layout
from fleet.encode.runs import run_fields
from fleet.encode.schemas import schema_ids, schema_text
from fleet.errors import RequestError
from fleet.sinks.connection import Connection
from fleet.verify.closing import closing

TOPIC = "factory.runs"
RECORD_TIMES = ("scan", "wall", "none")

Fields = Mapping[str, Any]
Account = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class TopicRange:
    """What a run wrote to one topic, and where: the union over its shards.

    *start_offsets* and *end_offsets* are empty where unknown, as in files and in runs that did not end;
    *digests* likewise.
    """

    topic: str
    streams: tuple[str, ...]
    format: str
    layout: str
    partitions: int
    start_offsets: tuple[int, ...]
    end_offsets: tuple[int, ...]
    digests: tuple[int, ...]
    settings: Mapping[str, str]


@dataclass(slots=True)
class Shard:
    """One part of a run: what it said at the start, meanwhile and at the end."""

    name: str  # as in 3/16
    started: Fields
    journal: list[Fields] = field(default_factory=list)
    progress: Fields | None = None
    ended: Fields | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Which share of the islands it computes, counted from 0, and of how many."""
        number, _, of = self.name.partition("/")
        return int(number) - 1, int(of)

    @property
    def skips(self) -> list[tuple[int, int]]:
        """The spans of due time that were passed over because the run was late, in order."""
        found = []
        for record in self.journal:
            skip = _entry(record).get("skip")
            if isinstance(skip, dict):
                found.append((int(skip["from_us"]), int(skip["to_us"])))
        return sorted(found)


@dataclass(slots=True)
class Run:
    """One run, all shards of it."""

    id: str
    shards: dict[str, Shard] = field(default_factory=dict)

    @property
    def first(self) -> Fields:
        """What the first shard said at the start: scenario, seed and versions are the same in all."""
        return next(iter(self.shards.values())).started

    @property
    def missing_shards(self) -> int:
        """How many shards have said nothing at all."""
        return max(shard.place[1] for shard in self.shards.values()) - len(self.shards)

    @property
    def ended(self) -> bool:
        """Whether every shard has ended."""
        return self.missing_shards == 0 and all(shard.ended is not None for shard in self.shards.values())

    @property
    def record_time(self) -> str:
        """What the records' own stamps are: ``scan``, ``wall`` or, in files, ``none``."""
        said = _entry(self.first).get("record_time", "scan")
        return said if said in RECORD_TIMES else "scan"

    @property
    def header_id(self) -> str:
        """The id in its records' headers, where they have any: of a replay, that of the run that was recorded."""
        said = _entry(self.first).get("replay_of")
        return said if isinstance(said, str) else self.id

    @property
    def owns(self) -> tuple[Layout, ...]:
        """The layouts of a user's own that its readings have, in the order in which machines began to write them."""
        entry = _entry(self.first)
        said = entry.get("owns", [])
        found = [said_layout(each) for each in (entry.get("own"), *(said if isinstance(said, list) else []))]
        return tuple(own for own in found if own is not None)

    @property
    def schemas(self) -> dict[int, str]:
        """The texts of its schemas by the ids it wrote them with; of those that are known."""
        texts = {name: schema_text(name) for name in schema_ids()} | {own.schema: own.text for own in self.owns}
        return {number: texts[name] for name, number in self.first["schema_ids"].items() if name in texts}

    @property
    def account(self) -> Account:
        """The account, by stream, summed over the shards: that of the end, or the last one that was said."""
        total: Account = {}
        for shard in self.shards.values():
            said = shard.ended or shard.progress or {}
            for stream, numbers in said.get("account", {}).items():
                row = total.setdefault(stream, {})
                for name, number in numbers.items():
                    row[name] = row.get(name, 0) + number
        return total

    @property
    def topics(self) -> dict[str, TopicRange]:
        """The topics the run wrote to, by name; that of the runs themselves is not among them."""
        found: dict[str, TopicRange] = {}
        for shard in self.shards.values():
            ends = {row["topic"]: row for row in (shard.ended or {}).get("topics", ())}
            for row in shard.started["topics"]:
                if tuple(row["streams"]) != ("runs",):
                    part = _range(row, ends.get(row["topic"]))
                    other = found.get(part.topic)
                    found[part.topic] = part if other is None else _union(other, part)
        return found

    def headline(self) -> str:
        """Say in a few words which run this is."""
        name = self.first["scenario"] or "a scenario without a name"
        shards = f", {len(self.shards)} shards" if len(self.shards) > 1 else ""
        return f"run {self.id} of {name}, seed {self.first['seed']}{shards}"


def _entry(record: Fields) -> dict[str, Any]:
    try:
        entry = json.loads(record.get("entry") or "{}")
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _range(started: Fields, ended: Fields | None) -> TopicRange:
    end: Fields = ended or {}
    return TopicRange(
        topic=started["topic"],
        streams=tuple(started["streams"]),
        format=started["format"],
        layout=started["layout"],
        partitions=started["partitions"],
        start_offsets=tuple(started["start_offsets"]),
        end_offsets=tuple(end.get("end_offsets", ())),
        digests=tuple(int(text, 16) for text in end.get("digests", ())),
        settings=dict(started.get("settings", {})),
    )


def _union(one: TopicRange, other: TopicRange) -> TopicRange:
    """Put together what two shards say of a topic; what either does not know is not known."""

    def paired(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
        return list(zip(a, b, strict=True)) if len(a) == len(b) else []

    return TopicRange(
        topic=one.topic,
        streams=tuple(dict.fromkeys((*one.streams, *other.streams))),
        format=one.format,
        layout=one.layout,
        partitions=max(one.partitions, other.partitions),
        start_offsets=tuple(map(min, paired(one.start_offsets, other.start_offsets))),
        end_offsets=tuple(map(max, paired(one.end_offsets, other.end_offsets))),
        digests=tuple((a + b) & MASK for a, b in paired(one.digests, other.digests)),
        settings=one.settings,
    )


def assemble(records: Iterable[Fields]) -> list[Run]:
    """Put run *records* (decoded, in log order) together to runs, in order of their starts.

    What speaks of a run whose start is not there is left out: nothing can be said of such a run.
    """
    runs: dict[str, Run] = {}
    for record in records:
        kind, name = record["type"], record.get("shard", "1/1")
        if kind == "STARTED":
            run = runs.setdefault(record["run"], Run(record["run"]))
            run.shards.setdefault(name, Shard(name, record))
            continue
        known = runs.get(record["run"])
        shard = known.shards.get(name) if known is not None else None
        if shard is None:
            continue
        if kind == "JOURNAL":
            shard.journal.append(record)
        elif kind == "PROGRESS":
            shard.progress = record
        elif kind == "ENDED":
            shard.ended = record
    return list(runs.values())


def find(runs: Sequence[Run], run_id: str | None, *, where: str) -> Run:
    """Give the run *run_id*, or the last one that began (also as ``last``); RequestError where *where* has none."""
    if run_id in {None, "last"}:
        if not runs:
            raise RequestError(f"{where}: no run is recorded there")
        return runs[-1]
    for run in runs:
        if run.id == run_id:
            return run
    last = f"; the last one is {runs[-1].id}" if runs else "; no run is recorded there"
    raise RequestError(f"{where}: no run {run_id!r}{last}")


OPEN_FOR_US = 24 * 3600 * 1_000_000
"""A run that began longer ago and never ended was killed: it is no neighbour."""


def open_beside(runs: Sequence[Run], topics: Iterable[str], *, own: str, now_us: int) -> list[str]:
    """Give the ids of *runs* other than *own* that began lately, have not ended, and write to one of *topics*."""
    wanted = set(topics)
    return [
        run.id
        for run in runs
        if run.id != own
        and not run.ended
        and now_us - run.first["timestamp"] < OPEN_FOR_US
        and wanted & run.topics.keys()
    ]


async def runs_of(connection: Connection, *, topic: str = TOPIC) -> list[Run]:
    """Read all runs that *topic* has; RequestError where there is no such topic."""
    from fleet.sinks.reader import Trimmed, partitions_of, read
    from fleet.sinks.topics import end_offsets

    count = await partitions_of(connection, topic)
    ends = (await end_offsets(connection, {topic: count}))[topic]
    found: dict[int, list[bytes | None]] = {p: [] for p in range(count)}
    spans: dict[int, tuple[int, int | None]] = {p: (0, end) for p, end in enumerate(ends) if end}
    if spans:
        async with closing(read(connection, topic, spans)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Trimmed):
                    found[piece[0]] += [record.value for record in piece[1]]
    return assemble(decoded([value for values in found.values() for value in values]))


def runs_beside(path: Path) -> list[Run]:
    """Read the runs in the side file of the readings' file *path*; RequestError where there is none."""
    from fleet.sinks.reader import read_lines

    return assemble(decoded(read_lines(side_file(path, "runs"))))


def side_file(path: Path, stream: str) -> Path:
    """Give the file that has the records of *stream* beside the readings' file *path*."""
    return path.with_name(f"{path.name}.{stream}.jsonl")


def decoded(values: Iterable[bytes | None]) -> list[Fields]:
    """Decode run records; what is none is not ours to judge here, and left out."""
    decoder = Decoder()
    found: list[Fields] = []
    for value in values:
        try:
            fields = run_fields(decoder, value)
        except UndecodableError:
            continue
        if stream_of(fields) == "runs":
            found.append(fields)
    return found

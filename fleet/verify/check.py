"""``fleet verify``: read exactly what a run wrote, and judge it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from fleet.contract.lookup import Lookup
from fleet.data import INJECTED
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.digest import MASK
from fleet.encode.labels import Labels
from fleet.errors import RequestError, RunError
from fleet.run.plan import scenario_digest
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.sinks.connection import Connection
from fleet.verify.closing import closing
from fleet.verify.entries import Row
from fleet.verify.findings import Findings
from fleet.verify.gather import RECORDS_A_TURN, Gathered
from fleet.verify.log import UNREADABLE, LogChecker, Look, Progress
from fleet.verify.named import Named
from fleet.verify.readership import PLAIN, Learning, Readership, Reading
from fleet.verify.regenerate import Expected, regenerate, roster_of
from fleet.verify.runs import TOPIC, Run, TopicRange, find, runs_beside, runs_of, side_file
from fleet.verify.verdict import Place, Verdict, judge

CONTAINER, PARQUET = ".avro", ".parquet"

Item = TypeVar("Item")


async def verify(
    source: Connection | Path,
    *,
    run: str | None = None,
    topic_runs: str = TOPIC,
    scenario: Scenario | None = None,
    progress: Progress | None = None,
    reading: Reading = PLAIN,
) -> Verdict:
    """Read back the *run* with that id, or the last one, from a Kafka or a readings' file, and judge it.

    Exactly the offsets that the run wrote are read, of every topic it names in *topic_runs*; of a file, all of it
    and the files beside it. With the *scenario* (and the settings the run had) the run is computed again and
    compared machine by machine. *progress* is told how many records were read, of how many. *reading* says who reads.

    RequestError where there is no such run, a topic of it is not there, or no such version.
    """
    if isinstance(source, Path):
        chosen = find(runs_beside(source), run, where=str(source))
    else:
        chosen = find(await runs_of(source, topic=topic_runs), run, where=topic_runs)
    asked = await asyncio.to_thread(prepare, chosen, scenario, stamped=False if isinstance(source, Path) else None)
    if isinstance(source, Path):
        if reading.schema is not None:
            raise RequestError(f"--schema: {source} does not say of each record what wrote it, as topics do")
        return await _verify_files(source, asked, progress or _ignore)
    async with Lookup(reading.registry, reading.say) as lookup:
        return await _verify_topics(
            source, asked, progress or _ignore, Learning(chosen.schemas, lookup), reading.schema
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A run to be checked, and what is expected of it."""

    run: Run
    stamped: bool  # whether the records' stamps are as the run meant them
    labels: Labels  # as they are read
    roster: Roster | None = None
    expected: Expected | None = None

    def checker(
        self,
        topic: TopicRange,
        findings: Findings,
        *,
        label: str = "",
        named: Named | None = None,
        schemas: Mapping[int, str] | None = None,
        look: Look | None = None,
    ) -> LogChecker:
        """Make the checker of a *topic*; *named* is what the labels name, where they were read before.

        *schemas* are those of the run where nobody knows more of them.
        """
        roster = self.roster
        return LogChecker(
            topic.topic,
            streams=topic.streams,
            partitions=topic.partitions,
            findings=findings,
            stamped=self.stamped,
            known=None if roster is None else {machine.id for machine in roster.machines},
            run_id=self.run.header_id,
            label=label,
            schemas=self.run.schemas if schemas is None else schemas,
            owns=self.run.owns if "readings" in topic.streams else (),
            labels=self.labels,
            named=named,
            look=look,
        )

    @property
    def digests(self) -> dict[Place, int]:
        """The digests that the run gave of its partitions; none where the broker put its own stamps in."""
        if not self.stamped and self.run.record_time == "scan":
            return {}
        return digests_of(self.run.topics)


def digests_of(topics: Mapping[str, TopicRange]) -> dict[Place, int]:
    """Give the digests of *topics* by topic and partition."""
    return {(name, p): digest for name, topic in topics.items() for p, digest in enumerate(topic.digests)}


def prepare(run: Run, scenario: Scenario | None, *, stamped: bool | None = None) -> Asked:
    """Compute what *run* must have written, if its *scenario* is there and it has ended.

    *stamped* is found out from the run where it is None. RequestError where the run is of another scenario.
    """
    if stamped is None:
        stamped = run.record_time == "scan" and not any(
            topic.settings.get("message.timestamp.type") == "LogAppendTime" for topic in run.topics.values()
        )
    if scenario is None:
        return Asked(run, stamped, Labels(run.header_id))
    roster = roster_of(scenario)
    ran = run.first["scenario"]
    if scenario.name != ran and scenario_digest(roster) != run.first["scenario_digest"]:
        raise RequestError(
            f"run {run.id} is of {ran!r} and not of {scenario.name!r}; name the scenario that ran, "
            "or none to prove the log by itself"
        )
    expected = regenerate(run, scenario, roster, stamped=stamped) if run.ended else None
    return Asked(run, stamped, Labels(run.header_id), roster, expected)


def _ignore(_done: int, _total: int) -> None:
    """Tell nobody."""


# ---------------------------------------------------------------- Kafka


async def _verify_topics(
    connection: Connection, asked: Asked, progress: Progress, known: Learning, schema: str | None
) -> Verdict:
    findings, checkers = Findings(), []
    readership = None if schema is None else Readership(schema, known.texts)
    spans = {name: await _spans(connection, topic) for name, topic in asked.run.topics.items()}
    total = sum(stop - start for of in spans.values() for start, stop in of.values())
    done = 0
    progress(0, total)
    for name, topic in sorted(asked.run.topics.items(), key=lambda item: "labels" not in item[1].streams):
        named = None if "labels" in topic.streams else Named(asked.labels)
        look = readership.look if readership is not None and readership.is_about(topic) else None
        checker = asked.checker(topic, findings, named=named, schemas=known.texts, look=look)
        checkers.append(checker)
        gathered = Gathered(checker, known.learn)
        at = {p: start for p, (start, _) in spans[name].items()}
        async with closing(check_topic(connection, gathered, name, spans[name])) as turns:
            async for p, offset in turns:
                done, at[p] = done + offset - at[p], offset
                progress(done, total)
        await gathered.flush()
    found = judge(asked.run, checkers, findings, labels=asked.labels, expected=asked.expected, digests=asked.digests)
    found.readers = None if readership is None else readership.tally
    return found


async def _spans(connection: Connection, topic: TopicRange) -> dict[int, tuple[int, int]]:
    """Settle the offsets to read of each partition that has any: to the present end where the run has none."""
    from fleet.sinks.reader import partitions_of
    from fleet.sinks.topics import end_offsets

    there = await partitions_of(connection, topic.topic)
    if there < topic.partitions:
        raise RequestError(
            f"kafka: topic {topic.topic!r} has {there} partitions, the run wrote to {topic.partitions}: "
            "it is not the topic that it wrote to"
        )
    starts = topic.start_offsets or (0,) * topic.partitions
    stops: Sequence[int] = topic.end_offsets
    if not stops:
        stops = (await end_offsets(connection, {topic.topic: topic.partitions}))[topic.topic]
    pairs = enumerate(zip(starts, stops, strict=True))
    return {p: (start, stop) for p, (start, stop) in pairs if start < stop}


async def check_topic(
    connection: Connection, gathered: Gathered, topic: str, spans: Mapping[int, tuple[int, int | None]]
) -> AsyncIterator[tuple[int, int]]:
    """Read *spans* of a *topic*; gives (partition, next offset) after each piece that was *gathered*."""
    from fleet.sinks.fetch import fetch
    from fleet.sinks.reader import Trimmed

    if not spans:
        return
    async with closing(fetch(connection, topic, spans)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Trimmed):
                await gathered.trimmed(piece.partition, piece.stop - piece.start)
            else:
                await gathered.add(piece)
            yield piece.partition, piece.stop
            await asyncio.sleep(0)


# ---------------------------------------------------------------- files


async def _verify_files(path: Path, asked: Asked, progress: Progress) -> Verdict:
    """Check the readings in the file at *path* and the other streams in the files beside it."""
    findings, checkers, done = Findings(), [], 0
    topics = asked.run.topics.values()
    owns = asked.run.owns
    nameless = next((own for own in owns if not own.carries("machine")), None)
    if nameless is not None:
        raise RequestError(
            f"file: keeps no keys, and {nameless.name} has no field for the machine: nobody can tell logs apart"
        )
    decoder = Decoder(asked.run.schemas, owns=owns)
    streams = dict.fromkeys(stream for topic in topics for stream in topic.streams)
    for stream in sorted(streams, key=lambda stream: stream != "labels"):
        file = path if stream == "readings" else side_file(path, stream)
        whole = TopicRange(
            path.name, (stream,), "", "", 1, (), (), (), {}
        )  # a file has one partition, whatever was asked
        named = None if stream == "labels" else Named(asked.labels)
        checker = asked.checker(whole, findings, label=file.name, named=named)
        checkers.append(checker)
        if stream != "readings" and not file.exists():
            continue  # the sink opens it with its first record
        if stream == "readings":
            checker.injected.update(_injected_beside(path))
        try:
            for rows in in_turns(_rows(file, decoder, checker, own=bool(owns))):
                checker.take(0, rows)
                done += len(rows)
                progress(done, done)
                await asyncio.sleep(0)
        except UndecodableError as error:
            checker.torn(0, str(error))
    digests = {(path.name, 0): sum(digests_of(asked.run.topics).values()) & MASK} if asked.run.ended else {}
    return judge(asked.run, checkers, findings, labels=asked.labels, expected=asked.expected, digests=digests)


def _injected_beside(path: Path) -> Counter[str]:
    """Count what is described as injected in the file beside the readings' at *path*, by label."""
    from fleet.sinks.reader import read_lines

    file, found = side_file(path, INJECTED), Counter[str]()
    for line in read_lines(file) if file.exists() else ():
        try:
            found[str(json.loads(line)["label"])] += 1
        except (ValueError, TypeError, KeyError):
            found[f"{file.name}: a line that names no label"] += 1
    return found


def _rows(file: Path, decoder: Decoder, checker: LogChecker, *, own: bool) -> Iterator[Row]:
    """Decode a *file*, which may have readings in an *own* layout; records have numbers from 1, no stamps, no keys."""
    from fleet.encode.container import read_container
    from fleet.sinks.arrow import read_rows
    from fleet.sinks.reader import read_lines

    if file.suffix == CONTAINER:
        for number, fields in enumerate(read_container(file, as_written=own), 1):
            yield Row(number, 0, None, b"", decoder.ours(fields, None), decoder.own_of(fields))
        return
    if file.suffix == PARQUET:
        try:
            for number, fields in enumerate(read_rows(file), 1):
                yield Row(number, 0, None, b"", decoder.ours(fields, None), decoder.own_of(fields))
        except RunError as error:
            raise UndecodableError(str(error)) from None
        return
    for number, line in enumerate(read_lines(file), 1):
        try:
            said = decoder.said(line)
            yield Row(number, 0, None, line, decoder.ours(said, None), decoder.own_of(said))
        except UNREADABLE as error:
            checker.undecodable(0, number, None, str(error))


def in_turns(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut *items* into lists that are short enough for one turn in the event loop."""
    rest = iter(items)
    while turn := list(islice(rest, RECORDS_A_TURN)):
        yield turn

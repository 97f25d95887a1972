"""Reading a run along while it goes on: the embedded broker keeps only the last of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fleet.encode.labels import Labels
from fleet.errors import FleetError
from fleet.sinks.connection import Connection
from fleet.verify.check import Asked, check_topic, digests_of
from fleet.verify.closing import closing
from fleet.verify.findings import Findings
from fleet.verify.gather import Gathered
from fleet.verify.log import LogChecker
from fleet.verify.runs import TOPIC, Fields, Run, TopicRange, assemble, decoded
from fleet.verify.verdict import Verdict, judge

BEHIND_MAX = 30_000
"""Records of one partition: the embedded broker keeps about 70,000 readings of each."""

BEHIND_ALL_MAX = 1_000_000
"""Records of all of them: what is left at the end of a run has to be read soon."""


@dataclass(slots=True)
class _Topic:
    """How far one topic was read: the next offset of each partition."""

    start: list[int]
    at: list[int]
    checker: LogChecker | None = None
    gathered: Gathered | None = None  # read, and not checked yet


@dataclass(slots=True)
class _Seen:
    """What the run said of itself so far."""

    records: list[Fields] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class ReadAlong:
    """Checks the topics of one run from its first record on, in the event loop of the run itself.

    A turn in the loop is bounded, so the producer is never kept waiting for long. *stamped* says whether the
    records' stamps are part of the run, which they are not where they are the wall clock's.
    """

    def __init__(self, *, stamped: bool = True, topic_runs: str = TOPIC) -> None:
        self._stamped = stamped
        self._topic_runs = topic_runs
        self._topics: dict[str, _Topic] = {}
        self._seen = _Seen()
        self._findings = Findings()
        self._labels: Labels | None = None  # as they are read
        self._tasks: list[asyncio.Task[None]] = []
        self._problems: list[str] = []
        self._read = 0
        self._moved = asyncio.Event()  # something was read since it was cleared

    @property
    def records(self) -> int:
        """How many offsets were read so far, of all topics."""
        return self._read

    async def start(
        self,
        connection: Connection,
        topics: Mapping[str, int],
        start_offsets: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Begin to read *topics* (name to number of partitions), that of the runs among them.

        They are read from *start_offsets*, or from their first record where there are none. The run's own STARTED
        record, which says what is in which topic, may come later.
        """
        assert self._topic_runs in topics, "without the run's own record nobody knows what is in which topic"
        for name, partitions in topics.items():
            start = list((start_offsets or {}).get(name) or [0] * partitions)
            self._topics[name] = _Topic(start, list(start))
        self._tasks.append(asyncio.create_task(self._follow_run(connection)))
        for name in topics.keys() - {self._topic_runs}:
            self._tasks.append(asyncio.create_task(self._follow(connection, name)))

    async def room(self, handed_over: Mapping[tuple[str, int], int]) -> None:
        """Return when of the records *handed_over* to the sink, by topic and partition, few enough are still unread.

        A run that is faster than its reader has to wait here, or the broker trims what was not read yet.
        """
        whole = sum(handed_over.values())
        await self._until(lambda: whole - self._read <= BEHIND_ALL_MAX)
        while whole - self._read > BEHIND_MAX and self._reading:
            # Looking through thousands of partitions takes a while: once for every one that is waited for.
            unread, name, partition = max((n - self._came(*place), *place) for place, n in handed_over.items())
            if unread <= BEHIND_MAX:
                return
            wanted = self._came(name, partition) + unread - BEHIND_MAX
            await self._until(partial(self._has_come, name, partition, wanted))

    @property
    def _reading(self) -> bool:
        return bool(self._tasks) and not self._problems

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until something *holds*, or nothing more will be read."""
        while not holds() and self._reading:
            self._moved.clear()
            await self._moved.wait()

    def _came(self, name: str, partition: int) -> int:
        """Give how many offsets of a partition were read."""
        topic = self._topics[name]
        return topic.at[partition] - topic.start[partition]

    def _has_come(self, name: str, partition: int, offsets: int) -> bool:
        return self._came(name, partition) >= offsets

    def _took(self, topic: _Topic, partition: int, offset: int) -> None:
        """Note that a partition was read up to *offset*."""
        self._read += offset - topic.at[partition]
        topic.at[partition] = offset
        self._moved.set()

    async def finish(self, ended: Mapping[str, Any], *, timeout_s: float) -> Verdict:
        """Read to the end offsets that the run's *ended* record names, for at most *timeout_s*, and judge.

        What could not be read in time is no finding, but the run is then not proven.
        """
        ends = {row["topic"]: row["end_offsets"] for row in ended["topics"]}
        try:
            with contextlib.suppress(TimeoutError):  # said below
                async with asyncio.timeout(timeout_s):
                    await self._all_read(ends)
            gathered = [topic.gathered for topic in self._topics.values() if topic.gathered is not None]
            for one in gathered:
                await one.at_rest()
            await self.close()
            for one in gathered:
                await one.flush()
        finally:
            await self.close()
        run = self._run(ended)
        unread = list(self._problems)
        behind = self._behind(ends)
        if behind:
            unread.append(f"{behind:,} records were not read within {timeout_s:.0f} s: cannot be proven")
        checkers = [topic.checker for topic in self._topics.values() if topic.checker is not None]
        digests = digests_of(run.topics)
        return judge(run, checkers, self._findings, labels=self._labels, digests=digests, unread=unread)

    async def _all_read(self, ends: Mapping[str, Sequence[int]]) -> None:
        await self._until(lambda: self._seen.ended)
        for name, topic in self._topics.items():
            for partition, (stop, start) in enumerate(zip(ends.get(name, ()), topic.start, strict=False)):
                await self._until(partial(self._has_come, name, partition, stop - start))

    async def close(self) -> None:
        """Stop reading; what is left is not read."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._moved.set()

    def _behind(self, ends: Mapping[str, Sequence[int]]) -> int:
        """Count the records before *ends* that were not read yet."""
        return sum(
            max(end - at, 0)
            for name, topic in self._topics.items()
            for end, at in zip(ends.get(name, ()), topic.at, strict=False)
        )

    def _run(self, ended: Mapping[str, Any]) -> Run:
        """Put together what was read of the run and its *ended* record, which says most of it by itself."""
        mine = [record for record in self._seen.records if record["run"] == ended["run"]]
        said = [record for record in mine if record["type"] != "ENDED"]
        return assemble([*(said or [{**ended, "type": "STARTED"}]), ended])[0]

    # ------------------------------------------------------------ the tasks

    async def _follow(self, connection: Connection, name: str) -> None:
        """Check one topic, for ever."""
        await self._seen.started.wait()
        topic = self._topics[name]
        said = self._started_topics().get(name)
        if said is None:
            return  # made for somebody else
        run = assemble(self._seen.records)[0]
        stamped = self._stamped and run.record_time == "scan"
        if self._labels is None:
            self._labels = Labels(run.header_id)
        topic.checker = Asked(run, stamped, self._labels).checker(said, self._findings)
        topic.gathered = Gathered(topic.checker)
        spans: dict[int, tuple[int, int | None]] = {p: (start, None) for p, start in enumerate(topic.start)}
        try:
            async with closing(check_topic(connection, topic.gathered, name, spans)) as turns:
                async for p, offset in turns:
                    self._took(topic, p, offset)
        except FleetError as error:
            self._stopped(name, error)

    def _started_topics(self) -> dict[str, TopicRange]:
        return assemble(self._seen.records)[0].topics

    async def _follow_run(self, connection: Connection) -> None:
        """Keep what the run says of itself, for ever."""
        from fleet.sinks.reader import Trimmed, read

        topic = self._topics[self._topic_runs]
        spans: dict[int, tuple[int, int | None]] = {p: (start, None) for p, start in enumerate(topic.start)}
        try:
            async with closing(read(connection, self._topic_runs, spans)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, Trimmed):
                        partition, records = piece
                        self._take(decoded([record.value for record in records]))
                        self._took(topic, partition, records[-1].offset + 1)
        except FleetError as error:
            self._stopped(self._topic_runs, error)

    def _stopped(self, topic: str, error: FleetError) -> None:
        self._problems.append(f"reading {topic} along ended: {error}")
        self._moved.set()

    def _take(self, records: list[Fields]) -> None:
        self._seen.records += records
        kinds = {record["type"] for record in records}
        if "STARTED" in kinds:
            self._seen.started.set()
        self._seen.ended |= "ENDED" in kinds
        self._moved.set()

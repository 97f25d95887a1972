"""Wall time that passes only when a test says so, and sinks that fail in every way there is."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleet.data import Delivery, RecordBatch
from fleet.errors import RunError
from fleet.sinks.open import ALL, SINKS, SinkKind
from fleet.sinks.sink import Latency, SinkClosed, delivery_of

WALL_US = 1_790_000_000_250_000  # a quarter second after a full one
DEADLINE_S = 6.0


class FakeClock:
    """A clock whose time passes while somebody sleeps, or when a sink *spends* it."""

    def __init__(self, wall_us: int = WALL_US) -> None:
        self._wall_us = wall_us
        self.passed_s = 0.0
        self.slept: list[float] = []
        self.watchers: list[Callable[[], None]] = []

    def now_s(self) -> float:
        return 5000.0 + self.passed_s

    def wall_us(self) -> int:
        return self._wall_us + round(self.passed_s * 1_000_000)

    def spend(self, span_s: float) -> None:
        self.passed_s += span_s
        for watcher in self.watchers:
            watcher()

    async def sleep(self, span_s: float, until: asyncio.Event) -> None:
        self.slept.append(span_s)
        if not until.is_set():
            self.spend(span_s)
        await asyncio.sleep(0)


@dataclass(slots=True)
class Waiting:
    """Records that the sink holds without an answer."""

    stream: str
    records: int
    answer_s: float
    outcome: str  # the column of the account they end in


@dataclass(slots=True, eq=False)
class FakeSink:
    """Takes everything at once and remembers it; *costs_s* of wall time for each batch."""

    clock: FakeClock
    costs_s: float = 0.0
    slow_sends: range = range(1 << 30)  # which sends cost that much
    delivery: dict[str, Delivery] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    notices: list[str] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    handed_s: list[float] = field(default_factory=list)
    interrupts: tuple[int, ...] = ()  # before which sends Ctrl-C is pressed
    sends: int = 0
    closed: int = 0

    async def send(self, batch: RecordBatch) -> None:
        self._count()
        self.batches.append(batch)
        delivery_of(self.delivery, batch.stream).acknowledged += len(batch)

    def _count(self) -> None:
        self.sends += 1
        for _ in range(self.interrupts.count(self.sends)):
            signal.raise_signal(signal.SIGINT)
        if self.costs_s and self.sends in self.slow_sends:
            self.clock.spend(self.costs_s)
        self.handed_s.append(self.clock.passed_s)

    async def close(self, *, timeout_s: float) -> None:
        self.closed += 1


@dataclass(slots=True, eq=False)
class FlakySink(FakeSink):
    """Acknowledges, refuses, delays, forgets and breaks as *seed* has it; settles everything when closed."""

    seed: int = 0
    chance: random.Random = field(default_factory=random.Random)
    waiting: list[Waiting] = field(default_factory=list)
    broken: str = ""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock.watchers.append(self._answer)

    async def send(self, batch: RecordBatch) -> None:
        self._count()
        row, count = delivery_of(self.delivery, batch.stream), len(batch)
        if self.broken:
            row.failed += count
            raise RunError(self.broken)
        self.batches.append(batch)
        match self.chance.choices(("at once", "slowly", "later", "never", "refused", "broken", "torn", "gone"),
                                  (40, 10, 30, 5, 5, 0.5, 0.5, 0.5))[0]:  # fmt: skip
            case "at once":
                row.acknowledged += count
            case "slowly":
                self.clock.spend(self.chance.uniform(0.0, 3.0))
                row.acknowledged += count
            case "later":
                self._hold(batch, self.chance.uniform(0.0, 5.0), self.chance.choice(("acknowledged", "failed")))
            case "never":
                self._hold(batch, DEADLINE_S, "in_doubt")
            case "refused":
                row.failed += count
            case "broken":  # it had no room, and took nothing
                self.broken = "flaky: took nothing"
                raise RunError(self.broken)
            case "torn":  # a disk that is full in the middle of a batch
                self.broken = "flaky: full"
                whole = self.chance.randint(0, count)
                row.acknowledged += whole
                row.failed += count - whole
                raise RunError(self.broken)
            case "gone":
                row.acknowledged += self.chance.randint(0, count)
                raise SinkClosed("flaky: nobody reads")

    def _hold(self, batch: RecordBatch, span_s: float, outcome: str) -> None:
        self.delivery[batch.stream].pending += len(batch)
        self.waiting.append(Waiting(batch.stream, len(batch), self.clock.passed_s + span_s, outcome))

    def _answer(self) -> None:
        for one in [one for one in self.waiting if one.answer_s <= self.clock.passed_s]:
            self._settle(one, one.outcome)

    def _settle(self, one: Waiting, outcome: str) -> None:
        self.waiting.remove(one)
        row = self.delivery[one.stream]
        row.pending -= one.records
        setattr(row, outcome, getattr(row, outcome) + one.records)

    async def close(self, *, timeout_s: float) -> None:
        self.closed += 1
        for one in [*self.waiting]:
            self._settle(one, self.chance.choice(("in_doubt", "failed")))
        if self.chance.random() < 0.1:
            raise RunError("flaky: cannot be closed")


@dataclass(slots=True, eq=False)
class StuckSink(FakeSink):
    """Takes *takes* batches and then, for ever, no more; *begun* is set when it does."""

    takes: int = 3
    begun: Callable[[], None] = lambda: None

    async def send(self, batch: RecordBatch) -> None:
        if self.sends >= self.takes:
            self.begun()
            await asyncio.Event().wait()
        await FakeSink.send(self, batch)


@dataclass(slots=True, eq=False)
class GoneSink(FakeSink):
    """Somebody reads *reads* records, and then goes."""

    reads: int = 100

    async def send(self, batch: RecordBatch) -> None:
        row, left = delivery_of(self.delivery, batch.stream), self.reads - self.records
        if batch.stream != "runs" and len(batch) > left:
            row.acknowledged += left
            raise SinkClosed("gone: nobody reads any longer")
        await FakeSink.send(self, batch)

    @property
    def records(self) -> int:
        return sum(row.acknowledged for stream, row in self.delivery.items() if stream != "runs")


@contextmanager
def sinks(*made: FakeSink) -> Iterator[tuple[str, ...]]:
    """Put *made* into the table of sinks while the context is open; gives their URLs."""
    rows = {f"fake-{number}:": sink for number, sink in enumerate(made)}
    for url, sink in rows.items():
        SINKS[url] = SinkKind("fake", _opener(sink), ALL, ALL, keeps_stamps=True)
    try:
        yield tuple(rows)
    finally:
        for url in rows:
            del SINKS[url]


def _opener(sink: FakeSink):  # type: ignore[no-untyped-def]
    async def opened(_: str, __: object) -> FakeSink:
        return sink

    return opened


def by_stream(sink: FakeSink) -> Counter[str]:
    """Count the records that *sink* was handed, by stream."""
    counts: Counter[str] = Counter()
    for batch in sink.batches:
        counts[batch.stream] += len(batch)
    return counts

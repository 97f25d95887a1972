"""From blocks to sinks: blocks are made ahead in a thread, what is due is released on an absolute schedule."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fleet.data import SECOND_US, Batch, Block, Event, Label
from fleet.encode.encoder import READ
from fleet.encode.labels import records_of
from fleet.errors import FleetError
from fleet.run import records
from fleet.run.account import StreamAccount
from fleet.run.clock import Clock
from fleet.run.evolution import told
from fleet.run.plan import RunPlan, window_s
from fleet.run.targets import Due, Ready, Target, tell_all, worse
from fleet.sim.blocks import Simulation
from fleet.sinks.sink import Latency

FIRST_BLOCK_S = 0.1
"""Wall time the first block spans: short, so that the first record is early."""

CHUNK_READINGS = 360_000
"""At full speed so many readings are released at once: enough to spread the cost of calls, few enough to stop soon."""

LATE_S = 1.0
"""A run that is this far behind its schedule is late: it says so, or skips."""

BLOCK_GROWTH = 2
"""Each block may span so many times the one before: while that one is released this one is made, beside it."""

BLOCK_GROWTH_UNPACED = 8
"""The same at full speed, where no release waits for the next block: a block costs the same calls however short."""

At = TypeVar("At", Event, Label)

EVENTS_KEPT = 6
NOTICES_MAX = 20


def chunk_ends(block: Block, skew_us: int) -> list[int]:
    """Give the instants up to which a *block* is released at once at full speed, each at most *skew_us* on."""
    span_us = block.stop_us - block.start_us
    chunks = max(1, -(-block.readings // CHUNK_READINGS), -(-span_us // skew_us))
    return [block.start_us + span_us * chunk // chunks for chunk in range(1, chunks + 1)]


@dataclass(slots=True)
class Progress:
    """How far a run is: what a person watches."""

    start_us: int
    simulated_us: int
    readings: int = 0
    states: Tally[str] = field(default_factory=Tally)
    state_of: dict[str, str] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    lateness: Latency = field(default_factory=Latency)
    behind_s: float = 0.0
    released_s: float = 0.0  # wall time from the first block on to the last release
    notices: list[str] = field(default_factory=list)

    def see(self, events: Sequence[Event]) -> None:
        """Take note of *events* that were released."""
        for event in events:
            if event.type == "state":
                before = self.state_of.get(event.machine.id)
                if before is not None:
                    self.states[before] -= 1
                self.states[event.state] += 1
                self.state_of[event.machine.id] = event.state
            if event.cause or event.type == "door":
                self.events.append(event)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A block, ready for each sink."""

    block: Block
    due: Due
    ready: list[Ready]


class Maker:
    """Makes one block after the other, ready for every sink; the first is short, each later one longer."""

    def __init__(self, plan: RunPlan, simulation: Simulation, targets: Sequence[Target]) -> None:
        self._stop_us, self._simulation, self._targets = plan.stop_us, simulation, targets
        unpaced = math.isinf(plan.request.speed)
        wall_s = 0.0 if unpaced else FIRST_BLOCK_S * plan.request.speed
        self._growth = BLOCK_GROWTH_UNPACED if unpaced else BLOCK_GROWTH
        self._span_us = min(simulation.span_us(), max(SECOND_US, round(wall_s * SECOND_US)))

    def make(self) -> Made | None:
        """Make the next block; None at the end of the run."""
        start_us = self._simulation.now_us
        until_us = start_us + self._span_us
        if self._stop_us is not None:
            until_us = min(until_us, self._stop_us)
        if until_us <= start_us:
            return None
        block = self._simulation.advance(until_us)
        self._span_us = min(self._simulation.span_us(), self._span_us * self._growth)
        return Made(block, Due(block), [target.writer.prepare(block) for target in self._targets])


class Ahead:
    """Has the next block made in a thread while the last one is released: a paced run must not stop for it."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._executor = ThreadPoolExecutor(1, "blocks")
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.run_in_executor(self._executor, maker.make)

    async def take(self) -> Made | None:
        """Give the next block, and set about the one after it; None at the end of the run."""
        made = await self._next
        if made is not None:
            self._next = self._loop.run_in_executor(self._executor, self._maker.make)
        return made

    async def close(self) -> None:
        """Let the block that is being made come to an end, and forget it."""
        await asyncio.gather(self._next, return_exceptions=True)
        self._executor.shutdown(wait=True)


class InTurn:
    """Makes each block when the last one is released: at full speed a second thread only takes the cache away."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker

    async def take(self) -> Made | None:
        """Give the next block; None at the end of the run."""
        await asyncio.sleep(0)  # what is on its way is sent first
        return self._maker.make()

    async def close(self) -> None:
        """Do nothing: no block is being made."""


class Pipeline:
    """Releases blocks until the plan ends or *stop* is set; books scheduled and withheld."""

    def __init__(
        self,
        plan: RunPlan,
        simulation: Simulation,
        targets: Sequence[Target],
        clock: Clock,
        stop: asyncio.Event,
        *,
        refusals: Mapping[int, str],
    ) -> None:
        self._plan, self._targets, self._clock, self._stop = plan, targets, clock, stop
        self._simulation = simulation
        self.progress = Progress(plan.start_us, plan.start_us)
        self._wall_start_s = 0.0
        self._late = False
        self._open: dict[str, Label] = {}  # by id: the faults that go on
        self._lost: Tally[str] = Tally()  # by the fault's id: readings that it lost so far
        self._steps = deque(told(plan.roster, plan.start_us, refusals))  # those that have not happened

    async def run(self) -> None:
        """Release everything that is due, block by block."""
        paced = not math.isinf(self._plan.request.speed)
        maker = Maker(self._plan, self._simulation, self._targets)
        ahead = Ahead(maker) if paced else InTurn(maker)
        try:
            made = await ahead.take()
            self._wall_start_s = self._clock.now_s()
            if paced and made is not None:  # with every machine's first state a large plant would begin late
                await self._release(made, self._plan.start_us + 1)
                self._wall_start_s = self._clock.now_s()
            while made is not None and not self._stop.is_set():
                await (self._release_paced(made) if paced else self._release_all(made))
                made = None if self._stop.is_set() else await ahead.take()
        finally:
            await ahead.close()
        await self._close_labels()

    async def _close_labels(self) -> None:
        """Write the labels of what is still going on: the end of the run ends it.

        What a fault still keeps back will never have a record now: it is scheduled, and lost.
        """
        stop_us = self.progress.simulated_us
        closed = self._simulation.ended(list(self._open.values()), stop_us)
        kept = sum(span.count for label in closed for span in label.lost) - sum(
            self._lost[label.id] for label in closed
        )
        for target in self._targets:
            for stream in self._read(target):
                _book_lost(target.account.of(stream), kept)
            if "labels" in target.plan.streams:
                target.account.of("labels").scheduled += sum(map(records_of, closed))
        wall_ms = self._clock.wall_us() // 1000
        ended = await self._hand_over(
            (target, target.writer.close(closed, wall_ms=wall_ms)) for target in self._targets
        )
        if ended is not None:
            raise ended

    async def _hand_over(
        self, handed: Iterable[tuple[Target, Sequence[Batch]]], *, copies: int = 0
    ) -> FleetError | None:
        """Hand batches over, also when a target fails: all of them end at the same instant. Give what it raised.

        Of the readings, so many are second *copies*.
        """
        ended: FleetError | None = None
        for target, batches in handed:
            try:
                await target.send(batches, copies=dict.fromkeys(self._read(target), copies))
            except FleetError as error:
                ended = worse(ended, error)
            except asyncio.CancelledError:  # now they do not, and none of them can say where it ends
                for one in self._targets:
                    one.broken = True
                raise
        return ended

    async def _release_all(self, made: Made) -> None:
        """Release a block as fast as the sinks take it, a chunk at a time."""
        for until_us in chunk_ends(made.block, self._plan.skew_us):
            if self._stop.is_set():
                return
            await self._release(made, until_us)

    async def _release_paced(self, made: Made) -> None:
        """Release a block window by window, at the wall time that its due time maps to."""
        speed, block = self._plan.request.speed, made.block
        rate = self._plan.roster.readings_per_second * speed
        window_us = max(1, round((self._plan.request.window_s or window_s(rate)) * speed * SECOND_US))
        while self.progress.simulated_us < block.stop_us:
            now_us = self._plan.start_us + int((self._clock.now_s() - self._wall_start_s) * speed * SECOND_US)
            behind_s = (now_us - self.progress.simulated_us) / SECOND_US / speed
            self._note_lateness(behind_s)
            if self._plan.request.skip_when_late and behind_s > LATE_S:
                await self._skip(made, min(now_us, block.stop_us))
                continue
            past_us = (self.progress.simulated_us - self._plan.start_us) % window_us
            window = self.progress.simulated_us - past_us + window_us
            until_us = min(block.stop_us, max(window, min(now_us, self.progress.simulated_us + self._plan.skew_us)))
            wait_s = self._due_s(until_us) - self._clock.now_s()
            if wait_s > 0:
                await self._clock.sleep(wait_s, self._stop)
            if self._stop.is_set():
                return
            from_us = self.progress.simulated_us
            await self._release(made, until_us)
            self._book_lateness(made, from_us, until_us, window_us)

    def _due_s(self, simulated_us: int) -> float:
        """Give the wall time that an instant maps to."""
        return self._wall_start_s + (simulated_us - self._plan.start_us) / SECOND_US / self._plan.request.speed

    def _book_lateness(self, made: Made, from_us: int, until_us: int, window_us: int) -> None:
        """Count how long after the end of its own window each reading was handed over, also when catching up."""
        now_s = self._clock.now_s()
        for start_us in range(from_us, until_us, window_us):
            stop_us = min(start_us + window_us, until_us)
            readings = made.due.between(start_us, stop_us)["readings"]
            if readings:
                self.progress.lateness.add(max(0, round((now_s - self._due_s(stop_us)) * SECOND_US)), readings)

    async def _release(self, made: Made, until_us: int) -> None:
        """Hand over what is due before *until_us*."""
        from_us = self.progress.simulated_us
        due = made.due.between(from_us, until_us)
        wall_ms = self._clock.wall_us() // 1000
        unwritten: list[FleetError] = []

        def released() -> Iterator[tuple[Target, Sequence[Batch]]]:
            for target, prepared in zip(self._targets, made.ready, strict=True):
                scheduled = self._schedule(target, made, due, until_us)
                try:
                    yield target, prepared.release(until_us, wall_ms=wall_ms)
                except FleetError as error:  # what cannot be written has failed, all of it: some may have been made
                    target.broken = True
                    for stream, count in scheduled.items():
                        target.account.of(stream).produced += count
                        target.account.refuse(stream, count)
                    unwritten.append(error)

        ended = await self._hand_over(released(), copies=made.due.copies(from_us, until_us))
        for error in unwritten:
            ended = worse(ended, error)
        self._advance(made, until_us)
        self.progress.readings += due["readings"]
        self.progress.released_s = self._clock.now_s() - self._wall_start_s
        if ended is not None:
            raise ended
        await self._tell_steps()
        await asyncio.sleep(0)  # let deliveries, signals and the table have their turn

    async def _tell_steps(self) -> None:
        """Tell the steps of the evolution that have happened, and write them to the journal."""
        while self._steps and self._steps[0].at_us < self.progress.simulated_us:
            step = self._steps.popleft()
            self.progress.notices.append(step.line)
            await self._journal(step.entry, simulated_us=step.at_us)

    async def _journal(self, entry: Mapping[str, Any], *, simulated_us: int) -> None:
        record = records.journal(self._plan, entry, wall_us=self._clock.wall_us(), simulated_us=simulated_us)
        await tell_all(self._targets, lambda _: record)

    def _note_lateness(self, behind_s: float) -> None:
        """Say it when the run falls behind its schedule, each time once."""
        late = behind_s > LATE_S
        if late and not self._late and len(self.progress.notices) < NOTICES_MAX:
            does = "skipping what is overdue" if self._plan.request.skip_when_late else "catching up"
            self.progress.notices.append(f"late: {behind_s:.1f} s behind the schedule; {does}")
        self.progress.behind_s, self._late = behind_s, late

    def _advance(self, made: Made, until_us: int) -> None:
        """Note that everything before *until_us* was dealt with."""
        block = made.block
        self._lost.update(made.due.by_label(self.progress.simulated_us, until_us))
        self.progress.see(_between(block.events, self.progress.simulated_us, until_us))
        for label in _between(block.labels, self.progress.simulated_us, until_us):
            self._open.pop(label.id, None)
            if label.is_open:
                self._open[label.id] = label
        self.progress.simulated_us = until_us

    def _schedule(self, target: Target, made: Made, due: dict[str, int], until_us: int) -> dict[str, int]:
        """Book what the plan says is due, counted from the block and not from what an encoder made of it.

        What a report policy withholds is scheduled and withheld; given is what is left.
        """
        block, from_us = made.block, self.progress.simulated_us
        counts = {stream: count for stream, count in due.items() if stream in target.plan.streams}
        by_policy = made.due.by_policy(from_us, until_us)
        lost = made.due.by_label(from_us, until_us).total()
        for stream in self._read(target):
            counts[stream] = due["readings"]
            account = target.account.of(stream)
            account.scheduled += by_policy
            account.withheld += by_policy
            account.by_policy += by_policy
            _book_lost(account, lost)
        if "doors" in target.plan.streams and target.encoder is not None:
            events = _between(block.events, from_us, until_us)
            counts["doors"] = sum(event.type == "door" for event in events)
            counts["events"] -= counts["doors"]
        for stream, count in counts.items():
            target.account.of(stream).scheduled += count
        return counts

    def _read(self, target: Target) -> list[str]:
        """Give the streams of *target* that are made of scans."""
        read = [stream for stream in READ if stream in target.plan.streams]
        return read if target.encoder is not None else read[:1]

    async def _skip(self, made: Made, until_us: int) -> None:
        """Withhold what is overdue but for labels, and write it to the journal."""
        from_us = self.progress.simulated_us
        due = made.due.between(from_us, until_us)
        wall_ms = self._clock.wall_us() // 1000
        labels: list[tuple[Target, Sequence[Batch]]] = []
        for target, prepared in zip(self._targets, made.ready, strict=True):
            for stream, count in self._schedule(target, made, due, until_us).items():
                if stream != "labels":
                    target.account.of(stream).withheld += count
            prepared.skip(until_us)
            labels.append((target, prepared.release(until_us, wall_ms=wall_ms)))
        ended = await self._hand_over(labels)
        self._advance(made, until_us)
        if ended is not None:
            raise ended
        await self._journal({"skip": {"from_us": from_us, "to_us": until_us}}, simulated_us=from_us)
        await self._tell_steps()


def _book_lost(account: StreamAccount, readings: int) -> None:
    """Book *readings* that were scheduled and that a fault lost."""
    account.scheduled += readings
    account.withheld += readings
    account.by_label += readings


def _between(moments: Sequence[At], start_us: int, stop_us: int) -> Sequence[At]:
    """Give those of *moments*, which are in order of time, from *start_us* to *stop_us*."""
    first, stop = (bisect_left(moments, time_us, key=lambda at: at.time_us) for time_us in (start_us, stop_us))
    return moments[first:stop]

"""Send the pieces of a source when they are due: the same gaps between records, at a speed, or as fast as it goes."""

from __future__ import annotations

import asyncio
import math
import sys
from collections import Counter as Tally
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from fleet.data import SECOND_US, Batch, Delivery, Ints
from fleet.replay.pieces import Load, Piece
from fleet.replay.plan import ReplayPlan
from fleet.run.account import Account
from fleet.run.clock import Clock
from fleet.sinks.sink import Latency, Sink, SinkClosed

WINDOW_S = 0.005
"""Least wall time between two releases: a record is sent so much later than it is due, and what a release takes."""

SWITCH_S = 0.0005
"""How long the thread that reads a block may keep the interpreter while records are due; Python's own is 5 ms."""

WAIT_MAX_S = 0.25
"""Most that is slept at once, however far the next record is."""

AHEAD_S = 1.0
"""Wall time that blocks are read ahead of when their first record is due."""

WARM_S = 2.0
"""Most that is waited for answers to a plant's first records: then connections are there, and the rest is on time."""

LATE_S = 1.0
NOTICES_MAX = 20

Pack = Callable[[Piece, int], list[Batch]]
"""Makes batches of a piece, its stamps so many ms later."""


@dataclass(slots=True)
class Played:
    """How far a replay is."""

    records: int = 0
    rounds: int = 0  # whole passes
    timing: Latency = field(default_factory=Latency)  # how much later than due records were handed over
    due_us: int = 0  # until when everything was handed over
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Open:
    """A block that was read and not sent to its end."""

    number: int
    pieces: list[Piece]

    @property
    def next_us(self) -> int | None:
        """When its next record is due; None where it has none left."""
        return min((int(piece.due_us[piece.at]) for piece in self.pieces if piece.left), default=None)


class Player:
    """Plays *plan* into *sink* until it ends or *stop* is set, and books what it hands over."""

    def __init__(self, plan: ReplayPlan, sink: Sink, pack: Pack, clock: Clock, stop: asyncio.Event) -> None:
        self._plan, self._sink, self._pack, self._clock, self._stop = plan, sink, pack, clock, stop
        self.account = Account()
        self.played = Played(due_us=plan.source.first_us)
        self.room: Callable[[Mapping[tuple[str, int], int]], Awaitable[None]] | None = None
        """Waits until who reads along has caught up, given what was handed over by topic and partition."""
        self._handed_over: Tally[tuple[str, int]] = Tally()
        self._late = False
        self._begun_s = 0.0

    async def run(self) -> None:
        """Play all of it, with --loop again and again."""
        source = self._plan.source
        length_us = source.last_us - source.first_us
        gap_us = max(1000, length_us // max(1, source.records))  # between the last and the first again
        shift_us = 0
        while not self._stop.is_set():
            if self._plan.paced:
                await self._paced(shift_us)
            else:
                await self._all(shift_us // 1000)
            if self._stop.is_set() or not self._plan.request.loop:
                return
            self.played.rounds += 1
            shift_us += length_us + gap_us

    async def _all(self, shift_ms: int) -> None:
        """Send everything in the order in which it lies: within a partition that is the order it had."""
        for load in self._plan.source.loads():
            if self._stop.is_set():
                return
            for piece in self._plan.source.read(load):
                taken = piece.until(None)
                if taken is not None:
                    await self._send(taken, shift_ms)
            await asyncio.sleep(0)

    async def _paced(self, shift_us: int) -> None:
        """Send what is due, window by window; blocks are read in a thread before they are due.

        Nothing is sent that is due after the first record of a block that is not read yet.
        """
        source, speed = self._plan.source, self._plan.request.speed
        waiting = deque(sorted(source.loads(), key=lambda load: (load.first_us, load.number)))
        open_ = [_Open(waiting[0].number, await asyncio.to_thread(source.read, waiting.popleft()))]
        if not shift_us:  # a plant begins with the state of every machine: the schedule begins when these have arrived
            while waiting and waiting[0].first_us <= source.first_us + AHEAD_S * speed * SECOND_US:
                load = waiting.popleft()
                open_.append(_Open(load.number, await asyncio.to_thread(source.read, load)))
            open_.sort(key=lambda one: one.number)
            await self._due(open_, source.first_us + 1, math.inf, 0)
            open_ = [one for one in open_ if one.next_us is not None]
            await self._warm()
            self._begun_s = self._clock.now_s()
        begun_s = self._begun_s + shift_us / SECOND_US / speed
        reading: tuple[Load, asyncio.Task[list[Piece]]] | None = None
        switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            while (waiting or open_ or reading) and not self._stop.is_set():
                due_us = source.first_us + int((self._clock.now_s() - begun_s) * speed * SECOND_US)
                if reading is not None and reading[1].done():
                    open_.append(_Open(reading[0].number, reading[1].result()))
                    open_.sort(key=lambda one: one.number)
                    reading = None
                if reading is None and waiting and waiting[0].first_us <= due_us + AHEAD_S * speed * SECOND_US:
                    load = waiting.popleft()
                    reading = load, asyncio.create_task(asyncio.to_thread(source.read, load))
                unread_us = [load.first_us for load in (*([reading[0]] if reading else []), *([*waiting][:1]))]
                self._note_lateness(min([due_us, *unread_us]), due_us, speed)
                await self._due(open_, min([due_us + 1, *unread_us]), begun_s, shift_us // 1000)
                open_ = [one for one in open_ if one.next_us is not None]
                await self._clock.sleep(self._wait_s(open_, unread_us, begun_s), self._stop)
        finally:
            sys.setswitchinterval(switch_s)
            if reading is not None:
                await asyncio.gather(reading[1], return_exceptions=True)

    async def _warm(self) -> None:
        """Wait until all that was handed over is answered, within bounds."""
        until_s = self._clock.now_s() + WARM_S
        while self._clock.now_s() < until_s and not self._stop.is_set():
            if not any(row.pending for row in self._sink.delivery.values()):
                return
            await self._clock.sleep(WINDOW_S, self._stop)

    def _wait_s(self, open_: list[_Open], unread_us: list[int], begun_s: float) -> float:
        """Give how long nothing is due, within bounds."""
        next_us = min([*unread_us, *(one.next_us or 0 for one in open_)], default=self._plan.source.last_us)
        due_s = begun_s + (next_us - self._plan.source.first_us) / SECOND_US / self._plan.request.speed
        return min(max(due_s - self._clock.now_s(), WINDOW_S), WAIT_MAX_S)

    async def _due(self, open_: list[_Open], until_us: int, begun_s: float, shift_ms: int) -> None:
        """Send what is due before *until_us*, block after block: so a partition's records keep their order."""
        for one in open_:
            for piece in one.pieces:
                taken = piece.until(until_us)
                if taken is not None:
                    await self._send(taken, shift_ms)
                    self._book_timing(taken.due_us, begun_s)

    def _book_timing(self, due_us: Ints, begun_s: float) -> None:
        """Count how much later than they were due records were handed over."""
        plan = self._plan
        wall_us = (due_us - plan.source.first_us) / plan.request.speed
        late_ms = np.maximum(0, (self._clock.now_s() - begun_s) * 1e6 - wall_us).astype(np.int64) // 1000
        least = int(late_ms.min())
        for ms, count in enumerate(np.bincount(late_ms - least).tolist(), least):
            if count:
                self.played.timing.add(ms * 1000 + 500, count)

    def _note_lateness(self, reached_us: int, due_us: int, speed: float) -> None:
        """Say it when the replay falls behind its schedule, each time once."""
        behind_s = (due_us - reached_us) / SECOND_US / speed
        if behind_s > LATE_S and not self._late and len(self.played.notices) < NOTICES_MAX:
            self.played.notices.append(f"late: {behind_s:.1f} s behind the schedule; catching up")
        self._late = behind_s > LATE_S

    async def _send(self, piece: Piece, shift_ms: int) -> None:
        """Hand over a *piece* and book it, whatever comes between."""
        batches = self._pack(piece, self._plan.shift_ms + shift_ms)
        account = self.account.of(piece.stream)
        account.scheduled += len(piece.due_us)
        account.produced += len(piece.due_us)
        for at, batch in enumerate(batches):
            before = self._taken(batch.stream)
            try:
                await self._sink.send(batch)
            except BaseException as error:
                left = sum(map(len, batches[at:])) - (self._taken(batch.stream) - before)
                (self.account.unwanted if isinstance(error, SinkClosed) else self.account.refuse)(piece.stream, left)
                raise
            self._handed_over[batch.topic, batch.partition] += len(batch)
        self.played.records += len(piece.due_us)
        self.played.due_us = max(self.played.due_us, int(piece.due_us[-1]) + 1)
        if self.room is not None:
            await self.room(self._handed_over)
        await asyncio.sleep(0)

    def _taken(self, stream: str) -> int:
        """Count what the sink has taken over of *stream*."""
        row = self._sink.delivery.get(stream, Delivery())
        return row.acknowledged + row.failed + row.in_doubt + row.pending

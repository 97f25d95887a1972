"""One run from its plan to its result: open, start, release, drain, account, end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from fleet.broker.process import EmbeddedBroker
from fleet.errors import FleetError, RunError
from fleet.run import records
from fleet.run.clock import Clock
from fleet.run.ids import SchemaIds, settle_ids
from fleet.run.pipeline import Pipeline, Progress
from fleet.run.plan import EMBEDDED, RunPlan
from fleet.run.targets import Target, open_target, tell_all
from fleet.sim.blocks import Simulation
from fleet.sinks.connection import Connection
from fleet.sinks.open import DELIVERY_DEADLINE_S
from fleet.sinks.sink import SinkClosed

DRAIN_POLL_S = 0.01
CLOSE_TIMEOUT_S = 10.0
"""After the drain: how long a sink may take to stop, when nothing more is expected of it."""

PROOF_TIMEOUT_S = 60.0
EXIT_LOST, EXIT_INTERRUPTED = 1, 130

T = TypeVar("T")


class Interrupted(FleetError):  # noqa: N818 - no error: it was asked for
    """A signal came before the first record; nothing was sent."""

    exit_code = EXIT_INTERRUPTED


class Verdict(Protocol):
    """What reading a run back has shown."""

    proven: bool

    @property
    def findings(self) -> Sequence[object]:
        """Give what is wrong."""
        ...

    def lines(self) -> list[str]:
        """Say it for people."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Say it for machines."""
        ...


class Proof(Protocol):
    """Reads a run's topics along while it is written: the embedded broker keeps only the last of them."""

    async def start(self, connection: Connection, topics: Mapping[str, int]) -> None:
        """Begin to read *topics* (name to number of partitions) from their first record."""
        ...

    async def room(self, handed_over: Mapping[tuple[str, int], int]) -> None:
        """Return when of the records *handed_over* to each partition few enough are still to be read."""
        ...

    async def finish(self, run: Mapping[str, Any], *, timeout_s: float) -> Verdict:
        """Read to the end offsets that the run's ENDED record names, and judge."""
        ...


@dataclass(slots=True)
class Stopper:
    """What Ctrl-C and SIGTERM do: the first ends the run cleanly, the second does not wait for answers."""

    soft: asyncio.Event = field(default_factory=asyncio.Event)
    hard: asyncio.Event = field(default_factory=asyncio.Event)

    def press(self) -> None:
        """Take note of one signal."""
        (self.hard if self.soft.is_set() else self.soft).set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the two signals while the context is open; off the main thread there are none to take."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.press)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def unless(stop: asyncio.Event, doing: Coroutine[Any, Any, T]) -> T | None:
    """Do something, but give it up as soon as *stop* is set; None says so."""
    task, stopping = asyncio.create_task(doing), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


@dataclass(slots=True)
class Running:
    """A run that is going on: what a table shows of it."""

    plan: RunPlan
    targets: list[Target]
    progress: Progress
    started_s: float
    draining: bool = False
    _said: Counter[int] = field(default_factory=Counter)  # by source: how many of its notices were given

    def news(self) -> list[str]:
        """Give the notices of the run and of its sinks that were not given yet."""
        found: list[str] = []
        for source, notices in enumerate([self.progress.notices, *(one.sink.notices for one in self.targets)]):
            found += notices[self._said[source] :]
            self._said[source] = len(notices)
        return found


@dataclass(slots=True)
class Result:
    """How a run ended."""

    plan: RunPlan
    targets: list[Target]
    progress: Progress
    wall_s: float
    interrupted: bool
    failure: str  # what ended it early; "" where nothing did
    closed: bool = False  # nobody read any longer what it wrote
    verdict: Verdict | None = None
    machines: int = 0

    @property
    def exit_code(self) -> int:
        """Give 0, 1 where records were lost, something broke or the proof failed, 130 where it was interrupted."""
        lost = any(target.account.lost or not target.account.balanced for target in self.targets)
        if lost or self.failure or (self.verdict is not None and self.verdict.findings):
            return EXIT_LOST
        return EXIT_INTERRUPTED if self.interrupted else 0


async def execute(
    plan: RunPlan,
    *,
    clock: Clock,
    broker: EmbeddedBroker | None,
    proof: Proof | None,
    watch: Callable[[Running], None],
) -> Result:
    """Carry out *plan*. *watch* is told once, when everything is open and the first block is on its way."""
    stopper = Stopper()
    with stopper.listening():
        opened = await unless(stopper.soft, _open(plan, clock, broker))
        if opened is None:
            raise Interrupted("interrupted before the first record")
        simulation, targets, ids = opened
        pipeline = Pipeline(plan, simulation, targets, clock, stopper.soft, refusals=ids.refusals)
        encoders = [target.encoder for target in targets if target.encoder is not None]
        pipeline.progress.notices += ids.notices
        pipeline.progress.notices += dict.fromkeys(notice for encoder in encoders for notice in encoder.notices)
        running = Running(plan, targets, pipeline.progress, clock.now_s())
        watch(running)
        result = Result(plan, targets, pipeline.progress, 0.0, False, "", machines=simulation.machines)
        try:
            result.failure = await _patiently(plan, stopper, _stream(plan, pipeline, targets, clock, proof))
        except SinkClosed:
            result.closed = True
        result.interrupted = stopper.soft.is_set()
        running.draining = True
        await _end(result, clock, stopper, proof)
        result.wall_s = clock.now_s() - running.started_s
    return result


async def _open(
    plan: RunPlan, clock: Clock, broker: EmbeddedBroker | None
) -> tuple[Simulation, list[Target], SchemaIds]:
    """Set up the plant in a thread while the sinks are being opened; what is open is closed if one cannot be.

    Gives also what came of asking for ids.
    """
    making = asyncio.create_task(asyncio.to_thread(_simulate, plan))
    opened: dict[int, Target] = {}
    try:
        # First, because it may say no: nothing is made or overwritten then. It is not asked again.
        ids = await settle_ids(plan)
        if broker is not None:
            own = next(target for target in plan.targets if target.url == EMBEDDED)
            await asyncio.to_thread(broker.start, {topic.name: topic.partitions for topic in own.topics})
        # A broker may refuse; a file that is opened has lost what was in it.
        for at in sorted(range(len(plan.targets)), key=lambda at: plan.targets[at].kind.name != "kafka"):
            opened[at] = await open_target(
                plan, plan.targets[at], broker=broker, wall_us=clock.wall_us(), given_ids=ids.given
            )
        simulation = await making
        for target in opened.values():
            if target.encoder is not None:
                target.encoder.check(simulation.cohorts)
        return simulation, [opened[at] for at in sorted(opened)], ids
    except BaseException:
        for target in opened.values():
            await target.sink.close(timeout_s=0.0)
        await asyncio.gather(making, return_exceptions=True)
        raise


def _simulate(plan: RunPlan) -> Simulation:
    return Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us, truth=plan.truth)


async def _stream(
    plan: RunPlan, pipeline: Pipeline, targets: Sequence[Target], clock: Clock, proof: Proof | None
) -> str:
    """Write the run; give what ended it early, in a sentence, or nothing."""
    try:
        await tell_all(targets, lambda target: records.started(plan, target, wall_us=clock.wall_us()))
        for target in targets:
            if proof is not None and target.plan.url == EMBEDDED:
                assert target.connection is not None, "the embedded broker has one"
                await proof.start(target.connection, {name: seen.partitions for name, seen in target.topics.items()})
                target.reader = proof
        await pipeline.run()
    except RunError as error:
        return str(error)
    return ""


async def _patiently(plan: RunPlan, stopper: Stopper, streaming: Coroutine[Any, Any, str]) -> str:
    """Let the run go on to its end; once it is to stop, a sink that takes nothing is not waited for without end."""
    task = asyncio.create_task(streaming)
    stopping = asyncio.create_task(stopper.soft.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        losing_patience = asyncio.create_task(stopper.hard.wait())
        timeout_s = plan.request.stop_timeout_s
        await asyncio.wait({task, losing_patience}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        losing_patience.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if stopper.hard.is_set():
        return "interrupted twice: what was on its way was not waited for"
    return f"interrupted, and nothing more was taken within {plan.request.stop_timeout_s:g} s"


async def _end(result: Result, clock: Clock, stopper: Stopper, proof: Proof | None) -> None:
    """Wait for answers, write how the run ended, close the sinks, and let the proof come to its end."""
    patience_s = result.plan.request.stop_timeout_s
    until_s = clock.now_s() + DELIVERY_DEADLINE_S
    for target in result.targets:
        until_s = await _drain(target, until_s, clock, stopper, patience_s=patience_s)
        target.account.settle(target.sink.delivery)
        for stream, holes in ({} if target.encoder is None else target.encoder.holes).items():
            target.account.of(stream).holes = holes
    for target in result.targets:
        ended: Mapping[str, Any] | None = None
        silent = target.pending > 0  # nothing more is to be expected of it
        if target.keeps_runs and not target.broken and not silent:
            ended = await unless(stopper.hard, _tell_end(result, target, clock))
            await _drain(target, clock.now_s() + CLOSE_TIMEOUT_S, clock, stopper, patience_s=patience_s)
        if proof is not None and ended and target.plan.url == EMBEDDED:
            result.verdict = await unless(stopper.hard, proof.finish(ended, timeout_s=PROOF_TIMEOUT_S))
        try:
            await target.sink.close(timeout_s=0.0 if silent or stopper.hard.is_set() else CLOSE_TIMEOUT_S)
        except RunError as error:
            result.failure = result.failure or str(error)
        target.account.settle(target.sink.delivery)


async def _drain(target: Target, until_s: float, clock: Clock, stopper: Stopper, *, patience_s: float) -> float:
    """Wait until the sink has an answer for everything; a signal limits that to *patience_s*, a second ends it.

    Give until when the next sink may be waited for: the patience is one for all of them.
    """
    signalled = False
    while target.pending and clock.now_s() < until_s and not stopper.hard.is_set():
        if stopper.soft.is_set() and not signalled:
            signalled, until_s = True, min(until_s, clock.now_s() + patience_s)
        await clock.sleep(DRAIN_POLL_S, stopper.hard)
    return until_s


async def _tell_end(result: Result, target: Target, clock: Clock) -> Mapping[str, Any]:
    """Write the ENDED record; a broker that cannot be asked for its offsets is no reason not to."""
    offsets: Mapping[str, list[int]] = {}
    if target.connection is not None:
        from fleet.sinks.topics import end_offsets

        names = {name: seen.partitions for name, seen in target.topics.items()}
        try:
            offsets = await end_offsets(target.connection, names)
        except FleetError as error:
            target.sink.notices.append(str(error))
    record = records.ended(
        result.plan,
        target,
        wall_us=clock.wall_us(),
        simulated_us=result.progress.simulated_us,
        end_offsets=offsets,
        exit_code=result.exit_code,
    )
    try:
        await target.tell(record)
    except FleetError as error:
        target.sink.notices.append(str(error))
        return {}
    return record

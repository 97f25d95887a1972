"""One run from its plan to its result: open, start, release, drain, account, end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleet.broker.process import EmbeddedBroker
from fleet.errors import FleetError, RunError
from fleet.run import records
from fleet.run.clock import Clock
from fleet.run.pipeline import Pipeline, Progress
from fleet.run.plan import EMBEDDED, RunPlan
from fleet.run.targets import Target, open_target
from fleet.sim.blocks import Simulation
from fleet.sinks.connection import Connection
from fleet.sinks.open import DELIVERY_DEADLINE_S
from fleet.sinks.sink import SinkClosed

DRAIN_POLL_S = 0.01
CLOSE_TIMEOUT_S = 10.0
"""After the drain: how long a sink may take to stop, when nothing more is expected of it."""

PROOF_TIMEOUT_S = 60.0
EXIT_LOST, EXIT_INTERRUPTED = 1, 130


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
        """Take the two signals while the context is open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.press)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


@dataclass(slots=True)
class Running:
    """A run that is going on: what a table shows of it."""

    plan: RunPlan
    targets: list[Target]
    progress: Progress
    started_s: float
    draining: bool = False


@dataclass(slots=True)
class Result:
    """How a run ended."""

    plan: RunPlan
    targets: list[Target]
    progress: Progress
    wall_s: float
    interrupted: bool
    failure: str  # what ended it early; "" where nothing did
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
        simulation, targets = await _open(plan, clock, broker)
        pipeline = Pipeline(plan, simulation, targets, clock, stopper.soft)
        running = Running(plan, targets, pipeline.progress, clock.now_s())
        watch(running)
        failure = await _stream(plan, pipeline, targets, clock, proof)
        running.draining = True
        result = Result(
            plan, targets, pipeline.progress, 0.0, stopper.soft.is_set(), failure, machines=simulation.machines
        )
        await _end(result, clock, stopper, proof)
        result.wall_s = clock.now_s() - running.started_s
    return result


async def _open(plan: RunPlan, clock: Clock, broker: EmbeddedBroker | None) -> tuple[Simulation, list[Target]]:
    """Set up the plant in a thread while the sinks are being opened; what is open is closed if one cannot be."""
    making = asyncio.create_task(asyncio.to_thread(_simulate, plan))
    targets: list[Target] = []
    try:
        if broker is not None:
            own = next(target for target in plan.targets if target.url == EMBEDDED)
            await asyncio.to_thread(broker.start, {topic.name: topic.partitions for topic in own.topics})
        for target in plan.targets:
            opened = await open_target(plan, target, broker=broker, wall_us=clock.wall_us())
            targets.append(opened)
    except BaseException:
        for opened in targets:
            await opened.sink.close(timeout_s=0.0)
        await asyncio.gather(making, return_exceptions=True)
        raise
    return await making, targets


def _simulate(plan: RunPlan) -> Simulation:
    return Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us)


async def _stream(
    plan: RunPlan, pipeline: Pipeline, targets: Sequence[Target], clock: Clock, proof: Proof | None
) -> str:
    """Write the run; give what ended it early, in a sentence, or nothing."""
    try:
        for target in targets:
            await target.tell(records.started(plan, target, wall_us=clock.wall_us()))
            if proof is not None and target.plan.url == EMBEDDED:
                assert target.connection is not None, "the embedded broker has one"
                await proof.start(target.connection, {name: seen.partitions for name, seen in target.topics.items()})
        await pipeline.run()
    except SinkClosed:
        return ""
    except RunError as error:
        return str(error)
    for from_us, until_us in pipeline.progress.skips:
        entry = {"skip": {"from_us": from_us, "to_us": until_us}}
        for target in targets:
            await target.tell(records.journal(plan, entry, wall_us=clock.wall_us(), simulated_us=from_us))
    return ""


async def _end(result: Result, clock: Clock, stopper: Stopper, proof: Proof | None) -> None:
    """Wait for answers, write how the run ended, close the sinks, and let the proof come to its end."""
    plan = result.plan
    timeout_s = plan.request.stop_timeout_s if result.interrupted else DELIVERY_DEADLINE_S
    for target in result.targets:
        await _drain(target, timeout_s, clock, stopper)
        target.account.settle(target.sink.delivery)
    for target in result.targets:
        ended: Mapping[str, Any] = {}
        if target.encoder is not None and not result.failure and not stopper.hard.is_set():
            ended = await _tell_end(result, target, clock)
            await _drain(target, CLOSE_TIMEOUT_S, clock, stopper)
        if proof is not None and ended and target.plan.url == EMBEDDED:
            result.verdict = await proof.finish(ended, timeout_s=PROOF_TIMEOUT_S)
        await target.sink.close(timeout_s=0.0 if stopper.hard.is_set() else CLOSE_TIMEOUT_S)
        target.account.settle(target.sink.delivery)


async def _drain(target: Target, timeout_s: float, clock: Clock, stopper: Stopper) -> None:
    """Wait until the sink has an answer for everything; a second signal waits no longer."""
    until_s = clock.now_s() + timeout_s
    while target.pending and clock.now_s() < until_s and not stopper.hard.is_set():
        await clock.sleep(DRAIN_POLL_S, stopper.hard)


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

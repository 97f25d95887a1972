"""``fleet replay`` and ``fleet record`` as a person meets them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from fleet.broker.process import EmbeddedBroker
from fleet.fit.command import pairs
from fleet.replay.execute import Replayed, execute
from fleet.replay.foreign import TableSource
from fleet.replay.ids import with_ids
from fleet.replay.plan import ReplayPlan, ReplayRequest, make_plan
from fleet.replay.player import Player
from fleet.replay.record import RecordRequest, record
from fleet.replay.recordings import RecordingSource
from fleet.replay.report import as_json as report_fields
from fleet.replay.report import opening, summary
from fleet.run.clock import RealClock
from fleet.run.execute import Proof
from fleet.run.memory import keep_memory
from fleet.sinks.properties import connection
from fleet.sinks.sink import Sink
from fleet.verify.along import ReadAlong
from fleet.verify.runs import Run

Say = Callable[[str], None]
LOOK_S = 0.25
LINE_EVERY = 20  # looks


def replay_recording(request: ReplayRequest, *, as_json: bool, stay: Callable[[str], None] | None, say: Say) -> int:
    """Play the recording that *request* names and give the exit code; *stay* keeps an embedded broker open."""
    keep_memory()
    with RecordingSource(Path(request.file)) as source:
        plan = make_plan(request, source, wall_us=RealClock().wall_us())
        return carry_out(plan, source.run, as_json=as_json, stay=stay, say=say)


def replay_table(
    request: ReplayRequest,
    mapping: Sequence[str],
    *,
    skip_bad: bool,
    as_json: bool,
    stay: Callable[[str], None] | None,
    say: Say,
) -> int:
    """Play the readings in the table that *request* names and give the exit code."""
    keep_memory()
    roles = pairs("--map", (each for text in mapping for each in text.split(",")), "time=COLUMN")
    source = TableSource(Path(request.file), dict(roles), skip=skip_bad)
    for remark in source.remarks:
        say(remark)
    plan = make_plan(request, source, wall_us=RealClock().wall_us())
    return carry_out(plan, None, as_json=as_json, stay=stay, say=say)


def record_topics(url: str, request: RecordRequest, kafka_config: Path | None, *, as_json: bool, say: Say) -> int:
    """Record topics of the Kafka at *url* and give the exit code."""
    keep_memory()
    where = connection(url.removeprefix("kafka://"), kafka_config, os.environ).connection
    recorded = asyncio.run(record(where, request, say=say))
    if as_json:
        print(json.dumps(recorded.as_json()))  # noqa: T201 - what was asked for
    for line in recorded.lines():
        say(line)
    return recorded.exit_code


def carry_out(plan: ReplayPlan, run: Run | None, *, as_json: bool, stay: Callable[[str], None] | None, say: Say) -> int:
    """Carry out *plan* before a person's eyes."""
    plan = asyncio.run(with_ids(plan, say))
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker()) if plan.embedded else None
        for line in opening(plan):
            say(line)
        result = asyncio.run(_played(plan, run, broker, say))
        if as_json:
            print(json.dumps(report_fields(result)))  # noqa: T201 - what was asked for
        if not result.closed:
            for line in summary(result):
                say(line)
        if broker is not None and stay is not None and sys.stdout.isatty() and not result.interrupted:
            stay(broker.bootstrap)
    return result.exit_code


async def _played(plan: ReplayPlan, run: Run | None, broker: EmbeddedBroker | None, say: Say) -> Replayed:
    tasks: list[asyncio.Task[None]] = []
    sinks: list[tuple[Player, Sink]] = []

    def watch(player: Player, sink: Sink) -> None:
        sinks.append((player, sink))
        tasks.append(asyncio.create_task(_show(plan, player, sink, say)))

    proof: Proof | None = ReadAlong() if broker is not None and run is not None and not plan.shift_ms else None
    try:
        return await execute(plan, clock=RealClock(), broker=broker, run=run, proof=proof, watch=watch)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for player, sink in sinks:
            for notice in [*player.played.notices, *sink.notices]:
                say(notice)


async def _show(plan: ReplayPlan, player: Player, _: Sink, say: Say) -> None:
    """Say now and then how far it is."""
    while True:
        await asyncio.sleep(LOOK_S * LINE_EVERY)
        say(f"{player.played.records:,} of {plan.source.records:,} records sent")

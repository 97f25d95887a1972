"""One replay from its plan to its result: open, play, drain, say in ``factory.runs`` what was played."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.broker.process import EmbeddedBroker
from fleet.data import RecordBatch, TopicPlan, TopicSeen
from fleet.encode.layouts import RUNS_V1
from fleet.encode.runs import run_record
from fleet.errors import FleetError, RequestError, RunError
from fleet.replay.packing import container_schema, packer
from fleet.replay.plan import ReplayPlan
from fleet.replay.player import Played, Player
from fleet.run.account import Account
from fleet.run.clock import Clock
from fleet.run.execute import (
    CLOSE_TIMEOUT_S,
    DRAIN_POLL_S,
    EXIT_INTERRUPTED,
    EXIT_LOST,
    Interrupted,
    Proof,
    Stopper,
    Verdict,
    unless,
)
from fleet.run.plan import RUNS_TOPIC
from fleet.sinks.connection import Connection
from fleet.sinks.open import DELIVERY_DEADLINE_S, SinkSetup, open_sink
from fleet.sinks.properties import connection as connection_of
from fleet.sinks.sink import Sink, SinkClosed
from fleet.verify.runs import Run, TopicRange

PROOF_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Replayed:
    """How a replay ended."""

    plan: ReplayPlan
    account: Account
    played: Played
    sink: Sink
    connection: Connection | None
    wall_s: float = 0.0
    interrupted: bool = False
    closed: bool = False
    failure: str = ""
    verdict: Verdict | None = None
    run_id: str = ""  # where the replay has a run's records of its own

    @property
    def exit_code(self) -> int:
        """Give 0, 1 where records were lost or were not there to send, 130 where it was interrupted."""
        lost = self.account.lost or not self.account.balanced or self.failure or self.plan.source.missing
        if lost or (self.verdict is not None and self.verdict.findings):
            return EXIT_LOST
        return EXIT_INTERRUPTED if self.interrupted else 0


@dataclass(slots=True)
class _Opened:
    """The open end of a replay."""

    sink: Sink
    topics: Mapping[str, TopicSeen]
    connection: Connection | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    runs_id: int | None = None  # in front of the run's own records


async def execute(
    plan: ReplayPlan,
    *,
    clock: Clock,
    broker: EmbeddedBroker | None,
    run: Run | None,
    proof: Proof | None,
    watch: Callable[[Player, Sink], None],
) -> Replayed:
    """Carry out *plan*. *run* is the one whose records are played; then the replay is a run, and can be verified."""
    stopper = Stopper()
    if plan.request.loop or plan.kind.name not in {"kafka", "recording", "memory"}:
        run = None
    with stopper.listening():
        opened = await unless(stopper.soft, _open(plan, broker, run, clock))
        if opened is None:
            raise Interrupted("interrupted before the first record")
        player = Player(plan, opened.sink, packer(plan, opened.topics), clock, stopper.soft)
        result = Replayed(plan, player.account, player.played, opened.sink, opened.connection)
        watch(player, opened.sink)
        begun_s = clock.now_s()
        try:
            if run is not None:
                result.run_id = plan.run_id
                await _tell(opened, player.account, _started(plan, run, opened, wall_us=clock.wall_us()))
                if proof is not None and opened.connection is not None:
                    names = {name: seen.partitions for name, seen in opened.topics.items()}
                    await proof.start(opened.connection, names)
                    player.room = proof.room
            await _patiently(player, plan, stopper)
        except SinkClosed:
            result.closed = True
        except RunError as error:
            result.failure = str(error)
        result.interrupted = stopper.soft.is_set()
        await _end(result, opened, run, clock, stopper, proof)
        result.wall_s = clock.now_s() - begun_s
    return result


async def _patiently(player: Player, plan: ReplayPlan, stopper: Stopper) -> None:
    """Let it play to its end; once it is to stop, a sink that takes nothing is not waited for without end."""
    task = asyncio.create_task(player.run())
    stopping = asyncio.create_task(stopper.soft.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        await asyncio.wait({task}, timeout=plan.request.stop_timeout_s)
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise RunError(f"interrupted, and nothing more was taken within {plan.request.stop_timeout_s:g} s")
    task.result()


async def _open(plan: ReplayPlan, broker: EmbeddedBroker | None, run: Run | None, clock: Clock) -> _Opened:
    """Make and check the topics, and open the sink."""
    topics = list(plan.topics)
    if run is not None:
        topics.append(TopicPlan(RUNS_TOPIC, 1, 1))
    seen: Mapping[str, TopicSeen] = {one.name: TopicSeen(one.partitions, (), one.configs) for one in topics}
    connection: Connection | None = None
    if broker is not None:
        await asyncio.to_thread(broker.start, {one.name: one.partitions for one in topics})
        connection = Connection(broker.bootstrap)
        seen = {one.name: TopicSeen(one.partitions, (0,) * one.partitions) for one in topics}
    elif plan.kind.name == "kafka":
        url, config = plan.request.target.removeprefix("kafka://"), plan.request.kafka_config
        connection = connection_of(url, config, os.environ).connection
        seen = await _prepared(plan, topics, connection)
    schema = ""
    if plan.kind.typed:
        schema = container_schema(plan, plan.source.read(plan.source.loads()[0]))
    span_s = max(1e-3, (plan.source.last_us - plan.source.first_us) / 1e6)
    setup = SinkSetup(
        schema=schema,
        connection=connection,
        topics=seen,
        producer=plan.request.producer,
        readings_per_s=plan.source.records / span_s * plan.request.speed,
        schemas=plan.schemas,
    )
    sink = await open_sink("kafka://" if broker is not None else plan.request.target, setup)
    return _Opened(sink, seen, connection, runs_id=plan.runs_id)


async def _prepared(plan: ReplayPlan, topics: list[TopicPlan], connection: Connection) -> Mapping[str, TopicSeen]:
    from fleet.sinks.topics import prepare_topics

    first_ms = plan.source.first_ms + plan.shift_ms
    last_ms = plan.source.last_us // 1000 + plan.shift_ms
    seen = await prepare_topics(
        connection, topics, first_ms=first_ms, last_ms=last_ms, endless=plan.request.loop,
        speed_above_one=plan.request.speed > 1, way_out="use --rebase now",
    )  # fmt: skip
    for topic in plan.topics:
        if seen[topic.name].partitions < topic.partitions:
            raise RequestError(
                f"kafka: topic {topic.name!r} has {seen[topic.name].partitions} partitions, the recording "
                f"{topic.partitions}: each record goes to the partition it had; use another topic with --topic"
            )
    return seen


# ---------------------------------------------------------------- the run's own records


async def _tell(opened: _Opened, account: Account, record: dict[str, Any]) -> None:
    """Write a record of the replay itself to ``factory.runs``."""
    row = account.of("runs")
    row.scheduled += 1
    row.produced += 1
    await opened.sink.send(RecordBatch("runs", RUNS_TOPIC, 0, [run_record(record, opened.runs_id)]))


def _started(plan: ReplayPlan, run: Run, opened: _Opened, *, wall_us: int) -> dict[str, Any]:
    """Say what is played: the run's own STARTED record under a new id, with the topics as they are here."""
    first = dict(run.first)
    entry = {"replay_of": run.id} | json.loads(first.get("entry") or "{}")
    if plan.shift_ms:
        entry["record_time"] = "wall"  # the stamps are not those that the run gave
    ids = dict(first["schema_ids"])
    if plan.runs_id is not None:  # a registry's, and none but these: others could be the same numbers
        ids = {file: plan.ids[number] for file, number in ids.items() if number in plan.ids}
        ids[RUNS_V1.schema] = plan.runs_id
    return first | {
        "run": plan.run_id, "schema_ids": ids, "timestamp": wall_us, "shard": "1/1", "entry": json.dumps(entry),
        "topics": _rows(plan, run, opened, as_recorded=False),
    }  # fmt: skip


def _rows(plan: ReplayPlan, run: Run, opened: _Opened, *, as_recorded: bool) -> list[dict[str, Any]]:
    def kept(part: TopicRange) -> bool:
        # Digests of readings are of their fields; those of all others are of bytes, of which the id is a part.
        return not plan.ids or part.format == "json" or set(part.streams) <= {"readings", "truth"}

    rows = []
    for name, part in run.topics.items():
        if name not in plan.names:
            continue
        seen = opened.topics[plan.names[name]]
        rows.append(
            {
                "topic": plan.names[name],
                "streams": list(part.streams),
                "format": part.format,
                "layout": part.layout,
                "partitions": seen.partitions,
                "start_offsets": list(seen.start_offsets),
                "end_offsets": [],
                "digests": [f"{digest:016x}" for digest in part.digests] if as_recorded and kept(part) else [],
                "settings": dict(seen.settings),
            }
        )
    return rows


async def _ended(result: Replayed, opened: _Opened, run: Run, *, wall_us: int) -> dict[str, Any]:
    """Say how it ended: where the topics end now, and the account; of withheld readings the run's own."""
    offsets: Mapping[str, list[int]] = {}
    if opened.connection is not None:
        from fleet.sinks.topics import end_offsets

        offsets = await end_offsets(opened.connection, {name: seen.partitions for name, seen in opened.topics.items()})
    source = result.plan.source
    whole = result.played.records == source.records and not source.missing
    rows = _rows(result.plan, run, opened, as_recorded=whole and not result.plan.shift_ms)
    for row in rows:
        row["end_offsets"] = offsets.get(row["topic"], [])
    account = result.account.as_fields()
    for stream, fields in account.items():
        before = run.account.get(stream, {})
        for name in ("withheld", "by_policy", "holes"):
            fields[name] = before.get(name, 0)
        fields["scheduled"] += fields["withheld"]
    ends = [shard.ended for shard in run.shards.values() if shard.ended is not None]
    return dict(run.first) | {
        "run": result.plan.run_id, "type": "ENDED", "timestamp": wall_us, "shard": "1/1", "scenario": "",
        "scenario_digest": "", "seed": 0, "start": 0, "fleet_version": "", "numpy_version": "", "schema_ids": {},
        "topics": rows, "account": account, "entry": "", "exit": result.exit_code,
        "simulated": max((end["simulated"] for end in ends), default=result.played.due_us),
    }  # fmt: skip


async def _end(
    result: Replayed, opened: _Opened, run: Run | None, clock: Clock, stopper: Stopper, proof: Proof | None
) -> None:
    """Wait for answers, write how it ended, close the sink, and let the proof come to its end."""
    await _drain(opened.sink, clock.now_s() + DELIVERY_DEADLINE_S, result.plan, clock, stopper)
    result.account.settle(opened.sink.delivery)
    silent = _pending(opened.sink) > 0
    if run is not None and not silent and not result.failure:
        try:
            ended = await _ended(result, opened, run, wall_us=clock.wall_us())
            await _tell(opened, result.account, ended)
            await _drain(opened.sink, clock.now_s() + CLOSE_TIMEOUT_S, result.plan, clock, stopper)
            if proof is not None and not result.interrupted:
                result.verdict = await unless(stopper.hard, proof.finish(ended, timeout_s=PROOF_TIMEOUT_S))
        except FleetError as error:
            opened.sink.notices.append(str(error))
    try:
        await opened.sink.close(timeout_s=0.0 if silent or stopper.hard.is_set() else CLOSE_TIMEOUT_S)
    except RunError as error:
        result.failure = result.failure or str(error)
    result.account.settle(opened.sink.delivery)


def _pending(sink: Sink) -> int:
    return sum(row.pending for row in sink.delivery.values())


async def _drain(sink: Sink, until_s: float, plan: ReplayPlan, clock: Clock, stopper: Stopper) -> None:
    """Wait until the sink has an answer for everything; a signal shortens that, a second ends it."""
    signalled = False
    while _pending(sink) and clock.now_s() < until_s and not stopper.hard.is_set():
        if stopper.soft.is_set() and not signalled:
            signalled, until_s = True, min(until_s, clock.now_s() + plan.request.stop_timeout_s)
        await clock.sleep(DRAIN_POLL_S, stopper.hard)

"""A command as a person meets it: the table while it runs, the report, the broker that stays open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fleet.broker.process import EmbeddedBroker
from fleet.errors import FleetError
from fleet.run.answers import watch_answers
from fleet.run.clock import RealClock
from fleet.run.execute import Proof, Result, Running, execute
from fleet.run.live import say, show
from fleet.run.memory import all_set_up, keep_memory
from fleet.run.plan import EMBEDDED, RunPlan
from fleet.run.report import as_json as report_fields
from fleet.run.report import summary
from fleet.scenario.model import Scenario
from fleet.scenario.times import moment
from fleet.sinks.connection import Connection
from fleet.sinks.properties import connection

if TYPE_CHECKING:
    from fleet.contract.access import Access
    from fleet.contract.command import Answer as SchemaAnswer
    from fleet.score.command import Answer, ScoreRequest
    from fleet.verify.tail import TailOptions


REAL_SCENARIO, REAL_RECORDS = "quickstart", 200
"""Whose first records are resolved when it is judged who reads what."""

MANY_MACHINES = 50_000
"""From here on it takes seconds until the first reading, and a person should know why."""


def carry_out(plan: RunPlan, *, as_json: bool, keep_open: bool) -> int:
    """Run *plan* before a person's eyes and give the exit code."""
    console = Console(stderr=True, highlight=False)
    keep_memory()
    own_broker = EMBEDDED in plan.request.targets
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker()) if own_broker else None
        result = asyncio.run(_run(plan, console, broker))
        if as_json:
            print(json.dumps(report_fields(result)))  # noqa: T201 - what was asked for
        if not (result.closed and len(result.targets) == 1):  # who reads no longer wants no report either
            say(console, summary(result))
        if broker is not None and keep_open and sys.stdout.isatty() and not result.interrupted:
            _stay(console, broker, kcat_line(plan, broker.bootstrap))
    return result.exit_code


async def _run(plan: RunPlan, console: Console, broker: EmbeddedBroker | None) -> Result:
    tasks: list[asyncio.Task[None]] = []
    watched: list[Running] = []

    def watch(running: Running) -> None:
        all_set_up()
        say(console, [_opening(plan)])
        watched.append(running)
        tasks.append(asyncio.create_task(show(console, running)))
        tasks.append(asyncio.create_task(_look_for_neighbours(running)))
        tasks.append(asyncio.create_task(watch_answers(running, RealClock())))

    if len(plan.roster.machines) >= MANY_MACHINES:
        say(console, [f"preparing {len(plan.roster.machines):,} machines"])
    try:
        return await execute(
            plan, clock=RealClock(), broker=broker, proof=_proof() if broker is not None else None, watch=watch
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for running in watched:
            say(console, running.news())


async def _look_for_neighbours(running: Running) -> None:
    """Say it where another run is open on the same topics: each would take the other's records for its own faults."""
    from fleet.verify.runs import open_beside, runs_of

    for target in running.targets:
        if target.connection is None or target.plan.url == EMBEDDED:
            continue
        try:
            runs = await runs_of(target.connection)
        except FleetError:
            continue  # not allowed to read, or not there yet: nothing is known of neighbours
        names = [name for stream, names in target.plan.stream_topics.items() if stream != "runs" for name in names]
        for run_id in open_beside(runs, names, own=running.plan.run_id, now_us=RealClock().wall_us()):
            running.progress.notices.append(
                f"run {run_id} writes to the same topics and has not ended; while both go on neither can be proven: "
                "give one of them other topics"
            )


def _proof() -> Proof:
    from fleet.verify.along import ReadAlong

    return ReadAlong()


def _opening(plan: RunPlan) -> str:
    end = "until interrupted" if plan.stop_us is None else f"to {moment(plan.stop_us)}"
    return (
        f"{plan.request.scenario.name}: {len(plan.roster.machines):,} machines, run {plan.run_id}, seed {plan.seed}, "
        f"from {moment(plan.start_us)} {end}"
    )


def kcat_line(plan: RunPlan, bootstrap: str) -> str:
    """Give a kcat command that shows something readable: a topic of JSON if there is one, else keys and sizes."""
    target = next(target for target in plan.targets if target.url == EMBEDDED)
    for stream in ("events", "readings", "doors"):
        if stream in target.streams and target.streams[stream].format == "json":
            topic = min(target.stream_topics[stream])
            return f"kcat -b {bootstrap} -C -t {topic} -o beginning -e -q"
    topic = min(target.stream_topics["readings"])
    return f"kcat -b {bootstrap} -C -t {topic} -o beginning -e -q -f '%T %k %S bytes, partition %p offset %o\\n'"


def _stay(console: Console, broker: EmbeddedBroker, hint: str) -> None:
    """Keep the broker open until Ctrl-C."""
    _wait_for_signal(console, [f"look:  {hint}", f"broker stays at {broker.bootstrap} until Ctrl-C"])
    say(console, ["broker closed"])


def stay_open(bootstrap: str) -> None:
    """Keep an embedded broker at *bootstrap* open until Ctrl-C, and say so."""
    console = Console(stderr=True, highlight=False)
    _wait_for_signal(console, [f"broker stays at {bootstrap} until Ctrl-C"])
    say(console, ["broker closed"])


def _wait_for_signal(console: Console, lines: Sequence[str]) -> None:
    """Say *lines*, which promise that a signal is awaited, and await it."""
    done = threading.Event()
    before = {number: signal.signal(number, lambda *_: done.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    say(console, lines)
    try:
        while not done.wait(0.5):
            pass  # a wait without a bound would not let Python see the signal everywhere
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keep_broker(topics: Sequence[tuple[str, int]], port: int | None) -> None:
    """Start an embedded broker with *topics* and keep it until Ctrl-C."""
    console = Console(stderr=True, highlight=False)
    with EmbeddedBroker(port=port) as broker:
        bootstrap = broker.start(dict(topics))
        print(f"bootstrap={bootstrap}", flush=True)  # noqa: T201 - what was asked for
        hint = "Ctrl-C ends it; it keeps about 5 MiB a partition, and topics are made when first used"
        _wait_for_signal(console, [hint])


def show_tail(url: str, topic: str, kafka_config: Path | None, options: TailOptions) -> None:
    """Write the records of *topic* to standard output until its run or the reader ends, or Ctrl-C."""
    from fleet.verify.tail import tail

    console = Console(stderr=True, highlight=False)
    connected = _connection(url, kafka_config)
    asyncio.run(tail(connected, topic, options=options, write=_write, say=lambda line: say(console, [line])))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def show_verdict(
    url: str, scenario: Scenario | None, kafka_config: Path | None, *, run: str | None, as_json: bool,
    schema: str | None, registry: Access | None,
) -> int:  # fmt: skip
    """Read a run back, say what was found, and give the exit code."""
    from fleet.verify.check import verify
    from fleet.verify.readership import Reading

    keep_memory()
    console = Console(stderr=True, highlight=False)
    source = _source(url, kafka_config)
    with console.status("reading back") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"reading back: {done:,} of {total:,} records")

        reading = Reading(schema, registry, lambda line: say(console, [line]))
        verdict = asyncio.run(verify(source, run=run, scenario=scenario, progress=progress, reading=reading))
    if as_json:
        print(json.dumps(verdict.as_json()))  # noqa: T201 - what was asked for
    else:
        print(*verdict.lines(), sep="\n")  # noqa: T201 - the verdict is what was asked for
    return verdict.exit_code


def scored(request: ScoreRequest, url: str | None, kafka_config: Path | None) -> Answer:
    """Carry *request* out against the run at *url*; None: against labels that stand alone."""
    from fleet.score.command import carry_out

    source = None if url is None else _source(url, kafka_config)
    return asyncio.run(carry_out(replace(request, source=source)))


def schemas_told(
    action: str,
    names: tuple[str, ...],
    *,
    level: str | None,
    against: tuple[str, ...],
    subject: str | None,
    registry: str | None,
    environment: Mapping[str, str],
    as_json: bool,
    lang: str | None,
    version: str | None,
) -> SchemaAnswer:
    """Do what ``fleet schema`` was asked for, with the schemas that are published with fleet and records of a run."""
    from fleet.contract.access import access
    from fleet.contract.command import SchemaRequest, carry_out
    from fleet.verify.resolved import shelf

    request = SchemaRequest(
        action=action,
        names=names,
        level=level,
        against=against,
        subject=subject,
        access=access(registry, environment),
        as_json=as_json,
        lang=lang,
        version=version,
        real=_real_records,
    )
    return asyncio.run(carry_out(request, shelf()))


def _real_records() -> dict[str, list[dict[str, Any]]]:
    """Give the first records of the quickstart, by the full name of their type."""
    from fleet.api import load
    from fleet.encode.decode import Decoder, stream_of
    from fleet.run.plan import RunRequest, make_plan
    from fleet.run.sample import sample

    request = RunRequest(scenario=load(REAL_SCENARIO), source=REAL_SCENARIO, targets=("stdout:",), speed=1.0)
    names = {"readings": "thingum.factory.MachineSensor", "events": "thingum.factory.MachineEvent"}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    decoder = Decoder()
    for value in sample(make_plan(request, wall_us=0), REAL_RECORDS):
        fields = decoder.decode(value)
        found[names[stream_of(fields)]].append(fields)
    return found


def _source(url: str, kafka_config: Path | None) -> Connection | Path:
    """Give where a run is to be read back from."""
    return Path(url.removeprefix("file:")) if url.startswith("file:") else _connection(url, kafka_config)


def _connection(url: str, kafka_config: Path | None) -> Connection:
    return connection(url.removeprefix("kafka://"), kafka_config, os.environ).connection

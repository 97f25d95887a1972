"""Runs of small scenarios on a clock that costs no time, and what anybody can say of them afterwards."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache

from fleet.data import RecordBatch
from fleet.encode.decode import Decoder
from fleet.run.execute import Result, Running, execute
from fleet.run.plan import RunPlan, RunRequest, make_plan
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from tests.run.sinks import FakeClock
from tests.verify.logs import Past, logs_of

START_US = 1_772_431_200_000_000
SECOND_US = 1_000_000
SETTLED = ("acknowledged", "failed", "in_doubt")


@cache
def scenario(name: str = "quickstart", *settings: str) -> Scenario:
    return load(name, settings=settings, laws=LAW_INPUTS)


def planned(
    *targets: str, of: Scenario | None = None, speed: float = math.inf, length_s: float | None = 20, **request: object
) -> RunPlan:
    """Plan a run that starts long ago; *request* are further fields of a RunRequest."""
    fields = {"start_us": START_US, "seed": 7} | request
    length_us = None if length_s is None else round(length_s * SECOND_US)
    asked = RunRequest(
        scenario=scenario() if of is None else of, source="quickstart", targets=targets or ("memory:",), speed=speed,
        length_us=length_us, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    return make_plan(asked, wall_us=FakeClock().wall_us())


def carried_out(plan: RunPlan, clock: FakeClock | None = None) -> Result:
    """Run *plan* from its start to its result."""
    return asyncio.run(execute(plan, clock=clock or FakeClock(), broker=None, proof=None, watch=ignore))


def ignore(_: Running) -> None:
    """Show nothing."""


def due(plan: RunPlan, until_us: int) -> dict[str, int]:
    """Count what the plan says is due before *until_us*, from a simulation of its own; doors are events."""
    if until_us <= plan.start_us:
        return {"readings": 0, "events": 0}
    block = Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us).advance(until_us)
    return {"readings": block.readings, "events": len(block.events)}


def assert_balanced(result: Result) -> None:
    """Hold law 4 against every stream of every sink of *result*."""
    for target in result.targets:
        for stream, account in target.account.streams.items():
            settled = sum(getattr(account, name) for name in SETTLED)
            assert (
                min(account.scheduled, account.withheld, account.produced, *map(account.__getattribute__, SETTLED)) >= 0
            )
            assert account.scheduled == account.withheld + account.produced, (stream, account)
            assert account.produced + account.injected == settled, (stream, account)
            assert account.balanced


def assert_all_scheduled(result: Result) -> None:
    """See that every sink was to get what a simulation of its own says is due."""
    wanted = due(result.plan, result.progress.simulated_us)
    for target in result.targets:
        streams = target.account.streams
        found = {name: streams[name].scheduled if name in streams else 0 for name in ("readings", "events", "doors")}
        assert found["readings"] == wanted["readings"]
        assert found["events"] + found["doors"] == wanted["events"]


def runs_of(batches: Iterable[RecordBatch]) -> list[dict[str, object]]:
    """Give what a run said of itself."""
    decoder = Decoder()
    return [decoder.decode(record.value) for batch in batches if batch.stream == "runs" for record in batch.records]


def read_back(batches: Iterable[RecordBatch]) -> Past:
    """See *batches* as a reader of the topics does."""
    kept = list(batches)
    logs = {place: log for place, log in logs_of(kept).items() if place[0] != "factory.runs"}
    return Past(logs, runs_of(kept))


RUN_ID = re.compile(rb"\d{8}T\d{6}-[0-9a-f]{6}")


def records_by_partition(batches: Iterable[RecordBatch]) -> dict[tuple[str, int], Counter[tuple[object, ...]]]:
    """Count the records of each partition, whatever their order, without those of the run and its id in labels."""
    found: dict[tuple[str, int], Counter[tuple[object, ...]]] = defaultdict(Counter)
    for batch in batches:
        if batch.stream != "runs":
            records = (tuple(record) for record in batch.records)
            if batch.stream == "labels":
                records = ((key, RUN_ID.sub(b"", value), *rest) for key, value, *rest in records)
            found[batch.topic, batch.partition].update(records)
    return dict(found)

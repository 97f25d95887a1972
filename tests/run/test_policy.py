"""Runs whose sensors report only changes: the account, the proof, and the same records however they are made."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.run.clock import RealClock
from fleet.run.execute import Result, execute
from fleet.run.plan import RunPlan
from fleet.scenario.model import Scenario
from fleet.sim.blocks import Simulation
from fleet.verify.along import ReadAlong
from fleet.verify.check import verify
from fleet.verify.findings import Finding
from tests.run.runs import START_US, assert_balanced, carried_out, planned, read_back, records_by_partition, scenario
from tests.run.sinks import FakeClock, FakeSink, sinks

SENSORS = ("suction_pressure", "discharge_pressure", "flow", "power", "motor_speed", "bearing_temperature", "current")
LENGTH_S = 150


@cache
def terse(*more: str) -> Scenario:
    """Give the quickstart, whose pumps have sensors that report a change or a heartbeat."""
    policies = [f"lines[0].machines[0].set.{name}={{deadband: 0.5, heartbeat: 20 s}}" for name in SENSORS]
    return scenario("quickstart", *policies, *more)


def ran(*, speed: float, costs_s: float = 0.0, **request: Any) -> tuple[Result, FakeSink]:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=costs_s)
    with sinks(sink) as urls:
        plan = planned(*urls, of=terse(), speed=speed, length_s=LENGTH_S, **request)
        return carried_out(plan, clock), sink


def digests(result: Result) -> dict[str, Any]:
    encoder = result.targets[0].encoder
    assert encoder is not None
    return {stream: dict(machines) for stream, machines in encoder.digests.items()}


@pytest.mark.parametrize("speed", [7.0, 60.0])
def test_the_same_is_withheld_at_any_speed(speed: float) -> None:
    paced, paced_sink = ran(speed=speed, costs_s=0.02)
    fast, fast_sink = ran(speed=math.inf)

    assert digests(paced) == digests(fast)
    assert records_by_partition(paced_sink.batches) == records_by_partition(fast_sink.batches)
    assert paced.targets[0].account.as_fields() == fast.targets[0].account.as_fields()


@pytest.mark.parametrize("request_", [{}, {"skip_when_late": True}])
def test_the_account_has_what_was_withheld_and_verify_accepts_exactly_that(request_: dict[str, Any]) -> None:
    result, sink = ran(speed=60.0 if request_ else math.inf, costs_s=1.5 if request_ else 0.0, **request_)

    assert_balanced(result)
    account = result.targets[0].account.of("readings")
    plain = planned("memory:", length_s=LENGTH_S)
    whole = Simulation(plain.roster, seed=plain.seed, start_us=START_US).advance(START_US + LENGTH_S * 1_000_000)
    assert account.scheduled == whole.readings
    assert account.withheld > account.by_policy if request_ else account.withheld == account.by_policy
    assert 0 < account.holes <= account.withheld
    past = read_back(sink.batches)
    assert past.verdict(terse()).proven, past.verdict().lines()
    assert any("withheld by report policy" in note for note in past.verdict().notes)


@pytest.mark.parametrize("change", ["lost", "doubled"])
def test_one_record_too_few_or_too_many_is_found_among_many_withheld(change: str) -> None:
    _, sink = ran(speed=math.inf)
    past = read_back(sink.batches)
    place = next(place for place in past.logs if place[0] == "factory.readings" and len(past.logs[place]) > 100)

    past.logs[place][50:51] = [] if change == "lost" else past.logs[place][50:51] * 2

    verdict = past.verdict()
    assert not verdict.proven
    assert verdict.counts.keys() & {str(Finding.LOST), str(Finding.DUPLICATE)}


def test_a_value_that_was_changed_is_found_although_numbers_are_absent() -> None:
    _, sink = ran(speed=math.inf)
    past = read_back(sink.batches)
    place = next(place for place in past.logs if place[0] == "factory.readings" and len(past.logs[place]) > 100)

    record = past.logs[place][50]
    changed = bytearray(record.value)
    changed[-15] ^= 1  # of the eight bytes of the value, before time stamp, number and quality
    past.logs[place][50] = record._replace(value=bytes(changed))

    verdict = past.verdict()
    assert not verdict.proven
    assert verdict.counts == {str(Finding.DIGEST): 1}


@pytest.mark.parametrize("suffix", ["avro", "jsonl"])
async def test_a_file_of_what_was_reported_is_proven_with_its_scenario(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    plan = planned(f"file:{path}", of=terse(), length_s=LENGTH_S)

    await _executed(plan)

    verdict = await verify(path, scenario=terse())
    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"


async def test_a_run_on_the_embedded_broker_is_proven_while_it_withholds() -> None:
    plan, along = planned("embedded:", of=terse(), length_s=LENGTH_S), ReadAlong()

    with EmbeddedBroker() as embedded:
        result = await execute(plan, clock=RealClock(), broker=embedded, proof=along, watch=lambda _: None)

    assert result.verdict is not None
    assert result.verdict.proven, result.verdict.lines()


async def _executed(plan: RunPlan) -> Result:
    return await execute(plan, clock=RealClock(), broker=None, proof=None, watch=lambda _: None)

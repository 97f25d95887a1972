"""Law 1: the same records at any speed, however the run is cut, and with one more machine for all others."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.data import Record
from fleet.run.execute import Result
from tests.run.runs import carried_out, planned, read_back, records_by_partition, runs_of, scenario
from tests.run.sinks import FakeClock, FakeSink, sinks


def ran(name: str, *, speed: float, costs_s: float = 0.0, settings: tuple[str, ...] = (), **request: object) -> tuple[
    Result, FakeSink
]:  # fmt: skip
    """Run half a minute of *name* into one topic a line."""
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=costs_s)
    with sinks(sink) as urls:
        plan = planned(*urls, of=scenario(name, *settings), speed=speed, length_s=30, **request)
        return carried_out(plan, clock), sink


def readings(sink: FakeSink) -> list[Record]:
    """Give all readings in the order they were sent."""
    return [record for batch in sink.batches if batch.stream == "readings" for record in batch.records]


def digests(result: Result) -> dict[str, dict[str, object]]:
    """Give the digests by stream and machine."""
    encoder = result.targets[0].encoder
    assert encoder is not None
    return {stream: dict(machines) for stream, machines in encoder.digests.items()}


@given(
    name=st.sampled_from(["quickstart", "thingum"]),
    seed=st.integers(0, 1 << 40),
    start_s=st.integers(1_600_000_000, 1_900_000_000),
    speed=st.sampled_from([1.0, 59.9, 60.0, 1000.0]),
    costs_s=st.sampled_from([0.0, 0.05, 2.0]),
    topic=st.sampled_from(["factory.readings", "factory.{line}"]),
)
@hypothesis_settings(max_examples=12)
def test_same_scenario_seed_and_start_give_the_same_records_at_any_speed(
    name: str, seed: int, start_s: int, speed: float, costs_s: float, topic: str
) -> None:
    request = {"seed": seed, "start_us": start_s * 1_000_000, "topic": topic}

    paced, paced_sink = ran(name, speed=speed, costs_s=costs_s, **request)
    fast, fast_sink = ran(name, speed=math.inf, **request)

    assert digests(paced) == digests(fast)
    assert records_by_partition(paced_sink.batches) == records_by_partition(fast_sink.batches)
    ends = [runs_of(sink.batches)[-1] for sink in (paced_sink, fast_sink)]
    assert ends[0]["topics"] == ends[1]["topics"]
    assert ends[0]["account"] == ends[1]["account"]


@pytest.mark.parametrize("speed", [60.0, math.inf])
def test_one_more_machine_changes_nothing_for_all_others(speed: float) -> None:
    before, _ = ran("quickstart", speed=speed)
    after, _ = ran("quickstart", speed=speed, settings=("lines[0].machines[0].count=4",))

    for stream, machines in digests(before).items():
        more = digests(after)[stream]
        assert {name: more[name] for name in machines} == machines
        assert more.keys() - machines.keys() == ({"filling-pump-004"} if machines else set())


def test_another_seed_or_start_gives_other_records() -> None:
    first, _ = ran("quickstart", speed=math.inf)

    for other in ({"seed": 8}, {"start_us": 1_772_431_201_000_000}):
        second, _ = ran("quickstart", speed=math.inf, **other)
        assert not set(digests(first)["readings"].values()) & set(digests(second)["readings"].values())


@pytest.mark.parametrize("name", ["quickstart", "thingum"])
@pytest.mark.parametrize("format_", ["avro", "json"])
def test_the_digests_of_what_was_sent_are_those_a_reader_computes(name: str, format_: str) -> None:
    _, sink = ran(name, speed=math.inf, format=format_)

    verdict = read_back(sink.batches).verdict(scenario(name))

    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"


def test_wall_time_on_the_records_changes_nothing_else() -> None:
    scan, scan_sink = ran("quickstart", speed=60.0)
    wall, wall_sink = ran("quickstart", speed=60.0, record_time="wall")

    scanned, walled = readings(scan_sink), readings(wall_sink)
    stamps = [record.timestamp_ms for record in walled]
    assert [record[:2] for record in scanned] == [record[:2] for record in walled]
    assert stamps == sorted(stamps)
    assert stamps[0] // 1000 == FakeClock().wall_us() // 1_000_000
    assert digests(scan) != digests(wall)
    assert read_back(wall_sink.batches).verdict(scenario()).proven


def test_the_runs_id_is_on_every_reading_where_it_is_asked_for() -> None:
    result, sink = ran("quickstart", speed=math.inf, run_header=True)

    headers = {record.headers for record in readings(sink)}

    assert headers == {(("fleet-run", result.plan.run_id.encode()),)}

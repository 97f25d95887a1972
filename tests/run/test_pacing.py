"""The schedule: absolute, without drift, within the skew; late is said, caught up or skipped."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.data import Block
from fleet.encode.decode import Decoder
from fleet.run.execute import Result
from fleet.run.pipeline import LATE_S
from fleet.run.plan import WINDOW_S
from fleet.run.report import summary
from fleet.sim.blocks import Simulation
from tests.run.runs import (
    SECOND_US,
    assert_all_scheduled,
    assert_balanced,
    carried_out,
    due,
    planned,
    read_back,
    runs_of,
    scenario,
)
from tests.run.sinks import FakeClock, FakeSink, FlakySink, by_stream, sinks


def skipped(sink: FakeSink) -> list[tuple[int, int]]:
    """Give the spans that the journal says were skipped."""
    entries = [json.loads(record["entry"]) for record in runs_of(sink.batches) if record["type"] == "JOURNAL"]
    return [(entry["skip"]["from_us"], entry["skip"]["to_us"]) for entry in entries]


def readings(sink: FakeSink) -> list[tuple[float, dict[str, object]]]:
    """Give every reading with the wall time it was handed over at."""
    decoder = Decoder()
    return [
        (at_s, decoder.decode(record.value))
        for at_s, batch in zip(sink.handed_s, sink.batches, strict=True)
        if batch.stream == "readings"
        for record in batch.records
    ]


def pausing(clock: FakeClock, pauses: dict[int, float]) -> Callable[[], None]:
    """Let the whole machine stand still after so many sleeps, for so many seconds."""

    def pause() -> None:
        span_s = pauses.pop(len(clock.slept), None)
        if span_s is not None:
            clock.spend(span_s)

    return pause


@pytest.mark.parametrize("speed", [1.0, 7.0, 60.0])
def test_every_reading_leaves_within_a_window_of_its_due_time(speed: float) -> None:
    clock = FakeClock()
    sink = FakeSink(clock)

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=speed, length_s=10 * speed), clock)

    late_s = [
        at_s - (reading["timestamp"] - result.plan.start_us) / SECOND_US / speed  # type: ignore[operator]
        for at_s, reading in readings(sink)
    ]
    clock_error_s = 0.05 / speed  # of the controllers' clocks: the payload's time is not the due time
    assert -clock_error_s <= min(late_s)
    assert max(late_s) <= WINDOW_S + clock_error_s
    assert result.progress.lateness.max_us == 0
    assert clock.passed_s == pytest.approx(10.0, abs=1e-6)


def test_a_sink_that_is_a_little_slow_makes_no_drift() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=0.004)

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=60.0, length_s=600), clock)

    assert clock.passed_s == pytest.approx(10.0, abs=0.1)
    assert result.progress.readings == due(result.plan, result.plan.stop_us)["readings"]
    assert not result.progress.notices


@given(pause=st.integers(2, 60), pause_s=st.floats(1.2, 4.0), speed=st.sampled_from([1.0, 60.0]))
@hypothesis_settings(max_examples=8)
def test_what_is_overdue_is_caught_up_with_and_said(pause: int, pause_s: float, speed: float) -> None:
    clock = FakeClock()
    sink = FakeSink(clock)
    clock.watchers.append(pausing(clock, {pause: pause_s}))

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=speed, length_s=5 * speed), clock)

    assert_balanced(result)
    account = result.targets[0].account.of("readings")
    assert (account.withheld, account.acknowledged) == (0, account.scheduled)
    assert [notice.rpartition("; ")[2] for notice in result.progress.notices] == ["catching up"]
    assert clock.passed_s <= 5.0 + pause_s
    between_scans_s = 1.0 / speed
    assert result.progress.lateness.max_us >= (pause_s - WINDOW_S - between_scans_s) * SECOND_US
    assert read_back(sink.batches).verdict(scenario()).proven


def test_the_clock_starts_when_the_first_states_are_out() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=2.0, slow_sends=range(1, 2))

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=60.0, length_s=600), clock)

    assert clock.passed_s == pytest.approx(12.0, abs=0.01)
    assert result.progress.lateness.max_us == 0
    assert not result.progress.notices


def test_after_catching_up_the_schedule_is_the_one_it_would_have_been() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=5.0, slow_sends=range(40, 41))

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=60.0, length_s=600), clock)

    last_s, last = readings(sink)[-1]
    assert last_s == pytest.approx((last["timestamp"] - result.plan.start_us) / SECOND_US / 60, abs=WINDOW_S + 0.01)  # type: ignore[operator]
    assert clock.passed_s == pytest.approx(10.0, abs=0.01)
    assert len(result.progress.notices) == 1
    assert result.progress.behind_s < LATE_S


@given(
    pauses=st.lists(st.tuples(st.integers(2, 80), st.floats(0.5, 4.0)), min_size=1, max_size=3),
    speed=st.sampled_from([1.0, 60.0]),
    name=st.sampled_from(["quickstart", "thingum"]),
)
@hypothesis_settings(max_examples=8)
def test_what_is_skipped_is_withheld_journalled_and_missing_from_the_digests(
    pauses: list[tuple[int, float]], speed: float, name: str
) -> None:
    clock = FakeClock()
    sink = FakeSink(clock)
    clock.watchers.append(pausing(clock, dict(pauses)))

    with sinks(sink) as urls:
        result = carried_out(
            planned(*urls, of=scenario(name), speed=speed, length_s=6 * speed, skip_when_late=True), clock
        )

    assert_balanced(result)
    assert_all_scheduled(result)
    account = result.targets[0].account
    spans = skipped(sink)
    withheld = sum(account.of(stream).withheld for stream in ("readings", "events", "doors"))
    between = [_due_between(result, span) for span in spans]
    assert withheld == sum(between)
    assert bool(spans) == any("skipping" in notice for notice in result.progress.notices)
    assert by_stream(sink)["readings"] == account.of("readings").produced
    assert read_back(sink.batches).verdict(scenario(name)).proven


def test_events_that_were_skipped_are_holes_that_verify_accepts_exactly() -> None:
    clock = FakeClock()
    sink = FakeSink(clock)
    clock.watchers.append(pausing(clock, {5: 2.0}))

    with sinks(sink) as urls:
        plan = planned(*urls, speed=600.0, length_s=1500, skip_when_late=True)
        result = carried_out(plan, clock)

    events = result.targets[0].account.of("events")
    assert 0 < events.holes <= events.withheld
    past = read_back(sink.batches)
    assert past.verdict(scenario()).proven, past.verdict().lines()


def _due_between(result: Result, span: tuple[int, int]) -> int:
    before, after = (due(result.plan, edge) for edge in span)
    return sum(after.values()) - sum(before.values())


@given(
    seed=st.integers(0, 1 << 32), speed=st.sampled_from([1.0, 60.0, math.inf]), skew_s=st.sampled_from([None, 0.1, 3.0])
)
@hypothesis_settings(max_examples=15)
def test_no_record_is_more_due_time_behind_another_than_the_skew(seed: int, speed: float, skew_s: float | None) -> None:
    clock = FakeClock()
    sink = FlakySink(clock, seed=seed)
    one_topic = scenario("quickstart", "records.events.topic=all")

    with sinks(sink) as urls:
        plan = planned(*urls, of=one_topic, topic="all", speed=speed, length_s=20, skew_s=skew_s)
        carried_out(plan, clock)

    ahead: dict[tuple[str, int], int] = defaultdict(int)
    for batch in sink.batches:
        if batch.stream == "runs":
            continue
        for record in batch.records:
            due_ms = record.timestamp_ms  # without a network's fault the scan's instant is the due time
            place = batch.topic, batch.partition
            assert due_ms >= ahead[place] - plan.skew_us / 1000 - 1
            ahead[place] = max(ahead[place], due_ms)


@pytest.mark.parametrize(("speed", "skew_us"), [(1.0, 1_000_000), (60.0, 60_000_000), (math.inf, 60_000_000)])
def test_the_skew_is_a_second_of_wall_time_and_at_full_speed_a_minute(speed: float, skew_us: int) -> None:
    assert planned(speed=speed).skew_us == skew_us
    assert planned(speed=speed, skew_s=0.5).skew_us == (500_000 if speed != 60.0 else 30_000_000)


def test_minutes_at_speed_1_are_computed_in_few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[int] = []
    advance = Simulation.advance

    def counted(self: Simulation, until_us: int) -> Block:
        spans.append(until_us - self.now_us)
        return advance(self, until_us)

    monkeypatch.setattr(Simulation, "advance", counted)

    carried_out(planned("null:", speed=1.0, length_s=200))

    assert spans[0] == SECOND_US
    assert len(spans) < 15


def test_the_summary_tells_the_lateness_of_a_paced_run_only() -> None:
    clock = FakeClock()

    paced = carried_out(planned("null:", speed=60.0, length_s=60), clock)
    fast = carried_out(planned("null:", length_s=60), clock)

    assert any(line.startswith("lateness:") for line in summary(paced))
    assert not any(line.startswith("lateness:") for line in summary(fast))

"""Law 4: whatever fails, is slow, or is interrupted, every scheduled record is accounted for."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.errors import RequestError
from fleet.run import records
from fleet.run.account import Account
from fleet.run.report import as_json, summary
from fleet.run.targets import open_target
from fleet.sinks.memory import MemorySink
from tests.run.runs import (
    assert_all_scheduled,
    assert_balanced,
    carried_out,
    due,
    planned,
    read_back,
    runs_of,
    scenario,
)
from tests.run.sinks import FakeClock, FakeSink, FlakySink, GoneSink, StuckSink, by_stream, sinks

speeds = st.sampled_from([1.0, 60.0, math.inf])
thingum = "thingum"


@given(
    seeds=st.lists(st.integers(0, 1 << 32), min_size=1, max_size=3),
    speed=speeds,
    skip=st.booleans(),
    interrupts=st.lists(st.integers(1, 40), max_size=3),
    name=st.sampled_from(["quickstart", thingum]),
)
@hypothesis_settings(max_examples=40)
def test_the_account_balances_under_every_pattern_of_failures(
    seeds: list[int], speed: float, skip: bool, interrupts: list[int], name: str
) -> None:
    clock = FakeClock()
    made = [
        FlakySink(clock, seed=seed, interrupts=tuple(interrupts) if not at else ()) for at, seed in enumerate(seeds)
    ]

    with sinks(*made) as urls:
        result = carried_out(
            planned(*urls, of=scenario(name), speed=speed, length_s=8, skip_when_late=skip, stop_timeout_s=30.0), clock
        )

    assert_balanced(result)
    if not result.closed:
        assert_all_scheduled(result)
    assert all(sink.closed == 1 for sink in made)
    assert (result.exit_code == 1) == (any(target.account.lost for target in result.targets) or bool(result.failure))


@given(seed=st.integers(0, 1 << 32), speed=speeds)
@hypothesis_settings(max_examples=20)
def test_no_sink_is_charged_with_what_another_did(seed: int, speed: float) -> None:
    clock = FakeClock()
    flaky, sound = FlakySink(clock, seed=seed), FakeSink(clock)

    with sinks(flaky, sound) as urls:
        result = carried_out(planned(*urls, speed=speed, length_s=8), clock)

    account = result.targets[1].account.of("readings")
    wanted = due(result.plan, result.progress.simulated_us)["readings"]
    assert account.acknowledged == account.scheduled == wanted == by_stream(sound)["readings"]
    assert runs_of(sound.batches)[-1]["type"] == "ENDED"
    assert read_back(sound.batches).verdict(scenario()).proven


@given(at=st.integers(1, 45), speed=speeds)
@hypothesis_settings(max_examples=20)
def test_an_interrupted_run_ends_cleanly_wherever_it_is_interrupted(at: int, speed: float) -> None:
    clock = FakeClock()
    sink = FakeSink(clock, interrupts=(at,))

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=speed, length_s=30), clock)

    if result.interrupted:
        assert result.exit_code == 130
        assert result.progress.simulated_us <= result.plan.stop_us
    assert_balanced(result)
    assert_all_scheduled(result)
    assert read_back(sink.batches).verdict(scenario()).proven


def test_sigterm_stops_a_run_as_ctrl_c_does() -> None:
    clock = FakeClock()
    sink = FakeSink(clock)
    clock.watchers.append(lambda: os.kill(os.getpid(), signal.SIGTERM) if len(clock.slept) == 5 else None)

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=1.0), clock)

    assert result.interrupted
    assert result.exit_code == 130
    assert read_back(sink.batches).verdict(scenario()).proven


@pytest.mark.parametrize("presses", [1, 2])
def test_a_sink_that_takes_nothing_cannot_keep_an_interrupted_run_alive(presses: int) -> None:
    clock = FakeClock()
    sink = StuckSink(clock, takes=2)
    sink.begun = lambda: [signal.raise_signal(signal.SIGINT) for _ in range(presses)]  # type: ignore[assignment]

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, stop_timeout_s=0.01 if presses == 1 else 3600.0), clock)

    assert result.exit_code == 1
    assert "interrupted" in result.failure
    assert result.targets[0].account.lost > 0
    assert_balanced(result)


def test_a_reader_that_goes_ends_the_run_quietly() -> None:
    clock = FakeClock()
    gone = GoneSink(clock, reads=100)

    with sinks(gone) as urls:
        result = carried_out(planned(*urls, length_s=3600), clock)

    account = result.targets[0].account
    assert (result.exit_code, result.failure, result.closed) == (0, "", True)
    assert account.lost == 0
    assert account.of("readings").scheduled + account.of("events").scheduled == 100
    assert_balanced(result)


def test_a_reader_that_goes_costs_the_other_sinks_nothing() -> None:
    clock = FakeClock()
    before, gone, after = FakeSink(clock), GoneSink(clock, reads=300), FakeSink(clock)

    with sinks(before, gone, after) as urls:
        result = carried_out(planned(*urls, length_s=3600), clock)

    assert result.exit_code == 0
    assert_balanced(result)
    for sink in (before, after):
        assert by_stream(sink)["readings"] == due(result.plan, result.progress.simulated_us)["readings"]
        assert read_back(sink.batches).verdict(scenario()).proven


def test_what_several_sinks_get_is_the_same() -> None:
    clock = FakeClock()
    one, other = FakeSink(clock), FakeSink(clock, costs_s=0.2)

    with sinks(one, other) as urls:
        result = carried_out(planned(*urls, "null:", speed=60.0, length_s=60), clock)

    assert [batch.records for batch in one.batches if batch.stream != "runs"] == [
        batch.records for batch in other.batches if batch.stream != "runs"
    ]
    assert [target.account.of("readings").acknowledged for target in result.targets] == [4500] * 3


def test_a_file_is_left_alone_where_another_sink_cannot_be_opened(tmp_path) -> None:  # type: ignore[no-untyped-def]
    kept = tmp_path / "kept.jsonl"
    kept.write_text("what was there")

    with pytest.raises(RequestError, match="connection refused"):
        carried_out(planned(f"file:{kept}", "kafka://127.0.0.1:1"))

    assert kept.read_text() == "what was there"


def test_the_summary_says_what_was_lost_and_names_no_column_that_is_empty() -> None:
    clock = FakeClock()
    sink = FlakySink(clock, seed=3)

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=60.0), clock)

    line = next(line for line in summary(result) if line.startswith("readings:"))
    account = as_json(result)["targets"][0]["account"]["readings"]
    assert result.exit_code == 1
    assert account["failed"] > 0
    assert f"{account['failed']:,} failed" in line
    assert ("withheld" in line) == bool(account["withheld"])


def test_records_of_the_run_itself_that_are_lost_are_said_too() -> None:
    account = Account()
    sink = MemorySink()
    account.of("runs").scheduled = account.of("runs").produced = 1
    account.refuse("runs", 1)

    account.settle(sink.delivery)

    assert account.lost == 1
    assert account.balanced
    assert "runs" not in account.as_fields()


async def test_a_run_does_not_leave_who_reads_along_behind() -> None:
    clock = FakeClock()
    sink, waits = FakeSink(clock), []

    class Reader:
        async def room(self, handed_over: Mapping[tuple[str, int], int]) -> None:
            waits.append((dict(handed_over), sum(map(len, sink.batches))))

    with sinks(sink) as urls:
        target = await open_target(planned(*urls), planned(*urls).targets[0], broker=None, wall_us=0)
        target.reader = Reader()
        await target.tell(records.started(planned(*urls), target, wall_us=0))

    assert waits == [({("factory.runs", 0): 1}, 1)]

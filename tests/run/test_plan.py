"""What is settled before anything is opened: start, length, seed, topics; and the command that repeats it."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import RequestError, ScenarioError
from fleet.run.plan import EMBEDDED
from fleet.run.report import as_json, repeat_command, summary
from fleet.scenario.load import with_arguments
from fleet.scenario.quantities import DURATION, bounded
from fleet.scenario.times import moment, span_text
from tests.run.runs import START_US, carried_out, planned, scenario
from tests.run.sinks import WALL_US, FakeClock, FakeSink, GoneSink, sinks

SECOND_US = 1_000_000
WHOLE_US = WALL_US - WALL_US % SECOND_US
HOUR_S = 3600


def test_a_run_at_speed_1_begins_now() -> None:
    plan = planned(speed=1.0, length_s=HOUR_S, start_us=None)

    assert (plan.start_us, plan.stop_us) == (WHOLE_US, WHOLE_US + HOUR_S * SECOND_US)


@pytest.mark.parametrize("speed", [60.0, math.inf])
def test_a_faster_run_of_known_length_ends_now(speed: float) -> None:
    plan = planned(speed=speed, length_s=HOUR_S, start_us=None)

    assert plan.stop_us is not None
    assert plan.stop_us == WHOLE_US
    assert plan.start_us == WHOLE_US - HOUR_S * SECOND_US


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_run_without_an_end_begins_now(speed: float) -> None:
    plan = planned(of=scenario("quickstart").model_copy(update={"duration": None}), speed=speed, length_s=None,
                   start_us=None)  # fmt: skip

    assert (plan.start_us, plan.stop_us) == (WHOLE_US, None)


def test_a_scenario_that_stops_at_an_instant_is_not_moved_back() -> None:
    stop = moment(WHOLE_US + 60 * SECOND_US)
    stops = scenario("quickstart", "duration=null", "start=2026-03-02T06:00:00Z", f"stop={stop}")

    plan = planned(of=with_arguments(stops, start="now"), speed=60.0, length_s=None, start_us=None)

    assert (plan.start_us, plan.stop_us) == (WHOLE_US, WHOLE_US + 60 * SECOND_US)


def test_a_scenario_whose_stop_is_over_is_refused() -> None:
    over = scenario("quickstart", "duration=null", "start=2026-03-02T06:00:00Z", "stop=2026-03-02T14:00:00Z")

    with pytest.raises(
        RequestError, match=r"quickstart: stops at 2026-03-02T14:00:00Z, before it starts at 2026-09-21"
    ):
        planned(of=with_arguments(over, start="now"), length_s=None, start_us=None)


def test_now_on_the_command_line_wins_over_the_scenarios_start() -> None:
    dated = scenario("quickstart", "start=2026-03-02T06:00:00Z")

    plan = planned(of=with_arguments(dated, start="now", duration="1h"), length_s=None, start_us=None)

    assert plan.stop_us == WHOLE_US


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"start": "yesterday"}, "--start: must be a time"),
        ({"start": "1600-01-01T00:00:00Z"}, "--start: must be a time"),
        ({"duration": "-1h"}, "--for: must be above 0"),
        ({"duration": "1 bar"}, "--for: "),
        ({"duration": "1e12 h"}, "--for: must be at most"),
        ({"seed": 1 << 63}, "--seed: must be at most"),
        ({"seed": -1}, "--seed: must be at least 0"),
    ],
)
def test_arguments_that_make_no_sense_are_one_line(arguments: dict[str, object], wrong: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        with_arguments(scenario(), **arguments)  # type: ignore[arg-type]

    assert str(raised.value).startswith(wrong)
    assert "\n" not in str(raised.value)


def test_a_seed_that_nobody_gave_is_drawn_and_said() -> None:
    drawn = scenario("quickstart").model_copy(update={"seed": None})

    one, other = (planned(of=drawn, seed=None) for _ in range(2))

    assert one.seed != other.seed
    assert f"--seed {one.seed} " in repeat_command(one)


def test_settings_of_a_kafka_that_nothing_is_sent_to_are_refused() -> None:
    with pytest.raises(RequestError, match=r"--kafka-config: .*give --to kafka://HOST:PORT"):
        planned(EMBEDDED, kafka_config=Path("k.properties"))


@pytest.mark.parametrize(
    "urls",
    [
        ("null:", "null:"),
        ("stdout:", "null:", "stdout:"),
        ("file:out.jsonl", "file:./out.jsonl"),
        ("file:a/../out.avro", f"file:{Path.cwd()}/out.avro"),
    ],
)
def test_a_sink_that_is_named_twice_is_refused(urls: tuple[str, ...]) -> None:
    with pytest.raises(RequestError, match="named twice"):
        planned(*urls)


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({"topic": "a topic"}, "topic 'a topic': must be"),
        ({"topic": "factory.{planet}"}, r"may contain \{site\}"),
        ({"topic": "factory.{"}, "not a template"),
        ({"topic": "x" * 250}, "must be 1 to 249"),
        ({"format": "avro"}, "stdout: takes json, not avro"),
    ],
)
def test_what_no_sink_can_do_is_refused_before_anything_is_opened(request_: dict[str, object], wrong: str) -> None:
    with pytest.raises(RequestError, match=wrong):
        planned("stdout:", **request_)


def test_an_unknown_sink_is_answered_with_the_list_of_all() -> None:
    with pytest.raises(RequestError, match=r"no sink 'kafak://x:1'; there is kafka://"):
        planned("kafak://x:1")


def test_each_run_has_an_id_of_its_own() -> None:
    assert planned().run_id != planned().run_id


def test_one_more_machine_changes_the_digest_of_the_scenario() -> None:
    more = scenario("quickstart", "lines[2].machines[0].count=3")

    assert planned(of=more).digest != planned().digest
    assert planned(of=scenario("quickstart", "about=other words")).digest == planned().digest


@given(st.integers(1, 10**13))
def test_a_length_is_written_so_that_it_reads_back_exactly(span_us: int) -> None:
    assert round(bounded(DURATION, above=0)(span_text(span_us)) * SECOND_US) == span_us


def words(command: str) -> dict[str, str]:
    parts = shlex.split(command)
    return {name: value for name, value in zip(parts, [*parts[1:], ""], strict=True) if name.startswith("--")}


def test_the_command_that_repeats_a_run_names_all_that_decides_its_records() -> None:
    plan = planned(
        "kafka://localhost:9092", speed=2.5, settings=("lines[0].count=2",), topic="factory.{line}", record_time="wall",
        run_header=True, kafka_config=Path("my.properties"), format="json",
    )  # fmt: skip

    found = words(repeat_command(plan))

    assert found == {
        "--seed": "7", "--start": "2026-03-02T06:00:00Z", "--for": "20s", "--speed": "2.5", "--set": "lines[0].count=2",
        "--to": "kafka://localhost:9092", "--format": "json", "--topic": "factory.{line}",
        "--kafka-config": "my.properties", "--record-time": "wall", "--run-header": "",
    }  # fmt: skip


def test_the_embedded_broker_needs_no_name_in_it() -> None:
    assert "--to" not in words(repeat_command(planned(EMBEDDED)))


def test_a_run_that_was_cut_short_is_repeated_to_the_microsecond() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, interrupts=(30,))

    with sinks(sink) as urls:
        result = carried_out(planned(*urls, speed=1.37, length_s=600), clock)
        length = words(summary(result)[-1])["--for"]
        again = FakeSink(clock)
    with sinks(again) as urls:
        carried_out(planned(*urls, length_s=round(float(length[:-1]), 6)), clock)

    assert result.interrupted
    assert words(as_json(result)["again"])["--for"] == length
    assert records(again) == records(sink)


def records(sink: FakeSink) -> list[object]:
    """Give all readings in order."""
    return [record for batch in sink.batches if batch.stream == "readings" for record in batch.records]


@pytest.mark.parametrize("reads", [0, 100])
def test_a_run_without_an_end_is_repeated_as_far_as_it_came(reads: int) -> None:
    clock = FakeClock()
    endless = scenario("quickstart").model_copy(update={"duration": None})

    with sinks(GoneSink(clock, reads=reads)) as urls:
        result = carried_out(planned(*urls, of=endless, length_s=None), clock)

    assert words(as_json(result)["again"])["--for"] == span_text(result.progress.simulated_us - START_US)

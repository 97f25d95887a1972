from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.errors import ScenarioError
from fleet.scenario.fields import Hours
from fleet.scenario.load import kinds_for, load, with_arguments
from fleet.scenario.model import Crew
from fleet.scenario.streams import UNBOUNDED
from tests.scenario.files import HEAD, PUMP, mistakes, scenario_of, write_kinds

EVERYTHING = """\
fleet: 1
name: bearing-wear
about: A bearing wears out.
seed: 7
start: 2026-03-02T06:00:00Z
duration: 8h
site: thingum
halls: [{name: north, mean: 20 degC, daily: 2 K, season: 5 K}]
shifts: {hours: [06:00-14:00, 22:00-06:00], breaks: [09:00-09:15], days: [mon, Fri]}
lines:
  - {name: filling, area: hall-a, hall: north, buffer: 20, machines: [{kind: lift, count: 4}]}
  - {name: press, count: 5, crew: 2, machines: [{kind: lift, rate: 10/s}]}
  - name: belts
    crew: {name: maintenance, size: 3}
    shifts: {days: [sat]}
    machines:
      - {kind: lift, id: main, set: {rated_current: 6 A, vibration: {period: 5 s}}}
      - kind: belt
records:
  readings: {topic: "factory.{line}", format: json, layout: v1}
  events: {topic: events, format: json}
  doors: {topic: thingum.doors}
topics:
  default: {partitions: 3, retention: unbounded}
  events: {partitions: 1, replication: 3}
"""


def test_every_key_reaches_the_model(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, EVERYTHING)

    assert scenario.name == "bearing-wear"
    assert scenario.seed == 7
    assert scenario.start == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert scenario.start_us == 1_772_431_200_000_000
    assert scenario.length_us(start_us=0) == 8 * 3600 * 1_000_000
    assert scenario.shifts is not None
    assert scenario.shifts.hours == (Hours(6 * 3600, 14 * 3600), Hours(22 * 3600, 30 * 3600))
    assert scenario.shifts.days == (0, 4)
    assert scenario.lines[1].crew == Crew(name=None, size=2)
    assert scenario.lines[2].crew == Crew(name="maintenance", size=3)
    assert scenario.lines[1].machines[0].rate == 10
    assert scenario.lines[2].machines[0].set == {"rated_current": "6 A", "vibration": {"period": "5 s"}}
    assert scenario.records.readings.layout == "v1"
    assert scenario.records.doors is not None
    assert scenario.records.doors.format == "json"
    assert scenario.file == str(tmp_path / "demo.yaml")
    assert sorted(kinds_for(scenario)) == ["belt", "lift"]


def test_what_is_absent_has_its_default(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, HEAD + "lines: [{name: a, machines: [{kind: lift}]}]\n")

    assert (scenario.start, scenario.duration, scenario.seed, scenario.site) == (None, None, None, "site")
    assert scenario.length_us(start_us=0) is None
    assert (scenario.lines[0].area, scenario.lines[0].hall) == ("area", "main")
    assert scenario.records.readings.topic == "factory.readings"
    assert scenario.records.doors is None
    settings = scenario.topic_settings("factory.readings")
    assert (settings.partitions, settings.replication, settings.retention) == (12, 1, 2**30)


def test_settings_of_a_topic_are_its_own_then_the_default_then_ours(tmp_path: Path) -> None:
    settings = scenario_of(tmp_path, EVERYTHING).topic_settings("events")

    assert (settings.partitions, settings.replication, settings.retention) == (1, 3, UNBOUNDED)


def test_a_stop_gives_the_length(tmp_path: Path) -> None:
    times = "start: 2026-03-02T06:00:00+01:00\nstop: 2026-03-02T06:00:00Z\n"

    scenario = scenario_of(tmp_path, HEAD + times + "lines: [{name: a, machines: [{kind: lift}]}]\n")

    assert scenario.start_us is not None
    assert scenario.length_us(start_us=scenario.start_us) == 3600 * 1_000_000


def test_arguments_replace_fields_of_a_scenario(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, EVERYTHING)

    other = scenario.model_copy(update={"seed": 0, "duration": 60.0})

    assert (other.seed, other.length_us(start_us=0), other.folder) == (0, 60_000_000, str(tmp_path))


def test_arguments_of_the_command_line_go_before_the_file(tmp_path: Path) -> None:
    times = "start: 2026-03-02T06:00:00Z\nstop: 2026-03-02T07:00:00Z\n"
    scenario = scenario_of(tmp_path, HEAD + times + LINE)

    other = with_arguments(scenario, seed=0, start="2026-03-02T08:00:00Z", duration="90 s")

    assert (other.seed, other.stop) == (0, None)
    assert other.start == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert other.length_us(start_us=0) == 90_000_000
    assert with_arguments(scenario) == scenario


def test_every_wrong_argument_is_told_with_its_name(tmp_path: Path) -> None:
    times = "start: 2026-03-02T06:00:00Z\nstop: 2026-03-02T07:00:00Z\n"
    scenario = scenario_of(tmp_path, HEAD + times + LINE)

    with pytest.raises(ScenarioError) as all_wrong:
        with_arguments(scenario, seed=-1, start="soon", duration="5 bar")
    with pytest.raises(ScenarioError) as late:
        with_arguments(scenario, start="2026-03-02T08:00:00Z")

    assert str(all_wrong.value).splitlines() == [
        "--seed: must be at least 0, got -1",
        "--start: must be a time like '2026-03-02T06:00:00Z', or now, got 'soon'",
        "--for: must be a duration like '6 min', got '5 bar'",
    ]
    assert str(late.value).startswith("--start: must be before the scenario's stop, 2026-03-02 07:00:00+00:00")


EIGHT = """\
fleet: 1
name: demo
sed: 7
duration: -5 s
lines:
  - name: filling
    buffer: 1
    machines:
      - {kind: pmup}
      - {kind: lift, set: {rated_current: 22 bar}}
      - {kind: lift, set: {vibration: {perod: 5 s}}}
      - {kind: lift, count: 0}
  - {name: filling, machines: [{kind: lift}]}
"""


def test_eight_mistakes_are_eight_problems_in_order_of_their_lines(tmp_path: Path) -> None:
    assert mistakes(tmp_path, EIGHT) == [
        "3: sed: unknown key 'sed'; did you mean 'seed'?",
        "4: duration: must be above 0 s, got -5 s",
        "7: lines[0].buffer: must be at least 2, got 1",
        "9: lines[0].machines[0].kind: unknown kind 'pmup'; did you mean 'pump'?",
        "10: lines[0].machines[1].set.rated_current: must be a current like '22 A', got '22 bar'",
        "11: lines[0].machines[2].set.vibration.perod: unknown key 'perod'; did you mean 'period'?",
        "12: lines[0].machines[3].count: must have at least one machine, got 0",
        "13: lines[1].name: must be unique, lines[0] makes 'filling' too",
    ]


LINE = "lines: [{name: a, machines: [{kind: lift}]}]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "fleet: 2\nname: a\n" + LINE,
            "1: fleet: must be 1, the version of the format that this fleet reads, got 2",
        ),
        ("name: a\n" + LINE, "1: fleet: must be given"),
        ("fleet: 1\n" + LINE, "1: name: must be given"),
        (HEAD, "1: lines: must be given"),
        (HEAD + "lines: []\n", "3: lines: must have at least one line, got none"),
        (HEAD + "lines:\n", "3: lines: must be a list, got nothing"),
        (HEAD + "lines: {a: 1}\n", "3: lines: must be a list, got a mapping"),
        (HEAD + "lines: [3]\n", "3: lines[0]: must be a mapping of keys to values, got 3"),
        (HEAD + "lines: [{name: a}]\n", "3: lines[0].machines: must be given"),
        (
            HEAD + "lines: [{name: a, machines: []}]\n",
            "3: lines[0].machines: must have at least one machine, got none",
        ),
        ("fleet: 1\nname: 7\n" + LINE, "2: name: must be text, got 7; put it in quotes"),
        (
            "fleet: 1\nname: A b\n" + LINE,
            "2: name: must be made of lower case letters, digits and '-', got 'A b'",
        ),
        (HEAD + "seed: 1.5\n" + LINE, "3: seed: must be a seed, a whole number, got 1.5"),
        (HEAD + "seed: -1\n" + LINE, "3: seed: must be at least 0, got -1"),
        (HEAD + f"seed: {2**63}\n" + LINE, f"3: seed: must be at most {2**63 - 1}, got {2**63}"),
        (HEAD + "seed: true\n" + LINE, "3: seed: must be a seed, a whole number, got true"),
        (
            HEAD + "start: 2026-03-02T06:00:00\n" + LINE,
            "3: start: must carry a zone like '2026-03-02T06:00:00Z', got '2026-03-02T06:00:00'",
        ),
        (
            HEAD + "start: tomorrow\n" + LINE,
            "3: start: must be a time like '2026-03-02T06:00:00Z', or now, got 'tomorrow'",
        ),
        (
            HEAD + "start: 2026-03-02T06:00:00Z\nstop: 2026-03-02T05:00:00Z\n" + LINE,
            "4: stop: must be after the start, '2026-03-02T06:00:00Z', got '2026-03-02T05:00:00Z'",
        ),
        (
            HEAD + "start: 2026-03-02T06:00:00Z\nstop: 2026-03-03T05:00:00Z\nduration: 1 h\n" + LINE,
            "4: stop: must be absent where 'duration' is given",
        ),
        (
            HEAD + "stop: 2026-03-03T05:00:00Z\n" + LINE,
            "3: stop: must come with a 'start' that is a time, not now",
        ),
        (
            HEAD + "shifts: {hours: [6-14]}\n" + LINE,
            "3: shifts.hours[0]: must be a span of the day like '06:00-14:00', got '6-14'",
        ),
        (
            HEAD + "shifts: {hours: [06:00-06:00]}\n" + LINE,
            "3: shifts.hours[0]: must start and stop at different times, got '06:00-06:00'",
        ),
        (
            HEAD + "shifts: {days: [mond]}\n" + LINE,
            "3: shifts.days[0]: must be one of mon, tue, wed, thu, fri, sat, sun, got 'mond'; did you mean 'mon'?",
        ),
        (HEAD + "shifts: {days: []}\n" + LINE, "3: shifts.days: must have at least one day, got none"),
        (
            HEAD + "halls: [{name: a}, {name: a}]\n" + LINE,
            "3: halls[1].name: must be unique, 'a' is used twice",
        ),
        (
            HEAD + "halls: [{name: a, mean: 3 K}]\n" + LINE,
            "3: halls[0].mean: must be a temperature like '22 degC', got '3 K'",
        ),
        (
            HEAD + "lines: [{name: a, crew: many, machines: [{kind: lift}]}]\n",
            "3: lines[0].crew: must be a size like 2, or {name: maintenance, size: 2}, got 'many'",
        ),
        (
            HEAD + "lines: [{name: a, crew: 0, machines: [{kind: lift}]}]\n",
            "3: lines[0].crew: must be at least 1, got 0",
        ),
        (
            HEAD + "lines:\n- {name: a, crew: {name: x, size: 1}, machines: [{kind: lift}]}\n"
            "- {name: b, crew: {name: x, size: 2}, machines: [{kind: lift}]}\n",
            "5: lines[1].crew.size: must be 1 as before for the crew 'x', got 2",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, rate: -1/s}]}]\n",
            "3: lines[0].machines[0].rate: must be above 0/s, got -1/s",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, set: 3}]}]\n",
            "3: lines[0].machines[0].set: must be a mapping like {rated_current: 6 A}, got 3",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, set: {curent: 3}}]}]\n",
            "3: lines[0].machines[0].set.curent: unknown parameter or sensor of lift 'curent'; did you mean 'current'?",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, set: {vibration: {period: -5 s}}}]}]\n",
            "3: lines[0].machines[0].set.vibration.period: must be above 0 s, got -5 s",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, set: {vibration: {period: 1.5 s}}}]}]\n",
            (
                "3: lines[0].machines[0].set.vibration.period: "
                "must be a whole multiple of the smallest period, 1 s, got 1.5 s"
            ),
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, id: x, count: 2}]}]\n",
            "3: lines[0].machines[0].id: must be absent with count 2, only one machine can have it",
        ),
        (
            HEAD + "lines: [{name: a, count: 2, machines: [{kind: lift, id: x}]}]\n",
            "3: lines[0].machines[0].id: must be absent in a line with 'count': every line would have it",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift, id: x}, {kind: lift, id: x}]}]\n",
            "3: lines[0].machines[1].id: must be unique, 'x' is used twice",
        ),
        (
            HEAD + "lines: [{name: a, machines: [{kind: lift}, {kind: lift, id: a-lift-001}]}]\n",
            "3: lines[0].machines[1].id: must be unique, lines[0] makes a machine of that id",
        ),
        (
            HEAD
            + "lines:\n- {name: a, count: 3, machines: [{kind: lift}]}\n- {name: a-002, machines: [{kind: belt}]}\n",
            "5: lines[1].name: must be unique, lines[0] makes 'a-002' too",
        ),
        (
            HEAD + "lines: [{name: a, count: 1000, machines: [{kind: lift, count: 1001}]}]\n",
            "3: lines[0]: must leave at most 1,000,000 machines, this line makes it 1,001,000",
        ),
        (
            HEAD + "records: {readings: {format: avor}}\n" + LINE,
            "3: records.readings.format: must be one of avro, json, protobuf, got 'avor'; did you mean 'avro'?",
        ),
        (
            HEAD + 'records: {readings: {topic: "a b"}}\n' + LINE,
            "3: records.readings.topic: must be made of letters, digits, '.', '_' and '-', got 'a b'",
        ),
        (
            HEAD + 'records: {readings: {topic: "a{b}"}}\n' + LINE,
            "3: records.readings.topic: may use {site}, {area}, {line} and {kind} only, got 'a{b}'",
        ),
        (
            HEAD
            + 'records: {readings: {topic: "%s{line}"}}\n' % ("a" * 248)
            + "lines: [{name: long, machines: [{kind: lift}]}]\n",
            f"3: records.readings.topic: must have at most 249 characters, is '{'a' * 57}...' once filled in",
        ),
        (
            HEAD + "topics: {factory.reading: {partitions: 3}}\n" + LINE,
            "3: topics.factory.reading: unknown topic 'factory.reading'; did you mean 'factory.readings'?",
        ),
        (
            HEAD + "records: {events: {topic: factory.readings}}\n" + LINE,
            "3: records.events.topic: must be a topic of its own, 'factory.readings' is written by records.readings",
        ),
        (
            HEAD + "records: {doors: {topic: factory.runs}}\n" + LINE,
            "3: records.doors.topic: must be a topic of its own, 'factory.runs' is written by fleet itself",
        ),
        (
            HEAD
            + 'records: {readings: {topic: "t.{line}"}}\nlines: [{name: a, count: 10001, machines: [{kind: lift}]}]\n',
            "3: records.readings.topic: must make at most 10,000 topics, makes 10,001",
        ),
        (
            HEAD + "topics: {default: {retention: big}}\n" + LINE,
            "3: topics.default.retention: must be a size like '1 GiB', got 'big'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_must_hold(tmp_path: Path, text: str, problem: str) -> None:
    assert mistakes(tmp_path, text) == [problem]


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    problems = mistakes(tmp_path, HEAD + '"a\\e[2J\\n": 1\nsite: "\\e[2J"\n' + LINE)

    assert problems[0].startswith(r"3: a\x1b[2J\n: unknown key 'a\x1b[2J\n'; known: fleet,")
    assert problems[1] == r"4: site: must be made of letters, digits and '-', got '\x1b[2J'"


def test_ids_that_two_lines_make_alike_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "b-lift.yaml").write_text(PUMP.replace("kind: pump", "kind: b-lift", 1))
    lines = "lines:\n- {name: a, machines: [{kind: b-lift}]}\n- {name: a-b, machines: [{kind: lift}]}\n"

    assert mistakes(tmp_path, HEAD + lines) == ["5: lines[1]: must make unique ids, lines[0] makes 'a-b-lift-001' too"]


def test_a_list_at_the_top_and_an_empty_file_are_one_line(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "- 1\n") == ["1: must be a mapping of keys to values, got a list"]
    assert mistakes(tmp_path, "") == [" must be a scenario, is empty; 'fleet init' writes one"]


def test_mistakes_of_a_kind_stand_in_the_kinds_own_file(tmp_path: Path) -> None:
    write_kinds(tmp_path)
    kind = tmp_path / "kinds" / "own.yaml"
    kind.write_text("kind: own\nsensor: {}\n")

    problems = mistakes(tmp_path, HEAD + "sed: 1\nlines: [{name: a, machines: [{kind: own}]}]\n")

    assert problems == [
        "3: sed: unknown key 'sed'; did you mean 'seed'?",
        f"{kind}:1: sensors: must have at least one sensor; only a door has none",
        f"{kind}:2: sensor: unknown key 'sensor'; did you mean 'sensors'?",
    ]


def test_a_kind_is_found_beside_the_scenario_too(tmp_path: Path) -> None:
    (tmp_path / "lift.yml").write_text(PUMP.replace("kind: pump", "kind: lift").replace("22 A", "99 A"))
    file = tmp_path / "demo.yaml"
    file.write_text(HEAD + LINE)

    kinds = kinds_for(load(file))

    assert kinds["lift"].parameters["rated_current"].value.value == 99


def test_set_values_are_checked_and_named_as_the_argument(tmp_path: Path) -> None:
    good = scenario_of(tmp_path, HEAD + LINE, settings=("lines[0].count=3", "seed=9"))
    bad = mistakes(tmp_path, HEAD + "sed: 1\n" + LINE, settings=("lines[0].machines[0].count=0",))

    assert (good.lines[0].count, good.seed) == (3, 9)
    assert bad == [
        "3: sed: unknown key 'sed'; did you mean 'seed'?",
        "--set lines[0].machines[0].count=0: lines[0].machines[0].count: must have at least one machine, got 0",
    ]


def test_a_key_that_only_an_argument_names_is_told_of_that_argument(tmp_path: Path) -> None:
    bad = mistakes(tmp_path, HEAD + LINE, settings=("a.b=3",))

    assert len(bad) == 1
    assert bad[0].startswith("--set a.b=3: a: unknown key 'a'; known: fleet, name,")


HALLS = HEAD + "halls: [{name: north}, {name: hall-1}]\n"


def test_a_misspelt_hall_is_told(tmp_path: Path) -> None:
    text = HALLS + "lines: [{name: a, hall: nroth, machines: [{kind: lift}]}]\n"

    words = "4: lines[0].hall: unknown hall 'nroth'; did you mean 'north'? If not, list it under 'halls'"
    assert mistakes(tmp_path, text) == [words]


@pytest.mark.parametrize("hall", ["north", "main", "south", "hall-2", "hall-12", "northern-annex", "norti"])
def test_a_hall_that_may_well_be_another_need_not_be_listed(tmp_path: Path, hall: str) -> None:
    text = HALLS + f"lines: [{{name: a, hall: {hall}, machines: [{{kind: lift}}]}}]\n"

    assert scenario_of(tmp_path, text).lines[0].hall == hall


@pytest.mark.parametrize("hours", ["22:00-06:00", "06:00-14:00, 14:00-22:00, 22:00-06:00"])
def test_a_break_may_lie_behind_midnight_or_across_a_handover(tmp_path: Path, hours: str) -> None:
    text = HEAD + f"shifts: {{hours: [{hours}], breaks: [23:45-00:15, 02:00-02:15]}}\n" + LINE

    assert len(scenario_of(tmp_path, text).shifts.breaks) == 2  # type: ignore[union-attr]


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(ScenarioError) as error:
        load("no-such-scenario-anywhere")

    words = "no-such-scenario-anywhere: no such file, and unknown scenario 'no-such-scenario-anywhere'"
    assert str(error.value.problems[0]).startswith(words)
    assert len(error.value.problems) == 1


def test_a_scenario_is_frozen(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, HEAD + LINE)

    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 3


def test_loading_needs_none_of_the_heavy_libraries() -> None:
    code = "import sys, fleet.scenario.expansion\nassert 'yaml' not in sys.modules\n"
    code += "import fleet.scenario.load, fleet.scenario.schema\nprint(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert {"aiokafka", "simpy", "asyncio", "fastavro", "fleet.sim"}.isdisjoint(loaded)

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.data import State
from fleet.errors import ScenarioError
from fleet.scenario.fields import Hours
from fleet.scenario.forms import Form
from fleet.scenario.kinds import find_kinds, load_kind, shipped_kinds
from fleet.scenario.quantities import Measure
from fleet.scenario.settings import with_settings
from fleet.sim.laws import LAW_INPUTS
from tests.scenario.files import PUMP, kind_mistakes, kind_of

VIBRATION = LAW_INPUTS["vibration"]
LAWS = {
    "motor_current": LAW_INPUTS["motor_current"],
    "vibration": Form(
        {name: VIBRATION.takes[name] for name in ("speed", "load", "healthy", "damage")}, VIBRATION.gives
    ),
    "total": LAW_INPUTS["total"],
}


def test_every_key_reaches_the_model_in_canonical_units(tmp_path: Path) -> None:
    pump = kind_of(tmp_path, PUMP, laws=LAWS)

    assert pump.parameters["rated_current"].value == Measure(22, "current")
    assert pump.parameters["bearing_life"].value == Measure(400 * 3600, "duration")
    assert pump.parameters["exponent"].value == Measure(1.6, "ratio")
    assert pump.cycle is not None
    assert (pump.cycle.period, pump.cycle.jitter) == ("cycle_time", 0.02)
    assert pump.setpoint is not None
    assert (pump.setpoint.every, pump.setpoint.low, pump.setpoint.high) == (7200, 0.7, 1.0)
    assert pump.micro_stop is not None
    assert (pump.micro_stop.every, pump.micro_stop.lasts, pump.micro_stop.sigma) == (1500, 40, 0.8)
    assert pump.wear["bearing"].onset == (0.7, 0.97)
    assert pump.wear["bearing"].sigma == 0.8
    assert pump.drives["speed"].levels[State.HELD] == 1
    assert pump.drives["speed"].levels[State.IDLE] == 0
    assert pump.drives["load"].levels[State.EXECUTE] == ((0, 0.2), (0.1, 1), (0.9, 1), (1, 0.2))
    assert (pump.drives["load"].setpoint, pump.drives["load"].settle) == (True, 1)
    assert pump.nodes["motor_rise"].tau_at_rest == 5400
    assert pump.signals["current"].law == "motor_current"
    assert pump.signals["current"].inputs == {
        "load": "load",
        "on": "speed",
        "rated": "rated_current",
        "idle_share": 0.35,
    }
    assert pump.signals["vibration"].inputs["healthy"] == 1.2
    assert pump.sensors["vibration"].span == (0.0, 25.0)
    assert pump.sensors["vibration"].noise_share == 0.02
    assert pump.sensors["vibration"].period == 1
    assert (pump.jitter, pump.clock_error, pump.sync_every) == (0.01, 0.02, 600)
    assert pump.base_period == 1
    assert pump.multiple("motor_temperature") == 10


def test_a_node_at_rest_is_as_slow_as_in_motion_where_nothing_else_is_said(tmp_path: Path) -> None:
    pump = kind_of(tmp_path, PUMP.replace(", tau_at_rest: 90 min", ""))

    assert pump.nodes["motor_rise"].tau_at_rest == pump.nodes["motor_rise"].tau == 2700


def test_a_door_has_hours_and_no_sensors(tmp_path: Path) -> None:
    door = kind_of(tmp_path, "kind: door\ndoor: {every: 6 min, lasts: 25 s, hours: 06:00-22:00}\n")

    assert door.door is not None
    assert (door.door.every, door.door.lasts, door.door.sigma) == (360, 25, 0.6)
    assert door.door.hours == Hours(6 * 3600, 22 * 3600)
    assert door.base_period == 1


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: pump", "kind: Pump", "1: kind: must be made of lower case letters, digits and '-', got 'Pump'"),
        ("value: 22 A", "value: 22 Amp", "5: parameters.rated_current.value: unknown unit in '22 Amp'"),
        ("spread: 8 %", "spread: -8 %", "5: parameters.rated_current.spread: must be at least 0 %, got -8 %"),
        ("period: cycle_time", "period: 0 s", "10: cycle.period: must be above 0 s, got 0 s"),
        (
            "period: cycle_time",
            "period: cycletime",
            "10: cycle.period: unknown parameter 'cycletime'; did you mean 'cycle_time'?",
        ),
        (
            "period: cycle_time",
            "period: warmth",
            "10: cycle.period: must name a duration, the parameter 'warmth' is a difference",
        ),
        ("value: 4 min", "value: 0 min", "10: cycle.period: must be above 0 s, the parameter 'cycle_time' is 0 s"),
        ("from: 0.7", "from: 1.2", "11: setpoint.from: must be at most 1, got 1.2"),
        ("to: 1.0", "to: 0.5", "11: setpoint.to: must be at least 'from', 0.7, got 0.5"),
        ("shape: 1.8", "shape: 0", "14: wear.bearing.shape: must be above 0, got 0"),
        ("life: bearing_life", "life: x", "14: wear.bearing.life: unknown parameter 'x'; known: "),
        ("onset: [0.7, 0.97]", "onset: [0.9, 0.7]", "14: wear.bearing.onset: must ascend and begin below 1"),
        ("settle: 2 s", "settle: -2 s", "16: drives.speed.settle: must be at least 0 s, got -2 s"),
        ("held: 1", "helt: 1", "16: drives.speed.helt: unknown key 'helt'; did you mean 'held'?"),
        ("held: 1", "held: [1]", "16: drives.speed.held: must be a number or a profile like"),
        ("[0.1, 1], [0.9, 1]", "[0.9, 1], [0.1, 1]", "17: drives.load.execute: must have ascending phases, got 0.1"),
        ("[[0, 0.2]", "[[0.05, 0.2]", "17: drives.load.execute: must run from phase 0 to phase 1, got 0.05"),
        ("setpoint: true", "setpoint: yes", "17: drives.load.setpoint: must be true or false, got 'yes'"),
        ("cycle: {period: cycle_time, jitter: 2 %}", "", "17: drives.load.execute: must be a number: a profile"),
        (
            "held: 1",
            "held: [[0, 1], [1, 1]]",
            "16: drives.speed.held: must be a number: only 'execute' runs in cycles",
        ),
        (
            "cycle: {period: cycle_time, jitter: 2 %}\nsetpoint: {every: 2 h, from: 0.7, to: 1.0}",
            "",
            "16: drives.load.setpoint: must be absent: the kind has no 'setpoint', nor makes products",
        ),
        ("drive: load", "drive: lod", "19: nodes.motor_rise.drive: unknown drive 'lod'; did you mean 'load'?"),
        ("gain: warmth", "gain: warm", "19: nodes.motor_rise.gain: unknown parameter 'warm'; did you mean 'warmth'?"),
        ("tau: 45 min", "tau: -45 min", "19: nodes.motor_rise.tau: must be above 0 s, got -45 min"),
        (
            "tau_at_rest: 90 min",
            "tau_at_rest: 20 s, lag: 19.9 s",
            "19: nodes.motor_rise.lag: must be at most 99% of the node's own time constant, 20 s, got 19.9 s",
        ),
        ("law: total", "law: totl", "23: signals.temperature.law: unknown law 'totl'; did you mean 'total'?"),
        ("a: ambient", "aa: ambient", "23: signals.temperature.aa: unknown argument of total 'aa'; did you mean 'a'?"),
        ("a: ambient", "a: ambiant", "23: signals.temperature.a: unknown drive, node, signal or parameter 'ambiant'"),
        ("a: ambient", "a: damage.seal", "23: signals.temperature.a: unknown drive, node, signal or parameter"),
        (
            "a: ambient",
            "a: temperature",
            "23: signals.temperature.a: must not need itself: temperature -> temperature",
        ),
        (
            "load: load, on",
            "load: vibration, on",
            "21: signals.current.load: must be known before, the signal 'vibration' comes later",
        ),
        ("a: ambient, ", "", "23: signals.temperature: must give 'a', an argument of total"),
        ("law: total, ", "", "23: signals.temperature.law: must be given"),
        ("signal: vibration", "signal: vibr", "26: sensors.vibration.signal: unknown signal 'vibr'; did you mean"),
        ("span: [0, 25]", "span: [25, 0]", "26: sensors.vibration.span: must ascend, got [25, 0]"),
        ("span: [0, 25]", "span: 25", "26: sensors.vibration.span: must be two numbers like [0, 25], got 25"),
        (
            "resolution: 0.1}",
            "resolution: 0.3}",
            "27: sensors.motor_temperature.resolution: must be a whole number or divide 1 without a rest, got 0.3",
        ),
        ("resolution: 0.1}", "resolution: 1.5}", "27: sensors.motor_temperature.resolution: must be a whole number"),
        ("span: [0, 25], ", "", "26: sensors.vibration.span: must be given"),
        ("units: mm/s, ", "", "26: sensors.vibration.units: must be given"),
        ("units: mm/s", "units: ''", "26: sensors.vibration.units: must be text that is not empty, got ''"),
        (
            "period: 10 s",
            "period: 10.5 s",
            "27: sensors.motor_temperature.period: must be a whole multiple of the smallest period, 1 s, got 10.5 s",
        ),
        ("period: 10 s", "period: 1 us", "27: sensors.motor_temperature.period: must be at least 0.0001 s"),
        ("about: A cen", "door: {every: 1 h, lasts: 1 min}\nabout: A cen", "11: cycle: must be absent: a kind with"),
        ("bearing_life:", "Bearing-Life:", "7: parameters.Bearing-Life: must be made of lower case letters"),
    ],
)
def test_a_mistake_in_a_kind_is_told_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in PUMP

    problems = kind_mistakes(tmp_path, PUMP.replace(old, new, 1), laws=LAWS)

    assert problems[0].startswith(problem) or any(each.startswith(problem) for each in problems)


FAN = """\
kind: fan
parameters:
  fill: {value: 16 s}
  rated: {value: 9 A}
receiver: {fill: fill, least: 15 %, most: 85 %}
drives:
  turning: {execute: 1, settle: 1 s, setpoint: true}
signals:
  current: {law: motor_current, load: phase, on: turning, rated: rated, idle_share: rising.turning}
  power: {law: total, a: current, b: 0, c: 0}
electrical: power
sensors:
  current:
    {signal: current, units: A, span: [0, 40], resolution: 0.1, normal: [2, 9], zones: [1, 2, 3]}
"""


def test_a_kind_that_follows_its_line_is_read(tmp_path: Path) -> None:
    fan = kind_of(tmp_path, FAN, laws=LAWS)

    assert fan.receiver is not None
    assert (fan.receiver.fill, fan.receiver.least, fan.receiver.most, fan.follows) == ("fill", 0.15, 0.85, True)
    assert (fan.sensors["current"].normal, fan.sensors["current"].zones) == ((2.0, 9.0), (1.0, 2.0, 3.0))
    assert (fan.electrical, fan.always_on, fan.meter) == ("power", False, None)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("fill: fill,", "fill: fil,", "5: receiver.fill: unknown parameter 'fil'; did you mean 'fill'?"),
        ("fill: fill,", "fill: rated,", "5: receiver.fill: must name a duration, the parameter 'rated' is a current"),
        ("fill: fill,", "fill: 0 s,", "5: receiver.fill: must be above 0 s, got 0 s"),
        ("least: 15 %", "least: 0 %", "5: receiver.least: must be above 0 %, got 0 %"),
        ("most: 85 %", "most: 100 %", "5: receiver.most: must be below 100 %, got '100 %'"),
        ("most: 85 %", "most: 10 %", "5: receiver.most: must be at least 'least', 15%, got 10%"),
        (
            "receiver:",
            "cycle: {period: 9 s}\nreceiver:",
            "5: cycle: must be absent: what a kind with a 'receiver'",
        ),
        ("receiver:", "meter: line\nreceiver:", "5: meter: must be absent: what a kind with a 'receiver' does"),
        ("electrical: power", "electrical: powr", "11: electrical: unknown signal 'powr'; did you mean 'power'?"),
        ("receiver: {fill: fill, least: 15 %, most: 85 %}", "meter: hall", "5: meter: must be one of line, got 'hall'"),
        ("receiver: {fill: fill, least: 15 %, most: 85 %}", "meter: line", "11: electrical: must be absent: a meter"),
        ("receiver: {fill: fill, least: 15 %, most: 85 %}", "", "9: signals.current.load: unknown drive, node, signal"),
        ("rising.turning", "rising.turn", "9: signals.current.idle_share: unknown drive, node, signal or parameter"),
        ("load: phase", "load: parts", "9: signals.current.load: unknown drive, node, signal or parameter 'parts'"),
        ("load: phase", "load: line_power", "9: signals.current.load: unknown drive, node, signal or parameter"),
        ("normal: [2, 9]", "normal: [9, 2]", "14: sensors.current.normal: must ascend, got [9, 2]"),
        ("zones: [1, 2, 3]", "zones: [1, 2]", "14: sensors.current.zones: must be three numbers like [0.71, 1.8, 4.5]"),
        ("zones: [1, 2, 3]", "zones: [3, 2, 1]", "14: sensors.current.zones: must ascend, got [3, 2, 1]"),
    ],
)
def test_a_mistake_in_what_follows_a_line_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in FAN

    problems = kind_mistakes(tmp_path, FAN.replace(old, new, 1), laws=LAWS)

    assert any(each.startswith(problem) for each in problems), problems


@pytest.mark.parametrize("resolution", [0.0625, 0.1, 0.25, 0.5, 1, 2, 10])
def test_a_resolution_that_makes_short_decimals_is_taken(tmp_path: Path, resolution: float) -> None:
    pump = kind_of(tmp_path, PUMP.replace("resolution: 0.1}", f"resolution: {resolution}}}"))

    assert pump.sensors["motor_temperature"].resolution == resolution


def test_a_kind_has_at_most_eight_different_periods(tmp_path: Path) -> None:
    more = "".join(
        f"  more_{k}: {{signal: current, units: A, period: {k} s, span: [0, 60], resolution: 0.01}}\n"
        for k in (2, 3, 4, 5, 6, 7, 8)
    )

    assert kind_mistakes(tmp_path, PUMP + more) == ["24: sensors: must have at most 8 different periods, got 9"]


def test_all_mistakes_of_a_kind_are_told_at_once(tmp_path: Path) -> None:
    text = PUMP.replace("shape: 1.8", "shape: 0").replace("drive: load", "drive: lod").replace("law: total", "law: x")

    problems = kind_mistakes(tmp_path, text, laws=LAWS)

    assert [problem.split(":")[0] for problem in problems] == ["14", "19", "23"]


def test_without_laws_any_law_will_do(tmp_path: Path) -> None:
    assert kind_of(tmp_path, PUMP.replace("law: total", "law: anything")).signals["temperature"].law == "anything"


def test_settings_change_a_copy_of_the_kind(tmp_path: Path) -> None:
    pump = kind_of(tmp_path, PUMP)

    other = with_settings(pump, {"rated_current": "6 A", "warmth": {"spread": 0}, "vibration": {"period": "5 s"}})

    assert other.parameters["rated_current"].value == Measure(6, "current")
    assert other.parameters["rated_current"].spread == 0.08
    assert (other.parameters["warmth"].value.value, other.parameters["warmth"].spread) == (55, 0)
    assert (other.multiple("vibration"), other.sensors["vibration"].units) == (5, "mm/s")
    assert pump.parameters["rated_current"].value == Measure(22, "current")
    assert pump.multiple("vibration") == 1


def test_a_rate_changes_the_base_period_and_keeps_the_multiples(tmp_path: Path) -> None:
    pump = kind_of(tmp_path, PUMP)

    fast = with_settings(pump, {}, rate=10)

    assert fast.base_period == 0.1
    assert [fast.multiple(name) for name in fast.sensors] == [1, 1, 10]


def test_a_smaller_period_makes_the_others_multiples_of_it(tmp_path: Path) -> None:
    fast = with_settings(kind_of(tmp_path, PUMP), {"vibration": {"period": "100 ms"}})

    assert [fast.multiple(name) for name in fast.sensors] == [10, 1, 100]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"x": 1}, "set.x: unknown parameter or sensor of pump 'x'; known: rated_current"),
        ({"rated_current": "0 A"}, "set.rated_current: must be above 0 A, got 0 A"),
        ({"rated_current": {"value": "6 V"}}, "set.rated_current.value: must be a current like '22 A', got '6 V'"),
        ({"rated_current": {"valu": "6 A"}}, "set.rated_current.valu: unknown key 'valu'; did you mean 'value'?"),
        ({"rated_current": None}, "set.rated_current: must be a number with its unit like '22 A', got nothing"),
        ({"vibration": "5 s"}, "set.vibration: must be a mapping like {period: 5 s}, got '5 s'"),
        ({"vibration": {"noise": -1}}, "set.vibration.noise: must be at least 0, got -1"),
        ({"vibration": {"resolution": 0.7}}, "set.vibration.resolution: must be a whole number or divide 1 without"),
        ({"vibration": {"signal": "current"}}, "set.vibration.signal: unknown key 'signal'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, settings: dict[str, object], problem: str) -> None:
    pump = kind_of(tmp_path, PUMP)

    with pytest.raises(ScenarioError) as error:
        with_settings(pump, settings)

    assert str(error.value).startswith(f"kind pump: {problem}")


def test_a_kind_file_is_named_as_its_kind(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "fan.yaml").write_text(PUMP)

    kinds, problems, known = find_kinds(["fan"], folder=str(tmp_path))

    assert kinds == {}
    assert "fan" in known
    assert str(problems[0]).endswith("fan.yaml:1: kind: must be 'fan' as the file is called, got 'pump'")


@pytest.mark.parametrize("name", shipped_kinds())
def test_every_shipped_kind_loads_and_its_laws_are_known(name: str) -> None:
    kinds, problems, _ = find_kinds([name], laws=LAW_INPUTS)

    assert problems == []
    assert kinds[name].about


def test_loading_a_missing_kind_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        load_kind(tmp_path / "none.yaml")

    assert str(error.value) == f"{tmp_path / 'none.yaml'}: no such file"


KILN = """\
kind: kiln
heating: {node: warmth, within: 4 %}
drives:
  hot: {execute: 1, idle: 1, stopped: 0.2}
  turning: {execute: 1}
nodes:
  warmth: {drive: hot, gain: 300, tau: 20 min, tau_at_rest: 30 min}
signals:
  temperature: {law: total, a: ambient, b: warmth, c: turning}
sensors:
  temperature: {signal: temperature, units: degC, span: [0, 500], resolution: 0.1}
"""


def test_a_kind_that_heats_up_before_it_works_is_read(tmp_path: Path) -> None:
    kiln = kind_of(tmp_path, KILN, laws=LAWS)

    assert kiln.heating is not None
    assert (kiln.heating.node, kiln.heating.within) == ("warmth", 0.04)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("node: warmth", "node: warmt", "2: heating.node: unknown node 'warmt'; did you mean 'warmth'?"),
        ("within: 4 %", "within: 0 %", "2: heating.within: must be above 0 %, got 0 %"),
        ("drive: hot", "drive: turning", "2: heating.node: must have a drive that is as high in idle as in execute"),
        ("stopped: 0.2", "stopped: 1", "2: heating.node: must have a drive that is as high in idle as in execute and"),
        ("execute: 1, idle: 1", "execute: 0, idle: 0", "2: heating.node: must have a drive at one level above 0"),
        ("tau: 20 min,", "tau: 20 min, lag: 9 s,", "2: heating.node: must be a node without a lag of its own"),
    ],
)
def test_a_mistake_in_what_must_be_hot_is_told_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    problems = kind_mistakes(tmp_path, KILN.replace(old, new, 1), laws=LAWS)

    assert problems[0].startswith(problem)

"""A user's own kind is held to the dimensions and the ranges of the laws it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import ScenarioError
from fleet.scenario.kinds import find_kinds, kind_named, shipped_kinds
from fleet.scenario.load import load
from fleet.scenario.settings import with_settings
from fleet.sim.laws import LAW_INPUTS, LAWS
from tests.scenario.files import kind_mistakes, kind_of

FAN = """\
kind: fan
parameters:
  rated: {value: 9 A}
  rise: {value: 24 K}
  growth: {value: 4}
  swing: {value: 60 s}
  head: {value: 62}
  share: {value: 0.3}
  healthy: {value: 1 mm/s}
  life: {value: 700 h}
wear:
  bearing: {life: life, shape: 1.8, repair: 90 min}
drives:
  turning: {execute: 1}
  load: {execute: 0.9}
nodes:
  warmth: {drive: load, gain: rise, tau: 25 min}
signals:
  current: {law: motor_current, load: load, on: turning, rated: rated, idle_share: share}
  vibration:
    {law: vibration, speed: turning, load: load, healthy: healthy, exponent: 2, damage: damage.bearing, growth: growth}
  twice: {law: total, a: current, b: current, c: 0}
  one: {law: scaled, of: twice, by: 1, plus: 0}
  two: {law: scaled, of: one, by: 1, plus: 0}
  wave: {law: ripple, time: time, of: 0, amplitude: 3, period: swing}
  flow: {law: pump_flow, speed: turning, valve: load, shutoff_head: head, curve: 0.01, static_head: 3, system: 0.1}
  temperature: {law: total, a: ambient.warmth, b: warmth, c: 0}
  lifted: {law: scaled, of: warmth, by: 1, plus: 22}
  milli: {law: scaled, of: current, by: 1000, plus: 0}
sensors:
  current: {signal: current, units: A, span: [0, 40], resolution: 0.01}
  in_milli: {signal: milli, units: mA, span: [0, 40000], resolution: 1}
  again: {signal: two, units: A, span: [0, 40], resolution: 0.01}
  vibration: {signal: vibration, units: mm/s, span: [0, 25], resolution: 0.01}
  temperature: {signal: temperature, units: degC, span: [-20, 150], resolution: 0.1}
  lifted: {signal: lifted, units: °C, span: [-20, 150], resolution: 0.1}
  flow: {signal: flow, units: m3/h, span: [0, 90], resolution: 0.1}
"""


def test_a_kind_whose_units_fit_is_taken(tmp_path: Path) -> None:
    assert kind_of(tmp_path, FAN, laws=LAW_INPUTS).kind == "fan"


def test_every_law_says_what_it_takes_and_gives() -> None:
    for name, law in LAWS.items():
        taken = law.__code__.co_varnames[: law.__code__.co_argcount]
        form = LAW_INPUTS[name]
        assert set(form.takes) == set(taken), name
        assert form.gives, name
        if not isinstance(form.gives, str):
            assert {argument for term in form.gives for argument in term} <= set(taken)


@pytest.mark.parametrize("name", shipped_kinds())
def test_the_shipped_kinds_keep_to_it(name: str) -> None:
    assert kind_named(name, laws=LAW_INPUTS).kind == name


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "value: 9 A",
            "value: 9",
            (
                "3: parameters.rated.value: must be a current like '22 A' as 'rated' of motor_current "
                "in signals.current, got 9"
            ),
        ),
        (
            "value: 9 A",
            "value: 9 bar",
            (
                "3: parameters.rated.value: must be a current like '22 A' as 'rated' of motor_current "
                "in signals.current, got '9 bar'"
            ),
        ),
        (
            "value: 9 A",
            "value: -9 A",
            "3: parameters.rated.value: must be above 0 A as 'rated' of motor_current in signals.current, got '-9 A'",
        ),
        (
            "rated: rated,",
            "rated: 9,",
            (
                "19: signals.current.rated: must be a current like '22 A' as 'rated' of motor_current "
                "in signals.current, got 9"
            ),
        ),
        (
            "value: 24 K",
            "value: 24 degC",
            "4: parameters.rise.value: must be a temperature difference like '3 K', got '24 degC': a node is a rise",
        ),
        (
            "value: 4}",
            "value: -4}",
            "5: parameters.growth.value: must be at least 0 as 'growth' of vibration in signals.vibration, got -4",
        ),
        (
            "value: 60 s",
            "value: -60 s",
            "6: parameters.swing.value: must be above 0 s as 'period' of ripple in signals.wave, got '-60 s'",
        ),
        (
            "value: 62",
            "value: 62 m",
            (
                "7: parameters.head.value: must be a number of m without its unit as 'shutoff_head' of pump_flow in "
                "signals.flow, got '62 m'"
            ),
        ),
        (
            "value: 0.3",
            "value: 130 %",
            (
                "8: parameters.share.value: must be at most 1 as 'idle_share' of motor_current in signals.current, "
                "got '130 %'"
            ),
        ),
        (
            "load: load, healthy",
            "load: current, healthy",
            (
                "21: signals.vibration.load: must be a share or a number without a unit as 'load' of vibration in "
                "signals.vibration, got a current in A"
            ),
        ),
        (
            "b: current",
            "b: vibration",
            "22: signals.twice.b: must be a current in A as 'a' is, got a vibration velocity in mm/s",
        ),
        ("of: twice", "of: two", "23: signals.one.of: must not need itself: one -> two -> one"),
        ("of: twice", "of: one", "23: signals.one.of: must not need itself: one -> one"),
        (
            "units: A, span: [0, 40], resolution: 0.01}\n  in",
            "units: furlong, span: [0, 40], resolution: 0.01}\n  in",
            "31: sensors.current.units: must be A as the signal 'current' is, a current, got 'furlong'",
        ),
        (
            "signal: two, units: A",
            "signal: two, units: mA",
            (
                "33: sensors.again.units: must be A as the signal 'two' is, a current, got 'mA'; a signal scaled by a "
                "number may be in another"
            ),
        ),
        (
            "temperature, units: degC",
            "temperature, units: K",
            "35: sensors.temperature.units: must be degC as the signal 'temperature' is, a temperature, got 'K'",
        ),
        (
            "signal: lifted, units: °C",
            "signal: lifted, units: A",
            "36: sensors.lifted.units: must be degC as the signal 'lifted' is, a temperature, got 'A'",
        ),
        (
            "value: 700 h",
            "value: 0 h",
            "12: wear.bearing.life: must be above 0 s, the parameter 'life' is 0 s",
        ),
        ("shape: 1.8", "shape: 0", "12: wear.bearing.shape: must be above 0, got 0"),
    ],
)
def test_a_number_that_a_law_cannot_take_is_one_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in FAN

    assert kind_mistakes(tmp_path, FAN.replace(old, new, 1), laws=LAW_INPUTS) == [problem]


def test_what_is_set_in_a_scenario_is_held_to_the_same_ranges(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "fleet: 1\nname: a\nlines:\n  - name: a\n    machines:\n      - kind: pump\n        set:\n"
        "          idle_share: 120 %\n"
    )

    with pytest.raises(ScenarioError) as told:
        load(file, laws=LAW_INPUTS)
    with pytest.raises(ScenarioError) as also:
        with_settings(kind_named("pump"), {"idle_share": {"value": 1.2}}, laws=LAW_INPUTS)

    must = "must be at most 1 as 'idle_share' of motor_current in signals."
    assert str(told.value).startswith(f"{file}:8: lines[0].machines[0].set.idle_share: {must}")
    assert str(told.value).endswith(", got '120 %'")
    assert str(also.value).startswith(f"kind pump: set.idle_share.value: {must}")
    assert str(also.value).endswith(", got 1.2")


def test_a_kind_is_not_silently_replaced_by_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "pump.yaml").write_text(FAN.replace("kind: fan", "# mine\nkind: pump"))

    _, problems, _ = find_kinds(["pump"], folder=str(tmp_path))

    must = "must be another name, 'pump' is a kind of fleet's; call it 'my-pump', and the file my-pump.yaml"
    assert [str(each) for each in problems] == [f"{tmp_path / 'pump.yaml'}:2: kind: {must}"]


def test_a_copy_of_one_of_our_kinds_may_lie_beside_a_scenario(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "fleet" / "kinds" / "pump.yaml"
    (tmp_path / "pump.yaml").write_text("# as it is shipped\n" + shipped.read_text())

    kinds, problems, _ = find_kinds(["pump"], folder=str(tmp_path))

    assert (list(kinds), problems) == (["pump"], [])


def test_a_kind_file_that_does_not_say_so_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "fan.yaml").write_text(FAN.removeprefix("kind: fan\n"))
    scenario = tmp_path / "s.yaml"
    scenario.write_text("fleet: 1\nname: a\nlines: [{name: a, machines: [{kind: fan}]}]\n")

    with pytest.raises(ScenarioError) as told:
        load(scenario, laws=LAW_INPUTS)

    assert str(told.value) == f"{tmp_path / 'fan.yaml'}:1: kind: must be given: begin the file with 'kind: fan'"

"""Readings made by a kind with changed parameters: the fit finds them again."""

from __future__ import annotations

import numpy as np
import pytest

from fleet.fit.findings import findings_of
from fleet.fit.fit import Fitted, fit_records
from fleet.fit.found import Findings
from fleet.fit.records import records_of
from fleet.fit.replayed import replayed
from fleet.scenario.expansion import expand
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named
from fleet.scenario.load import kinds_for
from fleet.scenario.settings import with_settings
from fleet.sim.cohorts import models
from fleet.sim.laws import LAW_INPUTS
from tests.fit.readings import START_US, drawn_means, scenario_of, table_of

WITHIN = 0.15

CHANGED = {
    "pump": "rated_current: 41 A, suction: 1.2 bar, healthy_vibration: 1.6 mm/s, motor_rise: 60 K",
    "cnc-spindle": "rated_current: 30 A, healthy_vibration: 1.3 mm/s, cycle_time: 100 s, rated_speed: 6000 rpm",
    "oven": "rated_power: 90 kW, dip: -50 K, cycle_time: 8 min, ripple_period: 120 s, working_rise: 500 K",
    "conveyor": "rated_current: 4 A, cycle_time: 30 s, idle_share: 0.25",
    "hydraulic-press": "press_pressure: 120 bar, cycle_time: 22 s, oil_rise: 40 K, stroke: 250 mm",
    "injection-moulder": "cycle_time: 40 s, hold_pressure: 700 bar, ripple_size: 0.8 K, mould_rise: 40 K",
    "compressor": "fill_time: 25 s, rated_current: 60 A, unload_pressure: 8.4 bar",
    "robot-arm": "cycle_time: 20 s, torque_2: 6 A, rise_3: 22 K, payload: 15",
}
"""By kind; every one of these must be found, and whatever else is said to be found must be right."""


def fitted(kind: str, settings: str, *, seed: int, hours: float = 2.0, count: int = 1) -> tuple[Fitted, Findings]:
    table = table_of(scenario_of(kind, settings, count=count), seed=seed, hours=hours)
    loaded = kind_named(kind, laws=LAW_INPUTS)
    found = fit_records(loaded, records_of(table, loaded, {}), [], lambda _: None)
    return found, findings_of(found)


def found_kind(kind: str, findings: Findings) -> Kind:
    """Give the kind with what the fit would write."""
    number = {"resolution", "noise", "flicker"}
    settings = {
        name: {key: float(value) if key in number else value for key, value in properties.items() if key != "span"}
        for name, properties in findings.settings.items()
    }
    return with_settings(kind_named(kind), settings)


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for seed, kind in enumerate(CHANGED, start=1)])
def test_changed_parameters_are_found_again(kind: str, seed: int) -> None:
    # A pump's levels hang on its setpoint, which moves every other hour.
    _, findings = fitted(kind, CHANGED[kind], seed=seed, hours=6.0 if kind == "pump" else 2.0)

    cycle = kind_named(kind).cycle
    drawn = drawn_means(scenario_of(kind, CHANGED[kind], count=1), seed=seed)
    rows = {
        row.name: float(row.found.split()[0])
        for row in findings.rows
        if row.section in ("parameter", "cycle") and "rough" not in row.sure
    }
    assert {text.split(":")[0].strip() for text in CHANGED[kind].split(",")} <= rows.keys()
    for name, value in rows.items():
        true = drawn["period"] if cycle is not None and name == cycle.period else drawn[name]
        assert value == pytest.approx(true, rel=WITHIN), name


@pytest.mark.parametrize("seed", [11, 12])
def test_resolution_and_noise_are_found_again(seed: int) -> None:
    settings = "flow: {resolution: 0.5, noise: 0.6, noise_share: 0, flicker: 0.2}, bearing_temperature: {noise: 0.2}"
    _, findings = fitted("pump", settings, seed=seed, hours=1.0)

    sensors = found_kind("pump", findings).sensors
    assert sensors["flow"].resolution == 0.5
    assert sensors["flow"].noise + 45 * sensors["flow"].noise_share == pytest.approx(0.6, rel=WITHIN)
    assert sensors["flow"].flicker == pytest.approx(0.2, rel=WITHIN)
    assert sensors["bearing_temperature"].noise == pytest.approx(0.2, rel=WITHIN)


def test_a_slow_node_that_moved_has_its_time_constant_found_and_one_that_did_not_says_so() -> None:
    _, findings = fitted("pump", "motor_warmth: {tau: 60 min}", seed=3, hours=4.0)

    assert found_kind("pump", findings).nodes["motor_warmth"].tau == pytest.approx(3600.0, rel=WITHIN)
    why = {each.name: each.why for each in findings.unknowable}
    assert why["bearing_warmth.tau"] == "turning never changes for long"
    assert why["bearing_life"].startswith("life and repair of bearing take many failures")
    assert why["vibration_growth"] == "shows only as a part wears out, and none is seen to"


@pytest.mark.parametrize(
    ("kind", "sensor", "tau", "hours"),
    [("oven", "zone_1_temperature", 40.0, 3.0), ("cnc-spindle", "power", 4.0, 1.0)],
)
def test_the_lag_of_a_sensor_is_found_again_also_where_the_kind_has_none(
    kind: str, sensor: str, tau: float, hours: float
) -> None:
    _, findings = fitted(kind, f"{sensor}: {{tau: {tau} s}}", seed=5, hours=hours, count=1)

    assert found_kind(kind, findings).sensors[sensor].tau == pytest.approx(tau, rel=WITHIN)


def test_what_no_sensor_in_the_file_shows_is_listed_and_kept() -> None:
    scenario = scenario_of("pump", "", count=1)
    table = table_of(scenario, seed=2, hours=1.0)
    table.columns = {key: column for key, column in table.columns.items() if key[1] in ("current", "vibration")}
    kind = kind_named("pump")

    findings = findings_of(fit_records(kind, records_of(table, kind, {}), [], lambda _: None))

    why = {each.name: each.why for each in findings.unknowable}
    assert why["flow"] == "not in the file: the kind's own sensor is kept"
    assert why["motor_rise"] == "shows only in motor_temperature: not in the file, or not understood"
    assert "motor_rise" not in findings.settings


def test_both_controllers_ripples_of_an_oven_are_found_again() -> None:
    changed = "second_ripple: 1.4 K, second_period: 92 s, ripple_size: 1.2 K, ripple_period: 130 s"
    _, findings = fitted("oven", changed, seed=6)

    drawn = drawn_means(scenario_of("oven", changed, count=1), seed=6)
    found = found_kind("oven", findings).parameters
    for name in ("second_ripple", "second_period", "ripple_size", "ripple_period"):
        assert found[name].value.value == pytest.approx(drawn[name], rel=WITHIN), name
    why = {each.name: each.why for each in findings.unknowable}
    assert why["ripple_start"] == "where in its ripple a control is at the first reading says nothing of another start"


def test_a_fitted_machine_that_does_the_same_again_shows_what_was_read() -> None:
    found, _ = fitted("conveyor", "rated_current: 4 A, cycle_time: 30 s", seed=4, hours=1.5)

    (machine,) = found.fits
    for place, name in enumerate(machine.record.sensors):
        again = replayed(found, machine, name)
        assert again is not None
        scans, value = again
        read = machine.record.value[place]
        assert np.array_equal(scans, np.flatnonzero(np.isfinite(read)))
        assert np.allclose(value / found.steps[name], np.rint(value / found.steps[name]))  # type: ignore[operator]
        assert np.median(np.abs(value - read[scans])) < 0.12 * (np.ptp(read[scans]) + 1e-9), name
        assert np.corrcoef(value, read[scans])[0, 1] > 0.8, name


def test_what_is_true_lies_within_the_widths() -> None:
    # Of 4 machines by themselves; the widths are one sigma, so that hardly one in a hundred is beyond three of them.
    scenario = scenario_of("pump", "motor_warmth: {tau: 60 min}", count=4)
    found, _ = fitted("pump", "motor_warmth: {tau: 60 min}", seed=21, hours=3.0, count=4)

    kind = kind_named("pump")
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    (model,) = models(roster, seed=21, start_us=START_US, keep=np.arange(4))
    off = []
    for place, machine in enumerate(found.fits):
        for unknown, mean, width in zip(machine.unknowns, machine.mean, machine.sd, strict=True):
            if unknown.role == "parameter" and width < 0.16:
                true = np.log(model.parameters[unknown.name][place] / kind.parameters[unknown.name].value.value)
                off.append((mean - true) / width)
            elif unknown.role == "tau" and width < 0.16:
                off.append((mean - np.log(60 / 40)) / width)
    assert len(off) > 25
    assert np.mean(np.abs(off) < 1.96) > 0.88
    assert np.mean(np.abs(off) < 3.0) > 0.97

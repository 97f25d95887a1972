from __future__ import annotations

import numpy as np
import pytest

from fleet.sim.laws import (
    LAW_INPUTS,
    LAWS,
    motor_current,
    pump_flow,
    pump_pressure,
    ripple,
    three_phase_power,
    vibration,
    warmed,
)

LOAD = np.linspace(0, 1, 11)
PUMP = {"shutoff_head": 62.0, "curve": 0.0085}
PIPE = {"static_head": 16.0, "system": 0.011}


def test_every_law_names_what_goes_into_it() -> None:
    assert LAW_INPUTS.keys() == LAWS.keys()
    assert LAW_INPUTS["product"].takes.keys() == {"a", "b"}


def test_a_motor_draws_its_magnetising_share_without_load_and_its_rated_current_with_all_of_it() -> None:
    current = motor_current(LOAD, np.float64(1), np.float64(22), np.float64(0.3))

    assert current[[0, -1]] == pytest.approx([6.6, 22])
    assert (np.diff(current) > 0).all()
    assert (motor_current(LOAD, np.float64(0), np.float64(22), np.float64(0.3)) == 0).all()


def test_power_at_rated_current_has_a_cosine_of_086() -> None:
    power = three_phase_power(np.array([0.0, 11.0, 22.0]), np.float64(22))

    assert power[0] == 0
    assert power[2] == pytest.approx(np.sqrt(3) * 0.4 * 22 * 0.86)
    assert power[1] < power[2] / 2


def test_vibration_is_its_healthy_level_at_rated_speed_and_grows_with_damage() -> None:
    one = np.float64(1)

    found = [vibration(one, one, np.float64(1.1), np.float64(1.6), np.float64(d), np.float64(4)) for d in (0, 0.5, 1)]

    assert found == pytest.approx([1.1, 3.3, 5.5])
    assert vibration(np.float64(0), one, np.float64(1.1), np.float64(1.6), one, np.float64(4)) == 0


def test_a_pumps_flow_lies_on_its_own_curve_and_on_the_systems() -> None:
    flow = pump_flow(np.float64(1), np.float64(0.8), **PUMP, **PIPE)  # type: ignore[arg-type]

    assert 62 - 0.0085 * flow**2 == pytest.approx(16 + 0.011 * flow**2 / 0.64)


def test_flow_falls_with_speed_and_ends_below_the_static_head() -> None:
    speed = np.linspace(0, 1.1, 50)

    flow = pump_flow(speed, np.float64(1), **PUMP, **PIPE)  # type: ignore[arg-type]

    assert (np.diff(flow) >= 0).all()
    assert (flow[speed < np.sqrt(16 / 62) - 0.02] == 0).all()


def test_a_pump_at_rest_shows_the_suction_pressure() -> None:
    zero = np.float64(0)

    assert pump_pressure(np.float64(0.8), zero, zero, np.float64(62), np.float64(0.0085)) == 0.8


def test_a_closed_valve_divides_nothing_by_zero() -> None:
    assert np.isfinite(pump_flow(np.float64(1), np.float64(0), **PUMP, **PIPE))  # type: ignore[arg-type]


def test_friction_warms_only_what_turns() -> None:
    args = (np.float64(22), np.float64(20), np.float64(1), np.float64(14))

    assert (warmed(*args, np.float64(0)), warmed(*args, np.float64(1))) == (42, 56)


def test_a_ripple_has_its_amplitude_and_period() -> None:
    time = np.arange(0, 950, 0.5)

    wave = ripple(time, np.float64(400), np.float64(0.9), np.float64(95))

    assert np.ptp(wave) == pytest.approx(1.8, rel=1e-3)
    assert np.allclose(wave[:190], wave[190:380])

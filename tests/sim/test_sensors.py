from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import Bytes, Floats, Quality
from fleet.scenario.kind import Sensor
from fleet.sim.address import machine_words
from fleet.sim.sensors import REFERENCE_AIR, Chain, chain_of, quantise, report
from tests.sim.plants import START_US, blocks_of, line, logs_of, roster_of

MACHINES = 40


def sensor(**fields: Any) -> Sensor:
    return Sensor.model_validate({"signal": "x", "units": "K", "span": [-1000, 1000], "resolution": 0.001} | fields)


def chain(**sensors: Sensor) -> Chain:
    return chain_of(sensors, machine_words(1, [f"m{number}" for number in range(MACHINES)]), START_US)


def reported(of: Chain, truth: float, *, air: float = REFERENCE_AIR, count: int = 500, first: int = 0) -> Floats:
    sensors = len(of.sensors)
    level = np.full((sensors, MACHINES, count), truth)
    time_us = np.broadcast_to(START_US + np.arange(first, first + count) * 1_000_000, (MACHINES, count))
    report(of, slice(0, MACHINES), level, np.full((MACHINES, count), air), np.full(MACHINES, first), time_us, out=level)
    return level


@given(
    st.sampled_from([0.001, 0.01, 0.0625, 0.1, 0.125, 0.25, 0.5, 1, 2, 5, 10, 100]),
    st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20),
)
def test_a_rounded_value_is_a_whole_number_of_steps_and_prints_short(resolution: float, values: list[float]) -> None:
    step, per_unit = max(1.0, resolution), max(1.0, float(round(1 / resolution)))

    rounded = quantise(np.array(values), step, per_unit, out=np.empty(len(values))).tolist()

    for value, before in zip(rounded, values, strict=True):
        assert abs(value - before) <= resolution / 2 * (1 + 1e-9)
        assert value == round(before / resolution) * step / per_unit or abs(value - before) > resolution * 0.4999
        assert value == float(f"{value:.4f}")
        assert str(value) != "-0.0"


@pytest.mark.parametrize("kind", ["pump", "cnc-spindle", "oven"])
def test_every_reading_of_a_shipped_kind_is_a_whole_number_of_steps(kind: str) -> None:
    roster = roster_of(line("a", {"kind": kind, "count": 3}))

    for log in logs_of(blocks_of(roster, 120, truth=True)).values():
        for name, model in roster.entries[0].kind.sensors.items():
            steps = log.of(name).value / model.resolution
            assert np.abs(steps - np.rint(steps)).max() < 1e-9 * max(1.0, np.abs(steps).max())
            assert max(len(repr(value).replace("-", "").replace(".", "")) for value in log.of(name).value.tolist()) <= 8


def qualities(of: Chain, truth: float) -> tuple[Floats, Bytes]:
    level = np.full((1, MACHINES, 200), truth)
    time_us = np.full((MACHINES, 200), START_US)
    quality = report(of, slice(0, MACHINES), level, None, np.zeros(MACHINES, np.int64), time_us, out=level)
    return level, quality


@pytest.mark.parametrize(("truth", "rail"), [(130.0, 100.0), (-20.0, 0.0)])
def test_the_reading_of_a_saturated_sensor_is_its_rail_and_uncertain(truth: float, rail: float) -> None:
    value, quality = qualities(chain(low=sensor(span=[0, 100], noise=2.0)), truth)

    assert (value == rail).all()
    assert (quality == Quality.UNCERTAIN).all()


def test_noise_about_a_true_zero_is_cut_off_and_good() -> None:
    value, quality = qualities(chain(low=sensor(span=[0, 100], noise=0.2)), 0.0)

    assert value.min() == 0
    assert 0.4 < (value == 0).mean() < 0.6
    assert (quality == Quality.GOOD).all()


def test_a_sensor_without_flaws_reports_the_truth() -> None:
    assert (reported(chain(t=sensor()), 21.123) == 21.123).all()


def test_white_noise_has_the_size_its_kind_says_absolute_and_as_a_share() -> None:
    found = reported(chain(absolute=sensor(noise=0.3), share=sensor(noise_share=0.02)), 50.0)

    assert found.std(axis=(1, 2)) == pytest.approx([0.3, 1.0], rel=0.05)
    assert found.mean(axis=(1, 2)) == pytest.approx([50, 50], abs=0.05)


def test_gain_and_offset_are_drawn_once_a_sensor() -> None:
    found = reported(chain(gain=sensor(gain=0.01), offset=sensor(offset=0.5)), 100.0)

    assert (found == found[:, :, :1]).all()
    assert found[:, :, 0].std(axis=1) == pytest.approx([1.0, 0.5], rel=0.35)
    assert abs(np.corrcoef(found[0, :, 0], found[1, :, 0])[0, 1]) < 0.5


def test_a_sensor_drifts_with_the_air_as_its_kind_says() -> None:
    of = chain(a=sensor(temperature=0.02), b=sensor())

    difference = reported(of, 10.0, air=35.0) - reported(of, 10.0, air=25.0)

    assert np.allclose(difference[0], 0.2)
    assert (difference[1] == 0).all()


def test_what_is_reported_does_not_depend_on_the_sensors_beside() -> None:
    noisy = sensor(noise=0.3, flicker=0.1, gain=0.01, offset=0.2)

    alone, beside = reported(chain(a=noisy), 10.0), reported(chain(b=noisy, a=noisy, c=sensor(temperature=0.1)), 10.0)

    assert np.array_equal(alone[0], beside[1])


def test_what_is_reported_does_not_depend_on_where_it_is_cut() -> None:
    of = chain(a=sensor(noise=0.3, noise_share=0.01, flicker=0.1, drift=1, drift_tau="40 min", walk=1, ageing="9 %"))

    whole = reported(of, 10.0, count=500)

    assert np.array_equal(whole[:, :, 131:], reported(of, 10.0, count=369, first=131))

"""What sensors do to the truth: the laws of physics.md held on readings minus truth, on 20 seeds, 17 of them inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fleet.data import Floats, Quality
from tests.sim.plants import Log, blocks_of, kind_from, line, logs_of, roster_of

SEEDS = range(1, 21)
INSIDE_MIN = 17
HOUR_S = 3600

STEADY = """\
kind: steady
drives:
  turning: {execute: 1}
signals:
  level: {law: scaled, of: turning, by: 50, plus: 0}
  air: {law: scaled, of: ambient, by: 1, plus: 0}
"""
SENSOR: Mapping[str, Any] = {"signal": "level", "units": "K", "span": [-1000, 1000], "resolution": 0.0001}


def logs(sensors: Mapping[str, Mapping[str, Any]], seconds: float, *, seed: int, machines: int = 1) -> list[Log]:
    """Simulate a steady machine with *sensors*."""
    kind = kind_from(STEADY, sensors={name: {**SENSOR, **sensor} for name, sensor in sensors.items()})
    roster = roster_of(line("a", {"kind": "steady", "count": machines}), kinds={"steady": kind})
    return list(logs_of(blocks_of(roster, seconds, seed=seed, truth=True)).values())


def residual(log: Log, sensor: str) -> Floats:
    of = log.of(sensor)
    assert of.truth is not None
    return np.asarray(of.value - of.truth)


def inside(found: Sequence[float], low: float, high: float) -> int:
    return sum(low <= each <= high for each in found)


def allan(x: Floats, over: int) -> float:
    """Give the overlapping Allan deviation of *x* averaged over so many readings."""
    total = np.cumsum(np.insert(x, 0, 0.0))
    mean = (total[over:] - total[:-over]) / over
    return float(np.sqrt(0.5 * ((mean[over:] - mean[:-over]) ** 2).mean()))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def spectrum_slope(x: Floats, low: float, high: float) -> float:
    """Give the slope of the power of *x* between two frequencies, in cycles a reading."""
    parts = x[: len(x) // 1024 * 1024].reshape(-1, 1024)
    parts = parts - parts.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(parts * np.hanning(1024))) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(1024)
    bands = np.geomspace(low, high, 10)
    level = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(bands)]
    return slope(np.sqrt(bands[:-1] * bands[1:]).tolist(), level)


# ---- each noise alone


@cache
def noisy(seed: int) -> Log:
    sensors = {"white": {"noise": 1}, "share": {"noise_share": "2 %"}, "pink": {"flicker": 1}}
    (log,) = logs(sensors, 16_500, seed=seed)
    return log


OCTAVES = (2, 4, 8, 16, 32, 64)  # readings: one and a half decades


@pytest.mark.parametrize(("sensor", "expected"), [("white", -0.5), ("share", -0.5), ("pink", 0.0)])
def test_the_allan_deviation_of_each_noise_has_its_slope(sensor: str, expected: float) -> None:
    rows = [residual(noisy(seed), sensor) for seed in SEEDS]

    slopes = [slope(OCTAVES, [allan(row, over) for over in OCTAVES]) for row in rows]

    assert inside(slopes, expected - 0.1, expected + 0.1) >= INSIDE_MIN


@pytest.mark.parametrize(("sensor", "expected"), [("white", 0.0), ("share", 0.0), ("pink", -1.0)])
def test_the_spectrum_of_each_noise_has_its_slope(sensor: str, expected: float) -> None:
    slopes = [spectrum_slope(residual(noisy(seed), sensor), 1 / 128, 1 / 4) for seed in SEEDS]

    assert inside(slopes, expected - 0.2, expected + 0.2) >= INSIDE_MIN


def test_white_noise_says_nothing_of_the_reading_after() -> None:
    """Ljung and Box's statistic of 20 lags, its 1 % bound."""
    found = []
    for seed in SEEDS:
        x = residual(noisy(seed), "white")
        x = x - x.mean()
        n, power = len(x), float((x * x).sum())
        lags = [float((x[lag:] * x[:-lag]).sum()) / power for lag in range(1, 21)]
        found.append(n * (n + 2) * sum(r * r / (n - lag) for lag, r in enumerate(lags, 1)))

    assert inside(found, 0, 37.57) >= INSIDE_MIN


def test_the_error_of_a_resolution_below_the_noise_is_its_step_over_the_root_of_twelve() -> None:
    found = []
    for seed in SEEDS:
        fine, coarse = (
            logs({"a": {"noise": 1}}, 4000, seed=seed),
            logs({"a": {"noise": 1, "resolution": 0.5}}, 4000, seed=seed),
        )
        error = coarse[0].of("a").value - fine[0].of("a").value
        found.append(float(error.std()) / (0.5 / np.sqrt(12)))

    assert inside(found, 0.95, 1.05) >= INSIDE_MIN


# ---- drift


def test_a_walk_has_an_allan_slope_of_a_half_and_a_variance_that_grows_as_time() -> None:
    slopes, growth = [], []
    for seed in SEEDS:
        rows = [
            residual(log, "a")
            for log in logs({"a": {"walk": 1, "period": "1 h"}}, 2200 * HOUR_S, seed=seed, machines=30)
        ]
        level = [float(np.sqrt(np.mean([allan(row, over) ** 2 for row in rows]))) for over in (4, 8, 16, 32, 64, 128)]
        slopes.append(slope((4, 8, 16, 32, 64, 128), level))
        steps = np.concatenate([row[24::24] - row[:-24:24][: len(row[24::24])] for row in rows])
        growth.append(float((steps**2).mean()))

    assert inside(slopes, 0.4, 0.6) >= INSIDE_MIN
    assert inside(growth, 0.9, 1.1) >= INSIDE_MIN  # a day's steps: the size is in units a square root of a day


def test_a_walk_starts_at_nothing_and_its_variance_grows_as_the_time_since() -> None:
    sensors = {"a": {"walk": 1, "period": "6 h"}}
    walked = np.array([residual(log, "a")[:1500] for log in logs(sensors, 1502 * 6 * HOUR_S, seed=3, machines=400)])

    variance = walked.var(axis=0)

    assert abs(walked[:, 0]).max() < 2  # less than 6 h after the start
    assert variance[[40, 200, 1000]] == pytest.approx([10, 50, 250], rel=0.25)


@cache
def bounded(seed: int) -> tuple[Floats, Floats]:
    """Give the drift of many sensors, and its autocorrelation at a half, one and two mean time constants."""
    sensors = {"a": {"drift": 1, "drift_tau": "40 h", "period": "2 h"}}
    rows = np.array([residual(log, "a")[:1000] for log in logs(sensors, 2004 * HOUR_S, seed=seed, machines=120)])
    likeness = [float((rows[:, lag:] * rows[:, :-lag]).mean() / (rows * rows).mean()) for lag in (10, 20, 40)]
    return rows, np.array(likeness)


def test_bounded_drift_has_the_variance_and_autocorrelation_of_its_process() -> None:
    # Each sensor draws its own time constant between 20 and 60 h: the mean of exp(-t / tau) over these.
    tau = np.linspace(20, 60, 1001)
    expected = [float(np.exp(-lag / tau).mean()) for lag in (20, 40, 80)]

    found = [bounded(seed) for seed in SEEDS]

    assert inside([float(rows.var()) for rows, _ in found], 0.9, 1.1) >= INSIDE_MIN
    mean = np.mean([likeness for _, likeness in found], axis=0)
    assert mean == pytest.approx(expected, rel=0.1)
    for place, sd in ((0, 0.1), (1, 0.1)):
        near = [float(likeness[place]) for _, likeness in found]
        assert inside(near, expected[place] * (1 - sd), expected[place] * (1 + sd)) >= INSIDE_MIN


def test_ageing_creeps_at_a_rate_of_each_sensors_own() -> None:
    sensors = {"a": {"ageing": "1 %", "span": [0, 100], "period": "12 h"}}

    rows = np.array([residual(log, "a")[:730] for log in logs(sensors, 731 * 12 * HOUR_S, seed=1, machines=300)])

    assert rows[:, 729].std() == pytest.approx(729 / 730.5, rel=0.12)
    assert rows[:, 300] == pytest.approx(rows[:, 729] * 300 / 729, abs=0.01)


# ---- what is constant


def test_like_sensors_differ_by_gain_and_offset_and_each_keeps_its_own() -> None:
    found = []
    for seed in SEEDS:
        sensors = {"a": {"gain": "0.5 %", "offset": 0.25, "noise": 0.05}}
        rows = [residual(log, "a") for log in logs(sensors, 60, seed=seed, machines=60)]
        means = np.array([row.mean() for row in rows])
        within = float(np.mean([row.var() for row in rows]))
        assert means.var() > 20 * within  # far more between sensors than within one
        found.append(float(means.std()) / float(np.hypot(0.005 * 50, 0.25)))

    assert inside(found, 0.8, 1.2) >= INSIDE_MIN


def test_a_sensor_is_as_sensitive_to_the_halls_air_as_its_kind_says() -> None:
    found = []
    for seed in SEEDS:
        sensors = {
            "hot": {"temperature": 0.2, "noise": 0.5, "period": "30 s"},
            "air": {"signal": "air", "period": "30 s"},
        }
        (log,) = logs(sensors, 86_400, seed=seed)
        air = log.of("air").truth
        assert air is not None
        found.append(float(np.polyfit(air, residual(log, "hot"), 1)[0]))

    assert inside(found, 0.18, 0.22) >= INSIDE_MIN


@pytest.mark.parametrize("kind", ["pump", "cnc-spindle", "oven"])
def test_no_reading_lies_beyond_the_rails_and_all_are_steps_of_one_size(kind: str) -> None:
    roster = roster_of(line("a", {"kind": kind, "count": 2}))

    for log in logs_of(blocks_of(roster, 900)).values():
        for name, model in roster.entries[0].kind.sensors.items():
            value = log.of(name).value
            assert model.span[0] <= value.min() <= value.max() <= model.span[1]
            steps = np.diff(value) / model.resolution
            assert np.abs(steps - np.rint(steps)).max() < 1e-6
            assert (log.of(name).quality == Quality.GOOD).all()  # saturated only by a fault


def test_an_overloaded_sensor_stays_at_its_rail_as_long_as_the_truth_is_beyond() -> None:
    (log,) = logs({"a": {"span": [0, 49.9], "noise": 0.01}}, 500, seed=1)

    assert (log.of("a").value == 49.9).all()


# ---- time


def test_the_instants_of_scans_scatter_and_their_phases_are_even() -> None:
    scatter, distance = [], []
    for seed in SEEDS:
        found = logs({"a": {}}, 40, seed=seed, machines=200)
        gaps = np.concatenate([np.diff(log.time_s) for log in found])
        scatter.append(float(gaps.std()))
        phases = np.sort([float(log.time_s[5]) % 1.0 for log in found])
        distance.append(float(np.abs(phases - (np.arange(200) + 0.5) / 200).max()))

    assert inside(scatter, 0.003, 0.05) >= INSIDE_MIN
    assert inside(distance, 0, 1.63 / np.sqrt(200)) >= INSIDE_MIN  # Kolmogorov and Smirnov's 1 % bound


# ---- a lag


def test_a_lagging_temperature_follows_the_truth_by_about_its_time_constant() -> None:
    kind = kind_from(
        STEADY + "  cycled: {law: scaled, of: load, by: 50, plus: 0}\n",
        drives={"turning": {"execute": 1}, "load": {"execute": [[0, 0], [0.5, 1], [1, 0]]}},
        cycle={"period": "240 s"},
        sensors={"a": {**SENSOR, "signal": "cycled", "tau": "10 s", "noise": 0.001}},
    )
    found = []
    for seed in SEEDS:
        roster = roster_of(line("a", {"kind": "steady"}), kinds={"steady": kind})
        (log,) = logs_of(blocks_of(roster, 2000, seed=seed, truth=True)).values()
        truth = log.of("a").truth
        assert truth is not None
        behind = [float(np.corrcoef(truth[: len(truth) - lag], log.value[lag:])[0, 1]) for lag in range(40)]
        found.append(float(np.argmax(behind)))

    assert inside(found, 9, 11) >= INSIDE_MIN

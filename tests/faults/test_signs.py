"""Each fault by its sign: a statistic finds it while it is there, not before or after, and not on the healthy twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from fleet.faults.catalogue import CATALOGUE
from tests.faults.plants import SECOND_US, START_US, numbers, twin
from tests.faults.signs import END_S, ONSET_S, STOP_S, Series, Signs, labels_of, machine_of, plant, seen

BEFORE, DURING, AFTER = (0.0, ONSET_S), (ONSET_S, STOP_S), (STOP_S, END_S)
SETTLED_S = 600.0
"""What grows, or is slow, has shown so long after its onset."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signs, Signs]:
    roster = plant(tmp_path_factory.mktemp("signs"))
    return seen(roster), seen(twin(roster))


def _median(series: Series, start_s: float, stop_s: float) -> float:
    return float(np.median(series.between(start_s, stop_s).value))


def _running(signs: Signs, fault: str, sensor: str, start_s: float, stop_s: float) -> np.ndarray:
    """Give readings above a tenth of the usual: of a machine that works."""
    value = signs.of(fault, sensor).between(start_s, stop_s).value
    return value[value > 0.1 * np.quantile(value, 0.9)]


# ---- machine faults: is it there between two instants?


def _vibrates(factor: float) -> Callable[[Signs, str, float, float], bool]:
    def test(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
        usual = _median(signs.of(fault, "vibration"), *BEFORE)
        return bool(np.median(_running(signs, fault, "vibration", start_s, stop_s)) > factor * usual)

    return test


def _leaks(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    series = signs.of(fault, "pressure")
    peak = np.quantile(series.between(start_s, stop_s).value, 0.97)
    return bool(peak < 0.95 * np.quantile(series.between(*BEFORE).value, 0.97))


def _fouled(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    series = signs.of(fault, "suction_pressure")
    return _median(series, start_s, stop_s) < 0.8 * _median(series, *BEFORE)


def _hot(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    series = signs.of(fault, "motor_temperature")
    return _median(series, stop_s - 300, stop_s) > _median(series, ONSET_S - 300, ONSET_S) + 12.0


def _slips(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    speed = _running(signs, fault, "belt_speed", start_s, stop_s)
    return bool(np.quantile(speed, 0.75) - np.quantile(speed, 0.1) > 0.06 * np.median(speed))


def _stuck_valve(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    return bool(
        np.median(_running(signs, fault, "flow", start_s, stop_s)) < 0.8 * _median(signs.of(fault, "flow"), *BEFORE)
    )


def _cools(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    zone, target = signs.of(fault, "zone_1_temperature"), signs.of(fault, "setpoint")
    return _median(zone, stop_s - 300, stop_s) < _median(target, stop_s - 300, stop_s) - 40.0


def _works_more(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    def loaded(first_s: float, last_s: float) -> float:
        value = signs.of(fault, "motor_current").between(first_s, last_s).value
        middle = (np.quantile(value, 0.02) + np.quantile(value, 0.98)) / 2
        return float(np.mean(value > middle))

    return loaded(start_s, stop_s) > loaded(*BEFORE) + 0.15


def _says(signs: Signs, fault: str, start_s: float, stop_s: float) -> bool:
    return any(cause == fault and start_s <= when_s < stop_s for cause, when_s in signs.causes(fault))


MACHINE_SIGNS: Mapping[str, Callable[[Signs, str, float, float], bool]] = {
    "bearing_wear": _says,
    "imbalance": _vibrates(2.0),
    "cavitation": _vibrates(1.8),
    "leakage": _leaks,
    "fouled_filter": _fouled,
    "overheating": _hot,
    "belt_slip": _slips,
    "tool_wear": _says,
    "tool_break": _says,
    "jam": _says,
    "valve_stuck": _stuck_valve,
    "heater_failure": _cools,
    "compressor_leak": _works_more,
    "encoder_loss": _says,
    "power_dip": _says,
}


@pytest.mark.parametrize("fault", [name for name, (family, _) in CATALOGUE.items() if family == "machine"])
def test_a_machine_fault_shows_while_it_is_there(runs: tuple[Signs, Signs], fault: str) -> None:
    run, healthy = runs
    shows = MACHINE_SIGNS[fault]
    from_s = ONSET_S if shows is _says else ONSET_S + SETTLED_S

    assert not shows(run, fault, *BEFORE)
    assert shows(run, fault, from_s, STOP_S)
    assert not shows(healthy, fault, from_s, STOP_S)
    if shows not in {_says, _hot, _cools}:  # what is slow is not back yet
        assert not shows(run, fault, STOP_S + SETTLED_S, END_S)


def test_a_bearing_that_wears_by_script_shows_before_it_fails(
    runs: tuple[Signs, Signs],
) -> None:
    run, healthy = runs
    (label,) = labels_of(run, "bearing_wear").values()
    assert label.failure_us is not None
    failed_s = (label.failure_us - START_US) / SECOND_US
    vibration, warmth = run.of("bearing_wear", "vibration"), run.of("bearing_wear", "bearing_temperature")

    assert failed_s == ONSET_S + 25 * 60
    assert _median(vibration, failed_s - 120, failed_s) > 2.5 * _median(vibration, *BEFORE)
    assert _median(warmth, failed_s - 120, failed_s) > _median(warmth, ONSET_S - 120, ONSET_S) + 1.5
    assert _median(healthy.of("bearing_wear", "vibration"), failed_s - 120, failed_s) < 1.6 * _median(
        vibration, *BEFORE
    )


# ---- sensor faults: by the residual, reading less truth


def _residual(series: Series) -> np.ndarray:
    return series.value - series.truth


def _shift(series: Series, span: tuple[float, float]) -> float:
    return float(np.mean(_residual(series.between(*span))) - np.mean(_residual(series.between(*BEFORE))))


def _slope(series: Series, span: tuple[float, float]) -> float:
    inside = series.between(*span)
    return float(np.polyfit(inside.scan_s, _residual(inside), 1)[0]) * 3600.0


def _biased(series: Series, span: tuple[float, float]) -> bool:
    return abs(_shift(series, span) - 0.2) < 0.02


def _drifts(series: Series, span: tuple[float, float]) -> bool:
    return abs(_slope(series, span) - 1.0) < 0.1


def _gains(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    return abs(np.median(inside.value / inside.truth) / np.median(_ratio(series)) - 1.1) < 0.01


def _ratio(series: Series) -> np.ndarray:
    before = series.between(*BEFORE)
    return before.value / before.truth


def _sticks(series: Series, span: tuple[float, float]) -> bool:
    value = series.between(*span).value
    breaks = np.flatnonzero(np.diff(value) != 0)
    return bool(np.max(np.diff(np.concatenate([[-1], breaks, [len(value) - 1]]))) > 300)


def _spikes(series: Series, span: tuple[float, float]) -> bool:
    steps = np.diff(_residual(series.between(*span)))
    return float(np.mean(((steps - steps.mean()) / steps.std()) ** 4)) > 6.0


def _scatters(series: Series, span: tuple[float, float]) -> bool:
    ratio = np.var(np.diff(_residual(series.between(*span)))) / np.var(np.diff(_residual(series.between(*BEFORE))))
    return 10.0 < float(ratio) < 40.0


def _drops(series: Series, span: tuple[float, float]) -> bool:
    """Tell whether the share of missing readings is within 3 sigma of the set one."""
    expected = span[1] - span[0]
    missing = 1.0 - len(series.between(*span).value) / expected
    return abs(missing - 0.1) < 3.0 * np.sqrt(0.1 * 0.9 / expected)


def _at_rail(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    return float(np.mean(inside.value == 16.0)) > 0.95 and float(np.mean(inside.quality == 1)) > 0.95


def _loose(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    lost = inside.value == 0.0
    return 0.1 < float(np.mean(lost)) < 0.3 and int(np.sum(np.diff(lost.astype(int)) == 1)) > 10


def _in_psi(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    return abs(float(np.median(inside.value / inside.truth)) - 14.5) < 0.5


def _jumped(series: Series, span: tuple[float, float]) -> bool:
    return abs(_shift(series, span)) > 0.01 and abs(_slope(series, span)) < 0.05


SENSOR_SIGNS: Mapping[str, Callable[[Series, tuple[float, float]], bool]] = {
    "bias": _biased,
    "drift": _drifts,
    "gain": _gains,
    "stuck": _sticks,
    "spike": _spikes,
    "noise": _scatters,
    "dropout": _drops,
    "saturation": _at_rail,
    "intermittent_contact": _loose,
    "wrong_unit": _in_psi,
    "calibration_jump": _jumped,
}


@pytest.mark.parametrize("fault", [name for name, (family, _) in CATALOGUE.items() if family == "sensor"])
def test_a_sensor_fault_shows_in_the_reading_and_not_in_the_truth(runs: tuple[Signs, Signs], fault: str) -> None:
    run, healthy = runs
    shows = SENSOR_SIGNS[fault]
    mine, others = run.of(fault), healthy.of(fault)

    assert not shows(mine, BEFORE)
    assert shows(mine, DURING)
    assert not shows(mine, AFTER)
    assert not shows(others, DURING)
    there = np.isin(others.seq, mine.seq)
    assert np.array_equal(mine.truth, others.truth[there])
    outside = (mine.scan_s < ONSET_S) | (mine.scan_s >= STOP_S)
    assert np.array_equal(mine.value[outside], others.value[there][outside])


# ---- network faults: by when and whether readings arrive


def _gap_s(series: Series, span: tuple[float, float]) -> float:
    """Give the longest time in which nothing arrived, of what arrived in *span*."""
    due = np.sort(series.due_s[(series.due_s >= span[0]) & (series.due_s < span[1])])
    return float(np.max(np.diff(np.append(span[0], due))))


def _out(series: Series, span: tuple[float, float]) -> bool:
    """Silence for ten minutes, then more than five times the usual rate."""
    after = np.sum((series.due_s >= span[0] + 600) & (series.due_s < span[0] + 650))
    return _gap_s(series, span) > 590.0 and int(after) > 250


def _flaps(series: Series, span: tuple[float, float]) -> bool:
    due = np.sort(series.due_s[(series.due_s >= span[0]) & (series.due_s < span[1])])
    gaps = np.diff(due)
    return int(np.sum((gaps > 15.0) & (gaps < 25.0))) > 30


def _restarts(series: Series, span: tuple[float, float]) -> bool:
    gap = _gap_s(series, span)
    return 43.0 < gap < 48.0


def _loses(series: Series, span: tuple[float, float]) -> bool:
    expected = span[1] - span[0]
    missing = 1.0 - len(series.between(*span).value) / expected
    return abs(missing - 0.05) < 3.0 * np.sqrt(0.05 * 0.95 / expected)


def _late(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    waits = (inside.due_s - inside.scan_s)[inside.due_s > inside.scan_s]
    share, n = len(waits) / len(inside.value), len(inside.value)
    if abs(share - 0.2) > 3.0 * np.sqrt(0.2 * 0.8 / n):
        return False
    return abs(float(np.median(np.log(waits))) - np.log(0.5)) < 3.0 * 1.3 * 1.25 / np.sqrt(len(waits))


def _mixes(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    share = float(np.mean(inside.due_s > inside.scan_s))
    arrived = inside.seq[np.argsort(inside.due_s, kind="stable")]
    return abs(share - 0.03) < 3.0 * np.sqrt(0.03 * 0.97 / len(inside.value)) and bool(np.any(np.diff(arrived) < 0))


def _doubles(series: Series, span: tuple[float, float]) -> bool:
    inside = series.between(*span)
    n = int(np.sum(inside.is_copy == 0))
    return abs(float(np.sum(inside.is_copy)) / n - 0.04) < 3.0 * np.sqrt(0.04 * 0.96 / n)


def _clock(series: Series, span: tuple[float, float]) -> tuple[float, float]:
    """Give slope and mean of the clock's error in a span."""
    inside = series.between(*span)
    error = inside.event_s - inside.scan_s
    return float(np.polyfit(inside.scan_s, error, 1)[0]), float(np.mean(error))


def _skews(series: Series, span: tuple[float, float]) -> bool:
    return abs(_clock(series, span)[0] - 200e-6) < 10e-6


def _jumps(series: Series, span: tuple[float, float]) -> bool:
    return abs(_clock(series, span)[1] - 3600.0) < 0.1


NETWORK_SIGNS: Mapping[str, Callable[[Series, tuple[float, float]], bool]] = {
    "outage": _out,
    "link_flapping": _flaps,
    "gateway_restart": _restarts,
    "loss": _loses,
    "late": _late,
    "out_of_order": _mixes,
    "duplicate": _doubles,
    "clock_skew": _skews,
    "clock_jump": _jumps,
}


@pytest.mark.parametrize("fault", [name for name, (family, _) in CATALOGUE.items() if family == "network"])
def test_a_network_fault_shows_in_when_readings_arrive_and_not_in_what_they_say(
    runs: tuple[Signs, Signs], fault: str
) -> None:
    run, healthy = runs
    shows = NETWORK_SIGNS[fault]
    mine, others = run.of(fault), healthy.of(fault)

    assert not shows(mine, BEFORE)
    assert shows(mine, DURING)
    assert not shows(mine, AFTER)
    assert not shows(others, DURING)
    once = mine.is_copy == 0
    assert np.array_equal(mine.value[once], others.value[np.isin(others.seq, mine.seq[once])])


@pytest.mark.parametrize("fault", [name for name, (family, _) in CATALOGUE.items() if family != "producer"])
def test_the_label_says_when_and_on_whom(runs: tuple[Signs, Signs], fault: str) -> None:
    run, _ = runs

    labels = labels_of(run, fault)

    assert {label.machine.id for label in labels.values()} == {machine_of(fault)}
    for label in labels.values():
        assert label.onset_us == START_US + ONSET_S * SECOND_US
        assert label.fault == fault
        assert label.family == CATALOGUE[fault].family
        assert label.stop_us is not None
        lost = numbers(label, "lost")
        seq = np.concatenate([series.seq for (name, _), series in run.series.items() if name == machine_of(fault)])
        assert lost.isdisjoint(seq.tolist())

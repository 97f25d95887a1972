"""What a plant engineer sees in the readings: noise, spread, couplings, wear and repair."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fleet.data import SECOND_US, Event, Floats
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named
from tests.sim.plants import START_US, Log, blocks_of, events_of, kind_from, line, logs_of, rig, roster_of

NOISY = """\
kind: noisy
drives:
  turning: {execute: 1}
signals:
  level: {law: scaled, of: turning, by: 50, plus: 0}
sensors:
  white: {signal: level, units: K, period: 1 s, span: [0, 100], resolution: 0.0001, noise: 1}
  pink: {signal: level, units: K, period: 1 s, span: [0, 100], resolution: 0.0001, flicker: 1}
"""


def residuals(sensor: str, machines: int = 24, count: int = 8192) -> Floats:
    roster = roster_of(line("a", {"kind": "noisy", "count": machines}), kinds={"noisy": kind_from(NOISY)})
    logs = logs_of(blocks_of(roster, count + 2, truth=True))
    rows = []
    for log in logs.values():
        of = log.of(sensor)
        assert of.truth is not None
        rows.append((of.value - of.truth)[:count])
    return np.array(rows)


def allan(rows: Floats, averaged: int) -> float:
    means = rows[:, : rows.shape[1] // averaged * averaged].reshape(len(rows), -1, averaged).mean(axis=2)
    return float(np.sqrt((np.diff(means, axis=1) ** 2).mean() / 2))


def slope(x: Floats, y: Floats) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@pytest.mark.parametrize(("sensor", "expected"), [("white", -0.5), ("pink", 0.0)])
def test_the_allan_deviation_of_a_kind_of_noise_has_its_slope(sensor: str, expected: float) -> None:
    rows = residuals(sensor)
    spans = np.array([2, 4, 8, 16, 32, 64])  # one and a half decades

    deviation = np.array([allan(rows, int(span)) for span in spans])

    assert slope(spans.astype(float), deviation) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("sensor", "expected"), [("white", 0.0), ("pink", -1.0)])
def test_the_spectrum_of_a_kind_of_noise_has_its_slope(sensor: str, expected: float) -> None:
    rows = residuals(sensor)

    power = (np.abs(np.fft.rfft(rows * np.hanning(rows.shape[1]), axis=1)) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(rows.shape[1])

    bands = np.geomspace(1 / 128, 0.35, 14)
    level = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(bands)]
    assert slope(np.sqrt(bands[:-1] * bands[1:]), np.array(level)) == pytest.approx(expected, abs=0.2)


def test_truth_is_rounded_and_free_of_the_sensors_flaws() -> None:
    roster = roster_of(line("a", {"kind": "pump"}))

    (log,) = logs_of(blocks_of(roster, 60, truth=True)).values()

    pressure = log.of("suction_pressure")
    assert pressure.truth is not None
    assert np.array_equal(pressure.truth, np.round(pressure.truth, 5))
    assert pressure.truth.std() < pressure.value.std()


# ---- two machines of a kind


def steady(name: str) -> Kind:
    """Give a shipped kind whose setpoint stays where it is."""
    kind = kind_named(name)
    drives = {key: drive.model_copy(update={"setpoint": False}) for key, drive in kind.drives.items()}
    return kind.model_copy(update={"setpoint": None, "drives": drives})


def test_two_machines_of_a_kind_differ_by_what_each_has_drawn() -> None:
    roster = roster_of(line("a", {"kind": "pump", "count": 200}), kinds={"pump": steady("pump")})

    logs = logs_of(blocks_of(roster, 60, truth=True))

    for sensor, low, high in (("current", 0.035, 0.07), ("vibration", 0.1, 0.2), ("flow", 0.01, 0.15)):
        levels = np.array([log.of(sensor).value.mean() for log in logs.values()])
        assert low < levels.std() / levels.mean() < high


def test_no_two_machines_share_their_noise() -> None:
    rows = residuals("white", machines=40, count=2000)

    likeness = np.corrcoef(rows) - np.eye(40)

    assert np.abs(likeness).max() < 0.12


# ---- couplings


def truth(log: Log, sensor: str) -> Floats:
    of = log.of(sensor)
    assert of.truth is not None
    return of.truth


def quick(**changes: Any) -> Kind:
    """Give a rig that runs for ever but for *changes*."""
    update = {"micro_stop": None, "wear": {}, "cycle": None, **changes}
    kind = rig()
    level = {"load": kind.drives["load"].model_copy(update={"execute": 1.0})}
    damage = {
        name: signal.model_copy(update={"damage": 0.0}) if "damage" in signal.inputs else signal
        for name, signal in kind.signals.items()
    }
    if not update["wear"]:
        update["signals"] = damage
    return kind.model_copy(update={"drives": kind.drives | level, **update})


def test_temperature_follows_current_by_a_part_of_its_time_constant() -> None:
    kind = quick()
    roster = roster_of(line("a", {"kind": "rig"}), kinds={"rig": kind})
    (log,) = logs_of(blocks_of(roster, 6000, truth=True)).values()
    seconds = np.arange(5, 5990)
    current = np.interp(seconds, log.of("current").time_s, truth(log, "current"))
    temperature = np.interp(seconds, log.of("temperature").time_s, truth(log, "temperature"))

    likeness = [float(np.corrcoef(current[: -lag or None], temperature[lag:])[0, 1]) for lag in range(120)]

    assert 0.1 * 40 <= int(np.argmax(likeness)) <= 40
    assert max(likeness) > likeness[0] + 0.1


@pytest.mark.parametrize(
    ("kind", "fast", "slow"),
    [
        ("pump", ("motor_speed", "current", "flow", "vibration"), ("bearing_temperature", "motor_temperature")),
        ("cnc-spindle", ("spindle_current", "coolant_pressure"), ("bearing_temperature",)),
    ],
)
def test_temperatures_are_an_order_of_magnitude_slower_than_all_else(
    kind: str, fast: tuple[str, ...], slow: tuple[str, ...]
) -> None:
    shift = {"hours": ["05:00-06:05"]}
    plain = steady(kind).model_copy(update={"micro_stop": None})
    roster = roster_of(line("a", {"kind": kind}, shifts=shift, hall="flat"), kinds={kind: plain}, halls=[FLAT])
    (log,) = logs_of(blocks_of(roster, 4 * 3600, truth=True)).values()

    def settling_s(sensor: str) -> float:
        after = log.of(sensor).time_s > 295
        time, level = log.of(sensor).time_s[after], truth(log, sensor)[after]
        done = np.abs(level - level[0]) > (1 - np.exp(-1)) * abs(level[-1] - level[0])
        return float(time[int(np.argmax(done))] - 300)

    assert min(settling_s(sensor) for sensor in slow) > 10 * max(settling_s(sensor) for sensor in fast)


FLAT = {"name": "flat", "daily": "0 K", "season": "0 K"}


@pytest.mark.parametrize("kind", ["pump", "cnc-spindle"])
def test_no_temperature_jumps_when_a_worn_machine_fails(kind: str) -> None:
    roster = roster_of(line("a", {"kind": kind, "count": 4, "set": WORN}))
    blocks = blocks_of(roster, 2 * 3600, truth=True)

    for name, log in logs_of(blocks).items():
        of = log.of("bearing_temperature")
        failed = [event.time_us for event in events_of(blocks)[name] if event.cause == "bearing"]
        near = [(of.scan_us > at) & (of.scan_us < at + 30 * SECOND_US) for at in failed]
        assert failed
        assert all(np.abs(np.diff(truth(log, "bearing_temperature")[where])).max() < 0.2 for where in near)


def test_some_sensors_of_a_machine_go_together_and_some_hardly() -> None:
    roster = roster_of(line("a", {"kind": "pump"}))
    (log,) = logs_of(blocks_of(roster, 6 * 3600)).values()
    names = ("suction_pressure", "discharge_pressure", "flow", "current", "vibration", "bearing_temperature")

    def likeness(seconds: slice) -> Floats:
        return np.abs(np.corrcoef([log.of(name).value[seconds] for name in names]))[np.triu_indices(len(names), 1)]

    assert likeness(slice(None)).max() > 0.9
    assert likeness(slice(600, 1800)).min() < 0.2


# ---- wear


WORN = {"bearing_life": "40 min", "bearing_repair": "10 min"}


def worn_pumps() -> tuple[dict[str, Log], dict[str, list[Event]]]:
    roster = roster_of(line("a", {"kind": "pump", "count": 12, "set": WORN}), kinds={"pump": steady("pump")})
    blocks = blocks_of(roster, 3 * 3600)
    return logs_of(blocks), events_of(blocks)


def test_vibration_rises_well_above_its_noise_before_a_bearing_fails_and_is_healthy_after_the_repair() -> None:
    logs, events = worn_pumps()
    failures = 0

    for name, log in logs.items():
        vibration = log.of("vibration")

        def around(start_us: int, stop_us: int, of: Log = vibration) -> Floats:
            return of.value[(of.scan_us >= start_us) & (of.scan_us < stop_us)]

        marks = [(event.cause, event.time_us) for event in events[name]]
        for (_, back), (cause, failed) in pairwise(marks):
            if cause != "bearing" or failed - back < 600 * SECOND_US or back == START_US:
                continue
            healthy = around(back + 60 * SECOND_US, back + 240 * SECOND_US)
            last = around(failed - 10 * SECOND_US, failed)
            failures += 1
            assert last.mean() > healthy.mean() + 3 * healthy.std()
            assert 1.3 < last.mean() / healthy.mean() < 7
            assert 0.005 < healthy.std() / healthy.mean() < 0.04
        levels = [
            around(at + 60 * SECOND_US, at + 90 * SECOND_US).mean() for cause, at in marks if cause == "repaired"
        ][:-1]
        assert np.ptp(levels) < 0.05 * np.mean(levels)
    assert failures > 12


def test_a_failed_machine_stands_still_until_it_is_repaired() -> None:
    logs, events = worn_pumps()

    for name, log in logs.items():
        speed = log.of("motor_speed")
        for failed, back in zip(events[name][1::3], events[name][3::3], strict=False):
            still = (speed.scan_us > failed.time_us + 20 * SECOND_US) & (speed.scan_us < back.time_us)
            assert (failed.cause, back.cause) == ("bearing", "repaired")
            assert speed.value[still].max(initial=0) < 10

"""Laws 3 and 5: time within a machine, and the numbers of its readings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.api import load, simulate
from fleet.sim.address import machine_words
from fleet.sim.scans import Controllers, instants
from tests.properties.plans import cuts_us, plans, seeds
from tests.sim.plants import RIG, START_US, blocks_of, kind_from, line, logs_of, rig, roster_of


@given(plans(), seeds, st.floats(0, 1), st.floats(0, 20), st.floats(0.0005, 30))
@settings(max_examples=25)
def test_time_never_runs_backwards_within_a_machine(
    lines: list[dict[str, Any]], seed: int, jitter: float, clock_error: float, sync_every: float
) -> None:
    wild = rig().model_copy(update={"jitter": jitter, "clock_error": clock_error, "sync_every": sync_every})
    roster = roster_of(line("wild", {"kind": "rig", "count": 2}), *lines, kinds={"rig": wild})
    blocks = blocks_of(roster, 60, seed=seed)

    logs = logs_of(blocks)

    base_us = {m.id: c.cohort.base_period_us for block in blocks for c in block.kinds for m in c.cohort.machines}
    for name, log in logs.items():
        scans = np.flatnonzero(np.diff(log.tick, prepend=-1))
        assert (np.diff(log.seq) == 1).all()
        assert (np.diff(log.tick) >= 0).all()
        assert (np.diff(log.scan_us[scans]) > 0).all()
        assert (np.diff(log.event_us[scans]) > -base_us[name] / 2).all()
        assert np.array_equal(np.repeat(log.scan_us[scans], np.diff(scans, append=len(log.seq))), log.scan_us)
        assert log.scan_us[0] >= START_US


@given(seeds, st.integers(100, 10**9), st.floats(0, 5), st.integers(0, 10**7))
def test_jitter_stays_below_a_quarter_of_the_base_period(seed: int, base_us: int, share: float, first: int) -> None:
    words = machine_words(seed, ["a", "b", "c"])
    punctual = Controllers(
        start_us=START_US,
        base_us=base_us,
        phase_us=np.array([0, base_us // 2, base_us - 1]),
        jitter_us=0.0,
        jitter_stream=words,
        clock_us=np.zeros(3),
        sync_us=1000,
        sync_phase_us=np.zeros(3, np.int64),
    )
    nervous = replace(punctual, jitter_us=share * base_us)

    late_us = instants(nervous, slice(0, 3), first, first + 200) - instants(punctual, slice(0, 3), first, first + 200)

    assert (np.abs(late_us) < base_us / 4).all()


multiples = st.lists(st.integers(1, 12), min_size=1, max_size=6).filter(lambda drawn: len(set(drawn)) <= 7)


def sensors_of(periods: dict[str, int]) -> dict[str, Any]:
    """Make a rig's sensors: the first is read at every base tick, so that all periods are its multiples."""
    signals = ("current", "vibration", "temperature")
    return {
        name: {
            "signal": signals[place % 3], "units": "x", "period": f"{period} s", "span": [-1000, 1000],
            "resolution": 0.01, "noise": 0.3, "flicker": 0.1, "gain": "1 %",
        }
        for place, (name, period) in enumerate(periods.items())
    }  # fmt: skip


@given(multiples, st.integers(0, 6), seeds, cuts_us)
@settings(max_examples=40)
def test_readings_are_numbered_in_order_of_scan_then_sensor_without_a_hole(
    periods: list[int], fastest: int, seed: int, cuts: list[int]
) -> None:
    periods.insert(fastest, 1)
    kind = kind_from(RIG, sensors=sensors_of({f"s{place}": period for place, period in enumerate(periods)}))
    roster = roster_of(line("a", {"kind": "rig", "count": 3}), kinds={"rig": kind})

    logs = logs_of(blocks_of(roster, 90, seed=seed, cuts_us=cuts))

    assert len(logs) == 3
    for log in logs.values():
        assert np.array_equal(log.seq, np.arange(len(log.seq)))
        assert np.array_equal(np.lexsort((log.sensor, log.scan_us)), np.arange(len(log.seq)))
        for place, period in enumerate(periods):
            ticks = np.unique(log.tick[log.sensor == place])
            assert len(ticks) == (log.sensor == place).sum()
            assert ticks[0] < period
            assert (np.diff(ticks) == period).all()


def test_the_slow_sensors_of_different_machines_are_not_read_in_the_same_second() -> None:
    roster = roster_of(line("a", {"kind": "pump", "count": 200}))

    logs = logs_of(blocks_of(roster, 11))

    first = [int(log.of("motor_temperature").tick[0]) for log in logs.values()]
    assert np.bincount(first, minlength=10).min() >= 8


@given(multiples, st.integers(0, 7), st.integers(1, 12), seeds)
@settings(max_examples=25)
def test_one_more_sensor_leaves_the_values_of_all_others(
    periods: list[int], place: int, period: int, seed: int
) -> None:
    before = {"first": 1} | {f"s{number}": each for number, each in enumerate(periods)}
    sensors = sensors_of(before)
    listed = list(sensors.items())
    listed.insert(place, ("one_more", sensors_of({"one_more": period})["one_more"]))
    kinds = [kind_from(RIG, sensors=sensors), kind_from(RIG, sensors=dict(listed))]

    one, other = (
        logs_of(blocks_of(roster_of(line("a", {"kind": "rig", "count": 2}), kinds={"rig": kind}), 60, seed=seed))
        for kind in kinds
    )

    for name, log in one.items():
        for sensor in before:
            ours, theirs = log.of(sensor), other[name].of(sensor)
            assert np.array_equal(ours.scan_us, theirs.scan_us)
            assert np.array_equal(ours.event_us, theirs.event_us)
            assert np.array_equal(ours.value, theirs.value)


def test_a_kind_in_the_scenarios_folder_may_have_one_sensor_more(tmp_path: Path) -> None:
    text = "fleet: 1\nname: t\nseed: 3\nstart: 2026-03-02T06:00:00Z\nduration: 1 min\n"
    text += "lines: [{name: a, machines: [{kind: rig}]}]\n"
    added = "  oil: {signal: temperature, units: degC, period: 2 s, span: [0, 90], noise: 0.1, resolution: 0.1}\n"
    (tmp_path / "t.yaml").write_text(text)
    logs = []

    for kind in (
        RIG,
        RIG.replace("  temperature:\n    {signal: temperature", added + "  temperature:\n    {signal: temperature"),
    ):
        (tmp_path / "rig.yaml").write_text(kind)
        logs.append(logs_of(list(simulate(load(tmp_path / "t.yaml"))))["a-rig-001"])

    one, other = logs
    assert "oil" in other.sensors
    assert len(other.seq) > len(one.seq)
    assert all(np.array_equal(one.of(name).value, other.of(name).value) for name in one.sensors)

"""A sensor's own lag, held against a filter that is stepped through the truth."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from fleet.data import Floats
from fleet.scenario.kind import Kind
from tests.sim.plants import Log, blocks_of, kind_from, line, logs_of, roster_of

PERIOD_S = 0.02
SPAN_S = 90

BENCH = """\
kind: bench
parameters:
  cycle_time: {value: 6 s, spread: 10 %}
  warmth: {value: 30 K, spread: 10 %}
cycle: {period: cycle_time, jitter: 0 %}
micro_stop: {every: 15 s, lasts: 4 s, sigma: 0.4}
setpoint: {every: 12 s, from: 50 %, to: 100 %}
drives:
  stepping: {execute: 1, held: 0.25}
  turning: {execute: 1, held: 0.4, settle: 1 s}
  load: {execute: [[0, 0.2], [0.1, 1], [0.7, 0.8], [0.9, 0.4], [1, 0]], settle: 0.5 s, setpoint: true}
nodes:
  motor: {drive: load, gain: warmth, tau: 90 s, tau_at_rest: 200 s}
  well: {drive: turning, gain: warmth, tau: 20 s, tau_at_rest: 40 s, lag: 3 s}
signals:
  step: {law: scaled, of: stepping, by: 10, plus: 5}
  profile: {law: scaled, of: load, by: 10, plus: 0}
  slow: {law: scaled, of: motor, by: 10, plus: 0}
  pocket: {law: scaled, of: well, by: 10, plus: 0}
  settled: {law: scaled, of: turning, by: 10, plus: 0}
  asked: {law: scaled, of: level, by: 10, plus: 0}
  current: {law: motor_current, load: load, on: turning, rated: 20, idle_share: 0.3}
"""
SIGNALS = ("step", "profile", "slow", "pocket", "settled", "asked", "current")


@cache
def bench(tau_s: float) -> Kind:
    """Make a kind in which every signal is seen by a flawless sensor that lags by *tau_s*."""
    sensor: dict[str, Any] = {"units": "x", "span": [-1000, 1000], "resolution": 0.0001, "period": f"{PERIOD_S} s"}
    lagging = {f"{name}_seen": {**sensor, "signal": name, "tau": f"{tau_s} s"} for name in SIGNALS}
    return kind_from(BENCH, sensors=lagging, jitter=0)


@cache
def log(tau_s: float) -> Log:
    roster = roster_of(line("a", {"kind": "bench"}), kinds={"bench": bench(tau_s)})
    cuts = range(700_000, SPAN_S * 1_000_000, 9_300_000)  # state changes are carried over
    (found,) = logs_of(blocks_of(roster, SPAN_S, cuts_us=cuts, truth=True)).values()
    return found


def filtered(truth: Floats, tau_s: float, first: float) -> Floats:
    """Step ``tau dy/dt = x - y`` through *truth*, which is held linear between its instants."""
    fade = np.exp(-PERIOD_S / tau_s)
    share = tau_s / PERIOD_S * (1 - fade)
    out = np.empty_like(truth)
    out[0] = first
    for k in range(1, len(truth)):
        out[k] = fade * out[k - 1] + (share - fade) * truth[k - 1] + (1 - share) * truth[k]
    return out


@pytest.mark.parametrize("tau_s", [0.3, 1, 5, 20])  # 1 s and 20 s are also time constants of what is seen
@pytest.mark.parametrize("signal", [name for name in SIGNALS if name != "current"])
def test_a_lagging_sensor_reports_what_a_filter_stepped_through_the_truth_gives(signal: str, tau_s: float) -> None:
    seen = log(tau_s).of(f"{signal}_seen")
    assert seen.truth is not None

    expected = filtered(seen.truth, tau_s, float(seen.value[0]))

    error = np.abs(seen.value - expected)
    size = float(np.ptp(seen.truth))
    assert size > 0.05
    # Where the truth steps, the filter does not know when between two instants; a slow node's own swing is first order,
    # and so is a drive that is handed over to a profile: this bench does little else.
    handed_over = signal == "profile"
    assert error.max() < (0.02 + 0.07 * handed_over + 0.6 * PERIOD_S / tau_s) * size
    assert np.sqrt((error**2).mean()) < (0.025 if handed_over else 0.005) * size


@pytest.mark.parametrize("tau_s", [0.3, 1])
def test_the_lag_of_a_product_is_first_order(tau_s: float) -> None:
    seen = log(tau_s).of("current_seen")
    assert seen.truth is not None

    expected = filtered(seen.truth, tau_s, float(seen.value[0]))

    assert np.sqrt(((seen.value - expected) ** 2).mean()) < 0.025 * np.ptp(seen.truth)


@pytest.mark.parametrize("tau_s", [0.3, 1])
def test_63_percent_of_a_step_are_reached_after_the_time_constant(tau_s: float) -> None:
    seen = log(tau_s).of("step_seen")
    assert seen.truth is not None
    steps = np.flatnonzero(np.abs(np.diff(seen.truth)) > 1)
    reached = []

    for begin, stop in zip(steps, [*steps[1:], len(seen.value)], strict=True):
        if stop - begin > 3 * tau_s / PERIOD_S:
            share = (seen.value[begin + 1 : stop] - seen.value[begin]) / (seen.truth[begin + 1] - seen.value[begin])
            reached.append(float(np.searchsorted(share, 1 - np.exp(-1))) * PERIOD_S)

    assert len(reached) >= 3
    assert reached == pytest.approx([tau_s] * len(reached), rel=0.1)


def test_a_sensor_without_a_lag_reports_the_truth() -> None:
    seen = log(0).of("profile_seen")

    assert seen.truth is not None
    assert np.abs(seen.value - seen.truth).max() < 1e-4

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import SECOND_US, Floats, State
from fleet.sim.address import keys, machine_words
from fleet.sim.nodes import CYCLE_ERROR_MAX, Cycle, Node, phases, profile_answer
from fleet.sim.profiles import PHASES, profile
from tests.sim.plants import RIG, blocks_of, events_of, kind_from, line, logs_of, roster_of

POINTS = ((0.0, 0.2), (0.3, 1.0), (0.7, 0.8), (1.0, 0.2))
TAU_S = 60.0


def heater(**node: Any) -> str:
    """Describe a kind that warms up by 50 K when it works and whose thermometer is perfect."""
    text = ", ".join(f"{key}: {value}" for key, value in node.items())
    return f"""\
kind: heater
drives:
  power: {{execute: 1, settle: 10 ms}}
nodes:
  warmth: {{drive: power, gain: 50, {text}}}
signals:
  warmth: {{law: scaled, of: warmth, by: 1, plus: 0}}
sensors:
  warmth: {{signal: warmth, units: K, period: 200 ms, span: [-10, 90], resolution: 0.001}}
"""


def warming(text: str, *, hours: str, seconds: float) -> tuple[Floats, Floats]:
    """Give time (s) and warmth of a heater that works in *hours*."""
    roster = roster_of(line("a", {"kind": "heater"}, shifts={"hours": [hours]}), kinds={"heater": kind_from(text)})
    (log,) = logs_of(blocks_of(roster, seconds, cuts_us=range(7 * SECOND_US, 999 * SECOND_US, 7 * SECOND_US))).values()
    return log.time_s, log.value


def crossing(time: Floats, value: Floats, level: float) -> float:
    return float(time[np.flatnonzero((value - level)[:-1] * (value - level)[1:] <= 0)[0]])


def test_a_node_has_done_63_percent_of_a_step_after_its_time_constant() -> None:
    time, value = warming(heater(tau="60 s"), hours="06:00:20-07:00", seconds=500)

    assert np.abs(value[time < 20]).max() < 1e-9
    assert crossing(time, value, 50 * (1 - np.exp(-1))) - 20 == pytest.approx(TAU_S, rel=0.1)
    assert value[-1] == pytest.approx(50, abs=0.05)


def test_a_node_at_rest_is_as_slow_as_its_kind_says() -> None:
    time, value = warming(heater(tau="60 s", tau_at_rest="120 s"), hours="05:00-06:00:20", seconds=500)

    assert value[0] == pytest.approx(50, abs=0.01)
    assert crossing(time, value, 50 * np.exp(-1)) - 20 == pytest.approx(2 * TAU_S, rel=0.1)


def test_a_lag_in_series_answers_as_two_integrated_first_order_lags() -> None:
    time, value = warming(heater(tau="60 s", lag="15 s"), hours="06:00:20-07:00", seconds=300)

    step, warmth, felt = 0.01, 0.0, 0.0
    expected = np.zeros(30_000)
    for place in range(len(expected)):
        expected[place] = felt
        on = 1.0 if place * step >= 20 else 0.0
        warmth += step * (50 * on - warmth) / 60
        felt += step * (warmth - felt) / 15

    assert np.abs(value - np.interp(time, np.arange(30_000) * step, expected)).max() < 0.1


def integrated(tau: float, period: float) -> Floats:
    """Climb to the periodic answer by foot; one value a phase of the table."""
    level = profile(POINTS).level
    per_phase = period / PHASES
    share = np.exp(-per_phase / tau)
    value = float(level.mean())
    for _ in range(int(12 * tau / period) + 2):
        answer = np.zeros(PHASES)
        for place in range(PHASES):
            value = level[place] + (value - level[place]) * share
            answer[place] = value
    return answer


@pytest.mark.parametrize("share", [5.0, 2.4, 0.5, 0.02])
def test_the_periodic_answer_is_that_of_the_integrated_equation(share: float) -> None:
    tau_us = np.full(len(State), 100.0 * SECOND_US)
    over = profile(POINTS)
    node = Node("warmth", np.zeros(len(State)), over, follows_setpoint=False, gain=np.ones(1), tau_us=tau_us, slow=True)

    period_us = np.array([round(share * 100 * SECOND_US)])

    found = profile_answer(node, over, period_us, np.zeros(1, np.int64), np.arange(PHASES))

    exact = integrated(tau=100.0, period=share * 100.0)
    assert np.abs(found - exact).max() < 1e-3 * np.ptp(exact)
    assert found.mean() == pytest.approx(over.level.mean(), rel=1e-6)


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(10, 10**7), st.integers(0, 10**6))
@settings(max_examples=50)
def test_cycles_never_overtake_each_other(seed: int, jitter: float, period_us: int, done: int) -> None:
    stream = keys(machine_words(seed, ["a"]), "cycle.begin")
    time_us = np.linspace(0, 30 * period_us, 3000).astype(np.int64)
    zero = np.zeros(1, np.int64)

    found = phases(time_us, zero, zero + period_us, zero + done, Cycle(jitter, stream, stream), stream)

    assert found.min() >= 0
    assert found.max() < PHASES
    begins = np.flatnonzero(np.diff(found) < -PHASES // 2)
    if period_us > 10_000:
        nominal = np.arange(1, len(begins) + 1) * period_us
        assert len(begins) in {29, 30}
        assert (np.abs(time_us[begins] - nominal) <= CYCLE_ERROR_MAX * period_us + period_us / 50).all()


BEAT = """\
kind: beat
cycle: {period: 20 s, jitter: 1.5 %}
drives:
  hand: {execute: [[0, 0], [1, 1]]}
signals:
  hand: {law: scaled, of: hand, by: 1, plus: 0}
sensors:
  hand: {signal: hand, units: turns, period: 50 ms, span: [0, 1], resolution: 0.001}
"""


def test_the_cycles_of_a_machine_have_their_period_and_scatter_by_a_few_percent() -> None:
    roster = roster_of(line("a", {"kind": "beat"}), kinds={"beat": kind_from(BEAT)})

    (log,) = logs_of(blocks_of(roster, 4000)).values()

    begins = log.time_s[1:][np.diff(log.value) < -0.5]
    assert len(begins) in {199, 200}
    assert np.diff(begins).mean() == pytest.approx(20, rel=0.01)
    assert 0.01 < np.diff(begins).std() / 20 < 0.05


def test_values_are_continuous_across_changes_of_state() -> None:
    sensors = {
        "temperature": {
            "signal": "warmth", "units": "K", "period": "50 ms", "span": [-50, 150], "resolution": 0.001,
        }
    }  # fmt: skip
    signals = {"warmth": {"law": "scaled", "of": "motor", "by": 1, "plus": 0}}
    roster = roster_of(
        line("a", {"kind": "rig", "count": 6}, buffer=2),
        kinds={"rig": kind_from(RIG, sensors=sensors, signals=signals)},
    )
    blocks = blocks_of(roster, 400)

    assert sum(len(events) for events in events_of(blocks).values()) > 100
    for log in logs_of(blocks).values():
        steepest_k_s = 50 / 40 + 50 / 4  # as fast as the node or its lag may ever follow the drive, K/s
        assert np.abs(np.diff(log.value) / np.diff(log.time_s)).max() < steepest_k_s

"""What follows from a line's machines: its compressors' duty, and what its meters measure."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import SECOND_US, Block, Floats, Ints, State
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from tests.sim.plants import START_US, Log, assert_same, blocks_of, events_of, kind_from, line, logs_of, roster_of

SPAN_S = 3 * 3600
BASE_LOAD_KW = 0.8  # what the meter's kind says that light and controls take

WELDER = """\
kind: welder
parameters:
  cycle_time: {value: 20 s, spread: 5 %}
  rated: {value: 30 A, spread: 10 %}
  belt_life: {value: 25 min, spread: 5 %}
cycle: {period: cycle_time, jitter: 1 %}
micro_stop: {every: 3 min, lasts: 25 s, sigma: 0.6}
setpoint: {every: 10 min, from: 50 %, to: 100 %}
wear:
  belt: {life: belt_life, shape: 1.6, repair: 3 min}
drives:
  on: {execute: 1, held: 0.8, suspended: 0.8, settle: 1 s}
  load: {execute: [[0, 0], [0.3, 1], [0.6, 1], [1, 0]], settle: 1 s, setpoint: true}
signals:
  current: {law: motor_current, load: load, on: on, rated: rated, idle_share: 0.2}
  power: {law: three_phase_power, current: current, rated: rated}
electrical: power
sensors:
  power: {signal: power, units: kW, period: 1 s, span: [0, 100], resolution: 0.0001}
"""


def roster(**more: object) -> Roster:
    machines = ({"kind": "welder", "count": 5}, {"kind": "compressor"}, {"kind": "energy-meter", "count": 2})
    return roster_of(line("a", *machines, buffer=6), line("b", *machines), kinds={"welder": kind_from(WELDER)}, **more)


@cache
def blocks() -> list[Block]:
    return blocks_of(roster(), SPAN_S, truth=True)


@cache
def logs() -> dict[str, Log]:
    return logs_of(blocks())


def truth(log: Log, sensor: str) -> Floats:
    of = log.of(sensor)
    assert of.truth is not None
    return of.truth


def at_work(name: str, seconds: Floats) -> Ints:
    """Count the machines of line *name* that execute at *seconds* after the start."""
    found = np.zeros(len(seconds), np.int64)
    for machine, events in events_of(blocks()).items():
        if machine.startswith(f"{name}-welder"):
            edges = np.array([(event.time_us - START_US) / SECOND_US for event in events])
            executes = np.array([event.state == State.EXECUTE.name.lower() for event in events])
            found += executes[np.searchsorted(edges, seconds, side="right") - 1]
    return found


# ---- meters


def test_a_meter_measures_about_what_its_machines_own_sensors_say_they_take() -> None:
    for name in ("a", "b"):
        machines = [log for machine, log in logs().items() if machine.startswith((f"{name}-welder", f"{name}-comp"))]
        seconds = np.arange(30, SPAN_S - 30, 1.0)
        taken = sum(np.interp(seconds, log.of("power").time_s, truth(log, "power")) for log in machines)
        meter = logs()[f"{name}-energy-meter-001"]
        measured = np.interp(seconds, meter.of("active_power").time_s, truth(meter, "active_power"))

        assert measured.mean() - BASE_LOAD_KW == pytest.approx(float(np.mean(taken)), rel=0.02)
        in_minutes = [each[: len(each) // 60 * 60].reshape(-1, 60).mean(axis=1) for each in (taken, measured)]
        assert np.corrcoef(*in_minutes)[0, 1] > 0.9


def test_energy_never_runs_backwards_and_is_the_integral_of_the_power() -> None:
    for name in ("a-energy-meter-001", "b-energy-meter-001"):
        log = logs()[name]
        energy, power = log.of("energy"), log.of("active_power")

        assert (np.diff(energy.value) >= 0).all()
        kwh = np.concatenate([[0.0], np.cumsum(truth(log, "active_power")[:-1] * np.diff(power.time_s)) / 3600])
        counted = np.interp(energy.time_s, power.time_s, kwh)
        assert np.abs(energy.value - counted).max() < 0.005 * counted[-1] + 0.1


def test_two_meters_of_a_line_count_the_same_energy() -> None:
    one, other = (logs()[f"a-energy-meter-00{number}"].of("energy") for number in (1, 2))

    assert np.abs(np.interp(one.time_s, other.time_s, other.value) - one.value).max() < 0.05


def test_a_meter_of_a_line_that_is_off_goes_on_and_counts_light_and_controls() -> None:
    shift = {"hours": ["06:00-06:30"]}
    off = roster_of(line("a", {"kind": "pump", "count": 3}, {"kind": "energy-meter"}, shifts=shift))

    log = logs_of(blocks_of(off, 3600))["a-energy-meter-001"]

    energy, power = log.of("energy"), log.of("active_power")
    assert energy.value[energy.time_s < 1790][-1] > 5
    assert np.ptp(energy.value[energy.time_s > 1810]) == pytest.approx(BASE_LOAD_KW * 1785 / 3600, abs=0.02)
    assert power.value[power.time_s > 1810].mean() == pytest.approx(BASE_LOAD_KW, rel=0.05)
    assert log.seq[-1] + 1 == len(log.seq)


def test_the_power_factor_and_the_current_of_a_line_go_with_its_load() -> None:
    log = logs()["b-energy-meter-001"]
    power, current, cosphi = (truth(log, name) for name in ("active_power", "current", "cosphi"))

    assert current == pytest.approx(power * 1000 / (np.sqrt(3) * 400 * cosphi), rel=2e-3, abs=1e-3)
    assert np.corrcoef(power, cosphi)[0, 1] > 0.8
    assert cosphi[power < 0.5 * power.max()].max(initial=0) < cosphi.max() - 0.02
    assert cosphi.min() > 0.5
    assert cosphi.max() < 0.95


# ---- compressors


def turns(log: Log) -> tuple[Floats, Floats]:
    """Give when a compressor goes on load, and the share of each turn that it runs loaded."""
    of, current = log.of("motor_current"), truth(log, "motor_current")
    loaded = current > 0.7 * current.max()
    begins = np.flatnonzero(np.diff(loaded.astype(int)) == 1) + 1
    shares = [loaded[a:b].mean() for a, b in pairwise(begins)]
    return of.time_s[begins], np.array(shares)


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_duty_of_a_compressor_follows_how_many_machines_of_its_line_work(name: str) -> None:
    begins, shares = turns(logs()[f"{name}-compressor-001"])
    seconds = np.arange(0, SPAN_S, 1.0)
    working = at_work(name, seconds) / 5

    asked = [working[(seconds >= a) & (seconds < b)].mean() for a, b in pairwise(begins)]

    assert len(shares) > 60
    dozens = [np.array(each)[: len(shares) // 12 * 12].reshape(-1, 12).mean(axis=1) for each in (asked, shares)]
    assert np.corrcoef(*dozens)[0, 1] > 0.8
    assert shares.mean() == pytest.approx(0.18 + 0.66 * np.mean(asked), abs=0.03)
    assert ((np.diff(begins) > 30) & (np.diff(begins) < 300)).mean() > 0.95


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_pressure_stays_between_the_two_that_switch_the_compressor_and_never_jumps(name: str) -> None:
    log = logs()[f"{name}-compressor-001"]
    pressure, time = truth(log, "discharge_pressure"), log.of("discharge_pressure").time_s

    assert pressure.min() > 6.6
    assert pressure.max() < 8.0
    assert np.ptp(pressure) > 0.5
    assert np.abs(np.diff(pressure) / np.diff(time)).max() < 0.08  # never faster than the whole band within 11 s


def test_a_compressor_alone_on_its_line_turns_all_the_same() -> None:
    (log,) = logs_of(blocks_of(roster_of(line("a", {"kind": "compressor"})), 1800, truth=True)).values()

    begins, shares = turns(log)

    assert len(begins) > 10
    assert shares.mean() == pytest.approx(0.51, abs=0.05)


def test_oil_is_as_warm_as_the_share_of_loaded_running_makes_it_and_slow() -> None:
    log = logs()["b-compressor-001"]
    oil = truth(log, "oil_temperature")

    assert 55 < oil.mean() < 95
    assert np.abs(np.diff(oil)).max() < 0.5  # in ten seconds


# ---- the same wherever it is cut


@given(cuts=st.lists(st.integers(1, 900_000_000), max_size=6, unique=True))
@settings(max_examples=10, deadline=None)
def test_followers_do_not_depend_on_where_blocks_are_cut(cuts: list[int]) -> None:
    assert_same(blocks_of(roster(), 900), blocks_of(roster(), 900, cuts_us=cuts))


def test_followers_do_not_depend_on_which_worker_computes_their_line() -> None:
    whole = logs_of(blocks_of(roster(), 900))

    shares = [logs_of(blocks_of(roster(), 900, islands=(share, 2))) for share in (0, 1)]

    assert shares[0].keys().isdisjoint(shares[1])
    assert all(np.array_equal(log.value, (shares[0] | shares[1])[name].value) for name, log in whole.items())


def test_a_line_with_a_meter_is_an_island_and_the_climate_of_its_hall_is_none_of_it() -> None:
    machines = ({"kind": "pump", "count": 3}, {"kind": "hall-climate"})

    alone = roster_of(line("a", *machines))
    metered = roster_of(line("a", *machines, {"kind": "energy-meter"}))

    assert alone.island.tolist() == [0, 1, 2, 3]
    assert metered.island.tolist() == [0, 0, 0, 1, 0]


def test_a_meter_changes_nothing_about_what_it_measures() -> None:
    machines = ({"kind": "welder", "count": 5},)
    kinds = {"welder": kind_from(WELDER)}
    plain = logs_of(blocks_of(roster_of(line("a", *machines), kinds=kinds), 900))

    metered = logs_of(blocks_of(roster_of(line("a", *machines, {"kind": "energy-meter"}), kinds=kinds), 900))

    assert all(np.array_equal(log.value, metered[name].value) for name, log in plain.items())


def test_a_run_that_begins_in_the_middle_of_a_week_off_has_a_meter_at_zero() -> None:
    off = roster_of(line("a", {"kind": "oven"}, {"kind": "energy-meter"}, shifts={"hours": ["20:00-21:00"]}))
    simulation = Simulation(off, seed=1, start_us=START_US)

    (log,) = (
        each for name, each in logs_of([simulation.advance(START_US + 20 * SECOND_US)]).items() if "meter" in name
    )

    assert log.of("energy").value[0] < 0.2

"""What an engineer would believe of machines that stop, stand and start again, driven by the simulation."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from fleet.data import HOUR_US, Block, Event, Floats
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from tests.sim.plants import START_US, Log, assert_same, blocks_of, events_of, line, logs_of, roster_of

DAY_SHIFT = {"hours": ["05:00-06:10", "06:20-14:00"]}


def truth(log: Log, sensor: str) -> Floats:
    of = log.of(sensor)
    assert of.truth is not None
    return of.truth


def spans_of(events: list[Event], state: str) -> list[tuple[float, float]]:
    """Give from when to when a machine was in *state*, s; the run's end is infinitely late."""
    told = [event for event in events if event.type == "state"]
    begins = told[:1] + [event for before, event in pairwise(told) if before.state != event.state]
    begun = [(event.time_us - START_US) / 1e6 for event in begins]
    ends = [*begun[1:], np.inf]
    return [(a, b) for a, b, event in zip(begun, ends, begins, strict=True) if event.state == state]


# ---- the air receiver


def test_a_stopped_compressor_holds_its_receivers_pressure_and_goes_on_from_there() -> None:
    roster = roster_of(line("a", {"kind": "compressor"}, {"kind": "pump", "count": 4}, shifts=DAY_SHIFT))
    blocks = blocks_of(roster, 1800, truth=True)

    log = logs_of(blocks)["a-compressor-001"]
    ((stop, start),) = spans_of(events_of(blocks)["a-compressor-001"], "stopped")

    time, pressure = log.of("discharge_pressure").time_s, truth(log, "discharge_pressure")
    standing = pressure[(time > stop) & (time < start)]
    before, after = pressure[time < stop][-1], pressure[(time > start) & (time < start + 90)]
    assert (np.diff(standing) <= 0).all(), "nothing fills it"
    assert abs(standing[0] - before) < 0.1
    assert 0.9 * standing[0] < standing[-1] < standing[0], "it leaks a little in ten minutes"
    assert np.abs(np.diff(after)).max() < 0.1
    assert after.max() > 7.2


def test_machines_that_go_on_working_empty_the_receiver_of_a_failed_compressor_within_minutes() -> None:
    kind = kind_named("compressor", laws=LAW_INPUTS)
    fails = {"bearing": kind.wear["bearing"].model_copy(update={"life": 900.0, "repair": 1800.0, "sigma": 0.0})}
    kinds = {"compressor": kind.model_copy(update={"wear": fails})}
    roster = roster_of(line("a", {"kind": "compressor"}, {"kind": "pump", "count": 4}), kinds=kinds)
    blocks = blocks_of(roster, 7200, truth=True)

    log = logs_of(blocks)["a-compressor-001"]
    failed, repaired = spans_of(events_of(blocks)["a-compressor-001"], "aborted")[0]

    time, pressure = log.of("discharge_pressure").time_s, truth(log, "discharge_pressure")
    assert pressure[time > failed + 600][0] < 1.0
    assert (np.diff(pressure[(time > failed) & (time < failed + 900)]) <= 0).all()
    assert pressure[(time > repaired + 120) & (time < repaired + 180)].min() > 6.6


def test_the_place_of_a_compressor_in_its_turn_is_the_same_wherever_a_stop_is_cut() -> None:
    roster = roster_of(line("a", {"kind": "compressor"}, {"kind": "rig", "count": 3}, shifts=DAY_SHIFT))

    whole, cut = (
        logs_of(blocks_of(roster, 1500, cuts_us=cuts))["a-compressor-001"].of("discharge_pressure").value
        for cuts in ([], [600_000_001, 700_000_000, 1_111_111_111, 1_200_000_000])
    )

    assert np.array_equal(whole, cut)


# ---- starting a motor


def test_a_pump_started_on_line_draws_five_to_seven_times_its_current_for_about_a_second() -> None:
    kind = kind_named("pump", laws=LAW_INPUTS)
    machine = {"kind": "pump", "count": 3, "rate": "20/s", "set": {"rated_current": {"value": "22 A", "spread": "0 %"}}}
    blocks = blocks_of(roster_of(line("a", machine, shifts=DAY_SHIFT), kinds={"pump": kind}), 1300, truth=True)

    for name, log in logs_of(blocks).items():
        ((_, start),) = spans_of(events_of(blocks)[name], "stopped")
        of = log.of("current")
        after = (of.time_s >= start) & (of.time_s < start + 20)
        current, age = truth(log, "current")[after], of.time_s[after] - start
        steady = current[age > 10].mean()
        peak = current.max()
        assert 4 * 22 < peak < 7 * 22
        # e times less of what it is above the steady current after the settling time
        tau = age[np.argmax(current - steady < (peak - steady) / np.e)]
        assert 0.3 <= tau <= 1.0
        assert current[age > 5].max() < 1.1 * steady


@pytest.mark.parametrize("name", ["compressor", "conveyor"])
def test_a_start_by_star_delta_or_inverter_is_softer(name: str) -> None:
    rated = kind_named(name).parameters["rated_current"].value.value
    sensor = "motor_current" if name == "compressor" else "current"
    machine = {"kind": name, "rate": "20/s", "set": {"rated_current": {"value": f"{rated} A", "spread": "0 %"}}}
    blocks = blocks_of(roster_of(line("a", machine, shifts=DAY_SHIFT)), 1300, truth=True)

    ((machine_id, log),) = logs_of(blocks).items()
    ((_, start),) = spans_of(events_of(blocks)[machine_id], "stopped")

    time, current = log.of(sensor).time_s, truth(log, sensor)
    assert 1.2 * rated < current[(time >= start) & (time < start + 2)].max() < 3 * rated


# ---- what belongs to a part


def test_the_cushion_is_one_value_a_shot_and_another_for_the_next() -> None:
    blocks = blocks_of(roster_of(line("a", {"kind": "injection-moulder", "count": 4})), 3600, truth=True)

    for log in logs_of(blocks).values():
        cushion, cycle = log.of("cushion"), log.of("cycle_time")
        changed = np.diff(cushion.value) != 0
        shots = log.of("shots").value[-1] - log.of("shots").value[0]
        assert 0.8 * shots < changed.sum() < 1.1 * shots + 2, "two shots may round to the same, none to two"
        assert (changed & (np.diff(cycle.value) != 0)).sum() > 0.7 * shots, "both are told when a shot is done"
        per_shot = cushion.value[np.flatnonzero(changed)]
        assert 0.05 < per_shot.std() < 0.3
        assert abs(np.corrcoef(per_shot[:-1], per_shot[1:])[0, 1]) < 0.3


def test_no_two_items_on_a_belt_weigh_the_same() -> None:
    blocks = blocks_of(roster_of(line("a", {"kind": "conveyor", "count": 3})), 3600, truth=True)

    for log in logs_of(blocks).values():
        current = truth(log, "current")
        top = np.array([part.max() for part in np.array_split(current, 3600 // 18)])
        assert 0.02 < top.std() / top.mean() < 0.2


# ---- heating up

WEEK = {"hours": ["06:00-14:00", "14:00-22:00"], "days": ["mon", "tue", "wed", "thu", "fri"], "breaks": ["09:30-09:45"]}
FRIDAY_US = START_US + 4 * 86_400_000_000
HOT = {  # a temperature, what it must be when the machine begins to work, and the hall's or standby's below that
    "oven": ("zone_1_temperature", 402.0, 230.0),
    "injection-moulder": ("barrel_front_temperature", 215.0, 30.0),
}


@cache
def weekend(name: str) -> list[Block]:
    """Simulate a weekend: Friday 20:00 to Monday 10:00."""
    kind = kind_named(name, laws=LAW_INPUTS)
    slow = {each: sensor.model_copy(update={"period": 10.0}) for each, sensor in kind.sensors.items()}
    kinds = {name: kind.model_copy(update={"wear": {}, "micro_stop": None, "sensors": slow, **unworn(kind)})}
    roster = roster_of(line("a", {"kind": name, "count": 2}, {"kind": "hall-climate"}), shifts=WEEK, kinds=kinds)
    begins_us = FRIDAY_US + 14 * HOUR_US
    simulation = Simulation(roster, seed=1, start_us=begins_us, truth=True)
    return [simulation.advance(begins_us + hours * HOUR_US) for hours in (20, 50, 62)]


@pytest.mark.parametrize("name", HOT)
def test_what_must_be_hot_is_off_over_the_weekend_and_hot_when_work_begins(name: str) -> None:
    sensor, hot, cold = HOT[name]
    monday_s = 7 * 86_400.0

    for machine, log in logs_of(weekend(name)).items():
        if "climate" in machine:
            continue
        listed = events_of(weekend(name))[machine]
        ((off, on),) = spans_of(listed, "stopped")
        begins = [begin for begin, _ in spans_of(listed, "execute") if begin > off]
        heats = [event for event in listed if event.cause == "heating"]
        time, value = log.of(sensor).time_s, truth(log, sensor)

        assert off == pytest.approx(4 * 86_400 + 16 * 3600)
        assert begins[0] == pytest.approx(monday_s, abs=1), "it is ready when the shift begins"
        assert 0.5 * 3600 < monday_s - on < 4 * 3600
        assert heats[0].state == "idle"
        assert value[(time > off + 10 * 3600) & (time < on)].max() < cold
        climbing = value[(time > on) & (time < monday_s)]
        assert (np.diff(climbing) > -1.0).all(), "it climbs, but for the ripple of its control"
        assert climbing[0] < cold
        assert value[(time > monday_s) & (time < monday_s + 120)].min() > hot - 10
        a_break = [span for span in spans_of(listed, "idle") if span[0] > monday_s]
        assert a_break == [(monday_s + 3.5 * 3600, monday_s + 3.75 * 3600)], "a break is too short to cool down"


def test_a_barrel_that_is_off_has_the_temperature_of_the_hall() -> None:
    logs = logs_of(weekend("injection-moulder"))
    moulder, hall = logs["a-injection-moulder-001"], logs["a-hall-climate-001"]
    late = np.arange(5.2 * 86_400, 6.8 * 86_400, 600.0)

    barrel, mould, air = (
        np.interp(late, log.of(sensor).time_s, truth(log, sensor))
        for log, sensor in (
            (moulder, "barrel_rear_temperature"),
            (moulder, "mould_temperature"),
            (hall, "temperature"),
        )
    )

    assert np.abs(barrel - air).max() < 1.0
    assert np.abs(mould - air).max() < 1.0
    assert np.corrcoef(barrel, air)[0, 1] > 0.95


def test_an_oven_heats_at_full_power_and_not_at_all_while_it_is_too_hot() -> None:
    log = logs_of(weekend("oven"))["a-oven-001"]
    ((off, on),) = spans_of(events_of(weekend("oven"))["a-oven-001"], "stopped")

    time, power = log.of("heater_power").time_s, truth(log, "heater_power")

    assert power[(time > off + 60) & (time < off + 1200)].max() < 0.5
    assert power[(time > on + 60) & (time < on + 300)].min() > 40
    assert 8 < power[(time > 7 * 86_400 - 600) & (time < 7 * 86_400)].mean() < 18


def test_an_oven_works_after_a_failure_when_it_is_hot_again() -> None:
    kind = kind_named("oven", laws=LAW_INPUTS)
    wear = {"element": kind.wear["element"].model_copy(update={"life": 3600.0, "repair": 7200.0, "sigma": 0.0})}
    roster = roster_of(line("a", {"kind": "oven"}), kinds={"oven": kind.model_copy(update={"wear": wear})})
    blocks = blocks_of(roster, 8 * 3600, truth=True)

    log, listed = logs_of(blocks)["a-oven-001"], events_of(blocks)["a-oven-001"]
    _, repaired = spans_of(listed, "aborted")[0]
    heated, works = spans_of(listed, "idle")[0]

    time, value = log.of("zone_1_temperature").time_s, truth(log, "zone_1_temperature")
    assert heated == repaired
    assert works - heated > 1800
    assert value[time > heated][0] < 300
    assert value[time > works][0] > 400


def test_what_is_met_cold_is_switched_on_in_time_wherever_blocks_are_cut() -> None:
    roster = roster_of(
        line("a", {"kind": "oven", "count": 2}, {"kind": "injection-moulder"}, shifts={"hours": ["07:00-22:00"]})
    )

    whole = blocks_of(roster, 5400)
    cut = blocks_of(roster, 5400, cuts_us=[1, 1_000_000, 1_800_000_000, 3_599_999_999, 3_600_000_001])

    assert_same(whole, cut)
    assert {(event.state, event.cause) for events in events_of(whole).values() for event in events} >= {
        ("idle", "heating")
    }
    for events in events_of(whole).values():
        assert next(event.state for event in events) == "stopped"
        assert any(event.state == "execute" for event in events) or spans_of(events, "idle")[0][0] <= 1


# ---- all kinds


@pytest.mark.parametrize(
    ("name", "sensor", "rise"),
    [
        ("cnc-spindle", "bearing_temperature", 8),
        ("compressor", "oil_temperature", 30),
        ("conveyor", "motor_temperature", 8),
        ("hydraulic-press", "oil_temperature", 12),
        ("pump", "motor_temperature", 20),
        ("robot-arm", "joint_2_temperature", 8),
    ],
)
def test_what_stood_over_a_weekend_starts_from_the_halls_air_and_warms_up_within_hours(
    name: str, sensor: str, rise: float
) -> None:
    kind = kind_named(name, laws=LAW_INPUTS)
    slow = {each: kind.sensors[each].model_copy(update={"period": 30.0}) for each in (sensor,)}
    kinds = {name: kind.model_copy(update={"wear": {}, "sensors": slow, **unworn(kind)})}
    roster = roster_of(line("a", {"kind": name}, {"kind": "hall-climate"}), shifts=WEEK, kinds=kinds)
    begins_us = FRIDAY_US + 14 * HOUR_US
    simulation = Simulation(roster, seed=1, start_us=begins_us, truth=True)
    logs = logs_of([simulation.advance(begins_us + 62 * HOUR_US)])

    machine, hall = logs[f"a-{name}-001"], logs["a-hall-climate-001"]
    time, value = machine.of(sensor).time_s, truth(machine, sensor)
    air = np.interp(time, hall.of("temperature").time_s, truth(hall, "temperature"))
    monday_s = 7 * 86_400.0
    before = (time > monday_s - 12 * 3600) & (time < monday_s)
    first, later = value[(time > monday_s) & (time < monday_s + 120)], value[time > monday_s + 3 * 3600]
    assert np.abs(value - air)[before].max() < 2.5
    assert abs(first[0] - air[before][-1]) < 3
    assert later.mean() > first.mean() + rise
    assert value[time < 4 * 86_400 + 16 * 3600].mean() > air[before].mean() + rise


def unworn(kind: Kind) -> dict[str, object]:
    """Give the signals of a kind that no longer wears."""
    signals = {
        name: signal.model_copy(
            update={key: 0.0 for key, value in signal.inputs.items() if str(value).startswith("damage.")}
        )
        for name, signal in kind.signals.items()
    }
    return {"signals": signals}

"""What an engineer would believe of machines that stop, stand and start again, driven by the simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fleet.data import Event, Floats
from fleet.scenario.kinds import kind_named
from fleet.sim.laws import LAW_INPUTS
from tests.sim.plants import START_US, Log, blocks_of, events_of, line, logs_of, roster_of

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

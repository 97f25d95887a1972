"""Sensors that report changes and a heartbeat, held against the readings of the same sensors that report all."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import Block, Floats, Ints
from tests.sim.plants import Log, assert_same, blocks_of, line, logs_of, rig, roster_of

SECONDS = 400
MACHINES = 5


def kind(**policies: dict[str, Any]) -> Any:
    """Give the rig with some sensors that report only changes."""
    sensors = dict(rig().sensors)
    for name, policy in policies.items():
        sensors[name] = sensors[name].model_copy(update=policy)
    return rig().model_copy(update={"sensors": sensors})


POLICIES: dict[str, dict[str, Any]] = {
    "current": {"deadband": 0.3, "heartbeat": 20.0},
    "temperature": {"deadband": 0.125, "heartbeat": 60.0},
    "speed": {"deadband": 2.0, "heartbeat": 1000.0},  # longer than all that is looked at
}


def blocks(*, terse: bool, cuts_us: tuple[int, ...] = (), seed: int = 1) -> list[Block]:
    roster = roster_of(
        line("a", {"kind": "rig", "count": MACHINES}), kinds={"rig": kind(**POLICIES) if terse else rig()}
    )
    return blocks_of(roster, SECONDS, cuts_us=cuts_us, seed=seed)


@cache
def told(seed: int = 1) -> dict[str, Log]:
    return logs_of(blocks(terse=True, seed=seed))


@cache
def everything(seed: int = 1) -> dict[str, Log]:
    return logs_of(blocks(terse=False, seed=seed))


def by_foot(log: Log, ordinal: Ints, shift: int, deadband: float, window: int) -> list[int]:
    """Give the numbers of the readings to report, found one by one."""
    found, last = [], None
    for seq, number, value, quality in zip(log.seq.tolist(), ordinal.tolist(), log.value, log.quality, strict=True):
        if (
            (number + shift) % window == 0
            or last is None
            or abs(value - last[0]) > deadband + 1e-9
            or quality != last[1]
        ):
            found.append(seq)
            last = (value, quality)
    return found


@pytest.mark.parametrize("sensor", list(POLICIES))
def test_what_is_reported_is_what_one_finds_reading_by_reading(sensor: str) -> None:
    cohort = blocks(terse=True)[0].kinds[0].cohort
    multiple = next(one.multiple for one in cohort.sensors if one.name == sensor)
    policy = POLICIES[sensor]
    window = round(policy["heartbeat"] / multiple)

    for name, log in everything().items():
        stagger = int(cohort.stagger[[machine.id for machine in cohort.machines].index(name)])
        of = log.of(sensor)
        ordinal = (of.tick + stagger % multiple) // multiple
        expected = by_foot(of, ordinal, stagger, policy["deadband"], window)
        assert told()[name].of(sensor).seq.tolist() == expected
        assert len(expected) < len(of.seq)


def test_a_reading_that_is_reported_has_the_number_and_the_value_it_has_where_all_are() -> None:
    for name, log in told().items():
        every = everything()[name]
        at = np.searchsorted(every.seq, log.seq)
        for column in ("seq", "scan_us", "event_us", "sensor", "value", "quality"):
            assert np.array_equal(getattr(log, column), getattr(every, column)[at])
        assert np.array_equal(log.of("vibration").seq, every.of("vibration").seq)  # it reports everything


@settings(max_examples=25)
@given(st.lists(st.integers(1, SECONDS * 1_000_000 - 1), max_size=12).map(tuple))
def test_what_is_reported_does_not_depend_on_where_blocks_end(cuts_us: tuple[int, ...]) -> None:
    assert_same(blocks(terse=True, cuts_us=cuts_us), blocks(terse=True))


def test_every_scheduled_reading_is_reported_or_withheld() -> None:
    scheduled = sum(block.readings for block in blocks(terse=False))

    terse = blocks(terse=True, cuts_us=(70_000_000, 71_500_000))

    withheld = sum(columns.withheld * len(columns.machine) for block in terse for columns in block.kinds)
    withheld += sum(silent.scheduled * len(silent.due_us) for block in terse for silent in block.silent)
    assert sum(block.readings for block in terse) + withheld == scheduled
    assert withheld > scheduled / 8


def test_gaps_are_never_longer_than_the_heartbeat() -> None:
    longest: list[Floats] = []

    for seed in range(1, 21):
        for log in told(seed).values():
            for sensor, policy in POLICIES.items():
                gap = np.diff(log.of(sensor).tick).max()  # the base period is a second
                assert gap <= policy["heartbeat"]
                longest.append(gap / policy["heartbeat"])

    assert max(longest) == 1


def test_the_heartbeats_of_machines_are_not_all_in_one_second() -> None:
    still = {"deadband": 1000.0, "heartbeat": 20.0}
    roster = roster_of(line("a", {"kind": "rig", "count": 40}), kinds={"rig": kind(current=still)})

    seconds = [log.of("current").tick[1] % 20 for log in logs_of(blocks_of(roster, 60)).values()]

    assert len(set(seconds)) > 12


def test_a_heartbeat_that_is_shorter_than_the_period_reports_everything() -> None:
    often = {"deadband": 1000.0, "heartbeat": 0.5}
    roster = roster_of(line("a", {"kind": "rig"}), kinds={"rig": kind(current=often)})

    (log,) = logs_of(blocks_of(roster, 60)).values()

    assert (np.diff(log.of("current").tick) == 1).all()

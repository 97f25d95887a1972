from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fleet.data import HOUR_US, SECOND_US, Event
from tests.sim.plants import START_US, Log, blocks_of, events_of, kind_from, line, logs_of, roster_of

SEEDS = range(1, 21)

WEARING = """\
kind: wearing
wear:
  belt: {life: 30 min, shape: 2.5, onset: [50 %, 80 %], exponent: 2, repair: 4 min, sigma: 0.3}
drives:
  turning: {execute: 1}
signals:
  worn: {law: scaled, of: damage.belt, by: 100, plus: 0}
sensors:
  worn: {signal: worn, units: "%", period: 5 s, span: [0, 100], resolution: 0.001}
"""
"""A kind whose sensor shows its damage as it is."""


def run(
    hours: float,
    *,
    machines: int = 1,
    seed: int = 1,
    read: bool = False,
    wear: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[dict[str, list[Event]], dict[str, Log]]:
    kind = kind_from(WEARING if read else WEARING.replace("period: 5 s", "period: 1 h"))
    if wear:
        belt = kind.wear["belt"].model_copy(update=wear)
        kind = kind.model_copy(update={"wear": {"belt": belt}})
    roster = roster_of(line("a", {"kind": "wearing", "count": machines}, **more), kinds={"wearing": kind})
    blocks = blocks_of(roster, hours * 3600, seed=seed)
    return events_of(blocks), logs_of(blocks) if read else {}


def begun(events: list[Event], cause: str) -> list[int]:
    return [event.time_us for event in events if event.cause == cause]


def running_before(events: list[Event], time_us: int, since_us: int) -> int:
    """Add up how long a machine executed between two instants."""
    return sum(
        min(after.time_us, time_us) - max(event.time_us, since_us)
        for event, after in pairwise(events)
        if event.state == "execute" and after.time_us > since_us and event.time_us < time_us
    )


# ---- by age


def test_by_age_a_machine_is_worked_on_each_time_it_has_run_so_long() -> None:
    by_age = {"policy": "age", "every": "10 min", "takes": "90 s", "sigma": 0.2}

    events, _ = run(24, machines=4, maintenance=by_age)

    for each in events.values():
        works = [event for event in each if event.cause == "planned"]
        assert len(works) > 60
        assert {work.state for work in works} == {"stopped"}
        renewed = [event.time_us for event in each if event.cause == "repaired"]
        for work in works[1:]:
            since = max(time_us for time_us in renewed if time_us < work.time_us)
            assert running_before(each, work.time_us, since) == 600 * SECOND_US
    lasted = np.log(
        [
            (after.time_us - event.time_us) / SECOND_US
            for each in events.values()
            for event, after in pairwise(each)
            if event.cause == "planned"
        ]
    )
    assert np.exp(np.median(lasted)) == pytest.approx(90, rel=0.05)
    assert lasted.std() == pytest.approx(0.2, rel=0.2)


def test_planned_work_keeps_most_failures_away() -> None:
    failed = {}
    for policy in ({}, {"policy": "age", "every": "10 min", "takes": "90 s"}):
        counts = [run(10, machines=4, seed=seed, maintenance=policy)[0] for seed in SEEDS[:5]]
        failed[len(policy)] = sum(event.cause == "belt" for each in counts for log in each.values() for event in log)

    assert failed[0] > 200
    assert failed[3] < 0.25 * failed[0]  # of a Weibull life of shape 2.5 and 30 min 6 % end within 10 min


def test_planned_work_waits_for_a_gap_that_is_long_enough() -> None:
    shifts = {"hours": ["06:00-14:00"], "breaks": ["09:00-09:10", "11:00-12:00"]}
    by_age = {"policy": "age", "every": "2 min", "takes": "30 min", "sigma": 0.1}

    events, _ = run(48, machines=3, shifts=shifts, maintenance=by_age, wear={"life": 1e6})

    for each in events.values():
        at = [(time_us - START_US) % (24 * HOUR_US) / HOUR_US for time_us in begun(each, "planned")]
        assert at == [5.0, 8.0, 5.0, 8.0]  # the long break at 11:00 and the end of the shift, not the short break
        after = [later for event, later in pairwise(each) if event.cause == "planned"]
        assert {(event.state, event.cause) for event in after} == {("stopped", "repaired")}


def test_work_that_still_waits_for_the_crew_when_the_shift_begins_is_put_off() -> None:
    shifts = {"hours": ["06:00-14:00"], "breaks": ["11:00-12:00"]}
    by_age = {"policy": "age", "every": "2 min", "takes": "50 min", "sigma": 0.01}

    events, _ = run(8, machines=4, crew=1, shifts=shifts, maintenance=by_age, wear={"life": 1e6})

    noon_us, break_us = START_US + 6 * HOUR_US, START_US + 5 * HOUR_US
    worked = sorted(time_us for each in events.values() for time_us in begun(each, "planned") if time_us < noon_us)
    waited = [time_us for each in events.values() for time_us in begun(each, "waiting_for_crew") if time_us < noon_us]
    back = [each for each in events.values() if any(e.time_us == noon_us and e.state == "execute" for e in each)]
    assert len(worked) == 2  # one after the other: the second one began within the break and is finished
    assert worked[0] == break_us
    assert waited == [break_us] * 3
    assert len(back) >= 2


# ---- by condition


@pytest.mark.parametrize("growth", ["power", "gamma", "wiener", "flank"])
def test_an_inspection_has_a_machine_worked_on_where_it_finds_too_much_damage(growth: str) -> None:
    by_condition = {"policy": "condition", "every": "2 min", "above": "40 %", "takes": "60 s"}
    wear = {"growth": growth, "onset": (0.3, 0.5)}

    events, logs = run(12, machines=2, read=True, wear=wear, maintenance=by_condition)

    for name, each in events.items():
        times, damage = logs[name].scan_us, logs[name].value
        planned = begun(each, "planned")
        assert len(planned) > 10
        phases = {time_us % (120 * SECOND_US) for time_us in planned}
        assert len(phases) == 1  # inspections are at fixed times
        for time_us in planned:
            last = damage[times < time_us][-1]
            renewed = max([START_US, *(t for t in begun(each, "repaired") if t < time_us)])
            before = damage[(times < time_us - 125 * SECOND_US) & (times > renewed)]
            assert last > (30 if growth == "wiener" else 39)  # it may have come down again since it was too much
            assert not len(before) or before.max() <= 40.5


# ---- how well


def test_an_imperfect_repair_takes_levels_back_part_way_and_lives_get_shorter() -> None:
    lives = {}
    for leaves in (0.0, 0.4):
        events, logs = run(60, read=True, wear={"sigma": 0.1}, maintenance={"leaves": leaves})
        each, log = events["a-wearing-001"], logs["a-wearing-001"]
        repaired, failed = begun(each, "repaired"), begun(each, "belt")
        before = [log.value[log.scan_us < time_us][-1] for time_us in repaired[:-1]]
        after = [log.value[log.scan_us > time_us][0] for time_us in repaired[:-1]]
        assert set(before) == {100}
        assert min(after) == pytest.approx(100 * leaves, abs=0.01)
        assert np.median(after) == pytest.approx(100 * leaves, abs=0.01)  # a short life is well on already
        lives[leaves] = np.mean([b - a for a, b in zip(repaired, failed[1:], strict=False)])

    assert lives[0.4] < 0.85 * lives[0.0]


def test_every_life_is_drawn_by_its_number_whatever_policy_is_followed() -> None:
    to_failure, _ = run(20, maintenance={"leaves": 0})
    slower, _ = run(20, maintenance={"leaves": 0}, wear={"repair": 900.0})

    def lives(events: list[Event]) -> list[int]:
        return [b - a for a, b in zip(begun(events, "repaired"), begun(events, "belt")[1:], strict=False)]

    one, other = lives(to_failure["a-wearing-001"]), lives(slower["a-wearing-001"])
    assert len(other) > 10
    assert one[: len(other)] == other


# ---- spare parts


def test_who_finds_no_spare_part_waits_for_one_as_long_as_the_lead_time_is() -> None:
    inside = waits = 0
    for seed in SEEDS:
        parts = {"parts": {"stock": 0, "lead": "20 min", "spread": "50 %"}}
        events, _ = run(60, machines=1, seed=seed, maintenance=parts)

        each = events["a-wearing-001"]
        waited = np.array(
            [
                (after.time_us - event.time_us) / 60e6
                for event, after in pairwise(each)
                if event.cause == "waiting_for_part"
            ]
        )
        assert {event.state for event in each if event.cause == "waiting_for_part"} == {"aborted"}
        waits += len(waited)
        inside += abs(waited.mean() - 20) < 1.96 * 10 / np.sqrt(len(waited))
    assert waits / len(SEEDS) > 50
    assert inside >= 17


def test_a_part_on_the_shelf_is_used_at_once_and_ordered_anew() -> None:
    parts = {"parts": {"stock": 2, "lead": "10 d", "spread": "5 %"}}

    events, _ = run(12, machines=6, maintenance=parts)

    repairs = sorted(time_us for each in events.values() for time_us in begun(each, "repair"))
    waiting = [each[-1].cause for each in events.values()]
    assert len(repairs) == 2  # there are two parts, and none comes within the day
    assert waiting == ["waiting_for_part"] * 6


def test_availability_with_a_crew_of_one_is_what_queueing_says() -> None:
    """Machines that fail and wait for one repairman: the closed queue M/M/1//N (Palm and Takacs)."""
    mtbf, mttr, machines = 30.0, 10.0, 4
    wear = {"law": "exponential", "shape": None, "sigma": 0.0, "repair": mttr * 60, "life": mtbf * 60}
    inside = 0
    for seed in SEEDS:
        events, _ = run(60, machines=machines, seed=seed, crew=1, wear=wear)

        up = sum(
            after.time_us - event.time_us
            for each in events.values()
            for event, after in pairwise([*each, each[-1]._replace(time_us=START_US + 60 * HOUR_US)])
            if event.state == "execute"
        )
        share = up / (machines * 60 * HOUR_US)
        inside += abs(share - queue_with_constant_repairs(machines, mtbf, mttr)) < 0.04
    assert inside >= 17


def queue_with_constant_repairs(machines: int, mtbf: float, mttr: float) -> float:
    """Give the availability of machines with exponential lives and one repairman who always takes *mttr* (M/D/1//N).

    Takacs: with f(k) the product over i up to k of (1 - L(i)) / L(i), L(i) = exp(-i mttr / mtbf), the share of
    time in which all run follows from the sum of binomial terms.
    """
    product, total = 1.0, 0.0
    for k in range(machines):
        if k:
            laplace = np.exp(-k * mttr / mtbf)
            product *= (1 - laplace) / laplace
        total += float(_choose(machines - 1, k)) * product
    busy = machines * mttr / mtbf * total / (1 + machines * mttr / mtbf * total)
    return busy * mtbf / mttr / machines


def _choose(n: int, k: int) -> int:
    return 1 if k == 0 else _choose(n - 1, k - 1) * n // k

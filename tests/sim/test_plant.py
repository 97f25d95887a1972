from __future__ import annotations

from itertools import pairwise
from math import gamma
from typing import Any

import numpy as np
import pytest

from fleet.data import SECOND_US, Event, Floats
from fleet.scenario.kind import Kind
from tests.sim.plants import START_US, blocks_of, events_of, kind_from, line, roster_of

WEARER = """\
kind: wearer
parameters:
  belt_life: {value: 30 min}
wear:
  belt: {life: belt_life, shape: 1.8, repair: 1 min, sigma: 0.3}
drives:
  turning: {execute: 1}
signals:
  speed: {law: scaled, of: turning, by: 100, plus: 0}
sensors:
  speed: {signal: speed, units: "%", period: 30 min, span: [0, 100], resolution: 1}
"""
"""A kind that only fails and is repaired; hardly ever read, so that a test sees thousands of hours."""

MAKER = """\
kind: maker
parameters:
  cycle_time: {value: 10 s}
cycle: {period: cycle_time, jitter: 1 %}
drives:
  turning: {execute: 1}
signals:
  speed: {law: scaled, of: turning, by: 100, plus: 0}
sensors:
  speed: {signal: speed, units: "%", period: 10 min, span: [0, 100], resolution: 1}
"""
"""A kind that makes parts and never stops of its own."""

SEEDS = range(1, 21)


def run(text: str, hours: float, machines: int = 1, *, seed: int = 1, **more: Any) -> dict[str, list[Event]]:
    kind = kind_from(text)
    roster = roster_of(line("a", {"kind": kind.kind, "count": machines}, **more), kinds={kind.kind: kind})
    return events_of(blocks_of(roster, hours * 3600, seed=seed))


def spans(events: list[Event], state: str) -> list[tuple[int, int, str]]:
    """List where *events* say that *state* held, and what ended it."""
    found = []
    for event, after in pairwise(events):
        if event.state == state and after.time_us > event.time_us:
            found.append((event.time_us, after.time_us, after.cause))
    return found


# ---- wear


def lives_s(events: list[Event], count: int) -> list[float]:
    """List the first *count* lives that began with a repair."""
    begun = [event.time_us for event in events if event.cause == "repaired"]
    ended = [event.time_us for event in events if event.cause == "belt"][1:]
    assert len(ended) >= count, "the run must be long enough: what is cut off were the longest lives"
    return [(stop - start) / SECOND_US for start, stop in zip(begun, ended, strict=False)][:count]


def weibull_of(lives: Floats) -> tuple[float, float]:
    """Fit shape and characteristic life by maximum likelihood."""
    logs = np.log(lives)
    low, high = 0.05, 50.0
    for _ in range(100):
        shape = (low + high) / 2
        weights = lives**shape
        excess = (weights * logs).sum() / weights.sum() - 1 / shape - logs.mean()
        low, high = (shape, high) if excess < 0 else (low, shape)
    return shape, float((lives**shape).mean() ** (1 / shape))


def test_lives_are_of_the_weibull_law_that_the_kind_names() -> None:
    shapes = scales = 0
    for seed in SEEDS:
        events = run(WEARER, 14, 40, seed=seed)

        lives = np.array([life for each in events.values() for life in lives_s(each, 6)])
        shape, scale = weibull_of(lives)

        assert len(lives) >= 200
        shapes += abs(np.log(shape / 1.8)) < 1.96 * np.sqrt(0.608 / len(lives))
        scales += abs(np.log(scale / 1800)) < 1.96 * np.sqrt(1.109 / len(lives)) / 1.8
    assert shapes >= 17
    assert scales >= 17


def test_availability_is_what_life_and_repair_make_it() -> None:
    text = WEARER.replace("repair: 1 min, sigma: 0.3", "repair: 6 min, sigma: 0.5")
    mtbf, mttr = 1800 * gamma(1 + 1 / 1.8), 360 * np.exp(0.5**2 / 2)
    inside = failures = 0
    for seed in SEEDS:
        events = run(text, 24, 30, seed=seed)

        down = [(stop - start) / SECOND_US for each in events.values() for start, stop, _ in spans(each, "aborted")]
        failures += len(down)
        availability = 1 - sum(down) / (30 * 24 * 3600)
        inside += abs(availability - mtbf / (mtbf + mttr)) < 0.02

    assert failures / len(SEEDS) > 500
    assert inside >= 17


def test_a_machine_without_a_crew_is_repaired_at_once() -> None:
    events = run(WEARER, 10)["a-wearer-001"]

    causes = [event.cause for event in events]
    assert causes[:5] == ["", "belt", "repair", "repaired", "belt"]
    for failed, begun in zip(events[1::3], events[2::3], strict=False):
        assert (failed.state, begun.state) == ("aborted", "aborted")
        assert failed.time_us == begun.time_us


def test_a_crew_of_two_repairs_two_at_a_time_first_come_first_served() -> None:
    events = run(WEARER.replace("repair: 1 min", "repair: 20 min"), 12, 12, crew=2)
    waits = [event for each in events.values() for event in each if event.cause == "waiting_for_crew"]
    events = {name: [event for event in each if event not in waits] for name, each in events.items()}

    assert {event.state for event in waits} == {"aborted"}
    repairs = [
        (failed.time_us, begun.time_us, back.time_us)
        for each in events.values()
        for failed, begun, back in zip(each[1::3], each[2::3], each[3::3], strict=False)
    ]
    atonce = [sum(begun <= at < back for _, begun, back in repairs) for _, at, _ in repairs]
    queue = sorted(repairs)
    assert max(atonce) == 2
    assert any(begun > failed for failed, begun, _ in repairs)
    assert [begun for _, begun, _ in queue] == sorted(begun for _, begun, _ in queue)


def test_a_plant_is_met_in_the_middle_of_its_life() -> None:
    events = run(WEARER, 4, 60)

    first = np.array([each[1].time_us - START_US for each in events.values()]) / SECOND_US
    later = np.array([lives_s(each, 1)[0] for each in events.values()])

    assert first.mean() < 0.8 * later.mean()
    assert first.min() >= 1


# ---- micro-stops


def test_the_running_times_between_micro_stops_are_exponential() -> None:
    inside = 0
    for seed in SEEDS:
        events = run(MAKER + "micro_stop: {every: 2 min, lasts: 10 s, sigma: 0.6}\n", 10, 2, seed=seed)

        gaps = np.sort(
            [(stop - start) / SECOND_US for each in events.values() for start, stop, _ in spans(each, "execute")]
        )
        law = 1 - np.exp(-gaps / 120)
        distance = np.abs(law - (np.arange(len(gaps)) + 0.5) / len(gaps)).max()
        inside += distance < 1.36 / np.sqrt(len(gaps)) and len(gaps) > 300
    assert inside >= 17


def test_micro_stops_last_as_long_as_the_kind_says() -> None:
    events = run(MAKER + "micro_stop: {every: 2 min, lasts: 10 s, sigma: 0.6}\n", 30, 4)

    lasted = np.log([(stop - start) / SECOND_US for each in events.values() for start, stop, _ in spans(each, "held")])

    assert np.exp(np.median(lasted)) == pytest.approx(10, rel=0.1)
    assert lasted.std() == pytest.approx(0.6, rel=0.1)


# ---- lines


def stopping(period_s: int, *, life_s: int = 0) -> Kind:
    wear = {"belt": {"life": f"{life_s} s", "shape": 50, "repair": "3 h", "sigma": 0}} if life_s else {}
    text = MAKER.replace("10 s", f"{period_s} s")
    return kind_from(text.replace("maker", f"maker-{period_s}-{life_s}"), wear=wear)


@pytest.mark.parametrize(("capacity", "fast", "slow"), [(10, 10, 10), (20, 8, 12), (7, 9, 10)])
def test_a_stopped_machine_starves_the_next_after_buffer_over_rate(capacity: int, fast: int, slow: int) -> None:
    first, second = stopping(fast, life_s=3000), stopping(slow)
    kinds = {first.kind: first, second.kind: second}
    made = line("a", {"kind": first.kind, "id": "first"}, {"kind": second.kind, "id": "second"}, buffer=capacity)

    events = events_of(blocks_of(roster_of(made, kinds=kinds), 7200))

    failed = next(event for event in events["first"] if event.cause == "belt")
    starved = next(event for event in events["second"] if event.cause == "starved" and event.time_us > failed.time_us)
    running = [event for event in events["second"] if event.time_us <= failed.time_us][-1]
    done = running.parts + (failed.time_us - running.time_us) // (slow * SECOND_US)
    fill = starved.parts - failed.parts
    left = fill + failed.parts - done - 1  # one is inside
    waited_s = (starved.time_us - failed.time_us) / SECOND_US
    assert running.state == "execute"
    assert left >= 1
    assert (left - 1) * slow < waited_s <= (left + 2) * slow
    assert 1 <= fill < capacity


def test_a_line_is_as_fast_as_its_slowest_machine() -> None:
    kinds = {kind.kind: kind for kind in (stopping(8), stopping(12), stopping(10))}
    made = line("a", *({"kind": kind, "id": kind} for kind in kinds), buffer=6)

    events = events_of(blocks_of(roster_of(made, kinds=kinds), 36_000))

    last = events["maker-10-0"][-1]
    assert last.parts / ((last.time_us - START_US) / SECOND_US) == pytest.approx(1 / 12, rel=0.01)
    assert {event.cause for event in events["maker-8-0"]} == {"", "blocked"}
    assert {event.cause for event in events["maker-10-0"]} == {"", "starved"}


def test_two_unreliable_machines_make_with_a_buffer_more_than_without_and_less_than_alone() -> None:
    text = MAKER + "micro_stop: {every: 4 min, lasts: 60 s, sigma: 0.5}\n"

    def made(machines: int, buffer: int | None) -> int:
        events = run(text, 40, machines, buffer=buffer)
        return events[f"a-maker-{machines:03d}"][-1].parts

    alone, small, large = made(1, None), made(2, 2), made(2, 100)
    assert small < large <= alone * 1.02
    assert small > alone * 0.6


def test_events_are_numbered_without_holes_in_order_of_time() -> None:
    roster = roster_of(line("a", {"kind": "rig", "count": 4}, buffer=4, crew=1))

    for events in events_of(blocks_of(roster, 600)).values():
        assert [event.seq for event in events] == list(range(len(events)))
        assert all(a.time_us <= b.time_us and a.parts <= b.parts for a, b in pairwise(events))


def test_a_setpoint_is_no_event() -> None:
    (events,) = events_of(blocks_of(roster_of(line("a", {"kind": "pump"})), 6 * 3600)).values()

    assert [event.state for event in events] == ["execute"]


def test_lines_that_are_alike_are_met_with_other_fills_and_in_other_places_of_their_cycles() -> None:
    lines = [line(f"l{each}", {"kind": "maker-9-0"}, {"kind": "maker-8-0"}, buffer=20) for each in range(40)]
    kinds = {kind.kind: kind for kind in (stopping(9), stopping(8))}

    events = events_of(blocks_of(roster_of(*lines, kinds=kinds), 4 * 3600))

    starved = [next((e.time_us for e in each if e.cause == "starved"), 0) for each in events.values()]
    first_us = np.array([time_us - START_US for time_us in starved if time_us])
    assert len(first_us) == 40
    assert first_us.std() / first_us.mean() > 0.3, "not in step"
    assert len({time_us % SECOND_US for time_us in first_us.tolist()}) > 30

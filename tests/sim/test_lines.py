from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fleet.data import HOUR_US, SECOND_US, Event, Floats
from fleet.scenario.kind import Kind
from fleet.sim import changes as row
from fleet.sim.blocks import Simulation
from fleet.sim.plant import Plant
from tests.properties.test_flow import LineCase, Station, build
from tests.sim.plants import START_US, blocks_of, events_of, kind_from, line, logs_of, roster_of

SEEDS = range(1, 21)

MAKING = """\
kind: making
cycle: {period: 10 s, jitter: 1 %, scrap: 0 %, ramp: 0 %}
drives:
  turning: {execute: 1, idle: 0.2}
  load: {execute: 1, setpoint: true}
signals:
  speed: {law: scaled, of: turning, by: 100, plus: 0}
  force: {law: scaled, of: load, by: 100, plus: 0}
sensors:
  speed: {signal: speed, units: "%", period: 10 min, span: [0, 200], resolution: 1}
  force: {signal: force, units: "%", period: 10 min, span: [0, 200], resolution: 0.1}
"""
"""A kind that makes parts and does nothing else."""


def making(more: str = "", **cycle: Any) -> Kind:
    kind = kind_from(MAKING + more)
    assert kind.cycle is not None
    return kind.model_copy(update={"cycle": kind.cycle.model_copy(update=cycle)})


def run(hours: float, kind: Kind, machines: int = 1, *, seed: int = 1, **more: Any) -> dict[str, list[Event]]:
    made = roster_of(line("a", {"kind": "making", "count": machines}, **more), kinds={"making": kind})
    return events_of(blocks_of(made, hours * 3600, seed=seed))


# ---- flow


STOPS = "micro_stop: {every: 4 min, lasts: 30 s, sigma: 0.5}\n"


def staircases(plant: Plant, hours: float, step_s: int = 5) -> tuple[Floats, Floats, Floats]:
    """Watch a line: instants, parts that have gone in (those there at the start among them), parts that came out."""
    machines, buffers = plant.rouse(1 << 61)
    there = sum(buffer.initial for buffer in buffers)
    rows = []
    for second in range(step_s, int(hours * 3600), step_s):
        plant.advance(second * SECOND_US + 1)
        at = second * SECOND_US
        rows.append((second, there + machines[0].counts.begun_at(at), machines[-1].counts.done_at(at)))
    time_s, gone_in, come_out = np.array(rows, float).T
    return time_s, gone_in, come_out


def test_what_is_in_a_line_is_its_throughput_times_its_lead_time() -> None:
    inside = 0
    for seed in SEEDS:
        case = LineCase(tuple(Station(p, 120, 0, 1) for p in (5, 6, 5)), 8, seed, crew=0, shifts=False)
        time_s, gone_in, come_out = staircases(build(case), 3)

        parts = np.arange(200, int(come_out[-1]) - 50)
        lead_s = time_s[np.searchsorted(come_out, parts)] - time_s[np.searchsorted(gone_in, parts)]
        watched = (time_s > 1500) & (time_s < time_s[-1] - 600)
        inside_mean = (gone_in - come_out)[watched].mean()
        rate = np.polyfit(time_s[watched], come_out[watched], 1)[0]
        inside += abs(inside_mean / (rate * lead_s.mean()) - 1) < 0.05
    assert inside >= 17


def throughput_of_two(p: float, r: float, buffer: int) -> float:
    """Give how many cycles of two equal machines with a buffer make a part (Buzacott's model, its chain solved).

    A machine that works fails in a cycle with chance *p*; one that is down is repaired with chance *r*; one that
    is starved or blocked does not fail. States are (parts between them, first is up, second is up).
    """
    states = [(n, one, two) for n in range(buffer + 1) for one in (0, 1) for two in (0, 1)]
    number = {state: place for place, state in enumerate(states)}
    chain = np.zeros((len(states), len(states)))
    works = np.zeros(len(states))
    for (n, one, two), place in number.items():
        first_works, second_works = one and n < buffer, two and n > 0
        works[place] = second_works
        for next_one, chance_one in _turns(bool(one), bool(first_works), p, r):
            for next_two, chance_two in _turns(bool(two), bool(second_works), p, r):
                level = n + int(bool(first_works) and next_one == 1) - int(bool(second_works) and next_two == 1)
                chain[place, number[min(max(level, 0), buffer), next_one, next_two]] += chance_one * chance_two
    share = np.linalg.lstsq(
        np.vstack([chain.T - np.eye(len(states)), np.ones(len(states))]),
        np.append(np.zeros(len(states)), 1.0),
        rcond=None,
    )[0]
    return float((share * works).sum() * (1 - p))


def _turns(up: bool, works: bool, p: float, r: float) -> list[tuple[int, float]]:
    if not up:
        return [(1, r), (0, 1 - r)]
    return [(0, p), (1, 1 - p)] if works else [(1, 1.0)]


@pytest.mark.parametrize("buffer", [4, 20])
def test_two_machines_and_a_buffer_make_what_the_known_result_says(buffer: int) -> None:
    """Up 24 cycles, down 3.4 (the mean of a lognormal of median 3): within 10 % in the mean of 20 seeds."""
    down = 3 * np.exp(0.5**2 / 2)
    expected = throughput_of_two(1 / 24, 1 / down, buffer) * 360
    inside, ratios = 0, []
    for seed in SEEDS:
        events = run(12, making(STOPS), 2, seed=seed, buffer=buffer)
        last = events["a-making-002"][-1]
        made = last.parts / ((last.time_us - START_US) / HOUR_US)
        slowest = 360 * 24 / (24 + down)
        ratios.append(made / expected)
        inside += abs(made / expected - 1) < 0.12 and made < 1.03 * slowest
    assert abs(np.mean(ratios) - 1) < 0.1
    assert inside >= 17


# ---- scrap


def test_bad_parts_are_taken_out_and_are_as_many_as_the_line_says() -> None:
    inside = 0
    for seed in SEEDS:
        events = run(10, making(STOPS), 4, seed=seed, scrap="3 %")
        parts, scrap = (sum(each[-1][place] for each in events.values()) for place in COUNTERS)
        inside += abs(scrap / parts - 0.03) < 1.96 * np.sqrt(0.03 * 0.97 / parts)
        for each in events.values():
            counts = [(event.parts, event.scrap) for event in each]
            assert counts == sorted(counts)
        assert parts > 10_000
    assert inside >= 17


COUNTERS = Event._fields.index("parts"), Event._fields.index("scrap")


def test_what_goes_in_comes_out_good_or_bad_or_is_inside_always() -> None:
    """The event's own counters: a starved machine has had every good part of the one above and what was between."""
    events = run(20, making(STOPS, period=10.0), 4, buffer=6, scrap="2.5 %")

    names = sorted(events)
    starved = 0
    for above, below in pairwise(names):
        fills = set()
        log = events[above]
        for event in events[below]:
            if event.cause != "starved":
                continue
            last = next((each for each in reversed(log) if each.time_us <= event.time_us), None)
            if last is not None and last.state != "execute":  # its counters stand still
                starved += 1
                fills.add(event.parts - last.parts + last.scrap)
        assert len(fills) == 1, "what was between them at the start, always"
        assert 1 <= fills.pop() < 6
    assert starved > 30


def test_the_kinds_own_share_of_scrap_holds_where_the_line_says_nothing() -> None:
    events = run(40, making(STOPS, scrap=0.01))

    last = events["a-making-001"][-1]
    assert last.scrap / last.parts == pytest.approx(0.01, abs=0.003)


# ---- ramps


def test_after_a_restart_some_cycles_take_longer_and_after_a_short_stop_none() -> None:
    shifts = {"hours": ["06:00-07:00", "08:00-09:00", "10:00-11:00", "12:00-13:00"]}
    made = roster_of(
        line("a", {"kind": "making", "count": 30}, shifts=shifts), kinds={"making": making(STOPS, ramp=0.2)}
    )
    simulation = Simulation(made, seed=1, start_us=START_US)
    simulation.advance(START_US + 8 * HOUR_US)

    (rows,) = simulation.decided
    cycles = []
    for machine in range(30):
        own = rows[rows[:, row.MACHINE] == machine]
        for at in np.flatnonzero(own[:, row.CAUSE] == row.AT_SPEED):
            begin = at - 1 - np.argmax(own[at - 1 :: -1, row.STATE] == 0)
            cycles.append(own[at, row.DONE] - own[begin, row.DONE])
            assert set(own[begin + 1 : at, row.PERIOD]) == {12 * SECOND_US}
            assert own[at, row.PERIOD] == 10 * SECOND_US
    assert len(cycles) == 90
    assert (min(cycles), max(cycles)) == (3, 10)


# ---- products


PRODUCTS = [
    {"name": "bracket", "share": 3, "lot": [20, 60]},
    {"name": "hinge", "lot": 30, "period": 1.5, "level": "70 %"},
]


def lots_of(events: list[Event]) -> list[tuple[int, str, int]]:
    """List the lots that are over: number, product, good parts."""
    ends = [(a, b) for a, b in pairwise(events) if a.lot != b.lot]
    found, good = [], 0
    for before, after in ends:
        found.append((before.lot, before.product, after.parts - after.scrap - good))
        good = after.parts - after.scrap
    return found


def test_a_line_makes_lots_of_its_products_in_the_shares_and_sizes_it_says() -> None:
    shares, sizes = [], []
    for seed in SEEDS:
        events = run(25, making(), 1, seed=seed, products=PRODUCTS, changeover={"lasts": "2 min", "sigma": 0.3})
        made = lots_of(events["a-making-001"])
        assert [lot for lot, _, _ in made] == list(range(1, len(made) + 1))
        shares.append(np.mean([product == "bracket" for _, product, _ in made]))
        sizes += [(product, good) for _, product, good in made[1:]]
    assert np.mean(shares) == pytest.approx(0.75, abs=0.03)
    assert {good for product, good in sizes if product == "hinge"} == {30}
    brackets = [good for product, good in sizes if product == "bracket"]
    assert (min(brackets), max(brackets)) == (20, 60)
    assert np.mean(brackets) == pytest.approx(40, abs=1)


def test_between_two_products_a_machine_is_set_up_and_between_lots_of_one_it_is_not() -> None:
    events = run(200, making(), 1, products=PRODUCTS, changeover={"lasts": "20 min", "sigma": 0.4})["a-making-001"]

    lasted = []
    for event, after in pairwise(events):
        if event.cause == "changeover":
            assert event.state == "idle"
            lasted.append((after.time_us - event.time_us) / 60e6)
    for before, event in pairwise(events):
        if event.lot != before.lot:
            assert event.cause == ("lot" if event.product == before.product else "changeover")
    assert np.median(lasted) == pytest.approx(20, rel=0.15)
    assert np.log(lasted).std() == pytest.approx(0.4, rel=0.25)
    assert 10 < np.quantile(lasted, 0.1) < np.quantile(lasted, 0.9) < 60


def test_a_lot_stays_together_on_its_way_through_a_line() -> None:
    kind = making(STOPS)
    events = run(40, kind, 3, buffer=8, scrap="2 %", products=PRODUCTS, changeover={"lasts": "3 min"})

    made = [lots_of(events[f"a-making-00{number}"]) for number in (1, 2, 3)]
    scrap = {number: scraps_by_lot(events[f"a-making-00{number}"]) for number in (2, 3)}
    assert len(made[2]) > 20
    for lot in range(2, len(made[2])):
        for station in (1, 2):
            number, product, good = made[station][lot - 1]
            assert (number, product) == made[0][lot - 1][:2]
            assert good + scrap[station + 1][lot] == made[station - 1][lot - 1][2]


def scraps_by_lot(events: list[Event]) -> dict[int, int]:
    found, before = {}, 0
    for event, after in pairwise(events):
        if event.lot != after.lot:
            found[event.lot], before = after.scrap - before, after.scrap
    return found


def test_a_product_has_its_own_cycle_time_and_load() -> None:
    made = roster_of(
        line("a", {"kind": "making"}, products=[{"name": "x", "lot": 100, "period": 1.5, "level": "70 %"}]),
        kinds={"making": making()},
    )
    blocks = blocks_of(made, 4 * 3600)

    (events,), (log,) = events_of(blocks).values(), logs_of(blocks).values()
    ends = [event for event in events if event.cause == "lot"]
    assert len(ends) > 5
    assert {(b.time_us - a.time_us) // SECOND_US for a, b in pairwise(ends)} == {1500}
    assert {event.product for event in events} == {"x"}
    assert log.of("force").value.mean() == pytest.approx(70, abs=2)


# ---- shifts


def test_shifts_breaks_and_weekends_show_in_the_parts_of_each_hour() -> None:
    shifts = {
        "hours": ["06:00-14:00", "14:00-22:00"],
        "breaks": ["09:00-09:30"],
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "handover": "10 min",
    }
    simulation = Simulation(
        roster_of(line("a", {"kind": "making"}, shifts=shifts), kinds={"making": making()}), seed=1, start_us=START_US
    )
    stations, _ = simulation._plant.rouse(1 << 61)  # counters at any instant, not only at events
    made = []
    for hour in range(7 * 24):
        simulation.advance(START_US + (hour + 1) * HOUR_US)
        made.append(stations[0].counts.done_at(START_US + (hour + 1) * HOUR_US - 1))
    parts = np.diff(np.array(made), prepend=0).reshape(7, 24)  # from 06:00 on

    assert (parts[5:] == 0).all()
    assert (parts[:5, 16:] <= 1).all()  # the one that ends with the shift
    assert parts[0, 3] == pytest.approx(180, abs=1)
    assert parts[0, 8] == pytest.approx(300, abs=1)  # the hand-over
    assert (np.abs(parts[:5, [1, 5, 10, 15]] - 360) <= 1).all()

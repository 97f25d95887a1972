from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import SECOND_US, Ints, State
from fleet.sim import changes as row
from fleet.sim.address import machine_words, uniforms
from fleet.sim.beginning import first_fill, first_meetings
from fleet.sim.calendar import NEVER_US, Calendar, weekly
from fleet.sim.flow import Buffer, Counts, blocked_us, has_room_us, holds_us, starved_us
from fleet.sim.lots import Lots, Make
from fleet.sim.plant import Line, Plant, Stations
from fleet.sim.rules import Mode, Rules
from fleet.sim.work import Parts, Policy

HALF_US = SECOND_US // 2
HORIZON = 400  # cycles that the staircases are climbed by foot


@st.composite
def situations(draw: st.DrawFn) -> tuple[Buffer, int]:
    """Two stations and what is between them, at an instant at which the buffer is within its bounds."""
    now = draw(st.integers(0, 200))
    capacity = draw(st.integers(1, 12))

    def counts() -> Counts:
        running = draw(st.booleans())
        return Counts(
            running=running,
            start_us=draw(st.integers(max(0, now - 60), now)),
            period_us=draw(st.integers(1, 30)),
            done=draw(st.integers(0, 20)),
            inside=1 if running else draw(st.integers(0, 1)),
        )

    above, below = counts(), counts()
    initial = draw(st.integers(0, capacity)) - above.done_at(now) + below.begun_at(now)
    return Buffer(capacity, initial, above, below), now


def boundaries(counts: Counts, now: int, first: int = 1) -> list[int]:
    """List the ends of cycles of a running station from *now* on."""
    ends = (counts.start_us + n * counts.period_us for n in range(first, HORIZON + 400))
    return [end for end in ends if end >= now][:HORIZON]


@given(situations())
def test_a_buffer_is_empty_when_the_staircases_climbed_by_foot_say_so(situation: tuple[Buffer, int]) -> None:
    buffer, now = situation
    buffer.below.running, buffer.below.inside = True, 1
    buffer.initial += buffer.level_at(now) * -1 + min(max(buffer.level_at(now), 0), buffer.capacity)

    found = starved_us(buffer, now)

    lacking = (end for end in boundaries(buffer.below, now) if buffer.level_at(end) < 0)
    assert found == next(lacking, NEVER_US) or found > boundaries(buffer.below, now)[-1]


@given(situations())
def test_a_buffer_is_full_when_the_staircases_climbed_by_foot_say_so(situation: tuple[Buffer, int]) -> None:
    buffer, now = situation
    buffer.above.running, buffer.above.inside = True, 1
    buffer.initial += buffer.level_at(now) * -1 + min(max(buffer.level_at(now), 0), buffer.capacity)

    found = blocked_us(buffer, now)

    filled = (end for end in boundaries(buffer.above, now, first=0) if buffer.level_at(end) >= buffer.capacity)
    assert found == next(filled, NEVER_US) or found > boundaries(buffer.above, now)[-1]


@given(situations(), st.integers(1, 12))
def test_a_waiting_station_knows_the_first_instant_with_enough_parts(situation: tuple[Buffer, int], parts: int) -> None:
    buffer, now = situation
    buffer.below.running = False

    found = holds_us(buffer, parts, now)

    enough = (at for at in range(now, now + HORIZON) if buffer.level_at(at) >= parts)
    assert found == next(enough, NEVER_US) or found >= now + HORIZON


@given(situations(), st.integers(1, 12))
def test_a_waiting_station_knows_the_first_instant_with_enough_room(situation: tuple[Buffer, int], parts: int) -> None:
    buffer, now = situation
    buffer.above.running = False

    found = has_room_us(buffer, parts, now)

    enough = (at for at in range(now, now + HORIZON) if buffer.level_at(at) <= buffer.capacity - parts)
    assert found == next(enough, NEVER_US) or found >= now + HORIZON


@given(
    st.integers(2, 9),
    st.lists(st.one_of(st.integers(1, 30), st.just(1 << 62)), min_size=1, max_size=8),
    st.integers(0, 500),
    st.integers(0, 99),
)
def test_no_station_meets_a_neighbour_before_all_are_told_at_once_that_it_may(
    capacity: int, periods: list[int], start: int, seed: int
) -> None:
    words = machine_words(seed, [str(number) for number in range(len(periods))])
    share = uniforms(words, np.zeros(1, np.int64)).tolist()
    counts = [
        Counts(start_us=start - int(part * period), period_us=period)
        for part, period in zip(share, periods, strict=True)
    ]
    fill = first_fill(words, np.full(len(periods), capacity))
    buffers = [Buffer(capacity, each, *pair) for each, pair in zip(fill[1:].tolist(), pairwise(counts), strict=True)]
    alone = []
    for number, station in enumerate(counts):  # one after the other they start, and look up and down
        station.running, station.inside = True, 1
        above = starved_us(buffers[number - 1], start) if number else NEVER_US
        below = blocked_us(buffers[number], start) if number < len(buffers) else NEVER_US
        alone.append(min(above, below))

    lines = np.zeros(len(periods), np.int64)
    found = first_meetings(np.array(periods), np.full(len(periods), capacity), fill, lines, start).tolist()

    wrong = [(each, own) for each, own in zip(found, alone, strict=True) if not start < each <= max(own, start + 1)]
    assert wrong == []


# ---- whole lines


@dataclass(frozen=True)
class Station:
    period_s: int
    stop_every_s: int
    life_s: int
    repair_s: int
    scrap: float = 0.0
    ramp: float = 0.0
    tool_s: int = 0


@dataclass(frozen=True)
class LineCase:
    stations: tuple[Station, ...]
    capacity: int
    seed: int
    crew: int
    shifts: bool
    products: int = 0
    policy: Policy | None = None


stations = st.builds(
    Station,
    period_s=st.integers(1, 6),
    stop_every_s=st.sampled_from([0, 0, 15, 60]),
    life_s=st.sampled_from([0, 30, 300]),
    repair_s=st.sampled_from([1, 20]),
    scrap=st.sampled_from([0.0, 0.0, 0.02, 0.5]),
    ramp=st.sampled_from([0.0, 0.25]),
    tool_s=st.sampled_from([0, 0, 20]),
)
policies = st.sampled_from(
    [
        None,
        None,
        Policy(by_age_us=40 * SECOND_US, takes_us=5 * SECOND_US, sigma=0.4),
        Policy(by_age_us=40 * SECOND_US, takes_us=5 * SECOND_US, leaves=0.4, parts=Parts(1, 30 * SECOND_US, 0.5)),
        Policy(above=0.3, inspected_us=15 * SECOND_US, takes_us=5 * SECOND_US, sigma=0.4, leaves=0.2),
        Policy(parts=Parts(0, 20 * SECOND_US, 1.0)),
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> LineCase:
    chosen = draw(st.lists(stations, min_size=2, max_size=5))
    if draw(st.booleans()):  # all at one beat: everything happens at once
        chosen = [Station(3, 0, each.life_s, each.repair_s, each.scrap) for each in chosen]
    return LineCase(
        tuple(chosen),
        capacity=draw(st.integers(2, 9)),
        seed=draw(st.integers(0, 999)),
        crew=draw(st.integers(0, 2)),
        shifts=draw(st.booleans()),
        products=draw(st.sampled_from([0, 0, 1, 3])),
        policy=draw(policies),
    )


def rules_of(station: Station) -> Rules:
    wear = Mode(
        name="belt",
        life_us=[station.life_s * SECOND_US],
        shape=1.5,
        onset=(0.5, 0.9),
        repair_us=[station.repair_s * SECOND_US],
        repair_sigma=0.5,
        life_word=1,
        onset_word=2,
        repair_word=3,
        used_word=4,
    )
    tool = replace(
        wear, name="tool", life_us=[station.tool_s * SECOND_US], growth="flank", life_word=5, path_word=6, fails=False
    )
    return Rules(
        period_us=[station.period_s * SECOND_US],
        stop_every_us=station.stop_every_s * SECOND_US,
        stop_lasts_us=4 * SECOND_US,
        stop_sigma=0.6,
        set_every_us=0,
        set_from=1.0,
        set_to=1.0,
        modes=(*((wear,) if station.life_s else ()), *((tool,) if station.tool_s else ())),
        scrap=station.scrap,
        ramp=station.ramp,
    )


def build(case: LineCase) -> Plant:
    """Set up a line; its crew is number 0, and every machine is a cohort."""
    hours = [(0, 60), (120, 180), (240, 600)] if case.shifts else [(0, 86_400)]
    calendar = weekly(tuple(range(7)), hours, []) if case.shifts else Calendar()
    numbers = np.arange(len(case.stations))
    here = np.zeros_like(numbers)
    cohorts = [
        (rules_of(station), np.array([case.seed * 1000 + number], np.uint64))
        for number, station in enumerate(case.stations)
    ]
    makes = [Make(1 + n, 1.0 + n, 3 + n, 20, 1.0 + n / 4, 1.0 - n / 5) for n in range(case.products)]
    lots = Lots(case.seed, makes, setup_us=6 * SECOND_US, setup_sigma=0.5) if makes else None
    line = Line(calendar, 0 if case.crew else -1, case.capacity, lots)
    policies = [] if case.policy is None else [case.policy]
    stations = Stations(cohort=numbers, index=here, line=here, island=here, policy=here + len(policies) - 1)
    return Plant(0, cohorts, stations, [line], [case.crew], policies)


@given(lines())
@settings(max_examples=40)
def test_no_buffer_of_a_line_ever_holds_less_than_nothing_or_more_than_fits(case: LineCase) -> None:
    plant = build(case)
    machines, buffers = plant.rouse(NEVER_US)
    begun, last = sum(buffer.initial for buffer in buffers), machines[-1]
    made_before = [0] * len(machines)

    for stop_us in range(HALF_US, 300 * SECOND_US, HALF_US):
        plant.advance(stop_us)

        levels = [buffer.level_at(stop_us - 1) for buffer in buffers]
        made = [machine.counts.done_at(stop_us - 1) for machine in machines]
        assert all(0 <= level <= buffer.capacity for level, buffer in zip(levels, buffers, strict=True)), stop_us
        inside = sum(machine.counts.inside for machine in machines[1:])
        scrap = sum(machine.counts.scrap for machine in machines if machine is not last)
        assert made[0] + begun == made[-1] + scrap + inside + sum(levels)
        assert all(0 <= now - then <= 1 for now, then in zip(made, made_before, strict=True))
        made_before = made


@given(lines())
@settings(max_examples=40)
def test_the_parts_that_state_changes_tell_of_are_those_that_cycles_have_made(case: LineCase) -> None:
    plant = build(case)
    machines, _ = plant.rouse(NEVER_US)

    rows = plant.advance(900 * SECOND_US)

    for machine, changes in zip(machines, rows, strict=True):
        made, elapsed = 0, int(changes[0][row.TIME] - changes[0][row.START])  # cycles completed, and into this one
        for cells, after in zip(changes, [*changes[1:], None], strict=True):
            until = 900 * SECOND_US - 1 if after is None else int(after[row.TIME])
            assert cells[row.DONE] == made
            if cells[row.STATE] == State.EXECUTE:
                assert cells[row.START] == cells[row.TIME] - elapsed
                assert 0 <= cells[row.SCRAP] <= made
                elapsed += until - int(cells[row.TIME])
                made, elapsed = made + elapsed // int(cells[row.PERIOD]), elapsed % int(cells[row.PERIOD])
        assert machine.counts.done_at(900 * SECOND_US - 1) == made


anywhere = st.lists(st.integers(1, 899_999_999), max_size=20, unique=True)
at_decisions = st.just([at_s * SECOND_US for at_s in range(1, 900)])  # most are at whole seconds


@given(lines(), st.one_of(anywhere, at_decisions))
@settings(max_examples=40)
def test_a_plant_decides_the_same_wherever_it_is_halted(case: LineCase, halts: list[int]) -> None:
    whole = build(case).advance(900 * SECOND_US)
    plant = build(case)

    parts = [plant.advance(stop) for stop in [*sorted(halts), 900 * SECOND_US]]

    joined = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    assert all(np.array_equal(pieces, rows) for pieces, rows in zip(joined, whole, strict=True))


@given(lines())
@settings(max_examples=40)
def test_a_crew_of_one_never_repairs_two_machines_at_once(case: LineCase) -> None:
    plant = build(replace(case, crew=1))

    rows = plant.advance(1800 * SECOND_US)

    spans = sorted(span for changes in rows for span in repairs(changes))
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def repairs(changes: Ints) -> list[tuple[int, int]]:
    begins = np.flatnonzero(np.isin(changes[:, row.CAUSE], (row.REPAIR, row.PLANNED)))
    return [(int(changes[i, row.TIME]), int(changes[i + 1, row.TIME])) for i in begins if i + 1 < len(changes)]


@given(lines())
@settings(max_examples=40)
def test_nobody_works_outside_the_hours(case: LineCase) -> None:
    plant = build(replace(case, shifts=True))

    rows = plant.advance(700 * SECOND_US)

    for changes in rows:
        for cells, after in zip(changes, [*changes[1:], None], strict=True):
            until = 700 * SECOND_US if after is None else int(after[row.TIME])
            if cells[row.STATE] == State.EXECUTE and until > cells[row.TIME]:
                start_s, stop_s = cells[row.TIME] / SECOND_US, until / SECOND_US
                assert any(on <= start_s and stop_s <= off for on, off in ((0, 60), (120, 180), (240, 600)))

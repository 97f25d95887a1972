from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.data import DAY_US, HOUR_US, MINUTE_US, SECOND_US, State
from fleet.sim.calendar import DAY_S, NEVER_US, WEEK_US, Calendar, weekly
from tests.sim.plants import START_US, blocks_of, events_of, line, roster_of

MONDAY_US = START_US - 6 * HOUR_US
WORKDAYS = (0, 1, 2, 3, 4)
HOUR_S = 3600

spans = st.lists(st.tuples(st.integers(0, DAY_S - 1), st.integers(0, DAY_S)), max_size=3)
days = st.lists(st.integers(0, 6), max_size=7, unique=True).map(tuple)


def at(calendar: Calendar, day: int, hour: float) -> bool:
    return calendar.at(MONDAY_US + day * DAY_US + round(hour * HOUR_US))[0]


def test_without_shifts_work_never_ends() -> None:
    assert Calendar().at(MONDAY_US) == (True, NEVER_US)


def test_a_line_rests_at_the_weekend_and_between_shifts() -> None:
    calendar = weekly(WORKDAYS, [(6 * HOUR_S, 14 * HOUR_S), (14 * HOUR_S, 22 * HOUR_S)], [])

    assert [at(calendar, day, 12) for day in range(7)] == [True] * 5 + [False] * 2
    assert [at(calendar, 0, hour) for hour in (5.99, 6, 14, 21.99, 22)] == [False, True, True, True, False]
    assert calendar.at(MONDAY_US + 7 * HOUR_US) == (True, MONDAY_US + 22 * HOUR_US)
    assert calendar.at(MONDAY_US + 4 * DAY_US + 23 * HOUR_US) == (False, MONDAY_US + 7 * DAY_US + 6 * HOUR_US)


def test_a_night_shift_runs_into_the_day_after() -> None:
    calendar = weekly(WORKDAYS, [(22 * HOUR_S, 30 * HOUR_S)], [])

    assert [at(calendar, 0, hour) for hour in (0, 5.99, 21.99, 22)] == [False, False, False, True]
    assert [at(calendar, 5, hour) for hour in (0, 5.99, 6, 22)] == [True, True, False, False]


def test_sundays_night_shift_runs_into_monday() -> None:
    calendar = weekly((6,), [(22 * HOUR_S, 6 * HOUR_S)], [])

    assert at(calendar, 0, 5.99)
    assert calendar.at(MONDAY_US) == (True, MONDAY_US + 6 * HOUR_US)


def test_a_night_shift_has_its_break_also_after_its_last_midnight() -> None:
    calendar = weekly(WORKDAYS, [(22 * HOUR_S, 30 * HOUR_S)], [(2 * HOUR_S, 2 * HOUR_S + 900)])

    assert not at(calendar, 5, 2.1)
    assert at(calendar, 5, 2.25)


def test_a_break_of_seconds_is_just_that_long() -> None:
    calendar = weekly(WORKDAYS, [(6 * HOUR_S, 14 * HOUR_S)], [(9 * HOUR_S, 9 * HOUR_S + 30)])

    nine_us = MONDAY_US + 9 * HOUR_US
    assert calendar.at(nine_us - MINUTE_US) == (True, nine_us)
    assert calendar.at(nine_us) == (False, nine_us + 30 * SECOND_US)


def test_a_line_whose_breaks_fill_its_shifts_never_works() -> None:
    calendar = weekly(WORKDAYS, [(6 * HOUR_S, 7 * HOUR_S)], [(6 * HOUR_S, 7 * HOUR_S)])

    assert not any(at(calendar, day, hour) for day in range(7) for hour in range(24))


@given(days, spans, spans, st.integers(0, 2 * WEEK_US))
def test_a_calendar_says_what_its_shifts_and_breaks_say(
    days: tuple[int, ...], on: list[tuple[int, int]], off: list[tuple[int, int]], after_us: int
) -> None:
    calendar = weekly(days, on, off)

    level, until_us = calendar.at(MONDAY_US + after_us)

    def works(time_us: int) -> bool:
        day, second = divmod((time_us - MONDAY_US) // SECOND_US, DAY_S)

        def inside(start: int, stop: int, days: tuple[int, ...]) -> bool:
            length = (stop - start) % DAY_S or DAY_S
            return any((day - ago) % 7 in days and start <= second + ago * DAY_S < start + length for ago in (0, 1))

        return any(inside(*span, days) for span in on) and not any(inside(*span, tuple(range(7))) for span in off)

    assert level == works(MONDAY_US + after_us)
    assert until_us > MONDAY_US + after_us
    if until_us != NEVER_US and any(works(MONDAY_US + k * SECOND_US * 900) for k in range(7 * 96)):
        assert works(until_us - 1) == level
        assert works(until_us) != level


def test_machines_stop_and_start_with_their_shift() -> None:
    shifts = {"hours": ["06:01-06:03"], "breaks": ["06:02:00-06:02:30"]}
    roster = roster_of(line("a", {"kind": "pump"}, shifts=shifts))

    events = events_of(blocks_of(roster, 300))["a-pump-001"]

    stopped, execute = State.STOPPED.name.lower(), State.EXECUTE.name.lower()
    assert [((event.time_us - START_US) // SECOND_US, event.state, event.cause) for event in events] == [
        (0, stopped, "shift"),
        (60, execute, ""),
        (120, stopped, "shift"),
        (150, execute, ""),
        (180, stopped, "shift"),
    ]

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import DAY_US, HOUR_US, SECOND_US, Event
from tests.sim.plants import START_US, blocks_of, events_of, kind_from, line, roster_of

DOOR = "kind: gate\ndoor: {every: 6 min, lasts: 25 s, sigma: 0.6, hours: 06:00-22:00}\n"


def events(text: str, hours: float, cuts_us: list[int] | None = None, seed: int = 1) -> list[Event]:
    roster = roster_of(line("yard", {"kind": "gate", "id": "north"}), kinds={"gate": kind_from(text)})
    return events_of(blocks_of(roster, hours * 3600, seed=seed, cuts_us=cuts_us or ())).get("north", [])


def test_openings_are_numbered_without_holes_and_open_before_they_close() -> None:
    found = events(DOOR, 48)

    assert [event.seq for event in found] == list(range(len(found)))
    assert [event.state for event in found] == ["open", "closed"] * (len(found) // 2)
    assert {event.type for event in found} == {"door"}
    assert all(before.time_us < after.time_us for before, after in pairwise(found))


def test_a_door_opens_as_often_and_as_long_as_its_kind_says() -> None:
    found = events(DOOR, 96)

    spans = [
        (closed.time_us - opened.time_us) / SECOND_US for opened, closed in zip(found[::2], found[1::2], strict=True)
    ]
    assert len(spans) == 4 * 160
    assert sorted(spans)[len(spans) // 2] == pytest.approx(25, rel=0.15)


@pytest.mark.parametrize(("hours", "start_h", "length_h"), [("06:00-22:00", 6, 16), ("22:00-04:30", 22, 6.5)])
def test_a_door_is_used_only_in_its_hours(hours: str, start_h: int, length_h: float) -> None:
    found = events(DOOR.replace("06:00-22:00", hours), 72)

    assert found
    for event in found:
        assert 0 <= (event.time_us - start_h * HOUR_US) % DAY_US <= length_h * HOUR_US


@given(
    st.lists(st.integers(1, 2 * HOUR_US), max_size=8, unique=True),
    st.sampled_from(["6 min", "20 s", "1 ms", "30 h"]),
    st.integers(0, 99),
)
@settings(max_examples=25)
def test_openings_do_not_depend_on_where_blocks_end(cuts: list[int], every: str, seed: int) -> None:
    text = DOOR.replace("every: 6 min", f"every: {every}").replace("06:00-22:00", "05:30-10:00")

    whole = events(text, 2, seed=seed)

    assert events(text, 2, cuts, seed=seed) == whole
    assert [event.seq for event in whole] == list(range(len(whole)))
    assert [event.state for event in whole[:2]] == ["open", "closed"][: len(whole)]


def test_a_run_may_start_while_the_door_is_used() -> None:
    found = events(DOOR, 1)

    assert found[0].time_us >= START_US
    assert (found[0].seq, found[0].state) == (0, "open")

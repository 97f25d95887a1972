"""States and wear by pixel column: what the plant did, counted once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from fleet.data import SECOND_US, State
from fleet.picture.figures import figures_of
from fleet.picture.plot import START_US
from fleet.picture.story import Lived, Span, states_of, tell
from fleet.scenario.roster import Roster
from tests.picture.test_envelope import silent
from tests.sim.plants import blocks_of, events_of, line, logs_of, roster_of

SECONDS, COLUMNS = 900, 17
SPAN = Span(seed=1, start_us=START_US, stop_us=START_US + SECONDS * SECOND_US, columns=COLUMNS)


def rigs() -> Roster:
    return roster_of(
        line("a", {"kind": "rig", "count": 4}, buffer=4, crew=1),
        line("b", {"kind": "rig", "count": 2}, shifts={"hours": ["06:05-14:00"], "breaks": ["06:10-06:12"]}),
        line("gates", {"kind": "door", "count": 2}),
    )


def by_hand(roster: Roster) -> Mapping[str, np.ndarray]:
    """Count the time in states from the events, one by one: (columns, states)."""
    found = {}
    edges = [START_US + SECONDS * SECOND_US * at / COLUMNS for at in range(COLUMNS + 1)]
    for name, events in events_of(blocks_of(roster, SECONDS)).items():
        if events[0].type == "door":
            continue
        us = np.zeros((COLUMNS, len(State)))
        for event, after in zip(events, [*[each.time_us for each in events[1:]], SPAN.stop_us], strict=True):
            for column in range(COLUMNS):
                inside = min(after, edges[column + 1]) - max(event.time_us, edges[column])
                us[column, State[event.state.upper()]] += max(0.0, inside)
        found[name] = us
    return found


def test_time_in_states_is_counted_to_the_column() -> None:
    roster = rigs()

    lived = {each.machine.id: each for each in states_of(roster, SPAN, (0, 1), silent).lived}

    for name, us in by_hand(roster).items():
        assert lived[name].us == pytest.approx(us, abs=COLUMNS)  # edges are whole microseconds here
        assert lived[name].us.sum() == SECONDS * SECOND_US


def test_all_machines_are_told_of_in_order_and_a_share_of_the_islands_in_part() -> None:
    roster = rigs()
    islands = int(roster.island.max()) + 1

    whole = states_of(roster, SPAN, (0, 1), silent).lived
    parts = [each for share in range(islands) for each in states_of(roster, SPAN, (share, islands), silent).lived]

    assert [each.machine.id for each in whole] == [machine.id for machine in roster.machines]
    for each in parts:
        assert np.array_equal(each.us, whole[each.place].us)
        assert (each.parts, each.failures, each.micro_stops) == counts(whole[each.place])


def counts(lived: Lived) -> tuple[int | None, int, int]:
    return lived.parts, lived.failures, lived.micro_stops


def test_counts_are_those_of_the_events() -> None:
    roster = rigs()
    events = events_of(blocks_of(roster, SECONDS))

    for lived in states_of(roster, SPAN, (0, 1), silent).lived:
        of = events[lived.machine.id]
        if lived.is_door:
            assert lived.parts == sum(event.state == "open" for event in of)
        else:
            assert lived.failures == sum(event.cause == "belt" for event in of) > 0
            assert lived.micro_stops == sum(event.cause == "micro_stop" for event in of)
            assert lived.parts is not None
            assert lived.parts >= of[-1].parts > 0
            assert lived.parts >= lived.scrap >= of[-1].scrap


def test_availability_leaves_out_what_was_not_planned() -> None:
    lived = states_of(rigs(), SPAN, (0, 1), silent).lived[4]
    total = lived.total_us

    figures = figures_of(lived)

    assert total[State.STOPPED] == 7 * 60 * SECOND_US
    assert figures.availability == total[State.EXECUTE] / (total.sum() - total[State.STOPPED])
    assert figures.technical is not None
    assert figures.technical > figures.availability
    assert sum(figures.shares.values()) == pytest.approx(1)
    assert figures.quality == 1 - lived.scrap / (lived.parts or 1)
    assert figures.performance is not None
    assert 0.8 < figures.performance <= 1
    assert figures.oee == figures.availability * figures.performance * figures.quality


def test_wear_shows_before_it_fails_and_vibration_rises_between() -> None:
    roster = roster_of(line("a", {"kind": "rig"}))
    truth = logs_of(blocks_of(roster, SECONDS, truth=True))["a-rig-001"].of("vibration")
    events = events_of(blocks_of(roster, SECONDS))["a-rig-001"]

    (told,) = tell(roster, SPAN, [0], silent)

    failed = [event.time_us for event in events if event.cause == "belt"]
    assert [each.failure_us for each in told.labels if each.failure_us is not None] == failed
    assert truth.truth is not None
    rises = []
    for each in told.labels[1:-1]:
        assert each.failure_us is not None
        assert each.stop_us is not None
        assert each.onset_us < each.failure_us < each.stop_us
        until = (truth.scan_us > each.failure_us - 2 * SECOND_US) & (truth.scan_us < each.failure_us)
        before = (truth.scan_us < each.onset_us) & (truth.scan_us > each.onset_us - 5 * SECOND_US)
        rises.append(truth.truth[until].max() / truth.truth[before].max())
    assert np.median(rises) > 1.5


def test_faults_are_told_alike_wherever_blocks_end() -> None:
    roster = roster_of(line("a", {"kind": "rig"}))
    long, short = (Span(1, START_US, START_US + seconds * SECOND_US, 10) for seconds in (SECONDS, SECONDS // 3))

    (whole,), (part,) = tell(roster, long, [0], silent), tell(roster, short, [0], silent)

    until = short.stop_us
    assert [each for each in whole.labels if each.stop_us < until] == [
        each for each in part.labels if each.stop_us < until
    ]
    assert len(part.labels) > 1


def test_a_machine_alone_loses_to_an_outage_what_it_loses_among_all() -> None:
    incident = {"at": "1 min", "gateway": "a", "fault": "outage", "for": "3 min", "buffer": 900}
    roster = roster_of(line("a", {"kind": "rig", "count": 4}), incidents=[incident])
    blocks = blocks_of(roster, 400)
    mine = [label for block in blocks for label in block.labels if label.machine.id == "a-rig-002" and label.incident]
    span = Span(1, START_US, START_US + 400 * SECOND_US, 20)

    (told,) = tell(roster, span, [1], silent)

    (label,) = (label for label in told.labels if label.incident)
    assert told.arrivals is not None
    assert told.arrivals.lost.sum() == sum(each.count for each in label.lost) > 0
    assert (label.lost, label.late) == (mine[-1].lost, mine[-1].late)

"""Faults that stop machines: when these stand still already, in one instant with something else, several at once."""

from __future__ import annotations

import pytest

from fleet.data import Label
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from tests.faults.plants import SECOND_US, START_US, Run, joined, roster_of, simulated

HOURS = 3
MINUTE_US = 60 * SECOND_US
SCENARIO = """\
fleet: 1
name: stops
seed: 7
start: 2026-03-02T06:00:00Z
duration: 3 h
shifts: {hours: ["06:00-07:00", "08:00-09:00"]}
lines:
  - {name: cells, machines: [{kind: cnc-spindle, count: 3}, {kind: pump, count: 4}]}
  - {name: far, machines: [{kind: conveyor, count: 3}]}
incidents:
  - {id: asleep, at: 70 min, machine: cells-cnc-spindle-003, fault: tool_break}
  - {id: again, at: 75 min, machine: cells-cnc-spindle-003, fault: encoder_loss}
  - {id: passes, at: 75 min, machine: cells-cnc-spindle-001, fault: jam, for: 10 min}
  - {id: short, at: 30 min, machine: cells-cnc-spindle-001, fault: jam, for: 3 s}
  - {id: tie, at: 0 s, machine: cells-cnc-spindle-002, fault: tool_wear, over: 1 h}
  - {id: some, at: 10 min, kind: pump, share: 30 %, sensor: flow, fault: bias, for: 5 min}
  - {id: waits, at: 20 min, when: cells-pump-002 is stopped, machine: far-conveyor-001, sensor: current, fault: gain}
  - {id: then, after: waits + 4 min, machine: far-conveyor-002, fault: overheating, for: 20 min}
  - {id: never, at: 0 s, when: cells-pump-003 is suspended, machine: far-conveyor-003, fault: jam}
  - {id: later, after: never, machine: far-conveyor-003, fault: encoder_loss}
"""


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    return roster_of(SCENARIO, tmp_path_factory.mktemp("stops"))


@pytest.fixture(scope="module")
def run(roster: Roster) -> Run:
    return simulated(roster, seconds=HOURS * 3600, cuts=(HOURS * 3600,))


def _label(run: Run, incident: str) -> Label:
    return next(label for label in run.closed().values() if label.incident == incident)


def test_what_stops_machines_does_not_depend_on_where_blocks_are_cut(roster: Roster, run: Run) -> None:
    other = simulated(roster, seconds=HOURS * 3600, cuts=(61, 307, 1200))

    assert other.labels == run.labels
    assert other.events == run.events
    assert other.readings == run.readings


def test_three_workers_make_what_one_makes(roster: Roster, run: Run) -> None:
    parts = joined([simulated(roster, seconds=HOURS * 3600, islands=(share, 3)) for share in range(3)])

    assert parts.labels == run.labels
    assert parts.events == run.events
    assert parts.readings == run.readings


def test_a_machine_that_broke_while_it_stood_still_is_repaired_when_it_should_run_again(run: Run) -> None:
    first, second = _label(run, "asleep"), _label(run, "again")

    assert first.failure_us == START_US + 120 * MINUTE_US
    assert first.stop_us is not None
    assert second.failure_us == first.stop_us, "what struck meanwhile is not forgotten"


def test_a_fault_that_is_over_before_the_machine_runs_again_stops_nothing(run: Run) -> None:
    passed, short = _label(run, "passes"), _label(run, "short")

    assert (passed.failure_us, passed.stop_us) == (None, START_US + 85 * MINUTE_US)
    assert (short.failure_us, short.stop_us) == (None, START_US + 30 * MINUTE_US + 3 * SECOND_US)
    assert "jam" not in {event.cause for event in run.events}


def test_a_machine_that_fails_in_the_instant_in_which_its_shift_ends_is_repaired(run: Run) -> None:
    states = [event for event in run.events if event.machine.id == "cells-cnc-spindle-002"]
    failed = next(at for at, event in enumerate(states) if event.cause == "tool_wear")

    assert states[failed].time_us == START_US + 60 * MINUTE_US
    assert [event.cause for event in states[failed + 1 : failed + 3]] == ["repair", "repaired"]


def test_what_waits_for_a_state_that_never_comes_has_no_label(run: Run) -> None:
    assert not {label.incident for label in run.labels} & {"never", "later"}
    waits, then = _label(run, "waits"), _label(run, "then")
    assert (waits.onset_us, then.onset_us) == (START_US + 60 * MINUTE_US, START_US + 64 * MINUTE_US)


@pytest.mark.parametrize("minutes", [61, 80, 140, 179])
def test_a_run_that_is_interrupted_closes_labels_though_blocks_were_made_ahead(
    roster: Roster, run: Run, minutes: int
) -> None:
    simulation = Simulation(roster, seed=7, start_us=START_US)
    blocks = [simulation.advance(START_US + hour * 60 * MINUTE_US) for hour in range(1, HOURS + 1)]
    stop_us = START_US + minutes * MINUTE_US
    going = {
        label.id: label
        for block in blocks
        for label in block.labels
        if label.is_open and label.time_us < stop_us and label.incident
    }
    ended = {label.id for label in run.closed().values() if label.time_us < stop_us}

    closed = simulation.ended([label for label in going.values() if label.id not in ended], stop_us)

    whole = run.closed()
    for label in closed:
        failed_us = whole[label.id].failure_us
        assert label.stop_us == stop_us
        assert label.failure_us == (failed_us if failed_us is not None and failed_us < stop_us else None)

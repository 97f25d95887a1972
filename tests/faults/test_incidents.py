"""Incidents under the laws: the same wherever blocks are cut, the twin differs by cause only, labels say exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.api import load
from fleet.faults.catalogue import CATALOGUE
from fleet.scenario.incident import Incident
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from tests.faults.plants import SECOND_US, START_US, Reading, Run, expanded, joined, numbers, roster_of, simulated, twin

SECONDS = 1800
SCENARIO = """\
fleet: 1
name: all-families
seed: 7
start: 2026-03-02T06:00:00Z
duration: 30 min
lines:
  - {name: filling, machines: [{kind: pump, count: 3}, {kind: hall-climate, id: air}]}
  - {name: belts, buffer: 5, machines: [{kind: cnc-spindle, count: 2}, {kind: conveyor, count: 2}]}
  - {name: other, machines: [{kind: robot-arm, id: robot}]}
incidents:
  - {id: biased, at: 2 min, machine: filling-pump-001, sensor: vibration, fault: bias, size: 5 sigma, for: 5 min}
  - {id: held, at: 3 min, machine: "filling-pump-*", sensor: flow, fault: stuck, for: 3 min}
  - {id: thin, at: 4 min, machine: filling-pump-002, fault: dropout, portion: 20 %, burst: 5 s, for: 5 min}
  - {id: down, after: biased + 10 min, gateway: filling, fault: outage, for: 2 min, buffer: 2000, catch_up: 20}
  - {id: worn, at: 1 min, machine: filling-pump-003, fault: bearing_wear, over: 10 min}
  - {id: rough, at: 5 min, machine: filling-pump-001, fault: cavitation, for: 4 min}
  - {id: hops, within: 25 min, count: 4, machine: filling-pump-002, sensor: current, fault: bias, size: 1 A, for: 1 min}
  - {id: twice, at: 10 min, gateway: belts, fault: duplicate, portion: 5 %, for: 4 min}
  - {id: mixed, at: 16 min, gateway: belts, fault: out_of_order, portion: 3 %, for: 4 min}
  - {id: slow, at: 21 min, gateway: belts, fault: late, portion: 10 %, for: 2 min}
  - {id: stops, at: 1 min, when: belts-conveyor-001 is suspended, machine: belts-conveyor-002, fault: jam, for: 2 min}
  - {id: then, after: stops + 1 min, machine: belts-cnc-spindle-002, sensor: power, fault: noise, for: 2 min}
  - {id: dark, at: 25 min, gateway: belts, fault: power_dip}
  - {id: flaps, at: 25 min, gateway: other, fault: link_flapping, for: 2 min}
  - {id: again, every: 8 min, at: 2 min, gateway: other, fault: gateway_restart, for: 20 s, repeat: 2}
  - {id: hour, at: 20 min, gateway: other, fault: clock_jump, for: 2 min}
"""


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    return roster_of(SCENARIO, tmp_path_factory.mktemp("incidents"))


@pytest.fixture(scope="module")
def run(roster: Roster) -> Run:
    return simulated(roster, seconds=SECONDS)


@pytest.fixture(scope="module")
def healthy(roster: Roster) -> Run:
    return simulated(twin(roster), seconds=SECONDS)


@settings(max_examples=3, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), min_size=2, max_size=5))
def test_incidents_do_not_depend_on_where_blocks_are_cut(roster: Roster, run: Run, cuts: list[int]) -> None:
    other = simulated(roster, seconds=SECONDS, cuts=[*cuts, 97])

    assert other.readings == run.readings
    assert other.labels == run.labels
    assert other.events == run.events
    assert other.lost == run.lost


def test_three_workers_make_what_one_makes(roster: Roster, run: Run) -> None:
    parts = joined([simulated(roster, seconds=SECONDS, islands=(share, 3)) for share in range(3)])

    assert parts.readings == run.readings
    assert parts.labels == run.labels
    assert parts.events == run.events
    assert parts.lost == run.lost


def test_no_parameter_of_a_fault_is_a_key_of_every_incident() -> None:
    keys = {field.alias or name for name, field in Incident.model_fields.items()}

    assert all(keys.isdisjoint(entry.parameters) for _, entry in CATALOGUE.values())


def test_every_incident_has_a_label_that_is_opened_and_closed(run: Run) -> None:
    opened = [label.id for label in run.labels if label.is_open and label.incident]
    closed = [label.id for label in run.labels if not label.is_open and label.incident]

    assert sorted(opened) == sorted(set(opened))
    assert sorted(opened) == sorted(closed)
    assert {label.incident for label in run.closed().values()} == {
        "biased", "held", "thin", "down", "worn", "rough", "hops", "twice", "mixed", "slow", "stops", "then", "dark",
        "flaps", "again", "hour",
    }  # fmt: skip


def test_labels_name_exactly_the_readings_without_a_record(run: Run, healthy: Run) -> None:
    labelled: dict[str, set[int]] = {}
    for label in run.closed().values():
        lost = numbers(label, "lost")
        assert lost.isdisjoint(labelled.get(label.machine.id, set())), "a reading is lost once"
        labelled[label.machine.id] = labelled.get(label.machine.id, set()) | lost

    for machine in {each.machine for each in healthy.readings}:
        there, all_of_them = {each.seq for each in run.of(machine)}, {each.seq for each in healthy.of(machine)}
        assert all_of_them - there == labelled.get(machine, set())
        assert there <= all_of_them
    assert run.lost == sum(map(len, labelled.values())) > 0


def test_labels_name_exactly_the_readings_that_come_twice(run: Run) -> None:
    copies = {(each.machine, each.seq) for each in run.readings if each.is_copy}
    labelled = {(label.machine.id, number) for label in run.closed().values() for number in numbers(label, "doubled")}

    assert copies == labelled
    assert copies
    first = {(each.machine, each.seq): each for each in run.readings if not each.is_copy}
    for each in (each for each in run.readings if each.is_copy):
        original = first[each.machine, each.seq]
        assert each[4:] == original[4:]
        assert each.due_us > original.due_us


def test_labels_name_exactly_the_readings_that_come_behind_later_ones(run: Run) -> None:
    behind: set[tuple[str, int]] = set()
    for machine in {each.machine for each in run.readings}:
        last = -1
        for each in sorted(run.of(machine), key=lambda reading: (reading.due_us, reading.seq)):
            if each.seq < last:
                behind.add((machine, each.seq))
            last = max(last, each.seq)
    labelled = {
        (label.machine.id, number)
        for label in run.closed().values()
        for what in ("late", "reordered")
        for number in numbers(label, what)
    }

    assert behind == labelled
    assert {label.incident for label in run.closed().values() if label.reordered} == {"mixed"}
    assert {label.incident for label in run.closed().values() if label.late} >= {"down", "slow"}


def test_the_twin_differs_by_cause_only(run: Run, healthy: Run, roster: Roster) -> None:
    """Law 2: sensor and network faults touch nothing outside them, machine faults nothing but their island."""
    before = {(each.machine, each.seq): each for each in healthy.readings}
    island = dict(zip((machine.id for machine in roster.machines), roster.island.tolist(), strict=True))
    spans: dict[str, list[tuple[str, int, int]]] = {}  # by machine
    onset_of_island: dict[int, int] = {}
    for label in run.closed().values():
        assert label.stop_us is not None
        if label.family == "machine":
            at = island[label.machine.id]
            onset_of_island[at] = min(label.onset_us, onset_of_island.get(at, label.onset_us))
        else:
            spans.setdefault(label.machine.id, []).append((label.sensor, label.onset_us, label.stop_us))

    for each in run.readings:
        twins = before[each.machine, each.seq]
        if each == twins or each.scan_us >= onset_of_island.get(island[each.machine], 1 << 62):
            continue
        assert any(
            sensor in {"", each.sensor} and onset_us <= each.scan_us < stop_us
            for sensor, onset_us, stop_us in spans.get(each.machine, [])
        ), each


def test_an_incident_may_wait_for_the_state_of_another_machine(run: Run) -> None:
    label = next(label for label in run.closed().values() if label.incident == "stops")
    begins_us = START_US + 60 * SECOND_US
    states = [event for event in run.events if event.machine.id == "belts-conveyor-001"]
    met = [event.state for event in states if event.time_us <= begins_us][-1]
    later = next(event.time_us for event in states if event.time_us > begins_us and event.state == "suspended")
    first = begins_us if met == "suspended" else later
    follows = next(label for label in run.closed().values() if label.incident == "then")

    assert label.onset_us == first
    assert follows.onset_us == first + 60 * SECOND_US


def test_a_machine_that_wears_out_by_script_fails_is_repaired_and_says_why(run: Run) -> None:
    label = next(label for label in run.closed().values() if label.incident == "worn")
    causes = [event.cause for event in run.events if event.machine.id == "filling-pump-003"]

    assert label.failure_us == START_US + 660 * SECOND_US
    assert "bearing_wear" in causes


def test_an_outage_loses_nothing_until_its_buffer_is_full(run: Run, healthy: Run) -> None:
    labels = [label for label in run.closed().values() if label.incident == "down"]
    onset_us, stop_us = labels[0].onset_us, labels[0].onset_us + 120 * SECOND_US
    named = {label.machine.id for label in labels}

    taken = sorted(
        (each for each in healthy.readings if each.machine in named and onset_us <= each.scan_us < stop_us),
        key=lambda each: each.scan_us,
    )
    lost = {(label.machine.id, number) for label in labels for number in numbers(label, "lost")}
    dropped = {
        (label.machine.id, number)
        for label in run.closed().values()
        if label.incident == "thin"
        for number in numbers(label, "lost")
    }

    first_lost_us = min(each.scan_us for each in taken if (each.machine, each.seq) in lost)
    stored = [each for each in taken if each.scan_us < first_lost_us and (each.machine, each.seq) not in dropped]
    assert 2000 - 10 <= len(stored) <= 2000
    forwarded = [each for each in run.readings if each.machine in named and onset_us <= each.scan_us < stop_us]
    assert all(each.due_us >= stop_us for each in forwarded)
    assert len(forwarded) == len(stored)


def _values(readings: list[Reading]) -> list[float]:
    return [each.value for each in readings]


def test_a_stuck_sensor_repeats_the_reading_of_its_onset(run: Run, healthy: Run) -> None:
    label = next(
        label for label in run.closed().values() if label.incident == "held" and label.machine.id == "filling-pump-001"
    )

    def during(of: Run) -> list[Reading]:
        readings = of.of("filling-pump-001", "flow")
        return [each for each in readings if label.onset_us <= each.scan_us < (label.stop_us or 0)]

    assert len(set(_values(during(healthy)))) > 5
    assert set(_values(during(run))) == {during(healthy)[0].value}


def test_a_share_of_machines_is_drawn_by_each_for_itself(tmp_path: Path) -> None:
    text = """\
fleet: 1
name: share
seed: 7
start: 2026-03-02T06:00:00Z
duration: 5 min
lines: [{{name: filling, machines: [{{kind: pump, count: {count}}}]}}]
incidents: [{{at: 1 min, kind: pump, share: 30 %, sensor: current, fault: bias}}]
"""
    some = simulated(roster_of(text.format(count=60), tmp_path), seconds=90)
    more = simulated(roster_of(text.format(count=61), tmp_path), seconds=90)

    struck = {label.machine.id for label in some.labels if label.incident}
    assert 8 <= len(struck) <= 28
    assert {label.machine.id for label in more.labels if label.incident} - struck <= {"filling-pump-061"}


def test_labels_of_wear_do_not_depend_on_where_blocks_are_cut() -> None:
    quick = expanded(load("quickstart"))

    runs = [simulated(quick, seconds=600, cuts=cuts, seed=11) for cuts in ([600], [1, 7, 33])]

    assert runs[0].labels == runs[1].labels
    assert any(label.failure_us is not None for label in runs[0].labels)


def test_an_outage_couples_the_machines_of_each_gateway_and_no_others(tmp_path: Path) -> None:
    text = """\
fleet: 1
name: gateways
seed: 7
duration: 1 h
lines: [{name: filling, count: 3, machines: [{kind: pump, count: 2}]}]
incidents: [{at: 1 min, fault: outage}]
"""
    roster = roster_of(text, tmp_path)

    assert roster.island.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_sensor_is_stuck_at_the_same_reading_wherever_blocks_are_cut(tmp_path: Path) -> None:
    """Also where a block ends between the onset and the next reading, before which the machine changes its state."""
    text = """\
fleet: 1
name: stuck
seed: 7
start: 2026-03-02T06:00:00Z
duration: 20 min
lines: [{name: cells, machines: [{kind: cnc-spindle, count: 8}]}]
incidents: [{at: 10 s, every: 61 s, repeat: 15, fault: stuck, for: 50 s}]
"""
    cells = roster_of(text, tmp_path)

    whole, parts = (simulated(cells, seconds=960, cuts=cuts) for cuts in ((960,), (1, 2, 1, 3)))

    assert parts.readings == whole.readings


def test_a_run_that_is_interrupted_tells_of_a_failure_whose_repair_a_block_made_ahead_has_ended() -> None:
    quick = expanded(load("quickstart"))
    simulation = Simulation(quick, seed=11, start_us=START_US)
    labels = [label for minutes in (10, 20) for label in simulation.advance(START_US + minutes * 60_000_000).labels]
    whole = next(each for each in labels if not each.is_open and each.failure_us is not None)
    assert whole.failure_us is not None
    assert whole.stop_us is not None
    opened = next(each for each in labels if each.is_open and each.id == whole.id)

    before, after = (simulation.ended([opened], whole.failure_us + later_us)[0] for later_us in (0, 1))

    assert (before.failure_us, after.failure_us) == (None, whole.failure_us)

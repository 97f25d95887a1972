from __future__ import annotations

import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.data import Equipment
from fleet.scenario.expansion import expand
from fleet.scenario.kinds import find_kinds
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from tests.scenario.files import HEAD, scenario_of, write_kinds


def roster_of(folder: Path, lines: str) -> Roster:
    scenario = scenario_of(folder, HEAD + "site: thingum\n" + lines)
    return expand(scenario, kinds_for(scenario))


def test_machines_are_numbered_per_line_and_kind_over_entries(tmp_path: Path) -> None:
    roster = roster_of(
        tmp_path,
        "lines: [{name: a, area: hall-a, machines: "
        "[{kind: lift, count: 2}, {kind: belt, id: main}, {kind: belt}, {kind: lift}]}]\n",
    )

    assert [machine.id for machine in roster.machines] == [
        "a-lift-001",
        "a-lift-002",
        "main",
        "a-belt-001",
        "a-lift-003",
    ]
    assert roster.machines[2] == Equipment("main", "belt", "a", "hall-a", "thingum")
    assert type(roster.machines[0]) is Equipment
    assert roster.entry.tolist() == [0, 0, 1, 2, 3]
    assert [entry.count for entry in roster.entries] == [2, 1, 1, 1]


def test_more_machines_rename_none(tmp_path: Path) -> None:
    few = roster_of(tmp_path, "lines: [{name: a, machines: [{kind: lift, count: 999}]}]\n")
    many = roster_of(tmp_path, "lines: [{name: a, machines: [{kind: lift, count: 1001}]}]\n")

    assert many.machines[:999] == few.machines
    assert [machine.id for machine in many.machines[998:]] == ["a-lift-999", "a-lift-1000", "a-lift-1001"]


def test_lines_by_count_share_their_entries(tmp_path: Path) -> None:
    roster = roster_of(
        tmp_path,
        "lines:\n- {name: first, machines: [{kind: belt}]}\n"
        "- {name: press, count: 3, hall: north, buffer: 9, machines: [{kind: lift, count: 2}, {kind: belt}]}\n",
    )

    assert [line.name for line in roster.lines] == ["first", "press-001", "press-002", "press-003"]
    assert roster.line.tolist() == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert roster.entry.tolist() == [0, 1, 1, 2, 1, 1, 2, 1, 1, 2]
    assert [(entry.line, entry.lines, entry.count) for entry in roster.entries] == [(0, 1, 1), (1, 3, 2), (1, 3, 1)]
    assert roster.machines[4].id == "press-002-lift-001"
    assert [hall.name for hall in roster.halls] == ["main", "north"]
    assert [(line.hall, line.buffer) for line in roster.lines] == [(0, 0), (1, 9), (1, 9), (1, 9)]


def test_shifts_of_a_line_go_before_the_sites(tmp_path: Path) -> None:
    roster = roster_of(
        tmp_path,
        "shifts: {days: [mon]}\nlines:\n- {name: a, machines: [{kind: lift}]}\n"
        "- {name: b, shifts: {days: [sun]}, machines: [{kind: lift}]}\n",
    )

    assert [line.shifts.days for line in roster.lines if line.shifts] == [(0,), (6,)]


def test_without_coupling_every_machine_is_an_island(tmp_path: Path) -> None:
    roster = roster_of(tmp_path, "lines: [{name: a, count: 2, machines: [{kind: lift, count: 2}]}]\n")

    assert roster.island.tolist() == [0, 1, 2, 3]
    assert roster.crews == ()


def test_a_buffer_links_the_machines_with_a_cycle(tmp_path: Path) -> None:
    machines = "machines: [{kind: lift}, {kind: belt}, {kind: lift}]"

    roster = roster_of(tmp_path, f"lines: [{{name: a, count: 2, buffer: 5, {machines}}}]\n")

    assert roster.island.tolist() == [0, 1, 0, 2, 3, 2]


def test_a_crew_of_its_own_links_what_it_repairs_in_each_line(tmp_path: Path) -> None:
    machines = "machines: [{kind: belt}, {kind: lift, count: 2}]"

    roster = roster_of(tmp_path, f"lines: [{{name: a, count: 2, crew: 2, {machines}}}]\n")

    assert roster.island.tolist() == [0, 1, 1, 2, 3, 3]
    assert [(crew.name, crew.size) for crew in roster.crews] == [("a-001", 2), ("a-002", 2)]
    assert [line.crew for line in roster.lines] == [0, 1]


def test_a_shared_crew_links_all_lines_that_name_it(tmp_path: Path) -> None:
    crew = "crew: {name: all, size: 3}"

    roster = roster_of(
        tmp_path,
        f"lines:\n- {{name: a, {crew}, machines: [{{kind: lift}}, {{kind: belt}}]}}\n"
        f"- {{name: b, machines: [{{kind: lift}}]}}\n"
        f"- {{name: c, count: 2, buffer: 3, {crew}, machines: [{{kind: lift, count: 2}}]}}\n",
    )

    assert roster.island.tolist() == [0, 1, 2, 0, 0, 0, 0]
    assert [line.crew for line in roster.lines] == [0, -1, 0, 0]
    assert roster.crews == (("all", 3),)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    templates=st.lists(
        st.fixed_dictionaries(
            {"machines": st.lists(st.sampled_from(["lift", "belt"]), min_size=1, max_size=4)},
            optional={
                "count": st.integers(1, 3),
                "buffer": st.integers(2, 5),
                "crew": st.sampled_from([1, {"name": "x", "size": 1}, {"name": "y", "size": 1}]),
            },
        ),
        min_size=1,
        max_size=4,
    )
)
def test_islands_are_what_a_search_over_all_pairs_finds(tmp_path: Path, templates: list[dict[str, object]]) -> None:
    write_kinds(tmp_path)
    kinds = find_kinds(["lift", "belt"], folder=str(tmp_path))[0]
    lines = [
        {**template, "name": f"l{index}", "machines": [{"kind": kind} for kind in template["machines"]]}  # type: ignore[attr-defined]
        for index, template in enumerate(templates)
    ]
    scenario = Scenario.model_validate({"fleet": 1, "name": "demo", "lines": lines})

    roster = expand(scenario, kinds)

    assert roster.island.tolist() == _islands_by_search(roster)


def _islands_by_search(roster: Roster) -> list[int]:
    """Find the islands the slow way, joining pair after pair of machines that are coupled."""
    pump = [machine.kind == "lift" for machine in roster.machines]  # the one that has a cycle and wears
    lines = [roster.lines[line] for line in roster.line]
    number = list(range(len(pump)))
    for a in range(len(pump)):
        for b in range(a):
            chained = lines[a].name == lines[b].name and lines[a].buffer > 0
            repaired = lines[a].crew == lines[b].crew >= 0
            if pump[a] and pump[b] and (chained or repaired):
                old, new = max(number[a], number[b]), min(number[a], number[b])
                number = [new if each == old else each for each in number]
    order = list(dict.fromkeys(number))
    return [order.index(each) for each in number]


def test_a_hundred_thousand_machines_expand_at_once(tmp_path: Path) -> None:
    text = "lines: [{name: a, count: 1000, crew: 2, buffer: 9, machines: [{kind: lift, count: 100}]}]\n"
    scenario = scenario_of(tmp_path, HEAD + text)
    kinds = kinds_for(scenario)

    began = time.process_time()
    roster = expand(scenario, kinds)
    spent_s = time.process_time() - began

    assert len(roster.machines) == len({machine.id for machine in roster.machines}) == 100_000
    assert roster.island[-1] == 999
    # The aim is 0.5 s; ten times that tells a mistake from a busy machine.
    assert spent_s < 5


def test_entries_of_the_same_settings_share_their_kind(tmp_path: Path) -> None:
    entry = "{kind: lift, set: {rated_current: 6 A}}"

    roster = roster_of(tmp_path, f"lines: [{{name: a, machines: [{entry}, {entry}, {{kind: lift}}]}}]\n")

    kinds = [roster.entries[index].kind for index in roster.entry]
    assert kinds[0] is kinds[1]
    assert [kind.parameters["rated_current"].value.value for kind in kinds] == [6, 6, 22]

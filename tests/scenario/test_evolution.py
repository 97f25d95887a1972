"""The evolution in a scenario file: what steps are for whom, and each mistake in one located line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.api import load
from fleet.errors import RequestError, ScenarioError
from fleet.run.evolution import judged_steps
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.roster import Roster
from fleet.sim.laws import LAW_INPUTS
from tests.run.evolution import BROKEN, NEXT, evolving, next_version

HEAD = """\
fleet: 1
name: mistakes
seed: 7
start: 2026-03-02T06:00:00Z
duration: 1 h
lines:
  - {name: filling, machines: [{kind: pump, count: 2}, {kind: door, id: gate}]}
  - {name: packing, count: 2, hall: north, machines: [{kind: conveyor, count: 2}]}
records: {readings: {layout: v1}}
evolution:
"""


def roster_of(folder: Path, *steps: str) -> Roster:
    scenario = load(evolving(folder, HEAD + "".join(f"  - {step}\n" for step in steps)))
    return expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))


def test_steps_stand_in_order_of_time_with_the_machines_that_their_selectors_choose(tmp_path: Path) -> None:
    roster = roster_of(
        tmp_path,
        "{at: 20 min, schema: 2}",
        "{at: 10 min, schema: 2, line: packing}",
        "{at: 10 min, schema: 2, machine: filling-pump-00*}",
        "{at: 30 min, schema: next.avsc, hall: north, kind: conveyor, line: packing-002}",
    )

    found = [(step.place, step.layout, len(step.machines)) for step in roster.script.steps]

    assert found == [(1, "v2", 4), (2, "v2", 2), (0, "v2", 6), (3, NEXT, 2)]  # the door writes no readings
    assert not roster.script.scripted


def test_a_refused_step_is_a_fault_of_its_machines(tmp_path: Path) -> None:
    roster = roster_of(tmp_path, "{at: 5 min, schema: 2}", "{at: 10 min, schema: broken.avsc, refused: true}")

    (each,) = roster.script.scripted

    assert (each.id, each.fault, len(each.machines)) == ("evolution-2", "incompatible_schema", 6)
    assert each.said == (("schema", BROKEN),)
    twin = roster.scenario.without_incidents()
    assert [step.version for step in twin.evolution] == [2]
    assert not expand(twin, kinds_for(twin, laws=LAW_INPUTS)).script.scripted


MISTAKES = {
    "{at: 1 min, schema: 4}": "schema: must be 1, 2, 3 or a file like 'my.avsc', got 4; did you mean 3?",
    "{at: 1 min, schema: v2}": "schema: must be 1, 2, 3 or a file like 'my.avsc', got 'v2'; did you mean 2?",
    "{at: 1 min, schema: next}": (
        "schema: must be 1, 2, 3 or a file like 'my.avsc', got 'next'; did you mean 'next.avsc'?"
    ),
    "{at: 1 min, schema: true}": "schema: must be 1, 2, 3 or a file like 'my.avsc', got true",
    "{at: 1 min}": "schema: must be given",
    "{schema: 2}": "at: must be given",
    "{at: -1 min, schema: 2}": "at: must be at least 0 s, got -1 min",
    "{at: 1 h, schema: 2}": "at: must be within the run, which lasts 3600 s, is 3600 s",
    "{at: 1 min, schema: 2, refused: yes please}": "refused: must be true or false, got 'yes please'",
    "{at: 1 min, schema: 2, refuse: true}": "refuse: unknown key 'refuse'; did you mean 'refused'?",
    "{at: 1 min, schema: 2, line: fillin}": "line: unknown line 'fillin'; did you mean 'filling'?",
    "{at: 1 min, schema: 2, machine: gate}": "schema: must be for some machine with sensors",
    "{at: 1 min, schema: 2, fields: {site: '=north'}}": "fields: must come with a 'schema' that is a file",
    "{at: 1 min, schema: gone.avsc}": "schema: gone.avsc cannot be read: no such file or directory",
    "{at: 1 min, schema: evolving.yaml.avsc}": "schema: evolving.yaml.avsc must be JSON, is not",
    "{at: 1 min, schema: next.avsc, fields: {plant: machine}}": "fields.plant: unknown field 'plant' of next.avsc",
    "{at: 1 min, schema: unfilled.avsc}": "fields: field 'site_number' of unfilled.avsc is filled by nothing",
}


@pytest.mark.parametrize("step", MISTAKES)
def test_a_mistake_is_said_in_a_line_with_its_place(tmp_path: Path, step: str) -> None:
    (tmp_path / "evolving.yaml.avsc").write_text("not JSON")
    unfilled = json.loads(next_version({"name": "site_number", "type": "int"}))
    (tmp_path / "unfilled.avsc").write_text(json.dumps(unfilled))

    with pytest.raises(ScenarioError) as told:
        roster_of(tmp_path, step)

    lines = str(told.value).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path}/evolving.yaml:11: evolution[0].{MISTAKES[step]}")


def test_two_steps_for_one_machine_at_one_instant_are_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as told:
        roster_of(tmp_path, "{at: 1 min, schema: 2, line: packing}", "{at: 60 s, schema: 3, kind: conveyor}")

    said = str(told.value)
    assert f"{tmp_path}/evolving.yaml:12: evolution[1].at: must not be for 'packing-001-conveyor-001'" in said
    assert said.endswith("see evolution[0] in line 11")


def test_a_layout_of_ones_own_does_not_evolve(tmp_path: Path) -> None:
    text = HEAD.replace("{layout: v1}", "{schema: next.avsc, fields: {machine_id: machine}}")

    with pytest.raises(ScenarioError, match=r"evolution: must be absent where records\.readings\.schema says"):
        load(evolving(tmp_path, text + "  - {at: 1 min, schema: 2}\n"))


def test_an_incident_may_not_have_the_fault_or_the_name_of_a_refused_step(tmp_path: Path) -> None:
    steps = "  - {at: 1 min, schema: 2}\n  - {at: 2 min, schema: broken.avsc, refused: true}\n"
    incidents = (
        "incidents:\n  - {at: 1 min, fault: incompatible_schema}\n",
        "incidents:\n  - {id: evolution-2, at: 1 min, machine: filling-pump-001, fault: imbalance}\n",
    )
    told = []

    for text in incidents:
        with pytest.raises(ScenarioError) as error:
            load(evolving(tmp_path, HEAD + steps + text))
        told.append(str(error.value))

    assert (
        "evolving.yaml:14: incidents[0].fault: must strike something; 'incompatible_schema' comes of a step" in told[0]
    )
    assert "evolving.yaml:14: incidents[0].id: must be unique, 'evolution-2' is used twice" in told[1]


# ---------------------------------------------------------------- whether readers can follow


def _with_field(name: str, **changes: object) -> str:
    schema = json.loads(next_version())
    next(field for field in schema["fields"] if field["name"] == name).update(changes)
    return json.dumps(schema)


JUDGED: dict[str, tuple[Callable[[], str], str]] = {
    "{at: 1 min, schema: odd.avsc}": (
        lambda: _with_field("value", type="float"),
        "odd.avsc must be BACKWARD after v2, is not: value: the writer writes double, which is no float to the reader",
    ),
    "{at: 1 min, schema: 1}": (
        next_version,
        "v1 must be BACKWARD after v2, is not: value: the writer writes double, which is no float to the reader",
    ),
    "{at: 1 min, schema: odd.avsc, refused: true}": (
        next_version,
        "odd.avsc must be incompatible to be refused, it is BACKWARD after v2; take 'refused: true' away",
    ),
    "{at: 1 min, schema: machine-sensor.v3.avsc, fields: {machine_id: machine}}": (
        next_version,
        "machine-sensor.v3.avsc must have another file's name: one of ours has it",
    ),
    "{at: 1 min, schema: millis.avsc}": (
        next_version,
        "millis.avsc must not have the fields of v2 with another meaning",
    ),
}


@pytest.mark.parametrize("step", JUDGED)
def test_who_would_lose_readers_or_only_says_so_is_told_with_line_and_field(tmp_path: Path, step: str) -> None:
    make, said = JUDGED[step]
    (tmp_path / "odd.avsc").write_text(make())
    ours = Path(__file__).parents[2] / "schemas"
    (tmp_path / "machine-sensor.v3.avsc").write_text((ours / "machine-sensor.v3.avsc").read_text())
    millis = (ours / "machine-sensor.v2.avsc").read_text().replace("timestamp-micros", "timestamp-millis")
    (tmp_path / "millis.avsc").write_text(millis)
    scenario = load(evolving(tmp_path, HEAD.replace("layout: v1", "layout: v2") + f"  - {step}\n"))

    with pytest.raises(ScenarioError) as told:
        judged_steps(scenario)

    assert str(told.value).startswith(f"{tmp_path}/evolving.yaml:11: evolution[0].schema: {said}")
    assert "\n" not in str(told.value)


def test_a_version_is_held_against_the_last_one_that_came_into_use_before_it(tmp_path: Path) -> None:
    steps = "".join(
        f"  - {step}\n"
        for step in (
            "{at: 9 min, schema: 1, line: packing}",  # back again: it was there before
            "{at: 3 min, schema: 3}",
            "{at: 6 min, schema: 1, refused: true, line: filling}",
        )
    )

    refused = judged_steps(load(evolving(tmp_path, HEAD + steps)))

    assert {place: each.file for place, each in refused.items()} == {2: "v1"}
    assert refused[2].reason.startswith("value: ")


def test_two_files_of_one_name_and_texts_that_no_record_holds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / NEXT).write_text(next_version())
    (tmp_path / "long.avsc").write_text(next_version({"name": "a", "type": "int", "default": 0, "doc": "x" * 200_000}))
    (tmp_path / "longer.avsc").write_text(next_version({"name": "b", "type": "int", "default": 0, "doc": "y" * 90_000}))

    with pytest.raises(RequestError, match=r"evolution\[1\].schema: must have another file's name than 'next.avsc'"):
        roster_of(tmp_path, "{at: 1 min, schema: next.avsc}", "{at: 2 min, schema: other/next.avsc}")
    with pytest.raises(RequestError, match="evolution: must name schemas of at most 256 KiB all together"):
        roster_of(tmp_path, "{at: 1 min, schema: long.avsc}", "{at: 2 min, schema: longer.avsc}")

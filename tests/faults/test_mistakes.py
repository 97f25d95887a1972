"""Mistakes in incidents: each one located line, and never a hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.api import load
from fleet.errors import ScenarioError

HEAD = """\
fleet: 1
name: mistakes
seed: 7
start: 2026-03-02T06:00:00Z
duration: 1 h
lines:
  - {name: filling, machines: [{kind: pump, count: 2}, {kind: door, id: gate}, {kind: energy-meter, id: meter}]}
incidents:
"""

MISTAKES = {
    "- {id: a, after: a + 5 min, machine: filling-pump-001, fault: imbalance}": ("after: must not lead back to itself"),
    "- {at: 2 h, machine: filling-pump-001, fault: imbalance}": (
        "at: must be within the run, which lasts 3600 s, is 7200 s"
    ),
    "- {within: 8 h, count: 5, machine: filling-pump-001, fault: imbalance, for: 1 min}": (
        "within: must end within the run"
    ),
    "- {at: 1 min, machine: filling-pump-009, fault: imbalance}": (
        "machine: unknown machine 'filling-pump-009'; did you mean"
    ),
    "- {at: 1 min, machine: [], fault: imbalance}": ("machine: must have at least one name, got an empty list"),
    "- {at: 1 min, machine: [3], fault: imbalance}": (
        "machine: must be a list of names or patterns like 'filling-*', got 3 in it"
    ),
    "- {at: 1 min, machine: gate, fault: power_dip}": ("fault: must be for some machine with sensors"),
    "- {at: 1 min, machine: meter, fault: imbalance}": (
        "fault: must fit the machines, 'energy-meter' cannot have 'imbalance'"
    ),
    "- {at: 1 min, machine: filling-pump-001, sensor: vibration, fault: bias, size: 3 bar}": (
        "size: must be in mm/s, in sigma"
    ),
    "- {at: 1 min, machine: filling-pump-001, fault: imbalanse}": (
        "fault: unknown fault 'imbalanse'; did you mean 'imbalance'?"
    ),
    "- {at: 1 min, gateway: filling, fault: outage, bufer: 3}": ("bufer: unknown key 'bufer'; did you mean 'buffer'?"),
    "- {machine: filling-pump-001, fault: imbalance}": ("at: must be given, or one of 'within', 'after' and 'when'"),
    "- {at: 1 min, for: 0 s, machine: filling-pump-001, fault: imbalance}": ("for: must be above 0 s"),
    "- {at: 1 min, when: filling-pump-001 is executing, machine: filling-pump-002, fault: jam}": (
        "when: unknown state 'executing'"
    ),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_said_in_a_line_with_its_place(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mistakes.yaml"
    file.write_text(f"{HEAD}  {line}\n")

    with pytest.raises(ScenarioError) as told:
        load(file)

    assert any(f"{file}:9: incidents[0].{MISTAKES[line]}" in said for said in str(told.value).splitlines())


def test_two_faults_of_which_one_hides_the_other_are_refused_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "mistakes.yaml"
    one = "  - {at: 1 min, machine: filling-pump-001, sensor: flow, fault: stuck, for: 10 min}\n"
    file.write_text(HEAD + one + one.replace("1 min", "5 min"))

    with pytest.raises(ScenarioError) as told:
        load(file)

    assert str(told.value).startswith(f"{file}:10: incidents[1].fault: must not be on 'filling-pump-001'")
    assert str(told.value).endswith("see incidents[0] in line 9")

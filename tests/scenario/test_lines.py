from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet.cli.app import app
from fleet.scenario.expansion import expand
from fleet.scenario.kinds import kind_named
from fleet.scenario.load import load
from fleet.sim.laws import LAW_INPUTS
from tests.scenario.files import HEAD, mistakes

PAGE = Path(__file__).parents[2] / "docs" / "lines.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.split("\n")[1] for example in EXAMPLES])
def test_fleet_check_accepts_every_example_of_the_page_on_lines(tmp_path: Path, example: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example)

    checked = CliRunner().invoke(app, ["check", str(file)])

    assert checked.exit_code == 0, checked.output


def test_what_the_examples_say_of_maintenance_reaches_the_machines(tmp_path: Path) -> None:
    file = tmp_path / "maintenance.yaml"
    file.write_text(next(example for example in EXAMPLES if "name: maintenance\n" in example))
    scenario = load(file)

    roster = expand(scenario, {name: kind_named(name, laws=LAW_INPUTS) for name in ("pump", "oven")})

    age, condition, shelf = (entry.maintenance for entry in roster.entries)
    assert age is not None
    assert (age.policy, age.every, age.takes) == ("age", 300 * 3600, 2700)
    assert condition is not None
    assert (condition.policy, condition.every, condition.above, condition.leaves) == ("condition", 8 * 3600, 0.4, 0.1)
    assert shelf is not None
    assert shelf.parts is not None
    assert (shelf.parts.stock, shelf.parts.lead, shelf.parts.spread) == (1, 3 * 86400, 0.5)
    assert len({int(roster.island[place]) for place in range(5, 8)}) == 1  # one shelf
    assert len({int(roster.island[place]) for place in range(5)}) == 1  # one crew


def line(more: str, kind: str = "lift") -> str:
    return HEAD + f"lines:\n  - name: a\n    machines: [{{kind: {kind}}}]\n    {more}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (line("maintenance: {policy: age}"), "must be given: the policy 'age' needs it"),
        (line("maintenance: {policy: condition, every: 8 h}"), "must be given: the policy 'condition' needs it"),
        (line("maintenance: {every: 8 h}"), "must be absent: the policy 'run-to-failure' knows no 'every'"),
        (
            line("maintenance: {policy: age, every: 8 h, above: 3 %}"),
            "must be absent: the policy 'age' knows no 'above'",
        ),
        (line("maintenance: {policy: never}"), "must be one of run-to-failure, age, condition, got 'never'"),
        (line("maintenance: {policy: age, every: 0 h}"), "must be above 0 s, got 0 h"),
        (line("maintenance: {policy: age, every: 8 bar}"), "must be a duration like '6 min', got '8 bar'"),
        (line("maintenance: {leaves: 120 %}"), "must be at most 95 %, got 120 %"),
        (
            line("maintenance: {policy: condition, every: 8 h, above: 20 %, leaves: 30 %}"),
            "must be below 'above', 0.2, got 0.3: it would have to be done again at once",
        ),
        (line("maintenance: {modes: [bearng]}"), "unknown failure mode 'bearng'; did you mean 'bearing'?"),
        (line("maintenance: {modes: []}"), "must have at least one failure mode, got none"),
        (line("maintenance: {parts: {stock: -1}}"), "must be at least 0, got -1"),
        (line("maintenance: {parts: {lead: soon}}"), "must be a duration like '6 min', got 'soon'"),
        (line("maintenance: often"), "must be a mapping of keys to values, got 'often'"),
        (line("scrap: 120 %"), "must be at most 50 %, got 120 %"),
        (line("scrap: 2 %", kind="belt"), "must be absent: no machine of the line has a cycle, so none makes parts"),
        (
            line("products: [{name: x}]", kind="belt"),
            "must be absent: no machine of the line has a cycle, so none makes parts",
        ),
        (line("products: [{name: x}, {name: x}]"), "must be unique, 'x' is used twice"),
        (line("products: [{name: x, lot: 0}]"), "must be at least 1, got 0"),
        (
            line("products: [{name: x, lot: [9, 3]}]"),
            "must have the least first and the most second like [3, 9], got [9",
        ),
        (line("products: [{name: x, lot: [9]}]"), "must be a number of parts like 200, or the least and the most"),
        (line("products: [{name: x, lot: many}]"), "must be a number of parts, a whole number, got 'many'"),
        (line("products: [{name: x, share: 0}]"), "must be above 0, got 0"),
        (line("products: [{name: x, period: 20}]"), "must be at most 10, got 20"),
        (line("products: [{share: 2}]"), "must be given"),
        (line("changeover: {lasts: 5 min}"), "must be absent: the line has no 'products' to change between"),
        (line("shifts: {handover: -5 min}"), "must be at least 0 s, got -5 min"),
        (
            line("shifts: {hours: [06:00-14:00, 14:00-22:00], handover: 9 h}"),
            "6: lines[0].shifts.handover: must be shorter than the shortest shift, 8 h, got '9 h'",
        ),
        (
            line("shifts: {hours: [06:00-14:00], breaks: [09:00-09:15, 15:00-15:30]}"),
            "6: lines[0].shifts.breaks[1]: must lie inside the shifts, 06:00-14:00, got '15:00-15:30': nobody works",
        ),
        (
            line("shifts: {hours: [06:00-14:00], breaks: [13:30-14:30]}"),
            "6: lines[0].shifts.breaks[0]: must lie inside the shifts, 06:00-14:00, got '13:30-14:30': nobody works",
        ),
        (
            line("maintenance: {policy: agee, every: 3 h}"),
            "must be one of run-to-failure, age, condition, got 'agee'; did you mean 'age'?",
        ),
    ],
)
def test_a_mistake_in_a_line_is_told_with_what_must_hold(tmp_path: Path, text: str, problem: str) -> None:
    found = mistakes(tmp_path, text)

    assert len(found) == 1, found
    assert problem in found[0]

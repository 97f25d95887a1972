"""Whatever a file holds, loading it gives a scenario or problems in our own words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.errors import ScenarioError
from fleet.scenario.document import parse
from fleet.scenario.expansion import expand
from fleet.scenario.kinds import load_kind
from fleet.scenario.load import check
from fleet.scenario.model import Scenario
from tests.scenario.files import HEAD, PUMP, kind_of, write_kinds
from tests.scenario.test_load import EVERYTHING

# Nothing that pydantic or Python says by itself belongs into a message.
FOREIGN = re.compile(
    r"Input should|pydantic|Traceback|Value error|must be something else|NoneType|object at 0x|errors\.", re.ASCII
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["22 A", "-5 s", "now", "06:00-14:00", "pump", "belt", "mon", "avro", "unbounded", "{line}"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def outcome(text: str | bytes, folder: Path) -> Scenario | ScenarioError:
    """Check *text* as a scenario and return what came of it, whose words are our own."""
    try:
        return check(parse(text, file="a.yaml"), folder=str(folder))
    except ScenarioError as error:
        found = error
    judge(found)
    return found


def judge(error: ScenarioError) -> None:
    """Hold every problem of *error* to be one line of ours."""
    assert error.problems
    for problem in error.problems:
        assert "\n" not in str(problem)
        assert not FOREIGN.search(problem.text), problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kinds")
    write_kinds(made)
    return made


@settings(max_examples=300)
@given(text=st.one_of(st.text(), st.binary()))
def test_no_text_gives_anything_but_problems_or_a_scenario(folder: Path, text: str | bytes) -> None:
    outcome(text, folder)


@settings(max_examples=300)
@given(data=st.data())
def test_no_cut_or_insertion_into_a_scenario_breaks_the_loader(folder: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(EVERYTHING)))
    stop = data.draw(st.integers(start, min(start + 40, len(EVERYTHING))))
    text = EVERYTHING[:start] + data.draw(st.text(alphabet="{}[]:,-& *!|>'\"#\n\t a1%", max_size=8)) + EVERYTHING[stop:]

    found = outcome(text, folder)

    if isinstance(found, Scenario):
        assert found.lines


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value in *value*."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [*([path] if path else []), *(each for key, part in inner for each in paths(part, (*path, key)))]


def replaced(value: object, path: tuple[str | int, ...], new: object) -> object:
    """Return *value* with *new* at *path*."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {name: replaced(part, rest, new) if name == key else part for name, part in value.items()}
    assert isinstance(value, list)
    return [replaced(part, rest, new) if index == key else part for index, part in enumerate(value)]


SCENARIO_DATA = parse(EVERYTHING, file="a.yaml").data
KIND_DATA = parse(PUMP, file="a.yaml").data


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(paths(SCENARIO_DATA)), new=values)
def test_any_value_anywhere_in_a_scenario_is_taken_or_refused(
    folder: Path, path: tuple[str | int, ...], new: object
) -> None:
    outcome(json.dumps(replaced(SCENARIO_DATA, path, new), allow_nan=False, default=str) if _plain(new) else "", folder)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(paths(KIND_DATA)), new=values)
def test_any_value_anywhere_in_a_kind_is_taken_or_refused(
    folder: Path, path: tuple[str | int, ...], new: object
) -> None:
    file = folder / "changed.yaml"
    file.write_text(json.dumps(replaced(KIND_DATA, path, new)) if _plain(new) else "")

    try:
        kind = load_kind(file)
    except ScenarioError as error:
        judge(error)
        return
    finally:
        file.unlink()

    data = {"fleet": 1, "name": "demo", "lines": [{"name": "a", "buffer": 3, "machines": [{"kind": "pump"}]}]}
    assert len(expand(Scenario.model_validate(data), {"pump": kind}).machines) == 1


def _plain(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def test_a_plant_beyond_the_limit_is_refused_before_its_names_are_made(folder: Path) -> None:
    lines = "".join(f"- {{name: l{index}, count: 1000000, machines: []}}\n" for index in range(2000))

    found = outcome(f"{HEAD}lines:\n{lines}", folder)

    assert isinstance(found, ScenarioError)
    assert any("at most 1,000,000 machines" in problem.text for problem in found.problems)


def test_a_kind_may_be_read_again_from_what_was_written(tmp_path: Path) -> None:
    assert kind_of(tmp_path, PUMP) == kind_of(tmp_path, json.dumps(KIND_DATA))

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import fleet
from fleet.errors import FleetError, RequestError, RunError, ScenarioError

START_US = 1_772_431_200_000_000
PUMP = "fleet: 1\nname: one\nlines: [{name: a, machines: [{kind: pump}]}]\n"


@pytest.fixture
def scenario(tmp_path: Path) -> fleet.Scenario:
    (tmp_path / "one.yaml").write_text(PUMP)
    return fleet.load(tmp_path / "one.yaml")


def test_what_is_public_is_this_and_nothing_else() -> None:
    assert fleet.__all__ == [
        "Block",
        "Event",
        "FleetError",
        "KindColumns",
        "Quality",
        "RequestError",
        "RunError",
        "Scenario",
        "ScenarioError",
        "State",
        "load",
        "simulate",
    ]
    assert all(getattr(fleet, name) is not None for name in fleet.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fleet' has no attribute 'simulte'"):
        fleet.simulte  # type: ignore[attr-defined]  # noqa: B018


def test_importing_fleet_imports_nothing_heavy() -> None:
    code = "import sys, fleet; assert not {'numpy', 'pydantic', 'simpy', 'yaml'} & set(sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_error_of_ours_is_a_fleet_error() -> None:
    assert all(issubclass(error, FleetError) for error in (RequestError, RunError, ScenarioError))


def test_the_example_at_the_top_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleet.__doc__ is not None
    example = dedent(fleet.__doc__.split("\n\n", 1)[1].rsplit("\n\n", 1)[0])
    assert example.startswith("import fleet")

    exec(compile(example, "example", "exec"), {})

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"pump", "cnc-spindle", "oven"}


def test_the_blocks_of_a_simulation_join_and_end_where_they_are_told(scenario: fleet.Scenario) -> None:
    blocks = list(fleet.simulate(scenario, seed=1, start_us=START_US, duration_s=200))

    assert blocks[0].start_us == START_US
    assert [block.start_us for block in blocks[1:]] == [block.stop_us for block in blocks[:-1]]
    assert blocks[-1].stop_us == START_US + 200_000_000
    assert all(columns.truth is None for block in blocks for columns in block.kinds)


def test_the_truth_stands_beside_the_readings_when_it_is_asked_for(scenario: fleet.Scenario) -> None:
    plain, true = (next(fleet.simulate(scenario, seed=1, start_us=START_US, truth=truth)) for truth in (False, True))

    for without, columns in zip(plain.kinds, true.kinds, strict=True):
        assert columns.truth is not None
        assert columns.truth.shape == columns.value.shape
        assert np.array_equal(columns.value, without.value)


def test_a_simulation_without_a_duration_never_ends(scenario: fleet.Scenario) -> None:
    blocks = list(islice(fleet.simulate(scenario, seed=1, start_us=START_US), 100))

    assert len(blocks) == 100


@pytest.mark.parametrize(("given", "missing"), [({"seed": 1}, "start"), ({"start_us": START_US}, "seed"), ({}, "seed")])
def test_seed_and_start_must_come_from_somewhere(scenario: fleet.Scenario, given: dict[str, int], missing: str) -> None:
    with pytest.raises(fleet.RequestError, match=f"one: has no {missing} of its own; give one to simulate"):
        fleet.simulate(scenario, **given)  # type: ignore[arg-type]


def test_zero_is_a_seed_like_any_other(scenario: fleet.Scenario) -> None:
    assert next(fleet.simulate(scenario, seed=0, start_us=START_US)).readings > 0


def test_a_scenario_may_be_named_or_changed_by_settings() -> None:
    scenario = fleet.load("quickstart", settings=["seed=5", "lines[0].machines[0].count=1"])

    assert (scenario.name, scenario.seed, scenario.lines[0].machines[0].count) == ("quickstart", 5, 1)


def test_a_mistake_in_a_scenario_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PUMP.replace("pump", "pmp"))

    with pytest.raises(fleet.ScenarioError, match=r"one\.yaml:3: .*did you mean 'pump'"):
        fleet.load(tmp_path / "one.yaml")

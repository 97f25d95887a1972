"""What docs/testing.md shows, in a pytest of its own that knows nothing of ours but what is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give a project that is not ours; only an installed plugin is found there."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


@pytest.mark.parametrize("example", EXAMPLES, ids=["memory", "broker"])
def test_the_examples_of_the_page_pass(elsewhere: pytest.Pytester, example: str) -> None:
    elsewhere.makepyfile(example)

    elsewhere.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_the_first_example_has_ten_lines() -> None:
    assert len([line for line in EXAMPLES[0].splitlines() if line]) <= 10


def test_a_test_in_another_worker_sees_the_same_readings(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(
        """
        import hashlib, os, pathlib, pytest

        @pytest.mark.parametrize("turn", range(4))
        def test_same(fleet_run, turn):
            run = fleet_run("quickstart", for_="20s", broker=turn == 0)
            digest = hashlib.sha256(run.readings.value.tobytes()).hexdigest()
            with pathlib.Path(__file__).with_name("seen").open("a") as seen:
                seen.write(f"{os.environ['PYTEST_XDIST_WORKER']} {digest}\\n")
        """
    )

    elsewhere.runpytest_subprocess("-q", "-n", "2", "--dist", "each").assert_outcomes(passed=8)

    workers, digests = zip(*(line.split() for line in (elsewhere.path / "seen").read_text().splitlines()), strict=True)
    assert set(workers) == {"gw0", "gw1"}
    assert len(set(digests)) == 1


def test_a_scenario_with_a_mistake_fails_its_test_with_the_line(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(
        """
        def test_wrong(fleet_run):
            fleet_run("fleet: 1\\nname: a\\nlines: [{name: a, machines: [{kind: pmp}]}]", for_="1min")
        """
    )

    elsewhere.runpytest_subprocess("-q").stdout.fnmatch_lines(["*ScenarioError: scenario:3: *did you mean 'pump'?*"])

"""The page about kinds says what the code knows, and its example runs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from fleet.scenario.kind import BUILT_IN, OF_CYCLES, OF_METERS, Kind
from fleet.scenario.kinds import kind_named, load_kind, shipped_kinds
from fleet.sim.laws import LAW_INPUTS, LAWS
from tests.sim.plants import blocks_of, line, logs_of, roster_of

PAGE = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text()


def rows(first: str) -> list[list[str]]:
    """Give the cells of the table whose first heading is *first*."""
    _, _, rest = PAGE.partition(f"| {first} |")
    table = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_lists_every_law_with_what_it_takes() -> None:
    assert [names(law)[0] for law, _, _ in rows("law")] == list(LAWS)
    for law, takes, _ in rows("law"):
        assert names(takes) == list(inspect.signature(LAWS[names(law)[0]]).parameters)


def test_the_page_lists_every_built_in_name() -> None:
    listed = [name for cell, *_ in rows("name") for name in names(cell)]

    assert set(listed) == {*BUILT_IN, *OF_CYCLES, *OF_METERS, "ambient.NODE", "damage.MODE", "rising.DRIVE"}


def test_the_page_lists_every_kind_with_its_sensors_and_its_wear() -> None:
    table = {names(name)[0]: (sensors, cycle, wear) for name, sensors, cycle, wear in rows("kind")}

    assert sorted(table) == shipped_kinds()
    for name, (sensors, cycle, wear) in table.items():
        kind = kind_named(name)
        assert sensors == (", ".join(kind.sensors) or "none: events")
        assert (cycle == "yes") == (kind.cycle is not None)
        assert wear == (", ".join(kind.wear) or "no")


def test_the_page_names_every_key_of_a_kind() -> None:
    told = {name.partition(":")[0] for cell, *_ in rows("key of a kind") for name in names(cell)}
    said_at_once = {"kind", "about", "sources", "wear"}

    assert set(Kind.model_fields) - said_at_once - told <= {"maintenance", "product"}


@pytest.mark.parametrize(
    "text", [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind:" in text]
)
def test_an_example_of_the_page_is_a_kind_that_runs(text: str, tmp_path: Path) -> None:
    (tmp_path / "fan.yaml").write_text(text)

    fan = load_kind(tmp_path / "fan.yaml", laws=LAW_INPUTS)
    (log,) = logs_of(blocks_of(roster_of(line("a", {"kind": "fan"}), kinds={"fan": fan}), 60)).values()

    assert log.of("current").value.mean() == pytest.approx(7, rel=0.3)
    assert set(log.sensors) == {"current", "vibration", "bearing_temperature"}

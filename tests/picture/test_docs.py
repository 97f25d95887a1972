"""The pages of pictures: complete, small, and made from what the code knows now."""

from __future__ import annotations

import json
import re

from fleet.faults.catalogue import CATALOGUE
from fleet.picture.fault_picture import is_drawn
from fleet.scenario.kinds import shipped_kinds
from fleet.scenario.library import expected, stories
from fleet.scenario.load import scenario_names
from tests.cli.commands import fleet
from tests.picture.docs import FAULTS, FOLDER, LIBRARY, PAGE, faults_page, library_page, page_of

BYTES_MAX = 200_000
SMALL_BYTES_MAX = {"faults": 60_000, "scenarios": 100_000}


def test_the_page_lists_the_kinds_that_there_are() -> None:
    text = PAGE.read_text()

    assert text == page_of(text), "make pictures"


def test_the_page_lists_the_faults_that_there_are() -> None:
    assert FAULTS.read_text() == faults_page(), "make pictures"
    assert {file.stem for file in (FOLDER / "faults").iterdir()} == set(filter(is_drawn, CATALOGUE))


def test_the_page_lists_the_scenarios_that_there_are_with_their_stories() -> None:
    assert LIBRARY.read_text() == library_page(), "make pictures"
    assert {file.stem for file in (FOLDER / "scenarios").iterdir()} == set(scenario_names())
    assert [story.name for story in stories() if story.incidents and not story.expect] == []


def test_what_to_expect_ends_where_the_comment_does() -> None:
    assert expected("fleet: 1\n# Expect: this\n# and that.\nseed: 1\n# no more\n") == "this and that."
    assert expected("fleet: 1\n# a comment\n") == ""


def test_the_command_lists_the_scenarios_with_their_stories() -> None:
    told = json.loads(fleet("scenarios", "--json").out)
    text = fleet("scenarios").out

    assert [story["name"] for story in told] == scenario_names()
    for story in told:
        assert story["name"] in text
        assert story["expect"].split(" ")[0] in text


def test_every_picture_is_there_and_small() -> None:
    pages = "".join(page.read_text() for page in PAGE.parent.glob("*.md"))
    named = set(re.findall(r"\(pictures/([^)]+)\)", pages))
    there = {str(file.relative_to(FOLDER)): file for file in FOLDER.rglob("*.*")}

    assert named == set(there) >= {f"{kind}.svg" for kind in shipped_kinds()}
    for name, file in there.items():
        assert file.stat().st_size < SMALL_BYTES_MAX.get(file.parent.name, BYTES_MAX), name

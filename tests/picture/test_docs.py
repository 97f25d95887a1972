"""The page of pictures: complete, small, and made from what the simulation does now."""

from __future__ import annotations

import re

from fleet.scenario.kinds import shipped_kinds
from tests.picture.docs import FOLDER, PAGE, page_of

BYTES_MAX = 200_000


def test_the_page_lists_the_kinds_that_there_are() -> None:
    text = PAGE.read_text()

    assert text == page_of(text), "make pictures"


def test_every_picture_is_there_and_small() -> None:
    pages = "".join(page.read_text() for page in PAGE.parent.glob("*.md"))
    named = set(re.findall(r"\(pictures/([^)]+)\)", pages))

    assert named == {file.name for file in FOLDER.iterdir()} >= {f"{kind}.svg" for kind in shipped_kinds()}
    for file in FOLDER.iterdir():
        assert file.stat().st_size < BYTES_MAX, file.name

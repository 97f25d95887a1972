"""README.md and the pages in docs/ name everything that there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.cli.app import COMMANDS
from tests.cli.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [file for file in sorted(ROOT.glob("docs/*.md")) if file.name != "commands.md"]  # `make docs` writes that one
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Give the names that headings of a page have in links."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def test_the_readme_names_every_page() -> None:
    assert set(re.findall(r"docs/[\w-]+\.md", README)) == {f"docs/{page.name}" for page in PAGES}


def test_the_readme_names_every_command() -> None:
    rows = "\n".join(line for line in README.splitlines() if line.startswith("| `fleet "))

    assert set(re.findall(r"`fleet ([\w-]+)", rows)) == set(COMMANDS)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "examples/README.md"], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = page.parent / file if file else page
        assert there.exists(), file
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{file}#{anchor}"

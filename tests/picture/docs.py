"""The pictures of docs/plant.md, and its list of kinds: ``python -m tests.picture.docs`` makes them again."""

from __future__ import annotations

from pathlib import Path

from fleet.api import load
from fleet.data import HOUR_US
from fleet.picture.kinds import picture_of
from fleet.picture.plot import PlotRequest, plot_scenario
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.load import with_arguments

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plant.md"
FOLDER = ROOT / "docs" / "pictures"
MARK = "<!-- kinds: written by `make pictures` -->\n"
LENGTH_US = HOUR_US


def page_of(text: str) -> str:
    """Write the page *text* with the kinds that there are now."""
    before = text.partition(MARK)[0]
    parts = []
    for name in shipped_kinds():
        about = " ".join(kind_named(name).about.split())
        parts.append(f"\n### {name}\n\n{about}\n\n![One {name} over an hour](pictures/{name}.svg)\n")
    return before + MARK + "".join(parts)


def draw(folder: Path) -> None:
    """Draw every picture of the page into *folder*."""
    for name in shipped_kinds():
        picture_of(name, folder / f"{name}.svg", length_us=LENGTH_US)
    week = with_arguments(load("thingum"), duration="7d")
    plot_scenario(PlotRequest(week, "thingum", (), folder / "fleet.svg"), _silent)
    worn = PlotRequest(load("quickstart"), "quickstart", ("filling-pump-worn",), folder / "worn.svg")
    plot_scenario(worn, _silent)


def _silent(_: float) -> None:
    pass


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    draw(FOLDER)
    PAGE.write_text(page_of(PAGE.read_text()))

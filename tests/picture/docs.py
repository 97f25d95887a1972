"""The pictures of docs, and the pages that list kinds, faults and scenarios: ``python -m tests.picture.docs``."""

from __future__ import annotations

from pathlib import Path

from fleet.api import load
from fleet.data import HOUR_US
from fleet.faults.catalogue import CATALOGUE, FAMILIES
from fleet.picture import fault_picture, library
from fleet.picture.axes import WIDE
from fleet.picture.faults import ABOUT, explained
from fleet.picture.fleet_map import draw_fleet
from fleet.picture.kinds import picture_of
from fleet.picture.machine import draw_machine
from fleet.picture.plot import PlotRequest, plot_scenario, span_of, written
from fleet.picture.story import Span, states_of, tell
from fleet.scenario.expansion import expand
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.library import Story, stories
from fleet.scenario.load import kinds_for, with_arguments
from fleet.sim.laws import LAW_INPUTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plant.md"
FOLDER = ROOT / "docs" / "pictures"
MARK = "<!-- kinds: written by `make pictures` -->\n"
LENGTH_US = HOUR_US
FAULTS, LIBRARY = PAGE.parent / "faults.md", PAGE.parent / "scenario-library.md"
COLUMNS = 160
"""Pictures of scenarios are narrower than those that users draw: there are many."""

SHOWN = {
    "quickstart": "filling-pump-worn",
    "noisy-network": "filling-pump-001",
    "loose-contacts": "test-pump-004",
    "line-jam": "",
    "reconnect-storm": "filling-001-pump-001",
    "clock-jump": "filling-pump-001",
    "gateway-outage": "filling-pump-001",
    "poison-records": "",
    "hot-partition": "",
}
"""The machine that a scenario's picture shows, where it is not the first one that an incident names; "": the fleet."""

SHORT_US = {"hundred-thousand": 600_000_000}


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


def faults_page() -> str:
    """Write docs/faults.md from the catalogue."""
    head = (
        "# Faults\n\nWhat an incident may bring about ([incidents](incidents.md)), as `fleet faults NAME` explains it; "
        "`fleet faults NAME --out FILE` draws it.\nPictures show a fault as it is if nobody sets anything: what was "
        "read in blue, what the healthy twin reads in green, and\nfor the network when each reading arrives. Written "
        "by `make pictures`.\n"
    )
    parts = [head]
    for family in FAMILIES:
        parts.append(f"\n## {family.capitalize()} faults\n\n{ABOUT[family].capitalize()}.\n")
        for name in (name for name, each in CATALOGUE.items() if each.family == family):
            parts.append(f"\n### {name}\n\n```text\n{explained(name, as_json=False)}\n```\n")
            if fault_picture.is_drawn(name):
                parts.append(f"\n![What {name} does](pictures/faults/{name}.svg)\n")
    return "".join(parts)


def library_page() -> str:
    """Write docs/scenario-library.md from the scenarios."""
    head = (
        "# Scenario library\n\nThe scenarios that fleet ships; `fleet run NAME` runs one by its name, "
        "`fleet plot NAME` draws it. Written by\n`make pictures` from the files in `scenarios/`.\n"
    )
    parts = [head]
    for story in stories():
        parts.append(f"\n## {story.name}\n\n{story.about}\n")
        if story.expect:
            parts.append(f"\n**Expect:** {story.expect}\n")
        parts.append(f"\n![{story.name}](pictures/scenarios/{story.name}.svg)\n")
    return "".join(parts)


def shown_of(story: Story) -> str:
    """Name the machine that a scenario's picture shows; "" for the fleet."""
    if story.name in SHOWN:
        return SHOWN[story.name]
    named = [incident.machine[0] for incident in load(story.name).incidents if incident.machine]
    return named[0] if named else ""


def draw_story(story: Story, file: Path) -> None:
    """Draw the machine that a scenario is about, or its fleet."""
    scenario = load(story.name)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    span = span_of(scenario)
    stop_us = span.start_us + SHORT_US.get(story.name, span.stop_us - span.start_us)
    span = Span(span.seed, span.start_us, stop_us, COLUMNS)
    name = shown_of(story)
    with library.our_settings():
        if name:
            place = [machine.id for machine in roster.machines].index(name)
            (told,) = tell(roster, span, [place], _silent)
            figure = draw_machine(told, span, WIDE)
        else:
            islands = (0, 499) if len(roster.machines) > 1000 else (0, 1)
            figure = draw_fleet(states_of(roster, span, islands, _silent).lived, span, WIDE, story.name)
        file.write_bytes(written(figure, ".svg"))


def draw_all() -> None:
    """Draw every picture, and write the pages that list them."""
    for old in FOLDER.rglob("*.svg"):
        old.unlink()
    for folder in ("faults", "scenarios"):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    draw(FOLDER)
    for name in filter(fault_picture.is_drawn, CATALOGUE):
        fault_picture.picture_of(name, FOLDER / "faults" / f"{name}.svg", _silent)
    for story in stories():
        draw_story(story, FOLDER / "scenarios" / f"{story.name}.svg")
    PAGE.write_text(page_of(PAGE.read_text()))
    FAULTS.write_text(faults_page())
    LIBRARY.write_text(library_page())


def _silent(_: float) -> None:
    pass


if __name__ == "__main__":
    draw_all()

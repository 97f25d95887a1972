"""`fleet kinds`: the list, one kind explained, and its picture."""

from __future__ import annotations

import json
from pathlib import Path

from fleet.picture import explain, library
from fleet.picture.axes import WIDE
from fleet.picture.choose import see_that_readings_are_few
from fleet.picture.explain import SEED, in_words, scenario_of
from fleet.picture.machine import draw_machine
from fleet.picture.page import Subject, write_page
from fleet.picture.plot import COLUMNS_MAX, START_US, machine_in_page, see_the_form, write, written
from fleet.picture.story import Span, tell
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named, load_kind, shipped_kinds
from fleet.scenario.roster import Roster
from fleet.scenario.times import span_text
from fleet.sim.laws import LAW_INPUTS

SUFFIXES = (".yaml", ".yml")


def listed(*, as_json: bool) -> str:
    """List the kinds that fleet ships, with their sensors."""
    kinds = [kind_named(name, laws=LAW_INPUTS) for name in shipped_kinds()]
    if as_json:
        told = [
            {
                "kind": kind.kind,
                "about": kind.about.strip(),
                "sensors": [
                    {"name": name, "units": sensor.units, "period_s": sensor.period}
                    for name, sensor in kind.sensors.items()
                ],
            }
            for kind in kinds
        ]
        return json.dumps(told, indent=1, ensure_ascii=False)
    lines = []
    for kind in kinds:
        lines.append(f"{kind.kind}: {kind.about.strip()}")
        lines += [f"    {name:22} {sensor.units:6} every {sensor.period:g} s" for name, sensor in kind.sensors.items()]
    return "\n".join(lines)


def explained(name: str, *, as_json: bool) -> str:
    """Explain the kind *name*, one that fleet ships or a file; ScenarioError where there is none or it is wrong."""
    kind = find_kind(name)
    return json.dumps(explain.as_json(kind), indent=1, ensure_ascii=False) if as_json else "\n".join(in_words(kind))


def find_kind(name: str) -> Kind:
    """Load the kind *name*: a name, or the path of a kind file."""
    if name.endswith(SUFFIXES) or "/" in name:
        return load_kind(name, laws=LAW_INPUTS)
    return kind_named(name, laws=LAW_INPUTS)


def picture_of(name: str, file: Path, *, length_us: int) -> None:
    """Draw one machine of the kind *name* over *length_us* into *file*; RequestError where it cannot be."""
    see_the_form(file)
    library.see_that_it_is_there()
    kind = find_kind(name)
    roster, places = scenario_of(kind, lines=1)
    span = Span(SEED, START_US, START_US + length_us, COLUMNS_MAX)
    see_that_readings_are_few(roster, places, span)
    (told,) = tell(roster, span, places, lambda share: None)
    with library.our_settings():
        if file.suffix.lower() == ".html":
            picture = machine_in_page(told, span, "m0")
            content = write_page(_subject(kind, roster, span, name, file), None, [(picture, told)]).encode()
        else:
            content = written(draw_machine(told, span, WIDE), file.suffix.lower())
    write(file, content)


def _subject(kind: Kind, roster: Roster, span: Span, name: str, file: Path) -> Subject:
    return Subject(
        title=kind.kind,
        about=kind.about.strip(),
        span=span,
        machines=len(roster.machines),
        lines=len(roster.lines),
        shown="",
        commands=[("again", f"fleet kinds {name} --out {file} --for {span_text(span.stop_us - span.start_us)}")],
    )

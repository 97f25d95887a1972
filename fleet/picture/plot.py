"""`fleet plot`: from a scenario to a picture in a file."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.data import HOUR_US, State
from fleet.errors import RequestError
from fleet.picture import library
from fleet.picture.axes import NARROW, WIDE, Look
from fleet.picture.choose import (
    SHOWN_MAX,
    islands_shown,
    places_of,
    representatives,
    see_that_it_is_little,
    see_that_readings_are_few,
)
from fleet.picture.compare import Changed
from fleet.picture.figures import shares_of_all
from fleet.picture.fleet_map import draw_fleet
from fleet.picture.machine import draw_machine
from fleet.picture.page import Picture, Subject, said_of, write_page
from fleet.picture.palette import STATES
from fleet.picture.story import Lived, Progress, Span, Told, states_of, tell
from fleet.picture.svg import compact, for_page
from fleet.picture.twin import as_table, differences, draw_twin
from fleet.picture.words import percent
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.scenario.times import moment, span_text
from fleet.sim.laws import LAW_INPUTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START_US = 1_772_431_200_000_000
"""Where a scenario without a start of its own begins, Monday 2026-03-02T06:00:00Z: its picture is always the same."""

SEED = 0
"""The seed of a scenario that has none."""

LENGTH_US = 8 * HOUR_US
"""How much of a scenario without an end is shown: a shift."""

COLUMNS_MIN, COLUMNS_MAX = 160, 640
PAGE_BYTES, COLUMN_BYTES = 1_500_000, 36
"""What pictures may take of a page, and about what a column of one sensor takes in both sizes."""

FORMATS = (".html", ".png", ".svg")


@dataclass(frozen=True, slots=True)
class PlotRequest:
    """What is to be seen; *out* None: a page named as the scenario."""

    scenario: Scenario
    source: str  # as the user named it
    machines: tuple[str, ...] = ()
    out: Path | None = None
    settings: tuple[str, ...] = ()
    twin: bool = False  # beside its healthy twin


@dataclass(frozen=True, slots=True)
class Plotted:
    """The file that was written, and what to say of it."""

    file: Path
    said: tuple[str, ...]
    rows: Sequence[Changed] = ()  # what incidents changed, where the twin was asked for


def plot_scenario(request: PlotRequest, progress: Progress) -> Plotted:
    """Draw what *request* wants to see and write it; RequestError where it cannot be."""
    file = request.out or Path(f"{request.scenario.name}-plot.html")
    form = file.suffix.lower()
    see_the_form(file)
    if form != ".html" and len(request.machines) > 1:
        raise RequestError(f"--out: {form[1:]} holds one picture; name one machine, or write a page: --out page.html")
    library.see_that_it_is_there()
    roster = expand(request.scenario, kinds_for(request.scenario, laws=LAW_INPUTS))
    named = places_of(roster, request.machines)
    span = span_of(request.scenario)
    rows: Sequence[Changed] = ()
    if request.twin:
        content, shown, rows = _beside(request, roster, span, named, form, progress)
    elif form == ".html":
        content, shown = _page(request, roster, span, named, progress)
    else:
        content, shown = _picture(request, roster, span, named, form, progress)
    write(file, content)
    said = (*shown, *(f"{what}: {command}" for what, command in _commands(request, span, file)))
    return Plotted(file, said, rows)


def span_of(scenario: Scenario) -> Span:
    """Settle seed, start and length, those that the scenario leaves open always alike."""
    start_us = START_US if scenario.start_us is None else scenario.start_us
    length_us = scenario.length_us(start_us=start_us)
    length_us = LENGTH_US if length_us is None else length_us
    if length_us <= 0:
        raise RequestError(f"{scenario.name}: stops before it starts at {moment(start_us)}; give an earlier --start")
    return Span(SEED if scenario.seed is None else scenario.seed, start_us, start_us + length_us, COLUMNS_MAX)


def see_the_form(file: Path) -> None:
    """Raise RequestError where the name of *file* says no form we write."""
    if file.suffix.lower() not in FORMATS:
        raise RequestError(f"--out: must end in .html, .png or .svg, got '{file.name}'")


def write(file: Path, content: bytes) -> None:
    """Write *content*, or say why it cannot be."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise RequestError(f"--out: {file} cannot be written: {error.strerror}") from None


# ---- a page, a picture


def _page(
    request: PlotRequest, roster: Roster, span: Span, named: Sequence[int], progress: Progress
) -> tuple[bytes, list[str]]:
    """Make the page: the fleet, then the machines that were *named*, or one of each kind."""
    islands = islands_shown(roster, span, named)
    states = states_of(roster, span, islands, _part(progress, 0.0, 0.3))
    lived = states.lived
    places = list(named) or representatives(states)
    fitting = _fitting(roster, places, span)
    told = _tell(roster, places, fitting, _part(progress, 0.3, 0.8))
    shown = _shown(roster, lived, islands)
    with library.our_settings():
        fleet = in_page(lambda look: draw_fleet(lived, span, look, "Fleet"), "fleet", _fleet_label(lived))
        pictures = []
        for number, each in enumerate(told):
            pictures.append((machine_in_page(each, fitting, f"m{number}"), each))
            progress(0.8 + 0.2 * (number + 1) / len(told))
    scenario = request.scenario
    subject = Subject(
        title=scenario.name,
        about=scenario.about.strip(),
        span=span,
        machines=len(roster.machines),
        lines=len(roster.lines),
        shown=shown,
        commands=_commands(request, span, request.out),
    )
    content = write_page(subject, (fleet, states), pictures).encode()
    which = ", ".join(each.lived.machine.id for each in told)
    return content, [f"{_what(scenario, roster, span)}; {shown}", f"with the readings of {which or 'no machine'}"]


def _picture(
    request: PlotRequest, roster: Roster, span: Span, named: Sequence[int], form: str, progress: Progress
) -> tuple[bytes, list[str]]:
    """Make one picture: the machine that was *named*, or the fleet."""
    scenario = request.scenario
    what = _what(scenario, roster, span)
    if named:
        told = _tell(roster, named, span, progress)
        with library.our_settings():
            content = written(draw_machine(told[0], span, WIDE), form)
        return content, [f"{what}; {said_of(told[0].lived)}"]
    islands = islands_shown(roster, span, named)
    lived = states_of(roster, span, islands, progress).lived
    with library.our_settings():
        content = written(draw_fleet(lived, span, WIDE, scenario.name), form)
    return content, [f"{what}; {_shown(roster, lived, islands)}", "one machine: --machine ID; all: --out page.html"]


def _beside(
    request: PlotRequest, roster: Roster, span: Span, named: Sequence[int], form: str, progress: Progress
) -> tuple[bytes, list[str], Sequence[Changed]]:
    """Make the page or the picture of what differs from the twin: of the machines that were *named*, or all."""
    found = differences(roster, span, named, _part(progress, 0.0, 0.6))
    place_of = {machine.id: place for place, machine in enumerate(roster.machines)}
    shown = [place_of[name] for name in found.machines[: SHOWN_MAX if form == ".html" else 1]]
    told = _tell(roster, shown, span, _part(progress, 0.6, 0.9)) if shown else []
    scenario, what = request.scenario, [_what(request.scenario, roster, span)]
    if found.left_out:
        what.append(f"{found.left_out:,} more machines may be changed and are not compared; name some: --machine ID")
    if not told:
        raise RequestError(f"--twin: nothing differs on {', '.join(request.machines) or 'any machine'} in this span")

    def draw(each: Told, look: Look) -> Figure:
        return draw_twin(each, found.beside[each.lived.machine.id], found.rows, span, look)

    with library.our_settings():
        if form != ".html":
            return written(draw(told[0], WIDE), form), [*what, f"drawn: {told[0].lived.machine.id}"], found.rows
        pictures = []
        for number, each in enumerate(told):
            label = f"{each.lived.machine.id} and its healthy twin over time"
            pictures.append((in_page(partial(draw, each), f"m{number}", label), each))
            progress(0.9 + 0.1 * (number + 1) / len(told))
    subject = Subject(
        title=f"{scenario.name}: what the incidents changed",
        about=scenario.about.strip(),
        span=span,
        machines=len(roster.machines),
        lines=len(roster.lines),
        shown="",
        commands=_commands(request, span, request.out),
    )
    tables = {name: as_table([row for row in found.rows if row.machine == name]) for name in found.machines}
    return write_page(subject, None, pictures, after=tables).encode(), what, found.rows


def written(figure: Figure, form: str) -> bytes:
    """Write *figure* in the *form* of a file's ending."""
    return library.as_png(figure) if form == ".png" else (compact(library.as_svg(figure)) + "\n").encode()


def machine_in_page(told: Told, span: Span, name: str) -> Picture:
    """Draw a machine for a page, in both sizes."""
    lived = told.lived
    sensors = ", ".join(lived.kind.sensors) or "states only"
    label = f"{lived.machine.id}: {sensors} over time. {said_of(lived)}"
    return in_page(lambda look: draw_machine(told, span, look), name, label)


def in_page(draw: Callable[[Look], Figure], name: str, label: str) -> Picture:
    """Draw something in both sizes, as parts of a page."""
    wide, narrow = (
        for_page(library.as_svg(draw(look)), name=f"{size}-{name}", label=escape(label, quote=True))
        for look, size in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    return Picture(wide, narrow)


# ---- what is simulated


def _tell(roster: Roster, places: Sequence[int], span: Span, progress: Progress) -> list[Told]:
    """Simulate the islands of *places*, each once, and tell of them in their order."""
    see_that_readings_are_few(roster, places, span)
    by_island: dict[int, list[int]] = {}
    for place in places:
        by_island.setdefault(int(roster.island[place]), []).append(place)
    for island in by_island:
        see_that_it_is_little(int((roster.island == island).sum()), span)
    told: dict[int, Told] = {}
    for number, members in enumerate(by_island.values()):
        part = _part(progress, number / len(by_island), (number + 1) / len(by_island))
        told |= dict(zip(members, tell(roster, span, members, part), strict=True))
    return [told[place] for place in places]


def _part(progress: Progress, start: float, stop: float) -> Progress:
    return lambda share: progress(start + (stop - start) * share)


def _fitting(roster: Roster, places: Sequence[int], span: Span) -> Span:
    """Choose so many columns that the page stays small."""
    panels = sum(len(roster.entries[roster.entry[place]].kind.sensors) for place in places)
    columns = min(COLUMNS_MAX, max(COLUMNS_MIN, PAGE_BYTES // (COLUMN_BYTES * max(1, panels))))
    return Span(span.seed, span.start_us, span.stop_us, columns // 2 * 2)


# ---- what is said


def _what(scenario: Scenario, roster: Roster, span: Span) -> str:
    length, machines = span_text(span.stop_us - span.start_us), len(roster.machines)
    return f"{scenario.name}: {machines:,} machine{'s' * (machines != 1)}, {length} from {moment(span.start_us)}"


def _shown(roster: Roster, lived: Sequence[Lived], islands: tuple[int, int]) -> str:
    """Say which machines the heat map has, and their states."""
    shares = _shares(shares_of_all(lived))
    if islands[1] == 1:
        return f"all machines: {shares}" if shares else "all doors"
    return f"{len(lived):,} of {len(roster.machines):,} machines are shown, one island in {islands[1]:,}: {shares}"


def _shares(shares: Mapping[State, float]) -> str:
    return ", ".join(f"{state.name.lower()} {percent(shares[state])}" for state in STATES if shares.get(state))


def _fleet_label(lived: Sequence[Lived]) -> str:
    return f"Heat map of the states of {len(lived)} machines over time: {_shares(shares_of_all(lived))}."


def _commands(request: PlotRequest, span: Span, file: Path | None) -> list[tuple[str, str]]:
    """Give the commands that make this picture again, and the readings in it."""
    verbs = (("again", "plot"), ("the same readings", "run"))
    return [(what, shlex.join(_words(request, span, file, verb))) for what, verb in verbs]


def _words(request: PlotRequest, span: Span, file: Path | None, verb: str) -> Iterator[str]:
    yield from ("fleet", verb, request.source)
    if verb == "plot":
        yield from (word for name in request.machines for word in ("--machine", name))
        yield from ["--twin"] * request.twin
    yield from (word for setting in request.settings for word in ("--set", setting))
    yield from ("--seed", str(span.seed), "--start", moment(span.start_us))
    yield from ("--for", span_text(span.stop_us - span.start_us))
    if verb == "plot" and file is not None and request.out is not None:
        yield from ("--out", str(file))
    if verb == "run":
        yield from ("--speed", "max")

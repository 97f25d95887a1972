"""`fleet plot --twin`: what the incidents of a scenario changed, as a table and as pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fleet.data import SECOND_US
from fleet.errors import RequestError
from fleet.faults.catalogue import MACHINE
from fleet.picture.axes import Look
from fleet.picture.choose import see_that_it_is_little, see_that_readings_are_few
from fleet.picture.compare import Beside, Changed, Compared, compare
from fleet.picture.envelope import Envelope
from fleet.picture.labels import of_sensor
from fleet.picture.machine import Panel, draw_panels, of_the_network
from fleet.picture.palette import LINE, RULE, SCRIPT, SOFT, TWIN
from fleet.picture.panels import draw_readings, y_axis
from fleet.picture.story import Progress, Span, Told
from fleet.picture.tables import table
from fleet.picture.words import titled, unit_text
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.roster import Roster
from fleet.scenario.times import moment
from fleet.sim.laws import LAW_INPUTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MACHINES_MAX = 100
"""So many machines are compared if none is named."""

SENSORS_MAX = 8
"""A picture shows so many sensors, those that differ most."""

DIFFERENCE = 0.42
"""Height of the panel of differences, in inches."""


@dataclass(frozen=True, slots=True)
class Differing:
    """What came of the comparison: the rows of the table, what the twins read, and the machines in order of it."""

    rows: Sequence[Changed]
    beside: Mapping[str, Beside]
    machines: Sequence[str]  # the most changed first
    left_out: int  # machines that were not compared


def differences(roster: Roster, span: Span, named: Sequence[int], progress: Progress) -> Differing:
    """Compare the machines *named*, or all that incidents may reach, with their twins; RequestError without any."""
    if not roster.scenario.incidents:
        raise RequestError(f"--twin: {roster.scenario.name} has no incidents: it is its own twin")
    places = list(named) or reached(roster)
    compared_places = places if named else places[:MACHINES_MAX]
    see_that_readings_are_few(roster, [*compared_places, *compared_places], span)
    twin = twin_of(roster)
    by_island: dict[int, list[int]] = {}
    for place in compared_places:
        by_island.setdefault(int(roster.island[place]), []).append(place)
    found: list[Compared] = []
    for number, (island, members) in enumerate(by_island.items()):
        see_that_it_is_little(int((roster.island == island).sum()), span)

        def part(share: float, number: int = number) -> None:
            progress((number + share) / len(by_island))

        found.append(compare(roster, twin, span, members, part))
    rows = [row for each in found for row in each.rows]
    beside = {name: shown for each in found for name, shown in each.beside.items()}
    weight: dict[str, float] = {}
    for row in rows:
        weight[row.machine] = weight.get(row.machine, 0.0) + row.total / row.sigma + row.touched
    ranked = sorted(weight, key=lambda name: -weight[name])
    return Differing(rows, beside, ranked, len(places) - len(compared_places))


def reached(roster: Roster) -> list[int]:
    """Give the machines that incidents may change: those they strike, and of machine faults the whole islands."""
    here = np.zeros(len(roster.machines), np.bool_)
    for each in roster.script.scripted:
        here[each.machines] = True
        if each.family == MACHINE:
            here |= np.isin(roster.island, roster.island[each.machines])
    has_sensors = np.array([bool(entry.kind.sensors) for entry in roster.entries])[roster.entry]
    return [int(place) for place in np.flatnonzero(here & has_sensors)]


def twin_of(roster: Roster) -> Roster:
    """Give the same plant without its incidents, in the same islands: what is coupled no more may stay together."""
    scenario = roster.scenario.without_incidents()
    return replace(expand(scenario, kinds_for(scenario, laws=LAW_INPUTS)), island=roster.island)


# ---- the table

Cell = Callable[[Changed], str]

COLUMNS: Mapping[str, tuple[Cell, bool]] = {
    "machine": (lambda row: row.machine, False),
    "sensor": (lambda row: row.sensor, False),
    "incident": (lambda row: row.incident, False),
    "fault": (lambda row: row.fault, False),
    "changed": (lambda row: _count(row.changed), True),
    "mean": (lambda row: _size(row, row.mean), True),
    "largest": (lambda row: _size(row, row.most), True),
    "mean sigma": (lambda row: _sigma(row, row.mean), True),
    "largest sigma": (lambda row: _sigma(row, row.most), True),
    "lost": (lambda row: _count(row.lost), True),
    "withheld": (lambda row: _count(row.withheld), True),
    "added": (lambda row: _count(row.added), True),
    "late": (lambda row: _count(row.late), True),
    "late by up to": (lambda row: f"{row.latest_s:.3g} s" if row.late else "", True),
    "doubled": (lambda row: _count(row.doubled), True),
    "other time": (lambda row: _count(row.restamped), True),
    "from": (lambda row: moment(row.first_us // SECOND_US * SECOND_US), False),
    "to": (lambda row: moment(row.last_us // SECOND_US * SECOND_US), False),
}
"""What each column says, and whether it stands on the right."""


def in_words(rows: Sequence[Changed]) -> str:
    """Write the table, without columns in which nothing stands."""
    if not rows:
        return "nothing differs"
    shown = {name: [cell(row) for row in rows] for name, (cell, _) in COLUMNS.items()}
    shown = {name: cells for name, cells in shown.items() if any(cells)}
    width = {name: max(len(name), *map(len, cells)) for name, cells in shown.items()}

    def line(cells: Mapping[str, str]) -> str:
        return "  ".join(cells[name].rjust(width[name]) if COLUMNS[name][1] else cells[name].ljust(width[name])
                         for name in shown).rstrip()  # fmt: skip

    lines = [line({name: name for name in shown})]
    lines += [line({name: cells[place] for name, cells in shown.items()}) for place in range(len(rows))]
    return "\n".join(lines)


def as_table(rows: Sequence[Changed]) -> str:
    """Write the table of one machine for a page."""
    shown = {name: [cell(row) for row in rows] for name, (cell, _) in COLUMNS.items() if name != "machine"}
    shown = {name: cells for name, cells in shown.items() if any(cells)}
    words = [name.capitalize() for name in shown if not COLUMNS[name][1]]
    cells = [[column[place] for column in shown.values()] for place in range(len(rows))]
    return table("What the incidents changed, UTC.", [name.capitalize() for name in shown], cells, texts=words)


def as_json(rows: Sequence[Changed]) -> str:
    """Write the table as JSON: sizes in the sensor's unit and in its sigma, times in UTC."""
    return json.dumps([_fields(row) for row in rows], indent=1, ensure_ascii=False)


def _fields(row: Changed) -> dict[str, Any]:
    return {
        "machine": row.machine,
        "sensor": row.sensor,
        "incident": row.incident,
        "fault": row.fault,
        "units": row.units,
        "changed": row.changed,
        "mean": row.mean,
        "largest": row.most,
        "mean_sigma": row.mean / row.sigma,
        "largest_sigma": row.most / row.sigma,
        "lost": row.lost,
        "withheld": row.withheld,
        "added": row.added,
        "late": row.late,
        "latest_s": row.latest_s,
        "doubled": row.doubled,
        "other_time": row.restamped,
        "from": moment(row.first_us),
        "to": moment(row.last_us),
    }


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _size(row: Changed, value: float) -> str:
    return f"{value:.3g} {unit_text(row.units)}".rstrip() if row.changed else ""


def _sigma(row: Changed, value: float) -> str:
    return f"{value / row.sigma:,.1f}" if row.changed else ""


# ---- the picture


def draw_twin(
    told: Told,
    beside: Beside,
    rows: Sequence[Changed],
    span: Span,
    look: Look,
    *,
    most: int = SENSORS_MAX,
    title: str = "",
) -> Figure:
    """Draw the readings of *told* over those of its twin, and the differences below them."""
    panels = [*_panels(told, beside, rows, look, most), *of_the_network(told, look)]
    colours = [("as it is", LINE.day), ("without incidents", TWIN.day)]
    title = title or f"{told.lived.machine.id} and its healthy twin"
    return draw_panels(told, panels, span, look, title=title, more=colours if panels else ())


def _panels(told: Told, beside: Beside, rows: Sequence[Changed], look: Look, most: int) -> Iterator[Panel]:
    assert told.readings is not None, "what differs has sensors"
    run, twin, off = (each.merged(look.merge) for each in (told.readings, beside.twin, beside.difference))
    chosen = sensors_shown(told, beside, rows, most)
    for number, (name, sensor) in enumerate(told.lived.kind.sensors.items()):
        if name not in chosen:
            continue

        def both(axes: Axes, number: int = number, step: float = sensor.resolution) -> None:
            ranges = [
                draw_readings(axes, twin, number, step, line=TWIN, band=RULE),
                draw_readings(axes, run, number, step),
            ]
            low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
            if low <= high:
                y_axis(axes, low, high, step)

        yield Panel(titled(name, sensor.units), both, of_sensor(told.labels, name))
        if chosen[name]:

            def below(axes: Axes, number: int = number, step: float = sensor.resolution) -> None:
                draw_difference(axes, off, number, step)

            yield Panel(f"difference, {unit_text(sensor.units)}".rstrip(", "), below, (), DIFFERENCE)


def draw_difference(axes: Axes, off: Envelope, number: int, step: float) -> None:
    """Draw differences around a line at nothing."""
    low, high = draw_readings(axes, off, number, step, line=SCRIPT, band=RULE)
    if low <= high:
        y_axis(axes, min(low, 0.0), max(high, 0.0), step)
    axes.axhline(0, color=SOFT.day, linewidth=0.5)


def sensors_shown(told: Told, beside: Beside, rows: Sequence[Changed], most: int) -> dict[str, bool]:
    """Choose the sensors of a machine that show its faults most, and say whether their values differ.

    Once a fault has stopped the machine all of them differ: what counts is how they did until then. Of sensors of which
    readings only went missing or came late one is enough.
    """
    mine = [row for row in rows if row.machine == told.lived.machine.id]
    spans = _spans(told, beside.difference)
    number_of = {name: number for number, name in enumerate(told.lived.kind.sensors)}
    off = np.maximum(np.abs(beside.difference.low), np.abs(beside.difference.high))
    off = np.where(beside.difference.count > 0, off, 0.0)
    weight: dict[str, tuple[float, ...]] = {}
    for row in mine:
        if row.changed:
            here = off[number_of[row.sensor]]
            weight[row.sensor] = tuple(float(here[columns].sum()) / row.sigma for columns in spans)
    changed = sorted(weight, key=lambda name: weight[name], reverse=True)[:most]
    gone = [row.sensor for row in mine if (row.withheld or row.added) and row.sensor not in changed]
    if changed or gone:
        return {**dict.fromkeys(gone[:most], False), **dict.fromkeys(changed, True)}
    return {row.sensor: False for row in mine[:1]}


def _spans(told: Told, of: Envelope) -> list[slice]:
    """Give the columns before the one in which the machine first stopped for a fault, those with that one, and all."""
    stops = [label.failure_us for label in told.labels if label.incident and label.failure_us is not None]
    column = (min(stops, default=of.stop_us) - of.start_us) * of.columns // (of.stop_us - of.start_us)
    return [slice(0, column), slice(0, column + 1), slice(None)]

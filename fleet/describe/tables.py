"""The data dictionary written: Markdown for people, CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from io import StringIO
from itertools import groupby

from fleet.describe.dictionary import COLUMNS, Row, fields_of, rows
from fleet.run.plan import RunPlan
from fleet.scenario.times import span_text


@dataclass(frozen=True, slots=True)
class Alike:
    """What the rows of one machine, or of machines that are alike, have in common."""

    machine: str
    count: int
    kind: str
    line: str
    area: str
    site: str
    hall: str
    topic: str
    format: str
    record: str


def as_markdown(plan: RunPlan, *, machines: bool) -> Iterator[str]:
    """Write a page: a section for each kind of machine in each line, with a table of its sensors."""
    scenario = plan.request.scenario
    yield f"# Data dictionary of {scenario.name}\n"
    yield f"\n{' '.join(scenario.about.split())}\n"
    yield (
        f"\n{len(plan.roster.machines):,} machines, {plan.roster.readings_per_second:,.1f} readings a second. "
        "*Range* is what the sensor can show, *normal* what it shows on a healthy machine at work, "
        "*step* its resolution: values are whole multiples of it.\n"
    )
    for alike, found in sections(rows(plan, machines=machines)):
        yield "\n" + "".join(section(alike, found))


def sections(found: Iterable[Row]) -> Iterator[tuple[Alike, list[Row]]]:
    """Put rows of the same machines together."""
    names = [each.name for each in fields(Alike)]
    for alike, together in groupby(found, key=lambda row: Alike(**{name: getattr(row, name) for name in names})):
        yield alike, list(together)


def section(alike: Alike, found: Sequence[Row], *, level: str = "##") -> Iterator[str]:
    """Write the section of one group of machines."""
    many = "" if alike.count == 1 else f", {alike.count:,} machines"
    yield f"{level} {alike.kind}: `{alike.machine}`\n\n"
    yield (
        f"Line `{alike.line}`, area `{alike.area}`, site `{alike.site}`, hall `{alike.hall}`{many}. "
        f"Written to topic `{alike.topic}`, keyed by the machine's id, as {alike.record} ({alike.format}).\n\n"
    )
    yield from sensor_table(found)


def sensor_table(found: Iterable[Row]) -> Iterator[str]:
    """Write the table of some sensors."""
    yield "| sensor | measures | unit | range | normal | step | every |\n|---|---|---|---|---|---|---|\n"
    for row in found:
        normal = "" if row.normal_low is None else f"{row.normal_low:g} to {row.normal_high:g}"
        span = "open, closed" if row.range_low is None else f"{row.range_low:g} to {row.range_high:g}"
        step = "" if row.resolution is None else f"{row.resolution:g}"
        yield (f"| `{row.sensor}` | {_said(row)} | {row.units} | {span} | {normal} | {step} | {_every(row)} |\n")


def _said(row: Row) -> str:
    if row.zones is None:
        return row.measures
    return f"{row.measures}; zones A, B, C of ISO 20816 end at {', '.join(f'{end:g}' for end in row.zones)}"


def _every(row: Row) -> str:
    if row.period_s is None:
        return "when it changes"
    period = span_text(round(row.period_s * 1_000_000))
    if row.deadband is None or row.heartbeat_s is None:
        return period
    heartbeat = span_text(round(row.heartbeat_s * 1_000_000))
    return f"{period}, if changed by more than {row.deadband:g}; at least every {heartbeat}"


def as_csv(plan: RunPlan, *, machines: bool) -> Iterator[str]:
    """Write a line of names, then a line for each row; zones are joined by semicolons, what is absent is empty."""
    yield _line(COLUMNS)
    for row in rows(plan, machines=machines):
        said = fields_of(row) | {"zones": ";".join(f"{end:g}" for end in row.zones or ())}
        yield _line(["" if value is None else value for value in said.values()])


def _line(values: Iterable[object]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def as_json(plan: RunPlan, *, machines: bool) -> Iterator[str]:
    """Write a list of objects, one a line."""
    before = "[\n"
    for row in rows(plan, machines=machines):
        yield before + json.dumps(fields_of(row), ensure_ascii=False)
        before = ",\n"
    yield "\n]\n"


FORMATS: dict[str, Callable[..., Iterator[str]]] = {"markdown": as_markdown, "csv": as_csv, "json": as_json}
"""How a dictionary can be written."""

SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json"}
"""What a file's name says of that."""

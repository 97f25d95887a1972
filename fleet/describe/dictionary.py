"""The data dictionary: what every machine measures, in which units, how finely, how often, and where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from fleet.describe.subject import Group, groups, machines_of, written
from fleet.encode.encoder import StreamPlan
from fleet.encode.order import topics_for
from fleet.run.plan import RunPlan
from fleet.scenario.kind import Sensor


@dataclass(frozen=True, slots=True)
class Row:
    """One sensor of one machine, or of *count* machines that are alike; None where there is no such thing."""

    machine: str
    count: int
    kind: str
    line: str
    area: str
    site: str
    hall: str
    sensor: str
    measures: str
    units: str
    range_low: float | None = None
    range_high: float | None = None
    resolution: float | None = None
    period_s: float | None = None
    normal_low: float | None = None  # a healthy machine at work
    normal_high: float | None = None
    zones: tuple[float, ...] | None = None  # where A, B and C of ISO 20816 end
    deadband: float | None = None  # reported only when it changed by more
    heartbeat_s: float | None = None  # but at least so often
    topic: str = ""
    format: str = ""
    record: str = ""
    field: str = ""


COLUMNS = tuple(each.name for each in fields(Row))
OPENINGS = "state"
"""What a door has in place of sensors."""


def rows(plan: RunPlan, *, machines: bool) -> Iterator[Row]:
    """Give the dictionary of *plan*, a row for each sensor of a group, or with *machines* of every machine."""
    for group in groups(plan):
        yield from _rows(plan, group, machines=machines)


def _rows(plan: RunPlan, group: Group, *, machines: bool) -> Iterator[Row]:
    where = (group.area, group.site, group.hall)
    if not machines:
        yield from _of(plan, group, group.pattern, group.count, group.lines, where)
        return
    for machine in machines_of(plan, group):
        yield from _of(plan, group, machine.id, 1, machine.line, where)


def _of(plan: RunPlan, group: Group, machine: str, count: int, line: str, where: tuple[str, str, str]) -> Iterator[Row]:
    kind, target = group.entry.kind, written(plan)
    stream = "readings" if kind.door is None else "doors" if "doors" in target.streams else "events"
    plans = target.streams[stream]
    layout = plans.layout_of(stream)
    example = plan.roster.machines[group.places[0]]
    topic = plans.topic
    if group.lines == line or "{line}" not in topic:  # otherwise each line of the group has its own
        topic = topics_for(topic, [example._replace(line=line)])[0]
    record = records_of(plans, stream) or f"{stream} {layout.name}"
    row = Row(
        machine, count, kind.kind, line, *where, OPENINGS, "whether the door is open or closed", "",
        topic=topic, format=plans.format, record=record, field="state",
    )  # fmt: skip
    if kind.door is not None:
        yield row
    for name, sensor in kind.sensors.items():
        yield replace(row, sensor=name, field=layout.names.get("value", ""), **_said(sensor))


def records_of(plan: StreamPlan, stream: str) -> str:
    """Name the schemas of the records of a *stream*; nothing where they have none."""
    files = (layout.schema_in(plan.format) or layout.schema for layout in plan.layouts_of(stream))
    return ", ".join(Path(file).stem for file in files if file)


def _said(sensor: Sensor) -> dict[str, Any]:
    normal_low, normal_high = sensor.normal or (None, None)
    return {
        "measures": sensor.about, "units": sensor.units, "range_low": sensor.span[0], "range_high": sensor.span[1],
        "resolution": sensor.resolution, "period_s": sensor.period, "normal_low": normal_low,
        "normal_high": normal_high, "zones": sensor.zones, "deadband": sensor.deadband or None,
        "heartbeat_s": sensor.heartbeat if sensor.deadband else None,
    }  # fmt: skip


def fields_of(row: Row) -> dict[str, Any]:
    """Give a *row* as plain values by the names of its columns."""
    return asdict(row)

"""What must hold between shifts, their breaks and their handover, of the site and of each line.

As `checks` does, it works on the values as they were read and passes over what has another shape than it should.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from fleet.scenario.fields import DAY_S, Hours, hours
from fleet.scenario.quantities import DURATION, quantity
from fleet.scenario.references import Fault, items, mapping
from fleet.scenario.wording import Path, shortened, shown


def shift_faults(scenario: dict[str, Any]) -> Iterator[Fault]:
    """Yield every fault of the shifts in *scenario*."""
    yield from _shifts(("shifts",), mapping(scenario.get("shifts")))
    for part in ("halls", "lines"):
        for index, each in items(scenario.get(part)):
            yield from _shifts((part, index, "shifts"), mapping(each.get("shifts")))


def _shifts(path: Path, shifts: dict[str, Any]) -> Iterator[Fault]:
    listed = shifts.get("hours")
    given = _spans(listed)
    if not isinstance(listed, list) or not given or len(given) != len(listed):
        return  # work all day long: any break is inside; or a wrong shift, which is told first
    said = ", ".join(shortened(str(each).strip()) for each in listed)
    for number, pause in _spans(shifts.get("breaks")).items():
        if not _inside(pause, list(given.values())):
            got = shown(shifts["breaks"][number])
            yield (*path, "breaks", number), f"must lie inside the shifts, {said}, got {got}: nobody works then"
    try:
        handover_s = quantity(shifts.get("handover"), DURATION)
    except PydanticCustomError:
        return
    shortest_s = min(shift.stop_s - shift.start_s for shift in given.values())
    if handover_s >= shortest_s:
        words = f"must be shorter than the shortest shift, {shortest_s / 3600:g} h, got {shown(shifts['handover'])}"
        yield (*path, "handover"), words


def _spans(value: object) -> dict[int, Hours]:
    """Return the spans in the list *value* by their place; wrong ones are told by the model."""
    found: dict[int, Hours] = {}
    for number, each in enumerate(value if isinstance(value, list) else []):
        try:
            found[number] = hours(each)
        except PydanticCustomError:
            continue
    return found


def _inside(pause: Hours, shifts: list[Hours]) -> bool:
    """Say whether a break lies in shifts that follow one another without a gap; a day may be the one before."""
    at = pause.start_s
    for _ in range(2 * len(shifts) + 2):
        ends = [
            shift.stop_s + day
            for shift in shifts
            for day in (-DAY_S, 0, DAY_S)
            if shift.start_s + day <= at < shift.stop_s + day
        ]
        if not ends:
            return False
        if (at := max(ends)) >= pause.stop_s:
            return True
    return True

"""Expands a scenario to its roster: lines of templates, then what incidents and the evolution do to their machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Equipment, Ints
from fleet.scenario.kind import Kind
from fleet.scenario.model import Hall, Line, Machines, Scenario, Shifts
from fleet.scenario.roster import Crew, Entry, LineInfo, Roster
from fleet.scenario.scripted import coupled
from fleet.scenario.scripts import script_of
from fleet.scenario.settings import with_settings


class _Pattern(NamedTuple):
    """What all lines of one template have in common; one item a station."""

    entries: tuple[Entry, ...]
    names: list[str]  # the machine's id, or what follows the line's name
    own: list[bool]  # whether that is the whole id
    kinds: list[str]
    entry: Ints  # index into *entries*
    group: Ints  # stations with the same number influence one another
    repaired: Ints  # stations that a crew may have to repair


def line_names(line: Line) -> list[str]:
    """Return the names of the lines that *line* makes."""
    if line.count is None:
        return [line.name]
    return [f"{line.name}-{number:03d}" for number in range(1, line.count + 1)]


@dataclass(slots=True)
class _Growing:
    """The roster while it grows, one line template after another."""

    site: str
    halls: dict[str, Hall]
    entries: list[Entry] = field(default_factory=list)
    machines: list[Equipment] = field(default_factory=list)
    lines: list[LineInfo] = field(default_factory=list)
    crews: list[Crew] = field(default_factory=list)
    kinds: dict[tuple[str, str, float | None], Kind] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)  # index into crews by the crew's name
    entry: list[Ints] = field(default_factory=list)
    line: list[Ints] = field(default_factory=list)
    group: list[Ints] = field(default_factory=list)
    waiting: dict[int, list[Ints]] = field(default_factory=dict)  # groups that wait for a shared crew


def expand(scenario: Scenario, kinds: Mapping[str, Kind]) -> Roster:
    """Expand *scenario*, whose kinds are *kinds*, to its machines.

    An island is what a line's buffers chain (machines with a cycle), what waits for the same crew or takes
    parts from the same shelf (machines that wear), a line with a meter or a compressor, and what an incident couples.
    ScenarioError where an entry's settings do not fit its kind.
    """
    growing = _Growing(scenario.site, _halls(scenario))
    for template in scenario.lines:
        _add(growing, template, kinds, shifts=template.shifts or scenario.shifts)
    roster = Roster(
        scenario=scenario,
        entries=tuple(growing.entries),
        machines=tuple(growing.machines),
        entry=np.concatenate(growing.entry),
        line=np.concatenate(growing.line),
        island=_islands(np.concatenate(growing.group), list(growing.waiting.values())),
        lines=tuple(growing.lines),
        halls=tuple(growing.halls.values()),
        crews=tuple(growing.crews),
    )
    script = script_of(roster)
    joined = [[roster.island[each]] for each in coupled(script.scripted, script.scripted, roster.line)]
    return replace(roster, script=script, island=_islands(roster.island, joined) if joined else roster.island)


def _add(growing: _Growing, template: Line, kinds: Mapping[str, Kind], *, shifts: Shifts | None) -> None:
    """Add the lines that *template* makes, and their machines."""
    names = line_names(template)
    first, offset = len(growing.lines), len(growing.machines)
    pattern = _pattern(growing, template, kinds, lines=len(names))
    number = np.arange(len(names), dtype=np.int64)
    start = offset + number[:, None] * len(pattern.kinds)
    growing.entry.append(np.tile(pattern.entry + len(growing.entries), len(names)))
    growing.line.append(np.repeat(number + first, len(pattern.kinds)))
    growing.group.append((pattern.group + start).ravel())
    crews = _crews(growing, template, names)
    if template.crew is not None and template.crew.name is not None:
        waiting = (pattern.group[pattern.repaired] + start).ravel()
        growing.waiting.setdefault(crews[0], []).append(waiting)
    hall, buffer = list(growing.halls).index(template.hall), template.buffer or 0
    growing.lines += [
        LineInfo(
            name,
            template.area,
            hall,
            crew,
            buffer,
            shifts,
            template.products,
            template.changeover,
            template.scrap,
        )
        for name, crew in zip(names, crews, strict=True)
    ]
    growing.entries += pattern.entries
    _equip(growing, pattern, names, area=template.area)


def _halls(scenario: Scenario) -> dict[str, Hall]:
    """Return the halls of *scenario* by name, with their shifts; those that are only mentioned get our defaults."""
    halls = {hall.name: hall for hall in scenario.halls}
    for line in scenario.lines:
        halls.setdefault(line.hall, Hall(name=line.hall))
    shifts = scenario.shifts
    return {name: hall if hall.shifts else hall.model_copy(update={"shifts": shifts}) for name, hall in halls.items()}


def _crews(growing: _Growing, template: Line, names: list[str]) -> list[int]:
    """Return the crew of each of the lines *names*: none, a shared one, or one each."""
    if template.crew is None:
        return [-1] * len(names)
    first, size, name = len(growing.crews), template.crew.size, template.crew.name
    if name is None:
        growing.crews += [Crew(each, size) for each in names]
        return list(range(first, first + len(names)))
    if name not in growing.shared:
        growing.shared[name] = first
        growing.crews.append(Crew(name, size))
    return [growing.shared[name]] * len(names)


def _pattern(growing: _Growing, template: Line, kinds: Mapping[str, Kind], *, lines: int) -> _Pattern:
    """Return what all lines of *template* have in common."""
    entries, names, of_kind, entry, own = [], [], [], [], []
    numbers: dict[str, int] = {}
    for index, machines in enumerate(template.machines):
        kind = _kind(growing, kinds[machines.kind], machines)
        maintenance = machines.maintenance or template.maintenance
        entries.append(Entry(kind, len(growing.lines), lines, machines.count, maintenance))
        for _ in range(machines.count):
            names.append(machines.id or _suffix(machines, numbers))
            of_kind.append(machines.kind)
            entry.append(index)
            own.append(machines.id is not None)
    chained = [bool(template.buffer) and entries[at].kind.cycle is not None for at in entry]
    repaired = np.array([bool(entries[at].kind.wear) for at in entry])
    group = np.arange(len(entry), dtype=np.int64)
    _join(group, np.array(chained))
    if any(entries[at].kind.follows for at in entry):  # what they take, they take from one another
        kinds_there = [entries[at].kind for at in entry]
        _join(group, np.array([each.follows or not (each.always_on or each.door) for each in kinds_there]))
    if template.crew is not None and template.crew.name is None:
        _join(group, repaired)
    _join(group, repaired & np.array([_needs_parts(entries[at]) for at in entry]))
    return _Pattern(tuple(entries), names, own, of_kind, np.array(entry, dtype=np.int64), group, repaired)


def _kind(growing: _Growing, kind: Kind, machines: Machines) -> Kind:
    """Return *kind* as *machines* have it, the same one wherever the settings are the same."""
    if not machines.set and machines.rate is None:
        return kind
    key = (kind.kind, repr(machines.set), machines.rate)
    if key not in growing.kinds:
        growing.kinds[key] = with_settings(kind, machines.set, rate=machines.rate)
    return growing.kinds[key]


def _needs_parts(entry: Entry) -> bool:
    """Tell whether work on the machines of *entry* takes parts from a shelf that they share."""
    return entry.maintenance is not None and entry.maintenance.parts is not None


def _suffix(machines: Machines, numbers: dict[str, int]) -> str:
    numbers[machines.kind] = numbers.get(machines.kind, 0) + 1
    return f"-{machines.kind}-{numbers[machines.kind]:03d}"


def _join(group: Ints, members: Bools) -> None:
    """Make one group of the groups of all *members*, in place."""
    if members.any():
        touched = np.isin(group, group[members])
        group[touched] = group[touched].min()


def _equip(growing: _Growing, pattern: _Pattern, names: list[str], *, area: str) -> None:
    """Append the machines of the lines *names*."""
    site = growing.site
    stations = list(zip(pattern.names, pattern.own, pattern.kinds, strict=True))
    # tuple.__new__ spares the call of the named tuple's own: half the time of a large fleet.
    make = tuple.__new__
    for line in names:
        growing.machines += [
            make(Equipment, (name if own else line + name, kind, line, area, site)) for name, own, kind in stations
        ]


def _islands(group: Ints, waiting: list[list[Ints]]) -> Ints:
    """Return the groups numbered from 0 by first machine, those that wait for one crew as one."""
    group = group.copy()
    for parts in waiting:
        _join(group, np.isin(group, np.concatenate(parts)))
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]

"""The machines of a roster that selectors choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from fleet.data import Bools
from fleet.scenario.roster import Roster
from fleet.scenario.targets import Targets
from fleet.scenario.wording import unknown


class Chosen(NamedTuple):
    """The *machines* of a roster that are chosen, and what is wrong with selectors: key and text."""

    machines: Bools
    faults: list[tuple[str, str]]


def places_of(roster: Roster) -> dict[str, int]:
    """Give the index of each machine by its id."""
    return {machine.id: place for place, machine in enumerate(roster.machines)}


def chosen(
    roster: Roster, targets: Targets, where: Mapping[str, int], *, gateway: str | None = None, for_what: str
) -> Chosen:
    """Find the machines that all selectors of *targets* name; a selector that names none is a fault.

    *where* is as `places_of` gives it. *gateway* is one more selector. *for_what* is the key that is at fault where
    they together name nobody.
    """
    every = np.ones(len(roster.machines), np.bool_)
    faults: list[tuple[str, str]] = []
    doors = np.array([entry.kind.door is not None for entry in roster.entries], bool)[roster.entry]
    every &= ~doors  # a door has no readings and wears out nothing
    kinds = np.array([entry.kind.kind for entry in roster.entries])[roster.entry]
    lines = [line.name for line in roster.lines]
    templates = [line.name for line in roster.scenario.lines]
    halls = [hall.name for hall in roster.halls]
    if targets.machine is not None:
        here = np.zeros(len(every), np.bool_)
        for pattern in targets.machine:
            if pattern in where:
                here[where[pattern]] = True
                continue
            found = [place for name, place in where.items() if fnmatchcase(name, pattern)]
            if not found:
                faults.append(("machine", unknown("machine", pattern, where)))
            here[found] = True
        every &= here
    for key, name in (("line", targets.line), ("gateway", gateway)):
        if name is None:
            continue
        if name not in lines and name not in templates:
            faults.append((key, unknown(key, name, [*templates, *lines])))
            continue
        made = np.array([line == name or _made_of(line, name, templates) for line in lines])
        every &= made[roster.line]
    if targets.kind is not None:
        if targets.kind not in set(kinds.tolist()):
            faults.append(("kind", unknown("kind", targets.kind, sorted(set(kinds.tolist())))))
        every &= kinds == targets.kind
    if targets.hall is not None:
        if targets.hall not in halls:
            faults.append(("hall", unknown("hall", targets.hall, halls)))
        else:
            every &= np.array([line.hall for line in roster.lines])[roster.line] == halls.index(targets.hall)
    if not faults and not every.any():
        named = "the selectors together name none" if not doors.all() else "there are only doors"
        faults.append((for_what, f"must be for some machine with sensors; {named}, and doors have none"))
    return Chosen(every, faults)


def _made_of(line: str, template: str, templates: Sequence[str]) -> bool:
    """Tell whether *line* is one of the lines that *template* makes."""
    stem, _, number = line.rpartition("-")
    return stem == template and number.isdigit() and line not in templates

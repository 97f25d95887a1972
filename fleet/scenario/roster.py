"""A scenario expanded, as data: every machine, what it shares with which, and who can influence whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fleet.data import Equipment, Ints
from fleet.scenario.kind import Kind
from fleet.scenario.model import Changeover, Hall, Maintenance, Product, Scenario, Shifts
from fleet.scenario.scripted import Script


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """The machines that share all settings: one machine entry of one line template.

    *line* is the first of the *lines* lines it was made for; each has *count* of its machines.
    """

    kind: Kind
    line: int
    lines: int
    count: int
    maintenance: Maintenance | None = None  # None: run to failure, repaired as good as new


class Crew(NamedTuple):
    """Who repairs: a shared crew by its own name, a line's own by the line's."""

    name: str
    size: int


class LineInfo(NamedTuple):
    """One line: where it stands and what its machines share. *crew* -1 and *buffer* 0 mean none."""

    name: str
    area: str
    hall: int  # index into Roster.halls
    crew: int  # index into Roster.crews
    buffer: int  # parts between consecutive machines that have a cycle
    shifts: Shifts | None  # None: round the clock
    products: tuple[Product, ...] = ()
    changeover: Changeover = Changeover()
    scrap: float | None = None  # None: the kinds' own


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """Every machine of a scenario in its order: lines in order, stations in order within a line."""

    scenario: Scenario
    entries: tuple[Entry, ...]
    machines: tuple[Equipment, ...]
    entry: Ints  # (machines,) index into entries
    line: Ints  # (machines,) index into lines
    island: Ints  # (machines,) numbered from 0 by first machine
    lines: tuple[LineInfo, ...]
    halls: tuple[Hall, ...]
    crews: tuple[Crew, ...]
    script: Script = field(default_factory=Script)

    @property
    def readings_per_second(self) -> float:
        """How many readings a second of simulated time are scheduled."""
        return sum(
            entry.count * entry.lines * sum(1.0 / sensor.period for sensor in entry.kind.sensors.values())
            for entry in self.entries
        )

    @property
    def may_fail(self) -> bool:
        """Whether anything of it can have a fault: then there is a truth about faults to be told."""
        return bool(self.script.scripted) or any(entry.kind.wear for entry in self.entries)

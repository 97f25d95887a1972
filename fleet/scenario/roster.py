"""The scenario expanded: every machine, what it shares with which, and who can influence whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fleet.data import Equipment, Ints
from fleet.scenario.kind import Kind
from fleet.scenario.model import Hall, Scenario, Shifts


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """The machines that share all settings: one machine entry of one line template.

    *line* is the first of the *lines* lines it was made for; each has *count* of its machines.
    """

    kind: Kind
    line: int
    lines: int
    count: int


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


def expand(scenario: Scenario, kinds: Mapping[str, Kind]) -> Roster:
    """Expand *scenario*, whose kinds are *kinds*."""
    raise NotImplementedError

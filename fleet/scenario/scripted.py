"""Incidents and steps of the evolution as later stages know them: with their targets, and with when they set in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from fleet.data import Ints, State
from fleet.faults.catalogue import NETWORK
from fleet.scenario.own import OwnRecords
from fleet.scenario.wording import Path

ENDLESS_US = 1 << 62


class Fault(NamedTuple):
    """What is wrong with an incident, and the place of another one that it does not go with."""

    path: Path
    text: str
    other: Path = ()


class Size(NamedTuple):
    """What a parameter of a fault is set to.

    A size of readings counts in the sensor's "unit", in the "sigma" of its noise, or in its "span".
    """

    value: float
    basis: str = "unit"


@dataclass(frozen=True, slots=True, eq=False)
class Scripted:
    """An incident with its targets.

    Spans are us; *at_us* counts from the start of the run, *lasts_us* is ENDLESS_US for what lasts until its end.
    """

    place: int  # in the scenario's list
    id: str
    family: str
    fault: str
    machines: Ints  # indices into the roster: those it may strike
    share: float  # of them that it does
    sensors: tuple[str, ...]  # patterns; empty for all
    at_us: int
    within_us: int  # 0: not at random
    times: int  # occurrences
    every_us: int
    after: int  # place of the incident that it follows; -1: none
    when: tuple[int, State] | None  # index into the roster
    over_us: int
    lasts_us: int
    severity: float
    noticed_us: int  # 0: never
    set: Mapping[str, Size]
    said: tuple[tuple[str, str], ...]  # how it was set, as a person writes it


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A step of the evolution with its machines. *own* is what was read of a file; else *layout* is one of ours."""

    place: int  # in the scenario's list
    at_us: int  # from the start of the run
    machines: Ints  # indices into the roster
    layout: str  # as in records: v3, or the file's name
    own: OwnRecords | None
    refused: bool


@dataclass(slots=True)
class Script:
    """All incidents and steps of a scenario, in order of time, and what is wrong with them."""

    scripted: tuple[Scripted, ...] = ()
    steps: tuple[Step, ...] = ()
    faults: list[Fault] = field(default_factory=list)


def chosen_by(patterns: Sequence[str], name: str) -> bool:
    """Tell whether *patterns* choose a sensor of that *name*; none choose all."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def followed(scripted: Sequence[Scripted], each: Scripted) -> Iterator[Scripted]:
    """Give an incident, then the one that it follows, and so on to the one that follows none."""
    yield each
    while each.after >= 0:
        each = scripted[each.after]
        yield each


def first_us(scripted: Sequence[Scripted], each: Scripted) -> int | None:
    """Give the first onset of an incident after the start of the run; None where it depends on what happens."""
    chain = list(followed(scripted, each))
    return None if any(one.when is not None for one in chain) else sum(one.at_us for one in chain)


def coupled(some: Sequence[Scripted], scripted: Sequence[Scripted], line: Ints) -> list[Ints]:
    """Give the sets of machines (indices into the roster, with their *line*) that *some* of all incidents couple.

    Those are the targets of what waits for another machine's state, with that machine, and the machines whose
    readings compete for the buffer of one gateway.
    """
    found = []
    for each in some:
        watched = [one.when[0] for one in followed(scripted, each) if one.when is not None]
        if len(each.machines) == 0:
            continue
        if watched:
            found.append(np.append(each.machines, np.array(watched, np.int64)))
        elif each.family == NETWORK and "buffer" in each.set:
            gateway = line[each.machines]
            found += [each.machines[gateway == at] for at in np.unique(gateway).tolist()]
    return found

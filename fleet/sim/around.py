"""What a machine shares with others, and how it is met at the start."""

from __future__ import annotations

from typing import NamedTuple

import simpy

from fleet.sim.calendar import Calendar
from fleet.sim.lots import Lots
from fleet.sim.work import Policy, Shelf


class Met(NamedTuple):
    """How a machine was met at the start of the plant, and when it decides first."""

    cells: list[int]  # its first state change
    stop_left_us: int
    set_us: int
    until_us: int
    next_scrap: int
    wake_us: int


class Around(NamedTuple):
    """What a machine shares with others."""

    calendar: Calendar
    crew: simpy.Resource | None
    lots: Lots | None
    scrap: float  # share of bad parts
    policy: Policy
    shelves: tuple[Shelf | None, ...]  # of spare parts, one a failure mode; none where the policy knows no parts

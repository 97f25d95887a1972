"""Doors: when they open and close, as a closed form of time that couples nothing.

The hours of a day in which a door is used are cut into slots of the mean distance between openings; in each
slot it opens once, at an addressed instant. So an opening is found, and numbered, without its predecessors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fleet.data import DAY_US, SECOND_US, Equipment, Event, Ints, Words
from fleet.scenario.kind import Door
from fleet.scenario.roster import Roster
from fleet.sim.address import machine_words, normal_of_each, uniform_of_each, word_of

_AT, _SPAN = word_of("door.at"), word_of("door.span")
_MILLISECOND_US = 1000

CLOSED_MIN_SHARE = 0.05
"""A door stays closed for at least this share of a slot: openings never touch."""

SLOT_MIN_US = SECOND_US
"""A door opens at most once in this time."""


class Doors:
    """All doors of one worker, those of a kind side by side."""

    def __init__(self, roster: Roster, keep: Ints, *, seed: int, start_us: int) -> None:
        by_door: dict[Door, list[Equipment]] = {}
        for index in keep.tolist():
            door = roster.entries[roster.entry[index]].kind.door
            if door is not None:
                by_door.setdefault(door, []).append(roster.machines[index])
        self._alike = [
            _Alike(door, tuple(machines), machine_words(seed, (machine.id for machine in machines)))
            for door, machines in by_door.items()
        ]
        self._start_us = start_us

    def between(self, start_us: int, stop_us: int) -> Iterator[Event]:
        """Give every opening and closing in the span, in no order; numbered from the run's start."""
        for doors in self._alike:
            slots = _Slots.of(doors.door)
            origin = slots.first_from(self._start_us)
            for slot in range(max(origin, slots.first_from(start_us) - 1), slots.first_from(stop_us)):
                for place, (time_us, state) in enumerate(zip(_opening(doors, slot, slots), _STATES, strict=True)):
                    here = np.flatnonzero((time_us >= start_us) & (time_us < stop_us))
                    for index, at_us in zip(here.tolist(), time_us[here].tolist(), strict=True):
                        yield Event(doors.machines[index], 2 * (slot - origin) + place, at_us, "door", state, "", 0)


_STATES = ("open", "closed")


@dataclass(frozen=True, slots=True, eq=False)
class _Alike:
    """The machines whose doors are used alike."""

    door: Door
    machines: tuple[Equipment, ...]
    words: Words


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slots of a door: *a_day* of them, one behind the other from the hour it is first used."""

    begin_us: int
    length_us: int
    a_day: int

    @classmethod
    def of(cls, door: Door) -> _Slots:
        used_us = (((door.hours.stop_s - door.hours.start_s) % 86_400) or 86_400) * SECOND_US
        length_us = min(max(round(door.every * SECOND_US), SLOT_MIN_US), used_us)
        return cls(door.hours.start_s * SECOND_US, length_us, used_us // length_us)

    def start_us(self, slot: int) -> int:
        day, place = divmod(slot, self.a_day)
        return day * DAY_US + self.begin_us + place * self.length_us

    def first_from(self, time_us: int) -> int:
        """Find the first slot that begins at or after *time_us*."""
        day, rest = divmod(time_us - self.begin_us, DAY_US)
        return day * self.a_day + min(self.a_day, -(-rest // self.length_us))


def _opening(doors: _Alike, slot: int, slots: _Slots) -> tuple[Ints, Ints]:
    """Place the opening of *slot*: anywhere in it, its length cut so that it ends inside it; both (doors,), us."""
    door = doors.door
    longest = slots.length_us * (1.0 - CLOSED_MIN_SHARE)
    span = np.minimum(door.lasts * SECOND_US * np.exp(door.sigma * normal_of_each(doors.words, _SPAN, slot)), longest)
    opened = (slots.length_us - span) * uniform_of_each(doors.words, _AT, slot)
    opened_ms, closed_ms = (at.astype(np.int64) // _MILLISECOND_US for at in (opened, opened + span))
    begin = slots.start_us(slot)
    return begin + opened_ms * _MILLISECOND_US, begin + np.maximum(opened_ms + 1, closed_ms) * _MILLISECOND_US

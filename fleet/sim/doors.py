"""Doors: when they open and close, as a closed form of time that couples nothing.

The hours of a day in which a door is used are cut into slots of the mean distance between openings; in each
slot it opens once, at an addressed instant. So an opening is found, and numbered, without its predecessors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.data import DAY_US, SECOND_US, Event, Ints
from fleet.scenario.kind import Door
from fleet.scenario.roster import Roster
from fleet.sim.address import Draws, machine_words, word_of

_AT, _SPAN = word_of("door.at"), word_of("door.span")
_MILLISECOND_US = 1000

CLOSED_MIN_SHARE = 0.05
"""A door stays closed for at least this share of a slot: openings never touch."""

SLOT_MIN_US = SECOND_US
"""A door opens at most once in this time."""


class Doors:
    """All doors of one worker."""

    def __init__(self, roster: Roster, keep: Ints, *, seed: int, start_us: int) -> None:
        self._doors = []
        for index in keep.tolist():
            kind = roster.entries[roster.entry[index]].kind
            if kind.door is not None:
                machine = roster.machines[index]
                draws = Draws(int(machine_words(seed, [machine.id])[0]))
                self._doors.append((machine, kind.door, draws))
        self._start_us = start_us

    def between(self, start_us: int, stop_us: int) -> Iterator[Event]:
        """Give every opening and closing in the span, door by door; numbered from the run's start."""
        for machine, door, draws in self._doors:
            slots = _Slots.of(door)
            origin = slots.first_from(self._start_us)
            for slot in range(max(origin, slots.first_from(start_us) - 1), slots.first_from(stop_us)):
                opened, closed = _opening(door, draws, slot, slots)
                for place, (time_us, state) in enumerate(((opened, "open"), (closed, "closed"))):
                    if start_us <= time_us < stop_us:
                        yield Event(machine, 2 * (slot - origin) + place, time_us, "door", state, "", 0)


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


def _opening(door: Door, draws: Draws, slot: int, slots: _Slots) -> tuple[int, int]:
    """Place the opening of *slot*: anywhere in it, its length cut so that it ends inside it."""
    longest = slots.length_us * (1.0 - CLOSED_MIN_SHARE)
    span = min(door.lasts * SECOND_US * draws.lognormal(_SPAN, slot, door.sigma), longest)
    opened = (slots.length_us - span) * draws.uniform(_AT, slot)
    opened_ms, closed_ms = int(opened) // _MILLISECOND_US, int(opened + span) // _MILLISECOND_US
    begin = slots.start_us(slot)
    return begin + opened_ms * _MILLISECOND_US, begin + max(opened_ms + 1, closed_ms) * _MILLISECOND_US

"""What wear did to a machine: when damage began to show, when it failed, when it was repaired.

Until incidents have labels, this is the truth that a picture can shade: it is read off the plant's own state
changes, which carry each failure mode's age, life and onset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fleet.data import Ints, State
from fleet.sim import changes as row
from fleet.sim.changes import AGE, CAUSES, FIXED, ONSET, PER_MODE, PPM, RATE

HAPPENINGS_MAX = 2000
"""Bound on what is kept of one machine; the rest is only counted."""

SHOWS, FAILS, REPAIR, REPAIRED = "shows", "fails", "repair", "repaired"


class Happening(NamedTuple):
    """One step of a failure mode's story: damage that begins to show, a failure, a repair's begin and end."""

    time_us: int
    what: str
    mode: str


class Damaged(NamedTuple):
    """One wear-out: from the first sign to the repair; None where it lies outside the picture.

    What is changed in passing, like a tool, does not fail.
    """

    mode: str
    shows_us: int | None
    fails_us: int | None
    repair_us: int | None
    repaired_us: int | None


@dataclass(slots=True)
class Wearing:
    """One machine's story of wear while it is told, block by block."""

    modes: tuple[str, ...]
    happenings: list[Happening] = field(default_factory=list)
    left_out: int = 0
    _in_force: Ints | None = None
    _now_us: int = 0
    _failed: str = ""

    def add(self, rows: Ints, until_us: int) -> None:
        """Take in the machine's fresh state changes, *rows* in order of time, up to *until_us*."""
        told = rows if self._in_force is None else np.vstack([self._in_force, rows])
        found = self._signs(told, until_us, begins=self._in_force is None)
        for time_us, state, cause in rows[:, [row.TIME, row.STATE, row.CAUSE]].tolist():
            if cause >= len(CAUSES):
                self._failed = self.modes[cause - len(CAUSES)]
                found.append(Happening(time_us, FAILS if state == State.ABORTED else REPAIR, self._failed))
            elif self._failed and cause == row.REPAIR:
                found.append(Happening(time_us, REPAIR, self._failed))
            elif self._failed and cause != row.SETPOINT:
                found.append(Happening(time_us, REPAIRED, self._failed))
                self._failed = ""
        found.sort(key=lambda happening: happening.time_us)
        room = HAPPENINGS_MAX - len(self.happenings)
        self.happenings += found[:room]
        self.left_out += len(found[room:])
        self._in_force, self._now_us = told[-1:], until_us

    def _signs(self, told: Ints, until_us: int, *, begins: bool) -> list[Happening]:
        """Find where a mode's age, which grows while the machine executes, passes its onset."""
        start, stop = told[:, row.TIME], np.append(told[1:, row.TIME], until_us)
        ran = np.where(told[:, row.STATE] == State.EXECUTE, stop - start, 0)
        found = []
        for place, mode in enumerate(self.modes):
            age, onset, rate = (told[:, FIXED + PER_MODE * place + index] for index in (AGE, ONSET, RATE))
            when = start - (age - onset) * PPM // np.maximum(rate, 1)
            at = np.flatnonzero((age < onset) & (when <= start + ran) & (when > self._now_us))
            found += [Happening(int(time_us), SHOWS, mode) for time_us in when[at]]
            if begins and age[0] >= onset[0] > 0:
                found.append(Happening(int(start[0]), SHOWS, mode))
        return found

    def damaged(self) -> list[Damaged]:
        """Tell the happenings failure by failure, in order of their first sign."""
        told: list[tuple[str, dict[str, int]]] = []
        open_at: dict[str, int] = {}
        for time_us, what, mode in self.happenings:
            if what == SHOWS or mode not in open_at:
                open_at[mode] = len(told)
                told.append((mode, {}))
            told[open_at[mode]][1][what] = time_us
            if what == REPAIRED:
                del open_at[mode]
        return [Damaged(mode, *(at.get(what) for what in (SHOWS, FAILS, REPAIR, REPAIRED))) for mode, at in told]

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
from fleet.sim.changes import AGE, CAUSES, FIXED, NUMBER, ONSET, PER_MODE, PPM, RATE

HAPPENINGS_MAX = 2000
"""Bound on what is kept of one machine; the rest is only counted."""

FAILS, REPAIR, REPAIRED, SHOWS = "fails", "repair", "repaired", "shows"
STEPS = (FAILS, REPAIR, REPAIRED, SHOWS)
"""In the order in which they are told where they happen at once: a repair that leaves damage ends before it shows."""


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

    def add(self, rows: Ints, until_us: int) -> None:
        """Take in the machine's fresh state changes, *rows* in order of time, up to *until_us*."""
        told = rows if self._in_force is None else np.vstack([self._in_force, rows])
        first = 0 if self._in_force is None else 1
        found = self._signs(told, until_us) + self._renewals(told)
        for time_us, state, cause in rows[:, [row.TIME, row.STATE, row.CAUSE]].tolist():
            if cause >= len(CAUSES) and state == State.ABORTED:
                found.append(Happening(time_us, FAILS, self.modes[cause - len(CAUSES)]))
        if not first:
            found += [Happening(int(told[0, row.TIME]), SHOWS, mode) for mode in self._worn(told[0])]
        found.sort(key=lambda happening: (happening.time_us, STEPS.index(happening.what)))
        room = HAPPENINGS_MAX - len(self.happenings)
        self.happenings += found[:room]
        self.left_out += len(found[room:])
        self._in_force, self._now_us = told[-1:], until_us

    def _signs(self, told: Ints, until_us: int) -> list[Happening]:
        """Find where a mode's age, which grows while the machine executes, passes its onset."""
        start, stop = told[:, row.TIME], np.append(told[1:, row.TIME], until_us)
        ran = np.where(told[:, row.STATE] == State.EXECUTE, stop - start, 0)
        found = []
        for place, mode in enumerate(self.modes):
            age, onset, rate = (told[:, FIXED + PER_MODE * place + index] for index in (AGE, ONSET, RATE))
            when = start - (age - onset) * PPM // np.maximum(rate, 1)
            at = np.flatnonzero((age < onset) & (when <= start + ran) & (when > self._now_us))
            found += [Happening(int(time_us), SHOWS, mode) for time_us in when[at]]
        return found

    def _renewals(self, told: Ints) -> list[Happening]:
        """Find where a mode begins a new life, and when the work for it began: the change of state before."""
        found = []
        for place, mode in enumerate(self.modes):
            number = told[:, FIXED + PER_MODE * place + NUMBER]
            for at in (np.flatnonzero(np.diff(number)) + 1).tolist():
                found.append(Happening(int(told[at - 1, row.TIME]), REPAIR, mode))
                found.append(Happening(int(told[at, row.TIME]), REPAIRED, mode))
                if mode in self._worn(told[at]):  # what was left of the damage shows at once
                    found.append(Happening(int(told[at, row.TIME]), SHOWS, mode))
        return found

    def _worn(self, now: Ints) -> list[str]:
        """List the modes of whose damage something shows in the state change *now*."""
        columns = [FIXED + PER_MODE * place for place in range(len(self.modes))]
        return [mode for mode, at in zip(self.modes, columns, strict=True) if now[at + AGE] >= now[at + ONSET] > 0]

    def damaged(self) -> list[Damaged]:
        """Tell the happenings failure by failure, in order of their first sign; what never showed is left out."""
        told: list[tuple[str, dict[str, int]]] = []
        open_at: dict[str, int] = {}
        for time_us, what, mode in self.happenings:
            if what in {SHOWS, FAILS} and mode not in open_at:
                open_at[mode] = len(told)
                told.append((mode, {}))
            if mode in open_at:
                told[open_at[mode]][1][what] = time_us
            if what == REPAIRED:
                open_at.pop(mode, None)
        return [Damaged(mode, *(at.get(what) for what in (SHOWS, FAILS, REPAIR, REPAIRED))) for mode, at in told]

"""What is in force over the machines of a tile: those in which nothing changes within a block, and the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import Floats, Ints
from fleet.sim import changes as row
from fleet.sim.changes import Spans

FEW = 4
"""Where fewer than one machine in so many changes, all are computed as if none did and those few once more: to pick
the others out would cost more."""


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """The state changes of some machines of a tile: *rows* (spans, width), column by column, and the rests at each.

    Machine by machine; *first* (machines + 1,) says where each one's are, None that each has one.
    """

    where: slice | Ints  # which machines of the tile
    machines: slice | Ints  # and of the cohort
    rows: Ints
    first: Ints | None
    rest: Floats  # (nodes and lags, spans)

    def places(self, time_us: Ints) -> Ints:
        """Find the span in force at *time_us* (machines, scans); so shaped, or (machines, 1) where nothing changes."""
        if self.first is None:
            return np.arange(len(self.rows))[:, None]
        first = self.first[:-1]
        begun = time_us[np.repeat(np.arange(len(first)), np.diff(self.first))] >= self.rows[:, row.TIME, None]
        begun[first] = False  # the first was in force before
        return first[:, None] + np.add.reduceat(begun.astype(np.int64), first, axis=0)

    def limits_us(self, time_us: Ints) -> tuple[Ints, Ints]:
        """Give the instants between which each span is asked for at *time_us* (machines, scans); both (spans,)."""
        if self.first is None:
            return time_us[:, 0], time_us[:, -1]
        begin, end = self.rows[:, row.TIME].copy(), np.roll(self.rows[:, row.TIME], -1)
        begin[self.first[:-1]], end[self.first[1:] - 1] = time_us[:, 0], time_us[:, -1]
        return begin, end


def in_force(spans: Spans, rest: Floats, machines: slice, ill: Ints) -> list[InForce]:
    """Give what is in force over *machines* of a cohort; where two parts tell of a machine, the later one is true.

    Those that are *ill* (from the first of *machines*) count as changing.
    """
    first = spans.first[machines.start : machines.stop + 1]
    count = np.diff(first)
    changes = count > 1
    changes[ill] = True
    changing = np.flatnonzero(changes)
    if not len(changing):
        own = slice(int(first[0]), int(first[-1]))
        return [InForce(slice(None), machines, np.asfortranarray(spans.rows[own]), None, rest[:, own])]
    still: slice | Ints = slice(None)
    which: slice | Ints = machines
    if len(changing) * FEW >= len(count):
        still = np.flatnonzero(~changes)
        which = still + machines.start
    parts = [_part(spans, rest, still, which, first[:-1][still], None)]
    begins = np.concatenate([[0], np.cumsum(count[changing])])
    places = np.arange(begins[-1]) + np.repeat(first[changing] - begins[:-1], count[changing])
    parts.append(_part(spans, rest, changing, changing + machines.start, places, begins))
    return [part for part in parts if len(part.rows)]


def _part(
    spans: Spans, rest: Floats, where: slice | Ints, machines: slice | Ints, places: Ints, first: Ints | None
) -> InForce:
    return InForce(where, machines, np.asfortranarray(spans.rows[places]), first, rest[:, places])

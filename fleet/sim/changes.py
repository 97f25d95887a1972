"""State changes as growing columns: what the plant leaves behind for the readings to be computed from.

One row is one state change: the machine, the instant, the state and the parameters in force from
then on. A row is whole numbers only, appended in one call; objects would cost more than the
decisions that make them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from fleet.data import Ints

MACHINE, TIME, STATE, CAUSE, LEVEL, START, PERIOD, DONE, ORDINAL, SCRAP, PRODUCT, LOT = range(12)
"""Columns of a row: machine (index in its cohort), instant (us), state, cause (index into
``causes``), level of the load (ppm), start and period of the cycle (us), parts done when that cycle
began, number of the event, parts of those done that were scrap, product (from 1; 0: none), lot (from 1; 0: none)."""

FIXED = 12
AGE, LIFE, ONSET, RATE, LEFT, NUMBER = range(6)
"""Columns a failure mode adds: running time since it was last repaired, the drawn life, the age at which damage
begins to grow (all us), how fast running ages it (ppm), the damage that the last repair left (ppm), and the
number of the life."""

PER_MODE = 6

POWER, ENERGY = -2, -1
"""The last two columns of a meter's rows: what its line takes (W) from then on, and took from the start of the run
until then (mJ)."""

OF_METER = 2

PPM = 1_000_000

CAUSES = (
    "", "shift", "micro_stop", "starved", "blocked", "setpoint", "repair", "repaired", "planned", "waiting_for_crew",
    "waiting_for_part", "changeover", "lot", "at_speed", "heating",
)  # fmt: skip
"""Why a state changed; the names of the kind's failure modes follow."""
(
    BY_PLAN, SHIFT, MICRO_STOP, STARVED, BLOCKED, SETPOINT, REPAIR, REPAIRED, PLANNED, WAITING_FOR_CREW,
    WAITING_FOR_PART, CHANGEOVER, LOT_ENDED, AT_SPEED, HEATING,
) = range(len(CAUSES))  # fmt: skip

SILENT = (SETPOINT, AT_SPEED)
"""Causes of rows that change a parameter and no state: they are no events."""


class Journal:
    """The rows of one cohort since they were last taken."""

    __slots__ = ("_cells", "width")

    def __init__(self, modes: int) -> None:
        self.width = FIXED + PER_MODE * modes
        self._cells = array("q")

    def append(self, row: tuple[int, ...]) -> None:
        """Add one state change."""
        self._cells.extend(row)

    def extend(self, rows: Ints) -> None:
        """Add many state changes, (rows, width) in order of time."""
        self._cells.frombytes(rows.tobytes())

    def take(self) -> Ints:
        """Hand over the rows in order of time and forget them; (rows, width) int64."""
        rows = np.frombuffer(self._cells, np.int64).reshape(-1, self.width)
        self._cells = array("q")
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """State changes of one cohort that matter to one block, machine by machine, in order of time.

    The first row of each machine was in force when the block began. ``first`` (machines + 1,)
    says where each machine's rows are.
    """

    rows: Ints
    first: Ints

    @property
    def last(self) -> Ints:
        """Give each machine's last row: what is in force when the block ends."""
        return self.first[1:] - 1


def of_mode(rows: Ints, mode: int, index: int) -> Ints:
    """Give the AGE, LIFE, ... column of failure *mode* of *rows*; (rows,)."""
    return np.ascontiguousarray(rows[:, FIXED + PER_MODE * mode + index])


def arrange(in_force: Ints, fresh: Ints, machines: int) -> tuple[Spans, Ints]:
    """Merge the rows *in_force* (one a machine, or none yet) with *fresh* ones into spans.

    Also gives each span's place in the two inputs stacked, for columns that were kept beside them.
    """
    stacked = np.concatenate([in_force, fresh])
    order = np.argsort(stacked[:, MACHINE], kind="stable")
    rows = stacked[order]
    first = np.searchsorted(rows[:, MACHINE], np.arange(machines + 1))
    assert len(rows) >= machines, "every machine has a state from the start"
    return Spans(rows, first), order

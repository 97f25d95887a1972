"""When readings leave their gateway, and whether: kept by pixel column."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fleet.data import SECOND_US, Block, Floats, Ints, KindColumns
from fleet.picture.envelope import Envelope

DELAY, CLOCK = 0, 1
"""Rows of the envelope: how long after its scan a reading leaves, and how far its clock is ahead; s."""


@dataclass(slots=True, eq=False)
class Arrivals:
    """What network faults do to one machine's readings, in *columns* equal parts of a span; counts are (columns,)."""

    machine: str
    columns: int
    start_us: int
    stop_us: int
    waits: Envelope = field(init=False)
    lost: Ints = field(init=False)
    doubled: Ints = field(init=False)
    _mine: dict[str, bool] = field(default_factory=dict)  # by label, whether it is of this machine

    def __post_init__(self) -> None:
        self.waits = Envelope(2, self.columns, self.start_us, self.stop_us)
        self.lost, self.doubled = np.zeros(self.columns, np.int64), np.zeros(self.columns, np.int64)

    def add(self, block: Block) -> None:
        """Take in which readings are lost in *block*."""
        for label in block.labels:
            self._mine[label.id] = label.machine.id == self.machine
        for loss in block.lost:
            if self._mine.get(loss.label):
                np.add.at(self.lost, self._column(loss.due_us), loss.readings)

    def read(self, columns: KindColumns, rows: slice) -> None:
        """Take in the scans *rows* of *columns*, which are the machine's."""
        scan_us = columns.scan_us[rows]
        if columns.copy:
            np.add.at(self.doubled, self._column(scan_us), len(columns.sensors))
            return
        told_us = np.stack([columns.due_us[rows] - scan_us, columns.event_us[rows] - scan_us], axis=1)
        self.waits.add((DELAY, CLOCK), scan_us, told_us / SECOND_US, np.zeros(told_us.shape, np.uint8))

    def _column(self, time_us: Ints) -> Ints:
        column = (time_us - self.start_us) * self.columns // (self.stop_us - self.start_us)
        return np.asarray(np.clip(column, 0, self.columns - 1))

    def merged(self, together: int) -> Arrivals:
        """Give the same with *together* columns made one."""
        out = Arrivals(self.machine, self.columns // together, self.start_us, self.stop_us)
        out.waits = self.waits.merged(together)
        out.lost, out.doubled = (of.reshape(-1, together).sum(axis=1) for of in (self.lost, self.doubled))
        return out

    @property
    def middles_us(self) -> Floats:
        """The middle of each column."""
        return self.start_us + (np.arange(self.columns) + 0.5) * (self.stop_us - self.start_us) / self.columns

"""Readings kept as what a picture can show of them: smallest, largest and mean of every pixel column.

A week of one sensor at one reading a second is 600,000 readings; a picture has some hundred columns. So
memory depends on the picture's width and not on how long it looks back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fleet.data import Bytes, Floats, Ints


@dataclass(slots=True, eq=False)
class Envelope:
    """What was read of one machine from *start_us* to *stop_us*, in *columns* equal parts of that span.

    Arrays are (sensors, columns): *low* and *high* are +inf and -inf where nothing was read.
    """

    sensors: int
    columns: int
    start_us: int
    stop_us: int
    low: Floats = field(init=False)
    high: Floats = field(init=False)
    total: Floats = field(init=False)
    count: Ints = field(init=False)
    doubtful: Ints = field(init=False)  # readings whose quality is not good

    def __post_init__(self) -> None:
        shape = (self.sensors, self.columns)
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self.total, self.count, self.doubtful = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def add(self, sensors: tuple[int, ...], time_us: Ints, value: Floats, quality: Bytes) -> None:
        """Take in scans at ascending *time_us* (scans,) that read *sensors*: *value* and *quality* (scans, sensors)."""
        if not len(time_us):
            return
        column = (time_us - self.start_us) * self.columns // (self.stop_us - self.start_us)
        begins = np.flatnonzero(np.diff(column, prepend=-1))
        here = np.ix_(np.array(sensors, np.int64), column[begins])
        scans = np.diff(begins, append=len(column))
        self.low[here] = np.minimum(self.low[here], np.minimum.reduceat(value, begins).T)
        self.high[here] = np.maximum(self.high[here], np.maximum.reduceat(value, begins).T)
        self.total[here] += np.add.reduceat(value, begins).T
        self.count[here] += scans
        self.doubtful[here] += np.add.reduceat((quality > 0).astype(np.int64), begins).T

    @property
    def points(self) -> int:
        """How many numbers are kept."""
        return sum(array.size for array in (self.low, self.high, self.total, self.count, self.doubtful))

    @property
    def mean(self) -> Floats:
        """The mean reading of each column; nan where nothing was read."""
        mean = np.full(self.total.shape, np.nan)
        return np.asarray(np.divide(self.total, self.count, out=mean, where=self.count > 0))

    def merged(self, together: int) -> Envelope:
        """Give the same with *together* columns made one, for a picture that is narrower."""
        assert self.columns % together == 0, "a narrow picture has a whole part of the columns"
        out = Envelope(self.sensors, self.columns // together, self.start_us, self.stop_us)
        shape = (self.sensors, -1, together)
        out.low, out.high = self.low.reshape(shape).min(axis=2), self.high.reshape(shape).max(axis=2)
        out.total, out.count = self.total.reshape(shape).sum(axis=2), self.count.reshape(shape).sum(axis=2)
        out.doubtful = self.doubtful.reshape(shape).sum(axis=2)
        return out

"""The numbers of machines' logs: a few words of memory a machine."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fleet.data import Ints, Words

FIRST_SEQ = 0
UNKNOWN_SEQ = -1  # the broker trimmed what was before: any number may follow
STAMP_MIN, SEQ_MAX = -(1 << 63), (1 << 63) - 1
GROWTH = 1024  # machines at first

Number = TypeVar("Number", np.int64, np.uint64)


class MachineLogs:
    """How far each machine's log in each stream is: columns by the log's number, with room behind *size*.

    *home* is the partition it belongs in, *count* how many records it had, *unnumbered* how many without a number since
    the last one that had one.
    """

    def __init__(self) -> None:
        self.size = 0
        self.home: Ints = np.zeros(GROWTH, np.int64)
        self.next_seq: Ints = np.zeros(GROWTH, np.int64)
        self.stamp_ms: Ints = np.zeros(GROWTH, np.int64)
        self.count: Ints = np.zeros(GROWTH, np.int64)
        self.digest: Words = np.zeros(GROWTH, np.uint64)
        self.unnumbered: Ints = np.zeros(GROWTH, np.int64)

    def add(self, home: int, next_seq: int) -> int:
        """Begin a log; gives its number."""
        number = self.size
        if number == len(self.home):
            self.home, self.next_seq = _doubled(self.home), _doubled(self.next_seq)
            self.stamp_ms, self.count = _doubled(self.stamp_ms), _doubled(self.count)
            self.digest, self.unnumbered = _doubled(self.digest), _doubled(self.unnumbered)
        self.home[number], self.next_seq[number], self.stamp_ms[number] = home, next_seq, STAMP_MIN
        self.size = number + 1
        return number


def _doubled(column: NDArray[Number]) -> NDArray[Number]:
    return np.concatenate([column, np.zeros_like(column)])

"""The numbers of machines' logs, and the holes in them: a few words of memory a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fleet.data import Ints, Words

FIRST_SEQ = 0
UNKNOWN_SEQ = -1  # the broker trimmed what was before: any number may follow
GAPS_KEPT = 16  # a machine: enough to tell late from doubled, bounded whatever happens
MISNUMBERED_BEYOND = 64
"""A jump farther than this that the next record takes back was one wrong number, not a hole."""
STAMP_MIN, SEQ_MAX = -(1 << 63), (1 << 63) - 1
GROWTH = 1024  # machines at first

Number = TypeVar("Number", np.int64, np.uint64)


class Seen(Enum):
    """What a record's number says of its place."""

    NEXT = 0
    AFTER_GAP = 1
    LATE = 2  # fills a hole
    AGAIN = 3
    MISNUMBERED = 4  # the one before it had a number out of all order


@dataclass(slots=True)
class Gap:
    """Numbers from *start* to *stop* (half open) that did not come before the record at *offset*."""

    start: int
    stop: int
    offset: int

    def __str__(self) -> str:
        if self.stop - self.start == 1:
            return f"seq {self.start} is missing before {self.stop}"
        return f"seq {self.start} to {self.stop - 1} are missing before {self.stop}"


@dataclass(slots=True)
class Gaps:
    """The holes in one machine's log."""

    kept: list[Gap] = field(default_factory=list)
    forgotten: int = 0  # numbers in holes that were dropped from *kept*

    @property
    def missing(self) -> int:
        """How many numbers never came."""
        return self.forgotten + sum(gap.stop - gap.start for gap in self.kept)

    def open(self, gap: Gap) -> None:
        """Add a hole behind all others."""
        self.kept.append(gap)
        if len(self.kept) > GAPS_KEPT:
            # The first one stays: its place is what a person looks at.
            oldest = self.kept.pop(1)
            self.forgotten += oldest.stop - oldest.start

    def fill(self, seq: int) -> bool:
        """Take *seq* out of the hole it is in, if it is in one."""
        for index, gap in enumerate(self.kept):
            if gap.start <= seq < gap.stop:
                rest = [Gap(gap.start, seq, gap.offset), Gap(seq + 1, gap.stop, gap.offset)]
                self.kept[index : index + 1] = [part for part in rest if part.start < part.stop]
                return True
        return False

    def close_wild(self, seq: int, next_seq: int) -> bool:
        """Take back the last hole, if it was one wrong number that tore it open and *seq* goes on before it."""
        last = self.kept[-1] if self.kept else None
        if last is None or last.stop != next_seq - 1 or seq != last.start + 1:
            return False
        if last.stop - last.start <= MISNUMBERED_BEYOND:
            return False
        self.kept.pop()
        return True


class MachineLogs:
    """How far each machine's log in each stream is: columns by the log's number, with room behind *size*.

    *home* is the partition it belongs in, *count* how many records it had.
    """

    def __init__(self) -> None:
        self.size = 0
        self.home: Ints = np.zeros(GROWTH, np.int64)
        self.next_seq: Ints = np.zeros(GROWTH, np.int64)
        self.stamp_ms: Ints = np.zeros(GROWTH, np.int64)
        self.count: Ints = np.zeros(GROWTH, np.int64)
        self.digest: Words = np.zeros(GROWTH, np.uint64)
        self.gaps: dict[int, Gaps] = {}

    def add(self, home: int, next_seq: int) -> int:
        """Begin a log; gives its number."""
        number = self.size
        if number == len(self.home):
            self.home, self.next_seq = _doubled(self.home), _doubled(self.next_seq)
            self.stamp_ms, self.count = _doubled(self.stamp_ms), _doubled(self.count)
            self.digest = _doubled(self.digest)
        self.home[number], self.next_seq[number], self.stamp_ms[number] = home, next_seq, STAMP_MIN
        self.size = number + 1
        return number

    def next(self, number: int, seq: int, offset: int) -> Seen:
        """Take *seq* into a log, whether or not it is the next one."""
        next_seq = int(self.next_seq[number])
        if next_seq in {UNKNOWN_SEQ, seq}:
            self.next_seq[number] = min(seq + 1, SEQ_MAX)
            return Seen.NEXT
        gaps = self.gaps.get(number)
        if seq > next_seq:
            if gaps is None:
                gaps = self.gaps[number] = Gaps()
            gaps.open(Gap(next_seq, seq, offset))
            self.next_seq[number] = min(seq + 1, SEQ_MAX)
            return Seen.AFTER_GAP
        if gaps is not None and gaps.close_wild(seq, next_seq):
            self.next_seq[number] = min(seq + 1, SEQ_MAX)
            return Seen.MISNUMBERED
        return Seen.LATE if gaps is not None and gaps.fill(seq) else Seen.AGAIN


def _doubled(column: NDArray[Number]) -> NDArray[Number]:
    return np.concatenate([column, np.zeros_like(column)])

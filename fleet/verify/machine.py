"""The numbers of one machine's log, and the holes in them, in a few words of memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FIRST_SEQ = 0
UNKNOWN_SEQ = -1  # the broker trimmed what was before: any number may follow
GAPS_KEPT = 16  # a machine: enough to tell late from doubled, bounded whatever happens
MISNUMBERED_BEYOND = 64
"""A jump farther than this that the next record takes back was one wrong number, not a hole."""
STAMP_MIN = -(1 << 63)


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
class MachineLog:
    """How far one machine's log in one stream is; *home* is the partition it belongs in."""

    number: int
    home: int
    next_seq: int
    stamp_ms: int = STAMP_MIN
    gaps: list[Gap] | None = None
    forgotten: int = 0  # numbers in holes that were dropped from *gaps*

    @property
    def missing(self) -> int:
        """How many numbers never came."""
        return self.forgotten + sum(gap.stop - gap.start for gap in self.gaps or ())

    def jump(self, seq: int, offset: int) -> Seen:
        """Take a number that is not the next one."""
        if self.next_seq == UNKNOWN_SEQ:
            self.next_seq = seq + 1
            return Seen.NEXT
        if seq > self.next_seq:
            self._open(Gap(self.next_seq, seq, offset))
            self.next_seq = seq + 1
            return Seen.AFTER_GAP
        last = self.gaps[-1] if self.gaps else None
        if last is not None and last.stop == self.next_seq - 1 and _is_wild(last) and seq == last.start + 1:
            assert self.gaps is not None
            self.gaps.pop()
            self.next_seq = seq + 1
            return Seen.MISNUMBERED
        return Seen.LATE if self._fill(seq) else Seen.AGAIN

    def _open(self, gap: Gap) -> None:
        self.gaps = self.gaps or []
        self.gaps.append(gap)
        if len(self.gaps) > GAPS_KEPT:
            # The first one stays: its place is what a person looks at.
            oldest = self.gaps.pop(1)
            self.forgotten += oldest.stop - oldest.start

    def _fill(self, seq: int) -> bool:
        """Take *seq* out of the hole it is in, if it is in one."""
        for index, gap in enumerate(self.gaps or ()):
            if gap.start <= seq < gap.stop:
                assert self.gaps is not None
                rest = [Gap(gap.start, seq, gap.offset), Gap(seq + 1, gap.stop, gap.offset)]
                self.gaps[index : index + 1] = [part for part in rest if part.start < part.stop]
                return True
        return False


def _is_wild(gap: Gap) -> bool:
    return gap.stop - gap.start > MISNUMBERED_BEYOND

"""Records without a number in logs that have numbers elsewhere: a schema without ``seq`` that was in force for a while.

They leave a gap in the numbers, and there must be as many of them as it has: but for the numbers that labels name as
lost, and for second copies that they name. Which of them is missing nobody can say, only how many are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints
from fleet.verify.findings import FINDINGS_SHOWN
from fleet.verify.machine import UNKNOWN_SEQ, MachineLogs
from fleet.verify.named import BEHIND, DOUBLED, Numbered, Settled, within
from fleet.verify.observe import NONE, Spans, expanded


class Filled(NamedTuple):
    """What is wrong with the records of a log that have no number, whose place is from *start* to *stop*.

    *missing* are there less than numbers, *extra* more.
    """

    missing: int = 0
    extra: int = 0
    start: int = 0
    stop: int = 0


class Hidden(NamedTuple):
    """How many numbers that no record says labels name as second *copies*, and as copies or *older* than one before.

    The copies are those before the log's last number.
    """

    copies: int = 0
    older: int = 0


NOTHING, NOTHING_HIDDEN = Filled(), Hidden()


class Unnumbered:
    """Counts records without a number, and closes the count when the log has numbers again.

    *older_count* and *older_lines* have, by log, those whose stamp is older than one before: maybe a label says why.
    """

    def __init__(self, logs: MachineLogs) -> None:
        self._logs = logs
        self._closed: Counter[int] = Counter()  # by log: records before one that has a number
        self.older_count: Counter[int] = Counter()
        self.older_lines: dict[int, list[str]] = {}

    def count(self, log: Ints) -> None:
        """Take note of records of *log* (records,) that have none."""
        np.add.at(self._logs.unnumbered, log, 1)

    def resume(self, log: Ints) -> None:
        """Take note of records of *log* that have one."""
        for each in np.unique(log[self._logs.unnumbered[log] > 0]).tolist():
            if self._logs.next_seq[each] != UNKNOWN_SEQ:  # else nobody knows how many there were
                self._closed[each] += int(self._logs.unnumbered[each])
            self._logs.unnumbered[each] = 0

    @property
    def logs(self) -> list[int]:
        """The logs that have records without a number."""
        open_ones = np.flatnonzero(self._logs.unnumbered[: self._logs.size]).tolist()
        return sorted({*self._closed, *self.older_count, *open_ones})

    def older(self, log: int, line: str) -> None:
        """Take note, in a *line*, of a record of *log* whose stamp is older than one before it."""
        self.older_count[log] += 1
        lines = self.older_lines.setdefault(log, [])
        if len(lines) < FINDINGS_SHOWN:
            lines.append(line)

    def hidden(
        self, log: int, named: Mapping[str, Numbered], gaps: Spans, behind: Spans
    ) -> tuple[Mapping[str, Numbered], Hidden]:
        """Tell apart what labels have *named* in a *log*: what numbers can show, and what is hidden.

        Hidden are numbers that no record says: in *gaps* that nothing *behind* fills, and behind the log's last number
        where it goes on without.
        """
        ends_without = self._logs.unnumbered[log] > 0
        if not self._closed[log] and not ends_without:
            return named, NOTHING_HIDDEN
        stop, kept, copies, older = int(self._logs.next_seq[log]), dict(named), 0, 0
        came = expanded(behind.start, behind.stop - behind.start)
        for kind, numbers in named.items():
            each = numbers.before(NO_END)
            beyond, inside = (each >= stop) & ends_without, within(each, gaps) & ~np.isin(each, came)
            older += int((beyond | inside).sum()) if kind in {BEHIND, DOUBLED} else 0
            copies += int(inside.sum()) if kind == DOUBLED else 0
            rest = each[~(beyond | inside) if kind == DOUBLED else ~beyond]
            kept[kind] = Numbered(rest, np.ones_like(rest), np.ones_like(rest))
        return kept, Hidden(copies, older)

    def fill(self, log: int, found: Settled, hidden: Hidden) -> Filled:
        """Fill what was *found* missing in a *log* with its records that have no number, but for *hidden* copies.

        What is left of it, or is too much, is nowhere in particular: *found* has no gaps then.
        """
        records = self._closed[log] - hidden.copies
        if not records:
            return NOTHING
        spans = found.gaps
        start, stop = (int(spans.start.min()), int(spans.stop.max())) if len(spans.log) else (0, 0)
        # Those behind the last number may belong before it: the network held them back.
        missing = max(found.missing - records - int(self._logs.unnumbered[log]), 0)
        extra = max(records - found.missing, 0)
        found.missing, found.gaps = 0, NONE
        return Filled(missing, extra, start, stop)


NO_END = (1 << 63) - 1


def stretches(log: Ints, numbered: Bools) -> Iterator[Ints | slice]:
    """Cut records into parts, in the order of each log: in a part all have a number, or none has."""
    if numbered.all() or not numbered.any():
        yield slice(None)
        return
    order = np.argsort(log, kind="stable")
    same = log[order][1:] == log[order][:-1]
    turns = np.append(0, np.cumsum(same & (numbered[order][1:] != numbered[order][:-1])))
    begins = np.flatnonzero(np.append(True, ~same))
    turns -= np.repeat(turns[begins], np.diff(np.append(begins, len(log))))
    turn = np.empty_like(turns)
    turn[order] = turns
    for number in range(int(turns.max()) + 1):
        for has in (False, True):
            rows = np.flatnonzero((turn == number) & (numbered == has))
            if len(rows):
                yield rows

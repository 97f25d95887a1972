"""Records without a number in logs that have numbers elsewhere: a schema without ``seq`` that was in force for a while.

Each takes the next number of its log, so the first number behind them says how many of them there must be. Which of
those that are absent labels name is known at the end; of numbers that nobody wrote down only their count can be held
against that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints
from fleet.verify.machine import UNKNOWN_SEQ, MachineLogs
from fleet.verify.named import DOUBLED, LOST, Numbered

NO_END = (1 << 63) - 1


class Unseen(NamedTuple):
    """What became of the numbers of a log that its records do not say, from *start* to *stop* at the farthest."""

    missing: int = 0  # absent and not named; below 0: so many records more than numbers
    lost: int = 0  # absent and named
    start: int = 0
    stop: int = 0


NOTHING_UNSEEN = Unseen()


class Unnumbered:
    """Counts records without a number, and closes the count when the log has numbers again."""

    def __init__(self, logs: MachineLogs) -> None:
        self._logs = logs
        self._absent: Counter[int] = Counter()  # by log: numbers less records
        self._spans: dict[int, list[tuple[int, int]]] = {}  # by log: the numbers that its records did not say

    def count(self, log: Ints) -> None:
        """Take note of records of *log* (records,) that have none."""
        np.add.at(self._logs.unnumbered, log, 1)

    def resume(self, log: Ints, seq: Ints) -> None:
        """Go on counting with records of *log* that have the numbers *seq*, each log's first of them first."""
        waiting = self._logs.unnumbered[log] > 0
        if not waiting.any():
            return
        rows = np.flatnonzero(waiting)
        _, first = np.unique(log[rows], return_index=True)
        for row in rows[first].tolist():
            self._close(int(log[row]), int(seq[row]))

    def _close(self, log: int, seq: int) -> None:
        start, records = int(self._logs.next_seq[log]), int(self._logs.unnumbered[log])
        if start != UNKNOWN_SEQ:
            if seq < start:
                return  # behind a number that is known: its place is elsewhere
            self._absent[log] += seq - start - records
            self._spans.setdefault(log, []).append((start, seq))
            self._logs.next_seq[log] = seq
        self._logs.unnumbered[log] = 0

    @property
    def logs(self) -> list[int]:
        """The logs in which numbers go on behind records without one, or which end in such records."""
        open_ones = np.flatnonzero(self._logs.unnumbered[: self._logs.size]).tolist()
        return sorted({*self._spans, *open_ones})

    def settled(self, log: int, named: Mapping[str, Numbered]) -> tuple[Unseen, Mapping[str, Numbered]]:
        """Hold the records of a *log* that have no number against what labels have *named* of them.

        Gives also what is named of the others.
        """
        closed, spans = self._spans.get(log, []), list(self._spans.get(log, []))
        if self._logs.unnumbered[log]:  # nothing says how far those at the end go
            spans.append((int(self._logs.next_seq[log]), NO_END))
        if not spans:
            return NOTHING_UNSEEN, named
        elsewhere, counts = {}, Counter[str]()
        for kind, numbers in named.items():
            each = numbers.before(NO_END)
            counts[kind] = int(_inside(each, closed).sum())
            rest = each[~_inside(each, spans)]
            elsewhere[kind] = Numbered(rest, np.ones_like(rest), np.ones_like(rest))
        if not closed:
            return NOTHING_UNSEEN, elsewhere
        missing = self._absent[log] - counts[LOST] + counts[DOUBLED]
        return Unseen(missing, counts[LOST], closed[0][0], closed[-1][1]), elsewhere


def _inside(numbers: Ints, spans: list[tuple[int, int]]) -> Bools:
    inside = np.zeros(len(numbers), np.bool_)
    for start, stop in spans:
        inside |= (numbers >= start) & (numbers < stop)
    return inside


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

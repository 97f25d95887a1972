"""What is unusual about the numbers in machines' logs, kept as columns until it is known what labels say of it.

A number that is larger than expected leaves a *gap* before it; one that is not larger than one before it stands
*behind*. A number that stands behind and is in a gap came late, any other came again. Which of these a label
names is known at the end only: a fault's label is whole when the fault is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints
from fleet.verify.machine import SEQ_MAX, UNKNOWN_SEQ, MachineLogs
from fleet.verify.passing import Numbers

MISNUMBERED_BEYOND = 64
"""A jump farther than this that the next record takes back was one wrong number, not a hole."""

KEPT_MAX = 1 << 21
"""Gaps, and numbers that stand behind, that are kept in columns: 40 bytes each."""


class Spans(NamedTuple):
    """Numbers from *start* to *stop* (half open) of logs; (spans,).

    Of a gap *offset* is the place of the record behind it. What stands behind has the place of its first record, and
    *after* is the largest number before that.
    """

    log: Ints
    start: Ints
    stop: Ints
    after: Ints
    offset: Ints

    @property
    def numbers(self) -> int:
        """How many numbers they hold."""
        return int((self.stop - self.start).sum())

    def chosen(self, rows: Bools | slice | Ints) -> Spans:
        """Give some of them."""
        return Spans(*(column[rows] for column in self))


NONE = Spans(*(np.zeros(0, np.int64) for _ in Spans._fields))


class _Kept:
    """Spans that come in pieces."""

    def __init__(self) -> None:
        self._pieces: list[Spans] = []
        self.size = 0

    def add(self, spans: Spans) -> None:
        self._pieces.append(spans)
        self.size += len(spans.log)

    def all(self) -> Spans:
        """Give all of them in one piece."""
        if len(self._pieces) != 1:
            columns = zip(*self._pieces, strict=True)
            self._pieces = [Spans(*map(np.concatenate, columns)) if self._pieces else NONE]
        return self._pieces[0]

    def replace(self, spans: Spans) -> None:
        self._pieces, self.size = [spans], len(spans.log)


class Misnumbered(NamedTuple):
    """A record whose number is out of all order: in the piece it stands before *row*, with number *seq*."""

    row: int
    log: int
    wrong: int
    seq: int


class Observed:
    """What was unusual so far. *keep* says of gaps which of them a label may be about, if that is known already.

    *folded* counts, by log, the numbers in gaps that no longer are kept: there are too many of them. *blurred* says
    by log whether a label may be about any of these.
    """

    def __init__(self, logs: MachineLogs, *, keep: Callable[[Spans], Bools] | None = None) -> None:
        self._logs, self._keep = logs, keep
        self._gaps, self._behind = _Kept(), _Kept()
        self._open: dict[int, tuple[int, int, int]] = {}  # by log: a last gap that may be one wrong number
        self.folded: Ints = np.zeros(0, np.int64)
        self.blurred: Bools = np.zeros(0, np.bool_)

    def take(self, numbers: Numbers, rows: Ints, offset: Ints) -> tuple[Bools, list[Misnumbered]]:
        """Take *rows* of *numbers*, which are in log order, into their logs.

        Gives which of the rows stand behind, and what is misnumbered.
        """
        order = np.argsort(numbers.log[rows], kind="stable")
        sorted_rows = rows[order]
        log, seq = numbers.log[sorted_rows], numbers.seq[sorted_rows]
        begins = np.append(True, log[1:] != log[:-1])
        first = np.flatnonzero(begins)
        wrong = self._reopen(log[first], seq[first], sorted_rows[first])
        known = self._logs.next_seq[log[first]]
        base = np.where(known == UNKNOWN_SEQ, seq[first], known) - 1
        seq, more = _renumbered(log, seq, begins, base, sorted_rows)
        inclusive = _largest(seq, begins, base)
        before = np.roll(inclusive, 1)
        before[first] = base
        behind = seq <= before
        at = offset[sorted_rows]
        self._open_gaps(Spans(log, before + 1, seq, before, at), ~behind & (seq - before > 1), begins)
        self._behind.add(Spans(log, seq, seq + 1, before, at).chosen(behind))
        last = np.append(first[1:], len(log)) - 1
        self._logs.next_seq[log[last]] = np.minimum(inclusive[last], SEQ_MAX - 1) + 1
        self._bound()
        out = np.empty(len(rows), np.bool_)
        out[order] = behind
        return out, [*wrong, *more]

    def _reopen(self, log: Ints, seq: Ints, rows: Ints) -> list[Misnumbered]:
        """Take back last gaps that one wrong number tore open, where the next number goes on before it."""
        found: list[Misnumbered] = []
        if not self._open:
            return found
        for number, first, row in zip(log.tolist(), seq.tolist(), rows.tolist(), strict=True):
            gap = self._open.pop(number, None)
            if gap is None:
                continue
            start, stop, at = gap
            if first == start + 1 and self._logs.next_seq[number] == stop + 1:
                self._logs.next_seq[number] = first
                found.append(Misnumbered(row, number, stop, first))
            else:
                self._gaps.add(_one(number, start, stop, at))
        return found

    def _open_gaps(self, spans: Spans, torn: Bools, begins: Bools) -> None:
        """Keep gaps; the last one of a log waits for the number behind it, if it is wide and that is not there yet."""
        ends = np.append(begins[1:], True)
        waiting = torn & ends & (spans.stop - spans.start > MISNUMBERED_BEYOND)
        for row in np.flatnonzero(waiting).tolist():
            self._open[int(spans.log[row])] = int(spans.start[row]), int(spans.stop[row]), int(spans.offset[row])
        self._gaps.add(spans.chosen(torn & ~waiting))

    def _bound(self) -> None:
        """Keep memory within its bound: gaps that no label is about are only counted, neighbours behind are joined."""
        if self._behind.size > KEPT_MAX:
            self._behind.replace(_neighbours_joined(self._behind.all()))
        if self._gaps.size <= KEPT_MAX:
            return
        gaps = self._gaps.all()
        named = np.ones(len(gaps.log), np.bool_) if self._keep is None else self._keep(gaps)
        kept = named & (np.cumsum(named[::-1])[::-1] <= KEPT_MAX // 2)  # the last ones: they may still be filled
        gone = gaps.chosen(~kept)
        self._grow()
        np.add.at(self.folded, gone.log, gone.stop - gone.start)
        self.blurred[gaps.log[named & ~kept]] = True
        self._gaps.replace(gaps.chosen(kept))

    def _grow(self) -> None:
        """Make room for logs that have begun."""
        more = self._logs.size - len(self.folded)
        self.folded, self.blurred = np.pad(self.folded, (0, more)), np.pad(self.blurred, (0, more))

    def finish(self) -> tuple[Spans, Spans]:
        """Give all gaps and all that stands behind, each by log; within a log gaps are in order of numbers."""
        for log, (start, stop, at) in self._open.items():
            self._gaps.add(_one(log, start, stop, at))
        self._open.clear()
        self._grow()
        gaps, behind = self._gaps.all(), self._behind.all()
        return (
            gaps.chosen(np.lexsort((gaps.start, gaps.log))),
            behind.chosen(np.argsort(behind.log, kind="stable")),
        )


def _one(log: int, start: int, stop: int, offset: int) -> Spans:
    return Spans(*(np.array([number], np.int64) for number in (log, start, stop, start - 1, offset)))


def _renumbered(log: Ints, seq: Ints, begins: Bools, base: Ints, rows: Ints) -> tuple[Ints, list[Misnumbered]]:
    """Give wild numbers the one that is missing in their place: far ahead of the one before, and the next goes back."""
    before = np.roll(seq, 1)
    before[begins] = base
    after = np.roll(seq, -1)
    inner = ~np.append(begins[1:], True)
    wild = np.flatnonzero(inner & (seq - before > MISNUMBERED_BEYOND + 1) & (after == before + 2))
    if not len(wild):
        return seq, []
    found = [Misnumbered(int(rows[at + 1]), int(log[at]), int(seq[at]), int(seq[at + 1])) for at in wild.tolist()]
    right = seq.copy()
    right[wild] = before[wild] + 1
    return right, found


def _largest(values: Ints, begins: Bools, base: Ints) -> Ints:
    """Give the largest of *values* up to each one within its log, and at least the log's *base*."""
    first = np.flatnonzero(begins)
    raised = values.copy()
    raised[first] = np.maximum(raised[first], base)
    distinct, place = np.unique(raised, return_inverse=True)
    group = (np.cumsum(begins) - 1) * len(distinct)
    largest: Ints = distinct[np.maximum.accumulate(group + place) - group]
    return largest


def _neighbours_joined(spans: Spans) -> Spans:
    """Join spans of a log that follow one another in number and in the log; of such a run the first place is kept."""
    by_log = spans.chosen(np.argsort(spans.log, kind="stable"))
    follows = (by_log.log[1:] == by_log.log[:-1]) & (by_log.start[1:] == by_log.stop[:-1])
    first = np.flatnonzero(np.append(True, ~follows))
    last = np.append(first[1:], len(by_log.log)) - 1
    joined = by_log.chosen(first)
    return joined._replace(stop=by_log.stop[last])


def largest_of(log: Ints, values: Ints, known: Ints) -> Ints:
    """Give the largest of *values*, in log order, of its log before each.

    *known* has the largest so far by log, and is brought up to date.
    """
    order = np.argsort(log, kind="stable")
    begins = np.append(True, np.diff(log[order]) != 0)
    first = np.flatnonzero(begins)
    base = known[log[order][first]]
    inclusive = _largest(values[order], begins, base)
    before = np.roll(inclusive, 1)
    before[first] = base
    last = np.append(first[1:], len(order)) - 1
    known[log[order][last]] = inclusive[last]
    out = np.empty(len(log), np.int64)
    out[order] = before
    return out


def expanded(starts: Ints, counts: Ints, steps: Ints | int = 1) -> Ints:
    """Give all numbers of spans, one span after the other."""
    begin = np.cumsum(counts) - counts
    within = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(begin, counts)
    return np.repeat(starts, counts) + within * (steps if isinstance(steps, int) else np.repeat(steps, counts))


def by_log(spans: Spans) -> dict[int, Spans]:
    """Cut *spans*, which are sorted by log, into those of each."""
    if not len(spans.log):
        return {}
    first = np.append(0, np.flatnonzero(np.diff(spans.log)) + 1)
    stops: Sequence[int] = [*first[1:].tolist(), len(spans.log)]
    return {
        int(spans.log[start]): spans.chosen(slice(start, stop))
        for start, stop in zip(first.tolist(), stops, strict=True)
    }

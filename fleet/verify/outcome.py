"""What became of the numbers of a topic's logs, once it is known what labels name: counted, and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from fleet.data import Ints
from fleet.verify.findings import FINDINGS_SHOWN, Finding, Findings
from fleet.verify.named import BEHIND, DOUBLED, LOST, Settled
from fleet.verify.observe import Spans
from fleet.verify.unnumbered import Filled


class OneLog(NamedTuple):
    """The log of a *machine* in one *stream*: its *place* is how lines name the partition *home*.

    *strays* of its records stand outside it: those are findings already, and no gaps as well.
    """

    stream: str
    machine: str
    home: int
    place: str
    strays: int


class Outcome:
    """By stream how many numbers came twice (*duplicates*) or are absent (*missing*) without a label that says so.

    *missing_lines* say of the first of the absent ones where they are, *lacking* in which partitions. *lost*, *doubled*
    and *behind* are how many a label names. What is wrong goes to *findings*, and its partition to *tainted*.
    """

    def __init__(self, findings: Findings, tainted: set[int]) -> None:
        self.duplicates: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.doubled: Counter[str] = Counter()
        self.behind: Counter[str] = Counter()
        self.missing_lines: list[str] = []
        self.lacking: dict[str, set[int]] = {}
        self._findings, self._tainted = findings, tainted

    def settle(self, log: OneLog, found: Settled) -> None:
        """Take note of what was *found* of the numbers of one *log*."""
        for column, count in ((self.lost, found.lost), (self.doubled, found.doubled), (self.behind, found.behind)):
            column[log.stream] += count
        self.duplicates[log.stream] += len(found.again.log)
        for finding, spans, again in ((Finding.ORDER, found.late, ""), (Finding.DUPLICATE, found.again, " again")):
            if len(spans.log):
                self._findings.extend(finding, _lines(spans, log, again), count=len(spans.log))
        for kind, numbers in found.unlike:
            if len(numbers):
                line = f"{log.place}: {log.machine}: {_numbers(numbers)} {UNLIKE[kind]}"
                self._findings.add(Finding.LABEL, line, count=len(numbers))
        if len(found.late.log) or len(found.again.log) or any(len(numbers) for _, numbers in found.unlike):
            self._tainted.add(log.home)
        self._miss(log, found.missing, _gap_lines(found.gaps.chosen(slice(0, FINDINGS_SHOWN)), log))

    def fill(self, log: OneLog, filled: Filled) -> None:
        """Take note of what is wrong with the records of one *log* that have no number."""
        where = f"{log.place}: {log.machine}: {_absent(filled.start, filled.stop)} not said by any record"
        missing = max(filled.missing - log.strays, 0)
        self._miss(log, filled.missing, [f"{where}, and {missing:,} fewer records are there without a number"])
        if filled.extra:
            self.duplicates[log.stream] += filled.extra
            line = f"{log.place}: {log.machine}: {filled.extra:,} records without a number more than there are numbers"
            self._findings.add(Finding.DUPLICATE, f"{line} for them", count=filled.extra)
            self._tainted.add(log.home)

    def date(self, log: OneLog, older: int, lines: Iterable[str], *, named: int) -> None:
        """Take note of *older* stamps behind newer ones, where records have no number, if labels name fewer."""
        if older > named:
            self._findings.extend(Finding.STAMP, lines, count=older)
            self._tainted.add(log.home)

    def _miss(self, log: OneLog, numbers: int, lines: Iterable[str]) -> None:
        """Count so many *numbers* of a *log* as absent; keep the first *lines* of all logs."""
        missing = max(numbers - log.strays, 0)
        if not missing:
            return
        self.missing[log.stream] += missing
        self.lacking.setdefault(log.stream, set()).add(log.home)
        self.missing_lines += islice(lines, FINDINGS_SHOWN - len(self.missing_lines))


UNLIKE = {
    LOST: "is named lost by a label, and is there",
    DOUBLED: "is named doubled by a label, and is not there twice",
    BEHIND: "is named late or reordered by a label, and does not stand behind a later one",
}


def _lines(spans: Spans, log: OneLog, again: str) -> Iterator[str]:
    """Say of numbers that stand behind where they do."""
    for start, after, offset in zip(spans.start.tolist(), spans.after.tolist(), spans.offset.tolist(), strict=True):
        yield f"{log.place}@{offset}: {log.machine}: seq {start}{again} after {after}"


def _gap_lines(gaps: Spans, log: OneLog) -> Iterator[str]:
    """Say of numbers that are absent where they should stand."""
    for start, stop, offset in zip(gaps.start.tolist(), gaps.stop.tolist(), gaps.offset.tolist(), strict=True):
        yield f"{log.place}@{offset}: {log.machine}: {_absent(start, stop)} missing before {stop}"


def _numbers(numbers: Ints) -> str:
    more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
    return f"seq {numbers[0]}{more}"


def _absent(start: int, stop: int) -> str:
    return f"seq {start} is" if stop - start == 1 else f"seq {start} to {stop - 1} are"

"""What can be wrong with a run's logs: counted by type, the first of them with the place they stand at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice

FINDINGS_SHOWN = 10
LINE_CHARACTERS = 300  # of a line: a record may come from anybody, and hold anything


class Finding(StrEnum):
    """The types of findings."""

    ORDER = "out of order"  # a number smaller than one before it, seen for the first time
    DUPLICATE = "duplicate"
    GAP = "gap"  # numbers that nothing explains the absence of
    LABEL = "not as labelled"  # a label names it, and it is not so; or a label is not whole
    STAMP = "stamp runs backwards"
    PARTITION = "wrong partition"
    KEY = "wrong key"
    UNDECODABLE = "undecodable"
    UNKNOWN = "unknown machine"
    STREAM = "wrong topic"  # a record of a stream that the run does not write there
    LOST = "lost"  # acknowledged, and not there
    EXTRA = "extra"  # there, and never produced
    DIGEST = "digest differs"
    SCENARIO = "differs from the scenario"


def printable(text: str) -> str:
    """Keep control characters from the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class Findings:
    """All findings of a check, in the order they were made."""

    def __init__(self) -> None:
        self.counts: Counter[Finding] = Counter()
        self.lines: list[str] = []

    def add(self, finding: Finding, line: str, *, count: int = 1) -> None:
        """Count a *finding*, or *count* of them in one *line*, which is kept if it is one of the first."""
        self.extend(finding, [line], count=count)

    def extend(self, finding: Finding, lines: Iterable[str], *, count: int) -> None:
        """Count *count* findings of one type of which *lines* are known."""
        self.counts[finding] += count
        room = max(FINDINGS_SHOWN - len(self.lines), 0)
        self.lines += [f"{printable(line[:LINE_CHARACTERS])}: {finding}" for line in islice(lines, room)]

    def __len__(self) -> int:
        return self.counts.total()

"""What was observed of a machine's log, held against what labels name: exactly, number by number.

A number that labels say is lost must not be there, one that is doubled must be there twice, one that is late or
reordered must stand behind a larger one; and what is absent, double or behind must be named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleet.data import Bools, Ints
from fleet.encode.labels import Labels
from fleet.errors import RunError
from fleet.verify.observe import NONE, Spans, expanded

LOST, DOUBLED, BEHIND = "lost", "doubled", "behind"
NUMBERS_MAX = 1 << 26
"""Numbers of one machine that are looked at, one by one: half a gigabyte."""

KIND = {"lost": LOST, "doubled": DOUBLED, "late": BEHIND, "reordered": BEHIND}


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """Spans of numbers of one machine: each *count* from *first*, *step* apart; (spans,)."""

    first: Ints
    count: Ints
    step: Ints

    def _fitting(self, stop: int) -> Ints:
        """Count the numbers of each span before *stop*."""
        fitting: Ints = np.clip(-((self.first - stop) // self.step), 0, self.count)
        return fitting

    def beyond(self, stop: int) -> tuple[int, int]:
        """Count the numbers from *stop* on, and give what is behind the largest one; *stop* where there is none."""
        largest = self.first + (self.count - 1) * self.step
        return int((self.count - self._fitting(stop)).sum()), max(int(largest.max(initial=-1)) + 1, stop)

    def before(self, stop: int) -> Ints:
        """Give the numbers before *stop*, each once, in order."""
        fitting = self._fitting(stop)
        if int(fitting.sum()) > NUMBERS_MAX:
            raise RunError(f"labels name more than {NUMBERS_MAX:,} numbers of one machine: too many to be held")
        return np.unique(expanded(self.first, fitting, self.step))

    @property
    def total(self) -> int:
        """How many numbers they are, whether or not the log goes so far."""
        return int(self.count.sum())


NO_NUMBERS = Numbered(*(np.zeros(0, np.int64) for _ in range(3)))


class Named:
    """The numbers that the labels of a run name, by machine and kind; made once, when all labels were read."""

    def __init__(self, labels: Labels) -> None:
        rows: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
        used = set()
        for machine, effect, name, span in labels.spans():
            rows.setdefault(machine, {}).setdefault(KIND[effect], []).append((span.first, span.count, span.step))
            used.add(name)
        self._of = {
            machine: {kind: Numbered(*np.array(spans, np.int64).reshape(-1, 3).T) for kind, spans in kinds.items()}
            for machine, kinds in rows.items()
        }
        self.used = len(used)  # labels that name any number
        self.labels = len(labels)
        self.open_machines = set(labels.open_machines)

    def of(self, machine: str) -> Mapping[str, Numbered]:
        """Give what is named of *machine*, by kind."""
        return self._of.get(machine, {})

    @property
    def machines(self) -> Sequence[str]:
        """The machines of which any number is named."""
        return list(self._of)

    def total(self, kind: str) -> int:
        """Count the numbers that are named as *kind*, of all machines."""
        return sum(kinds[kind].total for kinds in self._of.values() if kind in kinds)


@dataclass(slots=True)
class Settled:
    """What became of one log's numbers: counts, and the spans of those that nothing names or that are not as named.

    *gaps* are numbers that are absent and not named, *late* and *again* are what stands behind and is not named.
    *unlike* are numbers that are named and are not so, with what they are named as.
    """

    missing: int = 0  # absent and not named
    lost: int = 0  # absent and named
    doubled: int = 0  # there twice and named
    behind: int = 0  # behind a larger one and named
    late: Spans = NONE
    again: Spans = NONE
    gaps: Spans = NONE
    unlike: list[tuple[str, Ints]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one log: where it ends; whether it is *whole*; whether *dense*: nothing else lacks numbers."""

    next_seq: int
    whole: bool = True
    dense: bool = True


def settled(gaps: Spans, behind: Spans, named: Mapping[str, Numbered], known: Known) -> Settled:
    """Hold *gaps* and what is *behind* of one log against what labels have *named*, given what is *known* of it.

    Where the log is not known to be whole nothing is said of what is named and is not so.
    """
    next_seq = known.next_seq
    numbers = expanded(behind.start, behind.stop - behind.start)
    row = np.repeat(np.arange(len(behind.log)), behind.stop - behind.start)
    distinct, first, back = np.unique(numbers, return_index=True, return_inverse=True)
    fills = within(distinct, gaps)
    is_late = np.zeros(len(numbers), np.bool_)
    is_late[first[fills]] = True
    came_late = distinct[fills]
    lost, doubled, delayed = (named.get(kind, NO_NUMBERS).before(next_seq) for kind in (LOST, DOUBLED, BEHIND))
    absent = within(lost, gaps) & ~np.isin(lost, came_late, assume_unique=True)
    again = np.bincount(back[~is_late], minlength=len(distinct))
    once_more = distinct[again > 0]
    expected = np.zeros(len(numbers), np.bool_)  # second copies that are named
    expected[_first_where(back, ~is_late)] = True
    expected &= np.isin(numbers, doubled)
    late_unnamed = is_late & ~np.isin(numbers, delayed)
    out = Settled(
        missing=gaps.numbers - len(came_late) - int(absent.sum()),
        lost=int(absent.sum()),
        doubled=int(expected.sum()),
        behind=int((is_late & ~late_unnamed).sum()),
        late=_singles(behind, row, numbers, late_unnamed),
        again=_singles(behind, row, numbers, ~is_late & ~expected),
        gaps=_left(gaps, np.union1d(came_late, lost[absent])),
    )
    if known.whole:
        # What is absent without being lost is a gap already.
        gone = within(delayed, gaps) & ~np.isin(delayed, np.union1d(came_late, lost))
        out.unlike = [
            (LOST, lost[~absent]),
            (DOUBLED, np.setdiff1d(doubled, once_more, assume_unique=True)),
            (BEHIND, np.setdiff1d(delayed[~gone], came_late, assume_unique=True)),
        ]
        # Of lost and doubled ones the account knows how many there are, also behind the end of the log.
        if named.get(BEHIND, NO_NUMBERS).beyond(next_seq)[0]:
            out.unlike.append((BEHIND, np.array([next_seq])))
        count, stop = named.get(LOST, NO_NUMBERS).beyond(next_seq)
        if known.dense:  # then what is lost at the end begins where the log ends
            out.missing += max(stop - next_seq - count, 0)
    return out


def touched(gaps: Spans, named: Mapping[str, Numbered], *, next_seq: int) -> Bools:
    """Say in which *gaps* of one log there is a number that labels have *named* as lost or as standing behind."""
    numbers = np.union1d(*(named.get(kind, NO_NUMBERS).before(next_seq) for kind in (LOST, BEHIND)))
    touching: Bools = np.searchsorted(numbers, gaps.start) < np.searchsorted(numbers, gaps.stop)
    return touching


def within(numbers: Ints, gaps: Spans) -> Bools:
    """Say which *numbers* are in *gaps*, which are in order and do not overlap."""
    if not len(gaps.log):
        return np.zeros(len(numbers), np.bool_)
    at = np.searchsorted(gaps.start, numbers, side="right") - 1
    inside: Bools = (at >= 0) & (numbers < gaps.stop[at])
    return inside


def _first_where(place: Ints, rows: Bools) -> Ints:
    """Give the first of *rows* for each *place* that has any."""
    where = np.flatnonzero(rows)
    return where[np.unique(place[where], return_index=True)[1]]


def _singles(behind: Spans, row: Ints, numbers: Ints, chosen: Bools) -> Spans:
    """Give the *chosen* of *numbers*, each from a *row* of *behind*, one by one."""
    each = behind.chosen(row[chosen])
    return each._replace(start=numbers[chosen], stop=numbers[chosen] + 1)


def _left(gaps: Spans, taken: Ints) -> Spans:
    """Cut the numbers *taken*, which are in order and in them, out of *gaps*."""
    if not len(taken):
        return gaps
    of = np.searchsorted(gaps.start, taken, side="right") - 1
    row = np.concatenate([np.arange(len(gaps.log)), of])
    start = np.concatenate([gaps.start, taken + 1])
    order = np.argsort(start, kind="stable")
    row, start = row[order], start[order]
    stop = np.sort(np.concatenate([taken, gaps.stop]))
    some = start < stop
    return gaps.chosen(row[some])._replace(start=start[some], stop=stop[some])

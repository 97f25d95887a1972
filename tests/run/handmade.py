"""Readings of a real simulation with network faults done to them by hand, and the labels that say so exactly.

A fault here is arithmetic on the columns of the whole run at once; it is then cut into blocks by due time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fleet.data import Block, Cohort, Equipment, Ints, KindColumns, Knot, Label, LostScans, SeqSpan
from fleet.run.plan import RunPlan
from fleet.sim.blocks import Simulation

FAR_US = 1 << 60
Alter = Callable[[Label], Label]


@dataclass(frozen=True)
class Fault:
    """What happens to the scans of a *machine* at *ticks*.

    They are *lost*, or sent a second time *copy_after_us* later, or they wait until *until_us* (from the run's start)
    and then leave one every *every_us*.
    """

    machine: str
    ticks: range
    lost: bool = False
    copy_after_us: int = 0
    until_us: int = 0
    every_us: int = 1000


def spans_of(numbers: Sequence[int] | Ints) -> tuple[SeqSpan, ...]:
    """Compress sorted *numbers* to spans."""
    found: list[SeqSpan] = []
    for number in np.unique(np.asarray(numbers, np.int64)).tolist():
        if found and number == found[-1].first + found[-1].count:
            found[-1] = replace(found[-1], count=found[-1].count + 1)
        else:
            found.append(SeqSpan(number, 1))
    return tuple(found)


@dataclass(frozen=True)
class Sent:
    """The readings of a machine, one each: number, when it is scanned and due, and whether it is a second copy."""

    seq: Ints
    scan_us: Ints
    due_us: Ints
    copy: Ints


class Handmade:
    """A simulation as a run needs it, of real readings with *faults*."""

    def __init__(
        self, simulation: Simulation, *, stop_us: int, faults: Sequence[Fault], span_us: int, alter: Alter
    ) -> None:
        self._alter = alter
        self.now_us, self._span_us = simulation.now_us, span_us
        self.machines = simulation.machines
        whole = simulation.advance(stop_us)
        known: dict[int, Cohort] = {}
        self.cohorts = [known.setdefault(id(one), replace(one, gaps=True)) for one in simulation.cohorts]
        self._kinds = [replace(columns, cohort=known[id(columns.cohort)]) for columns in whole.kinds]
        self._events, self._faults = whole.events, faults
        self._lost: list[list[KindColumns]] = []
        for fault in faults:
            self._lost.append(self._apply(fault, whole.start_us))
        self._start_us = whole.start_us

    def _apply(self, fault: Fault, start_us: int) -> list[KindColumns]:
        """Do *fault* to all columns; gives the scans that it loses."""
        lost: list[KindColumns] = []
        kinds: list[KindColumns] = []
        for columns in self._kinds:
            mine = np.array([one.id == fault.machine for one in columns.cohort.machines])[columns.machine]
            hit = mine & np.isin(columns.tick, np.array(fault.ticks)) & (not columns.copy)
            due_us = columns.due_us.copy()
            if fault.lost:
                lost.append(chosen(columns, hit))
                kinds.append(chosen(columns, ~hit))
            elif fault.copy_after_us:
                again = replace(chosen(columns, hit), copy=True, due_us=due_us[hit] + fault.copy_after_us)
                kinds += [columns, again]
            else:
                turn = (columns.tick[hit] - fault.ticks.start) * fault.every_us
                due_us[hit] = start_us + fault.until_us + turn
                kinds.append(replace(columns, due_us=due_us))
        self._kinds = [columns for columns in kinds if len(columns.machine)]
        return lost

    # ------------------------------------------------------------ what a run asks for

    def span_us(self) -> int:
        return self._span_us

    def advance(self, stop_us: int) -> Block:
        start_us, self.now_us = self.now_us, stop_us
        kinds = tuple(chosen(c, (c.due_us >= start_us) & (c.due_us < stop_us)) for c in self._kinds)
        lost = [
            LostScans(f"f{at}", part.due_us, np.full(len(part.due_us), len(part.sensors)))
            for at, parts in enumerate(self._lost)
            for part in (
                chosen(columns, (columns.due_us >= start_us) & (columns.due_us < stop_us)) for columns in parts
            )
            if len(part.due_us)
        ]
        return Block(
            start_us,
            stop_us,
            tuple(columns for columns in kinds if len(columns.machine)),
            tuple(event for event in self._events if start_us <= event.time_us < stop_us),
            labels=tuple(label for label in self.labels(FAR_US) if start_us <= label.time_us < stop_us),
            lost=tuple(lost),
        )

    def ended(self, labels: Sequence[Label], stop_us: int) -> tuple[Label, ...]:
        still = {label.id for label in labels}
        return tuple(
            replace(label, time_us=stop_us, stop_us=stop_us)
            for label in self.labels(stop_us)
            if not label.is_open and label.id in still
        )

    # ------------------------------------------------------------ labels

    def labels(self, until_us: int) -> list[Label]:
        """Give both labels of every fault, with what it did before *until_us*."""
        found = []
        for at, fault in enumerate(self._faults):
            scan_us = np.concatenate([self._hit(fault, columns).scan_us for columns in self._all()])
            opened = Label(
                id=f"f{at}",
                machine=self._equipment(fault.machine),
                incident=f"i{at}",
                family="network",
                fault="partial_loss" if fault.lost else "duplicate" if fault.copy_after_us else "outage",
                sensor="",
                time_us=int(scan_us.min()),
                onset_us=int(scan_us.min()),
                severity=(Knot(int(scan_us.min()), 1.0),),
                parameters=(("until", f"{fault.until_us} us"),),
            )
            stop_us = max(
                int(scan_us.max()) + 1,
                self._start_us + fault.until_us + (fault.ticks.stop - fault.ticks.start) * fault.every_us,
            )
            stop_us = stop_us + fault.copy_after_us
            found += [opened, replace(opened, time_us=stop_us, stop_us=stop_us, **self._effects(fault, at, until_us))]
        return sorted(map(self._alter, found), key=lambda label: label.time_us)

    def _effects(self, fault: Fault, at: int, until_us: int) -> dict[str, tuple[SeqSpan, ...]]:
        sent = self._sent(fault.machine)
        mine = self._numbers(fault)
        if fault.lost:
            gone = [numbers(columns)[columns.due_us < until_us].ravel() for columns in self._lost[at]]
            return {"lost": spans_of(np.concatenate(gone))}
        inside = sent.due_us < until_us
        if fault.copy_after_us:
            return {"doubled": spans_of(sent.seq[inside & (sent.copy == 1) & np.isin(sent.seq, mine)])}
        kept = (sent.scan_us < until_us) & ~inside & np.isin(sent.seq, mine) & (sent.copy == 0)
        seq = sent.seq[inside & (sent.copy == 0)]
        behind = seq < np.maximum.accumulate(seq)
        return {"late": spans_of(np.intersect1d(seq[behind], mine)), "lost": spans_of(sent.seq[kept])}

    def _all(self) -> list[KindColumns]:
        return [*self._kinds, *(columns for parts in self._lost for columns in parts)]

    def _hit(self, fault: Fault, columns: KindColumns) -> KindColumns:
        mine = np.array([one.id == fault.machine for one in columns.cohort.machines])[columns.machine]
        return chosen(columns, mine & np.isin(columns.tick, np.array(fault.ticks)) & (not columns.copy))

    def _numbers(self, fault: Fault) -> Ints:
        """Give the numbers of the readings that *fault* hits."""
        return np.concatenate([numbers(self._hit(fault, columns)).ravel() for columns in self._all()])

    def _sent(self, machine: str) -> Sent:
        """Give what leaves of *machine*, in order of the log."""
        parts = []
        for columns in self._kinds:
            mine = chosen(columns, np.array([one.id == machine for one in columns.cohort.machines])[columns.machine])
            each = len(mine.sensors)
            row = (numbers(mine).ravel(), np.repeat(mine.scan_us, each), np.repeat(mine.due_us, each))
            parts.append((*row, np.full(len(row[0]), int(columns.copy))))
        seq, scan_us, due_us, copy = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(due_us, kind="stable")
        return Sent(seq[order], scan_us[order], due_us[order], copy[order])

    def _equipment(self, machine: str) -> Equipment:
        return next(one for cohort in self.cohorts for one in cohort.machines if one.id == machine)


def numbers(columns: KindColumns) -> Ints:
    """Give the numbers of all readings; (scans, sensors)."""
    return columns.seq[:, None] + columns.within


def chosen(columns: KindColumns, rows: Ints) -> KindColumns:
    """Give some rows of *columns*."""
    names = ("machine", "tick", "scan_us", "event_us", "due_us", "seq", "value", "quality")
    return replace(columns, **{name: getattr(columns, name)[rows] for name in names})


@contextmanager
def done_by_hand(
    plan: RunPlan, faults: Sequence[Fault], *, span_us: int, alter: Alter = lambda label: label
) -> Iterator[Handmade]:
    """Have runs simulate with *faults* done to what *plan* makes, in blocks of *span_us*; labels may be *alter*ed."""
    assert plan.stop_us is not None

    def simulation() -> Handmade:
        real = Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us)
        return Handmade(real, stop_us=plan.stop_us or 0, faults=faults, span_us=span_us, alter=alter)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fleet.run.execute.Simulation", lambda *_, **__: simulation())
        yield simulation()

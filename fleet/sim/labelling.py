"""The truth about faults: a label when one sets in, another when it has ended and what it did is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fleet.data import Bools, Ints, Knot, Label, SeqSpan, State
from fleet.faults.catalogue import MACHINE, TRANSPORT_FAULTS
from fleet.scenario.scripted import Scripted
from fleet.sim import changes as row
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import PPM, Spans, of_mode
from fleet.sim.cohorts import Model
from fleet.sim.gateway import CaseKey, Done, Gateways, Numbers
from fleet.sim.injecting import injected
from fleet.sim.strikes import Strike
from fleet.sim.struck import ANY_SENSOR, Cases, Struck, case_id

NOTHING = Done()

BLOCKS_AHEAD = 4
"""A run that is interrupted ends in one of the last so many blocks: others were made ahead."""


@dataclass(slots=True)
class _Kept:
    """How far the labels of the cases of one fault are; (cases,)."""

    opened: Bools
    closed: Bools
    open_ended: Bools  # the plant or a gateway says when they end


class Scripts:
    """Labels of scripted faults."""

    def __init__(
        self,
        scripted: Sequence[Scripted],
        models: Sequence[Model],
        struck: Sequence[Struck],
        strikes: Mapping[CaseKey, Strike],
        gateways: Gateways,
    ) -> None:
        self._scripted, self._models, self._struck = scripted, models, struck
        self._strikes, self._gateways = strikes, gateways
        self._kept = {
            (cohort, family, cases.fault): _Kept(
                np.zeros(len(cases.machine), np.bool_),
                np.zeros(len(cases.machine), np.bool_),
                np.array([(cohort, cases.fault, case) in strikes for case in range(len(cases.machine))], np.bool_),
            )
            for cohort, of in enumerate(struck)
            for family, cases in of.cases
        }
        self._key_of: dict[str, tuple[CaseKey, str]] = {}  # of open labels, by their ids
        self._lately: deque[list[tuple[str, CaseKey]]] = deque()  # what was closed in each of the last blocks

    def between(self, stop_us: int) -> list[Label]:
        """Give the labels of what sets in or ends before *stop_us* and was not told yet."""
        found: list[Label] = []
        self._forget()
        for (cohort, family, fault), kept in self._kept.items():
            cases = self._struck[cohort].by_family[family][fault]
            opens = np.flatnonzero(~kept.opened & (cases.onset_us < stop_us))
            kept.opened[opens] = True
            found += [self._opened(cohort, family, cases, case) for case in opens.tolist()]
            may_end = kept.opened & ~kept.closed & (kept.open_ended | (cases.stop_us < stop_us))
            for case in np.flatnonzero(may_end).tolist():
                label = self._closed(cohort, family, cases, case, stop_us)
                if label is not None:
                    kept.closed[case] = True
                    found.append(label)
        return found

    def _forget(self) -> None:
        """Forget what was closed some blocks ago; a run may yet end within the last ones, see *ended*."""
        self._lately.append([])
        while len(self._lately) > BLOCKS_AHEAD:
            for label, key in self._lately.popleft():
                del self._key_of[label]
                self._gateways.done.pop(key, None)

    def _opened(self, cohort: int, family: str, cases: Cases, case: int) -> Label:
        model, each = self._models[cohort], self._scripted[int(cases.incident[case])]
        onset_us, sensor = int(cases.onset_us[case]), int(cases.sensor[case])
        label = Label(
            id=case_id(self._scripted, model, cases, case),
            machine=model.cohort.machines[int(cases.machine[case])],
            incident=each.id,
            family=family,
            fault=cases.fault,
            sensor="" if sensor == ANY_SENSOR else model.cohort.sensors[sensor].name,
            time_us=onset_us,
            onset_us=onset_us,
            severity=_grows(cases, case),
            parameters=each.said,
        )
        self._key_of[label.id] = (cohort, cases.fault, case), family
        return label

    def _closed(self, cohort: int, family: str, cases: Cases, case: int, stop_us: int) -> Label | None:
        """Give the label of a fault that has ended before *stop_us*; None where it has not."""
        key: CaseKey = (cohort, cases.fault, case)
        done, strike = self._gateways.done.get(key, NOTHING), self._strikes.get(key)
        if strike is not None and strike.will_stop:
            return None
        ended_us, failed_us = int(cases.stop_us[case]), None
        if strike is not None and strike.failed_us < NEVER_US:
            ended_us, failed_us = max(strike.ended_us, strike.failed_us), strike.failed_us
        if cases.fault in TRANSPORT_FAULTS and ended_us < stop_us:
            if self._gateways.held(key):
                return None
            ended_us = max(ended_us, done.last_us)
        if ended_us >= stop_us:
            return None
        label = self._opened(cohort, family, cases, case)
        self._lately[-1].append((label.id, key))
        there_until_us = int(cases.stop_us[case])
        label = replace(label, injected=injected(cases, case, there_until_us))
        return _with(label, done, ended_us, failed_us, there_until_us if there_until_us > label.onset_us else ended_us)

    def ended(self, label: Label, stop_us: int) -> Label:
        """Close the *label* of a fault that the end of the run at *stop_us* ends: what waits is lost."""
        key, family = self._key_of[label.id]
        cohort, fault, case = key
        cases, strike = self._struck[cohort].by_family[family][fault], self._strikes.get(key)
        found = self._gateways.done.get(key, NOTHING)
        waits = [_where(each, (each.scan_us < stop_us) & (each.due_us >= stop_us)) for each in found.held]
        done = Done(
            lost=[*_left(found.lost, stop_us), *waits],
            doubled=_left(found.doubled, stop_us),
            late=_left(found.late, stop_us),
            reordered=_left(found.reordered, stop_us),
        )
        failed_us = None if strike is None or strike.failed_us >= stop_us else strike.failed_us
        closed = _with(label, done, stop_us, failed_us, min(int(cases.stop_us[case]), stop_us))
        return replace(closed, time_us=stop_us, injected=injected(cases, case, stop_us))


def _left(numbers: Sequence[Numbers], stop_us: int) -> list[Numbers]:
    """Give those that leave before *stop_us*."""
    return [_where(each, each.due_us < stop_us) for each in numbers]


def _where(numbers: Numbers, chosen: Bools) -> Numbers:
    return Numbers(*(column[chosen] for column in numbers))


def _with(label: Label, done: Done, ended_us: int, failed_us: int | None, healthy_us: int) -> Label:
    """Close *label*; from *healthy_us* on the fault is there no more, though its backlog or its repair may last."""
    return replace(
        label,
        time_us=ended_us,
        stop_us=ended_us,
        failure_us=failed_us,
        severity=_falls(label.severity, healthy_us),
        lost=spans_of(done.lost),
        doubled=spans_of(done.doubled),
        late=spans_of(done.late),
        reordered=spans_of(done.reordered),
    )


def _grows(cases: Cases, case: int) -> tuple[Knot, ...]:
    onset_us, over_us, height = int(cases.onset_us[case]), int(cases.over_us[case]), float(cases.severity[case])
    if not over_us:
        return (Knot(onset_us, height),)
    return Knot(onset_us, 0.0), Knot(onset_us + over_us, height)


def _falls(knots: tuple[Knot, ...], stop_us: int) -> tuple[Knot, ...]:
    """End a severity at *stop_us*."""
    inside = tuple(knot for knot in knots if knot.time_us < stop_us)
    last = inside[-1].severity if inside else 0.0
    if len(inside) < len(knots) and inside:  # it had not grown as far as it would have
        at, to = inside[-1], knots[len(inside)]
        last = at.severity + (to.severity - at.severity) * (stop_us - at.time_us) / (to.time_us - at.time_us)
    return (*inside, Knot(stop_us, round(last, 9)), Knot(stop_us, 0.0))


def spans_of(numbers: Sequence[Numbers]) -> tuple[SeqSpan, ...]:
    """Write numbers as spans of equal steps, ascending."""
    if not numbers:
        return ()
    each = np.unique(np.concatenate([part.number for part in numbers]))
    if not len(each):
        return ()
    steps = np.diff(each)
    ends = np.append(np.flatnonzero(steps[1:] != steps[:-1]), len(steps) - 1)  # the last step of each run of equal ones
    found: list[SeqSpan] = []
    at, values, last_steps, of = 0, each.tolist(), ends.tolist(), np.searchsorted(ends, np.arange(len(steps))).tolist()
    while at < len(values):
        if at == len(values) - 1:
            found.append(SeqSpan(values[at], 1))
            break
        last = last_steps[of[at]]
        step, count = values[at + 1] - values[at], last - at + 2
        if count == 2 and step > 1:  # two that only happen to be neighbours
            found.append(SeqSpan(values[at], 1))
            at += 1
            continue
        found.append(SeqSpan(values[at], count, step))
        at += count
    return tuple(found)


@dataclass(slots=True)
class _Mode:
    """A failure mode of a cohort: which life of each machine is being told of, and what is known of it; (machines,)."""

    place: int
    name: str
    telling: Ints  # number of the life; -1: none
    told: Ints  # number of the last life that was told to its end; -1: none
    onset_us: Ints
    failed_us: Ints


@dataclass(slots=True)
class Worn:
    """Labels of what wear brings by itself, of the cohort of one *model*."""

    model: Model
    modes: list[_Mode] = field(default_factory=list)
    lately: deque[dict[str, int]] = field(default_factory=lambda: deque(maxlen=BLOCKS_AHEAD))
    """When those failed that were told to their end in each of the last blocks; see *failures*."""

    def __post_init__(self) -> None:
        machines = len(self.model.members)
        for place, mode in enumerate(self.model.rules.modes):
            if mode.fails:
                blank = [np.full(machines, value, np.int64) for value in (-1, -1, NEVER_US, NEVER_US)]
                self.modes.append(_Mode(place, mode.name, *blank))

    def between(self, spans: Spans, start_us: int, stop_us: int) -> list[Label]:
        """Give the labels of a block, given the state changes in force in it."""
        found: list[Label] = []
        if not self.modes:
            return found
        self.lately.append({})
        rows = spans.rows
        time_us, machine = rows[:, row.TIME], rows[:, row.MACHINE]
        until_us = np.append(time_us[1:], stop_us)
        until_us[spans.last] = stop_us
        runs = rows[:, row.STATE] == State.EXECUTE
        for mode in self.modes:
            found += self._ends(mode, rows, start_us)
            # One life after the other: several may begin and end in a long block.
            while begun := self._begins(mode, spans, time_us, machine, until_us, runs, start_us, stop_us):
                found += begun
                found += self._ends(mode, rows, start_us)
        return found

    def failures(self, stop_us: int) -> dict[str, int]:
        """Give when machines failed whose labels are open, by the labels' ids, if that was before *stop_us*.

        Open are also those whose ends were told in a block made ahead.
        """
        told = {name: when for block in self.lately for name, when in block.items() if when < stop_us}
        return told | {
            self._label(mode, which).id: int(mode.failed_us[which])
            for mode in self.modes
            for which in np.flatnonzero((mode.telling >= 0) & (mode.failed_us < stop_us)).tolist()
        }

    def _begins(
        self,
        mode: _Mode,
        spans: Spans,
        time_us: Ints,
        machine: Ints,
        until_us: Ints,
        runs: Bools,
        start_us: int,
        stop_us: int,
    ) -> list[Label]:
        columns = (row.AGE, row.ONSET, row.RATE, row.NUMBER)
        age, onset, rate, number = (of_mode(spans.rows, mode.place, column) for column in columns)
        left_us = onset - age
        lasts_us = until_us - time_us
        begun = left_us <= 0
        grows = runs & ~begun & (left_us.astype(np.float64) * PPM <= lasts_us.astype(np.float64) * rate)
        # In the block where a life ends there are rows of it yet: they begin nothing.
        some = np.flatnonzero((begun | grows) & (mode.telling[machine] < 0) & (number > mode.told[machine]))
        found = []
        for at in some.tolist():
            which, life = int(machine[at]), int(number[at])
            if mode.telling[which] >= 0:  # the next life, which waits until this one is told
                continue
            when_us = int(time_us[at])
            if not begun[at]:
                when_us += -(-int(left_us[at]) * PPM // int(rate[at]))
            if when_us >= stop_us:
                continue
            when_us = max(when_us, start_us)
            mode.telling[which], mode.onset_us[which], mode.failed_us[which] = life, when_us, NEVER_US
            found.append(self._label(mode, which))
        return found

    def _ends(self, mode: _Mode, rows: Ints, start_us: int) -> list[Label]:
        machine = rows[:, row.MACHINE]
        number = of_mode(rows, mode.place, row.NUMBER)
        telling = mode.telling[machine]
        fails = (rows[:, row.CAUSE] == len(row.CAUSES) + mode.place) & (rows[:, row.STATE] == State.ABORTED)
        here = (telling >= 0) & (rows[:, row.TIME] >= start_us)
        for at in np.flatnonzero(here & fails & (telling == number)).tolist():
            mode.failed_us[int(machine[at])] = int(rows[at, row.TIME])
        found = []
        for at in np.flatnonzero(here & (number > telling)).tolist():
            which = int(machine[at])
            if mode.telling[which] < 0 or int(number[at]) <= mode.telling[which]:
                continue
            ended_us, failed_us = int(rows[at, row.TIME]), int(mode.failed_us[which])
            label = self._label(mode, which)
            self.lately[-1][label.id] = failed_us
            knots = (Knot(label.onset_us, 0.0), Knot(min(failed_us, ended_us), 1.0), Knot(ended_us, 0.0))
            found.append(
                replace(
                    label,
                    time_us=ended_us,
                    stop_us=ended_us,
                    failure_us=failed_us if failed_us < NEVER_US else None,
                    severity=knots if failed_us < NEVER_US else (),
                )
            )
            mode.told[which], mode.telling[which] = mode.telling[which], -1
        return found

    def _label(self, mode: _Mode, which: int) -> Label:
        machine, onset_us = self.model.cohort.machines[which], int(mode.onset_us[which])
        return Label(
            id=f"wear/{machine.id}/{mode.name}/{int(mode.telling[which]) + 1}",
            machine=machine,
            incident="",
            family=MACHINE,
            fault=mode.name,
            sensor="",
            time_us=onset_us,
            onset_us=onset_us,
        )

"""What gateways and all behind them do to scans: lose them, hold them back, send them twice, tell another time.

It comes after the sensors. A scan that is held back leaves in a later block: it waits here, at most as many as the
gateway's buffer takes. What became of readings is noted by the case that did it, in their own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fleet.data import SECOND_US, Bools, Ints, KindColumns, SilentScans
from fleet.faults.catalogue import TRANSPORT_FAULTS
from fleet.faults.network import NO_COPY, GatewayAt
from fleet.sim.cohorts import Model
from fleet.sim.misread import Absent
from fleet.sim.struck import Cases, Struck

CaseKey = tuple[int, str, int]  # the cohort, the fault, the case
NOBODY: CaseKey = (-1, "", -1)
SWAPS = frozenset({"out_of_order"})
"""Faults whose delayed scans are swapped with later ones; those of all others are late."""


class Numbers(NamedTuple):
    """Readings of a machine by their *number*, when they were read, and when they leave; (readings,)."""

    number: Ints
    scan_us: Ints
    due_us: Ints


@dataclass(slots=True)
class Done:
    """What a case has done to the readings of its machine so far."""

    lost: list[Numbers] = field(default_factory=list)
    doubled: list[Numbers] = field(default_factory=list)
    late: list[Numbers] = field(default_factory=list)
    reordered: list[Numbers] = field(default_factory=list)
    held: list[Numbers] = field(default_factory=list)  # all that left later than they were read, also in order
    last_us: int = 0  # just after the last scan left that it held back or doubled


class Loss(NamedTuple):
    """Readings without a record: when each scan would have been due, and how many of its readings are gone."""

    case: CaseKey
    due_us: Ints
    readings: Ints


@dataclass(slots=True)
class _Flow:
    """Scans on their way, and by which case each is held back: index into *cases*, 0 for none."""

    cohort: int
    columns: KindColumns
    held_by: Ints


class Passed(NamedTuple):
    """What leaves the gateways within a block."""

    kinds: list[KindColumns]
    silent: list[SilentScans]
    losses: list[Loss]


class Gateways:
    """All gateways of one worker, and what waits in them."""

    def __init__(self, models: Sequence[Model], struck: Sequence[Struck], line_of: Sequence[Ints]) -> None:
        """*line_of* has the line of each machine of each cohort: its gateway is named as that."""
        self._models, self._struck, self._line_of = models, struck, line_of
        self._keys: list[CaseKey] = [NOBODY]
        self._number: dict[CaseKey, int] = {NOBODY: 0}
        self._all: dict[tuple[int, str], Ints] = {}
        self._waiting: list[_Flow] = []
        self._taken: dict[tuple[int, int, int], int] = {}  # readings by (incident, occurrence, line) since the onset
        self._rate: dict[tuple[int, int], float] = _rates(models, struck, line_of)
        self._top: list[Ints] = [np.full(len(model.members), -1, np.int64) for model in models]
        self.done: dict[CaseKey, Done] = {}

    def held(self, key: CaseKey) -> bool:
        """Say whether scans wait that the case *key* holds back."""
        number = self._number.get(key)
        return number is not None and any((flow.held_by == number).any() for flow in self._waiting)

    def waiting(self, cohort: int) -> Ints:
        """Give the machines of a cohort that have scans waiting."""
        return np.concatenate([_NONE, *(flow.columns.machine for flow in self._waiting if flow.cohort == cohort)])

    def passed(
        self,
        kinds: Sequence[tuple[int, KindColumns]],
        absent: Sequence[tuple[int, Absent]],
        start_us: int,
        stop_us: int,
    ) -> Passed:
        """Take in the scans of a block, each with its cohort, and give what leaves before *stop_us*."""
        out = Passed([], [], [])
        flows: list[_Flow] = []
        for cohort, columns in kinds:
            gone = [each for at, each in absent if at == cohort]
            left = self._without(cohort, columns, gone, out) if gone else (columns,)
            flows += [_Flow(cohort, rest, np.zeros(len(rest.tick), np.int64)) for rest in left]
        if self._idle(start_us, stop_us):
            out.kinds.extend(flow.columns for flow in flows)
            return out
        before = self._before(flows, start_us, stop_us)
        sent: list[_Flow] = []
        for flow, taken in zip(flows, before, strict=True):
            sent.extend(self._through(flow, taken, start_us, stop_us, out))
        for flow in sent:
            self._note_held(flow)
        sent.extend(self._waiting)
        self._waiting = []
        leaving: list[_Flow] = []
        for flow in sent:
            leaves = flow.columns.due_us < stop_us
            if not leaves.all():
                self._waiting.append(_some(flow, ~leaves))
            if leaves.any():
                leaving.append(flow if leaves.all() else _some(flow, leaves))
        self._note_disorder(leaving)
        out.kinds.extend(flow.columns for flow in leaving)
        return out

    def _idle(self, start_us: int, stop_us: int) -> bool:
        return not self._waiting and not any(
            len(cases.during(start_us, stop_us)) for struck in self._struck for cases in struck.transport.values()
        )

    def _note(self, key: CaseKey) -> Done:
        return self.done.setdefault(key, Done())

    # ---- readings without a record

    def _without(self, cohort: int, columns: KindColumns, gone: Sequence[Absent], out: Passed) -> Iterator[KindColumns]:
        """Take the readings *gone* out of *columns*; what is left comes as columns of fewer sensors."""
        lost = np.zeros(columns.value.shape, np.int64)  # number of the case + 1
        at_sensor = np.full(len(columns.cohort.sensors), -1, np.int64)
        at_sensor[list(columns.sensors)] = np.arange(len(columns.sensors))
        span = int(columns.tick.max()) + 2
        scan = columns.machine * span + columns.tick
        for absent in gone:
            wanted = absent.machine * span + absent.tick
            row = np.minimum(np.searchsorted(scan, wanted), len(scan) - 1)
            place = at_sensor[absent.sensor]
            found = (absent.tick < span) & (absent.tick >= 0) & (scan[row] == wanted) & (place >= 0)
            numbers = np.array([self._index((cohort, absent.fault, case)) for case in absent.case[found].tolist()])
            free = lost[row[found], place[found]] == 0
            lost[row[found][free], place[found][free]] = numbers[free]
        yield from self._split(columns, lost, out)

    def _index(self, key: CaseKey) -> int:
        if key not in self._number:
            self._number[key] = len(self._keys)
            self._keys.append(key)
        return self._number[key]

    def _numbers_of(self, cohort: int, fault: str, cases: int) -> Ints:
        """Give the numbers of all cases of a fault."""
        if (cohort, fault) not in self._all:
            self._all[cohort, fault] = np.array([self._index((cohort, fault, each)) for each in range(cases)])
        return self._all[cohort, fault]

    def _split(self, columns: KindColumns, lost: Ints, out: Passed) -> Iterator[KindColumns]:
        """Give *columns* without the readings that cases have *lost* (scans, sensors), and note these."""
        if not lost.any():
            yield columns
            return
        of_scans = _numbers(columns, slice(None))
        for number in np.unique(lost[lost > 0]).tolist():
            mine = lost == number
            rows = np.flatnonzero(mine.any(axis=1))
            self._note(self._keys[number]).lost.append(Numbers(*(column[mine.ravel()] for column in of_scans)))
            out.losses.append(Loss(self._keys[number], columns.due_us[rows], mine[rows].sum(axis=1)))
        gone = lost > 0
        touched = np.flatnonzero(gone.any(axis=1))
        whole = np.flatnonzero(~gone.any(axis=1))
        if len(whole):
            yield _rows(columns, whole)
        patterns, pattern_of = np.unique(gone[touched], axis=0, return_inverse=True)
        for pattern, here in enumerate(patterns):
            rows = touched[pattern_of.ravel() == pattern]
            keep = np.flatnonzero(~here)
            if len(keep):
                yield _of_sensors(_rows(columns, rows), keep)
            elif columns.withheld:
                out.silent.append(SilentScans(columns.due_us[rows], columns.withheld))

    # ---- what gateways do

    def _before(self, flows: Sequence[_Flow], start_us: int, stop_us: int) -> list[Ints]:
        """Count what each scan's gateway took in before it since the onset of an outage; 0 where there is none.

        In order of the instants of scans, whatever cohort they are of.
        """
        before = [np.zeros(len(flow.held_by), np.int64) for flow in flows]
        cells: list[tuple[Ints, ...]] = []
        for place, flow in enumerate(flows):
            for cases in self._struck[flow.cohort].transport.values():
                if "buffer" not in cases.set:
                    continue
                for case, rows in _covered(cases, flow.columns, start_us, stop_us):
                    machine = flow.columns.machine[rows]
                    line, member = self._line_of[flow.cohort][machine], self._models[flow.cohort].members[machine]
                    each = np.full(len(rows), len(flow.columns.sensors), np.int64)
                    key = cases.incident[case], cases.ordinal[case], line
                    cells.append((*key, flow.columns.scan_us[rows], member, np.full(len(rows), place), rows, each))
        if not cells:
            return before
        joined = [np.concatenate(part) for part in zip(*cells, strict=True)]
        incident, ordinal, line, scan_us, member, source, row, readings = joined
        order = np.lexsort((member, scan_us, line, ordinal, incident))
        group = np.stack([incident, ordinal, line])[:, order]
        begins = np.append(0, np.flatnonzero((group[:, 1:] != group[:, :-1]).any(axis=0)) + 1)
        total = np.cumsum(readings[order])
        for first, stop in zip(begins.tolist(), [*begins[1:].tolist(), len(order)], strict=True):
            gateway = (int(group[0, first]), int(group[1, first]), int(group[2, first]))
            taken, own = self._taken.get(gateway, 0), order[first:stop]
            count = total[first:stop] - (total[first - 1] if first else 0)
            self._taken[gateway] = taken + int(count[-1])
            since = taken + count - readings[own]
            for place in np.unique(source[own]).tolist():
                mine = source[own] == place
                before[place][row[own][mine]] = since[mine]
        return before

    def _through(self, flow: _Flow, before: Ints, start_us: int, stop_us: int, out: Passed) -> Iterator[_Flow]:
        """Send the scans of *flow* through whatever is wrong with their gateways."""
        columns, held_by = flow.columns, flow.held_by
        event_us, due_us = columns.event_us.copy(), columns.due_us.copy()
        gone = np.zeros(len(held_by), np.int64)  # number of the case
        copies: list[tuple[Ints, Ints, int]] = []  # rows, how much later they leave again, and because of whom
        touched = False
        for fault, cases in self._struck[flow.cohort].transport.items():
            for case, rows in _covered(cases, columns, start_us, stop_us):
                touched = True
                at = self._at(flow, cases, case, rows, before[rows])
                function = TRANSPORT_FAULTS[fault]
                told_us, leaves_us, present, again_us = function(
                    event_us[rows], due_us[rows], np.ones(len(rows), np.bool_), at
                )
                number = self._numbers_of(flow.cohort, fault, len(cases.machine))[case]
                later = leaves_us > due_us[rows]
                held_by[rows[later]] = number[later]
                event_us[rows], due_us[rows] = told_us, leaves_us
                lost = rows[~present & (gone[rows] == 0)]
                gone[lost] = number[~present & (gone[rows] == 0)]
                for doubled in np.unique(number[again_us > NO_COPY]).tolist():
                    mine = (number == doubled) & (again_us > NO_COPY)
                    copies.append((rows[mine], again_us[mine], doubled))
        if not touched:
            yield flow
            return
        columns = replace(columns, event_us=event_us, due_us=due_us)
        for again, later_us, case_number in copies:  # after the one itself, whatever else holds that back
            yield from self._copies(flow.cohort, columns, again, due_us[again] + later_us, case_number, gone)
        if not gone.any():
            yield _Flow(flow.cohort, columns, held_by)
            return
        lost = np.broadcast_to(gone[:, None], columns.value.shape)
        # Scans are lost when they would have left had nothing held them back: nobody waits for them.
        kept = np.flatnonzero(gone == 0)
        for _ in self._split(replace(columns, due_us=np.array(flow.columns.due_us)), np.array(lost), out):
            pass
        if len(kept):
            yield _Flow(flow.cohort, _rows(columns, kept), held_by[kept])

    def _copies(
        self, cohort: int, columns: KindColumns, rows: Ints, leaves_us: Ints, number: int, gone: Ints
    ) -> Iterator[_Flow]:
        """Give the second copies of *rows* that were not lost, and note whose they are."""
        there = gone[rows] == 0
        rows, leaves_us = rows[there], leaves_us[there]
        if not len(rows):
            return
        again = replace(_rows(columns, rows), due_us=leaves_us, copy=True, scheduled=0)
        done = self._note(self._keys[number])
        done.doubled.append(_numbers(again, slice(None)))
        done.last_us = max(done.last_us, int(leaves_us.max()) + 1)
        yield _Flow(cohort, again, np.full(len(rows), number))

    def _at(self, flow: _Flow, cases: Cases, case: Ints, rows: Ints, before: Ints) -> GatewayAt:
        columns = flow.columns
        uniform, normal = cases.chance(case)
        line = self._line_of[flow.cohort][columns.machine[rows]].tolist()
        incident = cases.incident[case].tolist()
        rate = [self._rate[key] for key in zip(incident, line, strict=True)]
        return GatewayAt(
            scan_us=columns.scan_us[rows],
            onset_us=cases.onset_us[case],
            stop_us=cases.stop_us[case],
            set={name: of[case] for name, of in cases.set.items()},
            before=before,
            readings=np.full(len(rows), len(columns.sensors), np.int64),
            rate=np.array(rate),
            tick=columns.tick[rows],
            uniform=uniform,
            normal=normal,
        )

    # ---- order

    def _note_disorder(self, leaving: Sequence[_Flow]) -> None:
        """Note which readings leave behind later ones of their machine, by the case that held them back."""
        for cohort in sorted({flow.cohort for flow in (*leaving, *self._waiting) if flow.held_by.any()}):
            mine = [flow for flow in leaving if flow.cohort == cohort]
            held = [flow.columns.machine[flow.held_by > 0] for flow in (*mine, *self._waiting) if flow.cohort == cohort]
            struck = np.unique(np.concatenate(held))
            cells: list[tuple[Ints, ...]] = []
            for place, flow in enumerate(mine):
                self._note_leaving(flow)
                if not flow.columns.copy:
                    rows, columns = np.flatnonzero(np.isin(flow.columns.machine, struck)), flow.columns
                    source = np.full(len(rows), place)
                    cells.append((columns.machine[rows], columns.due_us[rows], columns.seq[rows], source, rows))
            if not cells:
                continue
            machine, due_us, seq, source, row = (np.concatenate(part) for part in zip(*cells, strict=True))
            order = np.lexsort((seq, due_us, machine))
            late = order[self._behind(cohort, machine[order], seq[order])]
            for at in np.unique(source[late]).tolist():
                self._note_behind(mine[at], np.sort(row[late[source[late] == at]]))

    def _note_held(self, flow: _Flow) -> None:
        for number in np.unique(flow.held_by[flow.held_by > 0]).tolist() if not flow.columns.copy else ():
            mine = np.flatnonzero(flow.held_by == number)
            self._note(self._keys[number]).held.append(_numbers(flow.columns, mine))

    def _note_leaving(self, flow: _Flow) -> None:
        for number in np.unique(flow.held_by[flow.held_by > 0]).tolist():
            done = self._note(self._keys[number])
            done.last_us = max(done.last_us, int(flow.columns.due_us[flow.held_by == number].max()) + 1)

    def _note_behind(self, flow: _Flow, rows: Ints) -> None:
        for number in np.unique(flow.held_by[rows]).tolist():
            mine = rows[flow.held_by[rows] == number]
            key = self._keys[number]
            done = self._note(key)
            (done.reordered if key[1] in SWAPS else done.late).append(_numbers(flow.columns, mine))

    def _behind(self, cohort: int, machine: Ints, seq: Ints) -> Bools:
        """Say which scans, in order of machine and of leaving, have a smaller number than one that left before."""
        top = self._top[cohort]
        begins = np.append(True, machine[1:] != machine[:-1])
        ahead = 2 + int(max(seq.max(initial=0), top[machine].max(initial=0)))
        group = np.cumsum(begins) - 1
        before = np.where(begins, top[machine], np.append(-1, seq[:-1])) + group * ahead
        reached = np.maximum.accumulate(before) - group * ahead
        ends = np.append(begins[1:], True)
        top[machine[ends]] = np.maximum(reached[ends], seq[ends])
        behind: Bools = seq < reached
        return behind


_NONE = np.zeros(0, np.int64)


def _rates(models: Sequence[Model], struck: Sequence[Struck], line_of: Sequence[Ints]) -> dict[tuple[int, int], float]:
    """Give how many readings a second each incident finds at each line's gateway."""
    found: dict[tuple[int, int], float] = {}
    for model, cases_of, line in zip(models, struck, line_of, strict=True):
        base_s = model.cohort.base_period_us / SECOND_US
        rate = sum(1.0 / (sensor.multiple * base_s) for sensor in model.cohort.sensors)
        for cases in cases_of.transport.values():
            first = np.flatnonzero(cases.ordinal == 0)
            for incident, at in zip(cases.incident[first].tolist(), line[cases.machine[first]].tolist(), strict=True):
                found[incident, at] = found.get((incident, at), 0.0) + rate
    return found


def _covered(cases: Cases, columns: KindColumns, start_us: int, stop_us: int) -> Iterator[tuple[Ints, Ints]]:
    """Give the scans that a fault covers: the case of each, and its row; one machine's occurrences one by one."""
    left = cases.during(start_us, stop_us)
    while len(left):
        _, first = np.unique(cases.machine[left], return_index=True)
        case_of = np.full(len(columns.cohort.machines), -1, np.int64)
        case_of[cases.machine[left[first]]] = left[first]
        left = np.delete(left, first)
        case = case_of[columns.machine]
        inside = (case >= 0) & (columns.scan_us >= cases.onset_us[case]) & (columns.scan_us < cases.stop_us[case])
        rows = np.flatnonzero(inside)
        if len(rows):
            yield case[rows], rows


def _numbers(columns: KindColumns, rows: Ints | slice) -> Numbers:
    """Give the readings of some scans, each by itself."""
    each = len(columns.sensors)
    number = columns.seq[rows][:, None] + columns.within
    return Numbers(number.ravel(), np.repeat(columns.scan_us[rows], each), np.repeat(columns.due_us[rows], each))


def _rows(columns: KindColumns, rows: Ints | Bools) -> KindColumns:
    """Give some of the scans of *columns*."""
    return replace(
        columns,
        machine=columns.machine[rows],
        tick=columns.tick[rows],
        scan_us=columns.scan_us[rows],
        event_us=columns.event_us[rows],
        due_us=columns.due_us[rows],
        seq=columns.seq[rows],
        value=columns.value[rows],
        quality=columns.quality[rows],
        truth=None if columns.truth is None else columns.truth[rows],
    )


def _of_sensors(columns: KindColumns, keep: Ints) -> KindColumns:
    """Give some of the sensors of *columns*; what is gone is not withheld by policy."""
    if len(keep) == len(columns.sensors):
        return columns
    within = columns.within
    return replace(
        columns,
        sensors=tuple(columns.sensors[place] for place in keep.tolist()),
        value=np.ascontiguousarray(columns.value[:, keep]),
        quality=np.ascontiguousarray(columns.quality[:, keep]),
        truth=None if columns.truth is None else np.ascontiguousarray(columns.truth[:, keep]),
        places=tuple(within[keep].tolist()),
        scheduled=len(keep) + columns.withheld,
    )


def _some(flow: _Flow, which: Bools) -> _Flow:
    return _Flow(flow.cohort, _rows(flow.columns, which), flow.held_by[which])

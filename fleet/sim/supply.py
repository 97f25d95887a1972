"""What follows from a line's machines: the duty of its compressors, the power and energy that its meters measure.

The plant decides without them, so it goes one way: its state changes -> how many of a line's machines execute -> the
state changes of its compressors -> what the line takes -> the state changes of its meters. A follower's rows are those
that the plant wrote for it and one more for each change in its line. Sums are of whole numbers or go from change to
change, so they do not depend on where blocks are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Ints, State
from fleet.scenario.kind import Receiver
from fleet.scenario.roster import Roster
from fleet.sim import changes as row
from fleet.sim.address import keys, uniforms
from fleet.sim.changes import FIXED, PER_MODE, PPM, Spans
from fleet.sim.cohorts import Model, spans_us
from fleet.sim.nodes import cycles, first_width, span_phases
from fleet.sim.power import mean_power, read_power
from fleet.sim.profiles import PHASES

MILLISECOND_US = 1000
NOBODY_PPM = PPM // 2
"""How much a line without other machines asks of its compressors."""

_TURN = np.array([row.LEVEL, row.START, row.PERIOD, row.DONE])


@dataclass(slots=True)
class _Part:
    """A cohort, and what of it is in force; arrays are (machines,)."""

    model: Model
    line: Ints  # number among the lines with followers; -1: on none
    power: Ints  # see mean_power; (0, states, 1) where nobody measures it
    busy: Ints  # 1: executes, and asks for air
    taken: Ints  # W
    own: Ints  # the plant's last rows, of followers only; (machines, width), at first (0, width)
    turn: Ints  # their _TURN, of compressors only


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """How a quantity of the lines changes: line by line in order of time, everything (changes,)."""

    line: Ints
    time_us: Ints
    value: Ints

    def last(self, before: Ints) -> Ints:
        """Give the value in force at the end, of lines that do not change the one *before*; (lines,)."""
        after = before.copy()
        after[self.line] = self.value  # of several changes the last one stays
        return after


@dataclass(frozen=True, slots=True, eq=False)
class _Merged:
    """The rows of a follower and those for the changes in its line, machine by machine in order of time.

    *change* is the place in the course of the change in force at each row, -1 for one before it.
    """

    rows: Ints
    first: Ints
    change: Ints


class Supply:
    """The followers of a plant, advanced with it."""

    def __init__(self, roster: Roster, built: Sequence[Model], *, start_us: int) -> None:
        following = [model for model in built if model.kind.follows]
        lines = np.unique(
            np.concatenate([roster.line[model.members] for model in following] or [np.zeros(0, np.int64)])
        )
        metered = np.zeros(len(lines), bool)
        for model in following:
            if model.kind.meter is not None:
                metered[np.searchsorted(lines, roster.line[model.members])] = True
        self._parts = [_part(model, roster.line[model.members], lines, metered) for model in built]
        self._asking, self.most_w = np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int64)
        for part in self._parts:
            here = part.line >= 0
            np.add.at(self._asking, part.line[here], int(_asks(part)))
            if len(part.power):
                np.add.at(self.most_w, part.line[here], part.power[here, State.EXECUTE, -1])
        self._busy, self._taken_w = np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int64)
        self._energy_mj, self._time_us = np.zeros(len(lines), np.int64), np.full(len(lines), start_us)

    def follow(self, fresh: list[Ints]) -> list[Ints]:
        """Give the new rows of every cohort, those of followers with what the lines add to them."""
        rows = list(fresh)
        if not len(self._busy):
            return rows
        busy = _course(
            [
                _changes(part.line, part.busy, rows[at], _executes(rows[at]))
                for at, part in self._on_lines()
                if _asks(part)
            ],
            self._busy,
        )
        for at, part in self._on_lines():
            if part.model.kind.receiver is not None:
                rows[at] = self._turns(part, part.model.kind.receiver, rows[at], busy)
        drawn = _course(
            [
                _changes(part.line, part.taken, rows[at], _takes(part, rows[at]))
                for at, part in self._on_lines()
                if len(part.power)
            ],
            self._taken_w,
        )
        energy = self._integrated(drawn)
        for at, part in self._on_lines():
            if part.model.kind.meter is not None:
                rows[at] = self._measured(part, rows[at], drawn, energy)
        self._busy, self._taken_w = busy.last(self._busy), drawn.last(self._taken_w)
        self._energy_mj = energy.last(self._energy_mj)
        self._time_us = _Course(drawn.line, drawn.time_us, drawn.time_us).last(self._time_us)
        return rows

    def _on_lines(self) -> Iterator[tuple[int, _Part]]:
        return ((at, part) for at, part in enumerate(self._parts) if (part.line >= 0).any())

    # ---- compressors

    def _turns(self, part: _Part, receiver: Receiver, fresh: Ints, busy: _Course) -> Ints:
        """Give a compressor's rows: its duty, and the turn of loaded and unloaded running that goes with it."""
        begun = len(part.own) > 0
        merged = _merge(part, fresh, busy)
        rows, first = merged.rows, merged.first
        machine = rows[:, row.MACHINE]
        asking, working = self._asking[part.line[machine]], _in_force(part, merged, busy, self._busy)
        share = np.where(asking > 0, working * PPM // np.maximum(asking, 1), NOBODY_PPM)
        least, most = round(receiver.least * PPM), round(receiver.most * PPM)
        rows[:, row.LEVEL] = least + (most - least) * share // PPM
        fill_us = np.array(spans_us(receiver.fill, part.model.parameters, len(part.line)), np.float64)
        duty = rows[:, row.LEVEL] / PPM
        rows[:, row.PERIOD] = np.rint(fill_us[machine] / (duty * (1.0 - duty))).astype(np.int64)
        met = first[:-1]
        if begun:
            rows[met[:, None], _TURN] = part.turn
        else:
            place = uniforms(keys(part.model.words, "receiver.turn"), np.zeros(1, np.int64))
            rows[met, row.START] = rows[met, row.TIME] - (place * rows[met, row.PERIOD]).astype(np.int64)
            rows[met, row.DONE] = 0
        _carry_turns(part.model, Spans(rows, first))
        part.turn = rows[(first[1:] - 1)[:, None], _TURN]
        return np.delete(rows, met, axis=0) if begun else rows

    # ---- meters

    def _integrated(self, drawn: _Course) -> _Course:
        """Integrate what the lines take up to each change, mJ."""
        time_ms = drawn.time_us // MILLISECOND_US
        starts = np.flatnonzero(np.diff(drawn.line, prepend=-1))
        held_w, since_ms = np.roll(drawn.value, 1), np.roll(time_ms, 1)
        held_w[starts] = self._taken_w[drawn.line[starts]]
        since_ms[starts] = self._time_us[drawn.line[starts]] // MILLISECOND_US
        energy = _summed(drawn.line, held_w * (time_ms - since_ms), self._energy_mj)
        return _Course(drawn.line, drawn.time_us, energy)

    def _measured(self, part: _Part, fresh: Ints, drawn: _Course, energy: _Course) -> Ints:
        """Give a meter's rows: the power of its line from each change on, and the energy up to it."""
        begun = len(part.own) > 0
        merged = _merge(part, fresh, drawn)
        rows = merged.rows
        power = _in_force(part, merged, drawn, self._taken_w)
        since_us = _in_force(part, merged, _Course(drawn.line, drawn.time_us, drawn.time_us), self._time_us)
        lasted_ms = rows[:, row.TIME] // MILLISECOND_US - since_us // MILLISECOND_US
        most = self.most_w[part.line[rows[:, row.MACHINE]]]
        rows[:, row.LEVEL] = power * PPM // np.maximum(most, 1)
        rows[:, row.POWER] = power
        rows[:, row.ENERGY] = _in_force(part, merged, energy, self._energy_mj) + power * lasted_ms
        return np.delete(rows, merged.first[:-1], axis=0) if begun else rows


def _part(model: Model, line: Ints, lines: Ints, metered: Bools) -> _Part:
    """Make ready the cohort *model*, whose machines stand on *line*."""
    followed = np.isin(line, lines)
    number = np.where(followed, np.searchsorted(lines, line), -1)
    measured = model.kind.electrical is not None and bool(metered[number[followed]].any())
    zeros = np.zeros(len(line), np.int64)
    own = np.zeros((0, width_of(model)), np.int64)
    power = mean_power(model) if measured else np.zeros((0, len(State), 1), np.int64)
    return _Part(
        model, number, power, busy=zeros.copy(), taken=zeros, own=own, turn=np.zeros((0, len(_TURN)), np.int64)
    )


def width_of(model: Model) -> int:
    """Say how many columns a cohort's rows have once followers are in them."""
    return FIXED + PER_MODE * len(model.rules.modes) + (row.OF_METER if model.kind.meter is not None else 0)


def _asks(part: _Part) -> bool:
    """Say whether machines of a cohort take compressed air: all that work by the plan."""
    return not part.model.kind.follows and not part.model.kind.always_on


def _executes(rows: Ints) -> Ints:
    executes: Bools = rows[:, row.STATE] == State.EXECUTE
    return executes.astype(np.int64)


def _takes(part: _Part, rows: Ints) -> Ints:
    return read_power(part.power, rows[:, row.MACHINE], rows[:, row.STATE], rows[:, row.LEVEL])


def _changes(line: Ints, held: Ints, rows: Ints, value: Ints) -> tuple[Ints, Ints, Ints]:
    """Find by how much *rows* change what their lines add up: lines, instants, differences; *held* is kept up."""
    here = np.flatnonzero(line[rows[:, row.MACHINE]] >= 0)
    here = here[np.argsort(rows[here, row.MACHINE], kind="stable")]
    machine, value = rows[here, row.MACHINE], value[here]
    before = np.roll(value, 1)
    starts = np.flatnonzero(np.diff(machine, prepend=-1))
    before[starts] = held[machine[starts]]
    held[machine] = value  # of several rows the last one stays
    return line[machine], rows[here, row.TIME], value - before


def _course(changes: Sequence[tuple[Ints, Ints, Ints]], before: Ints) -> _Course:
    """Add up *changes* of many machines to the course of each line; *before* is where it comes from, (lines,)."""
    nothing = (np.zeros(0, np.int64),) * 3
    line, time_us, amount = (np.concatenate(columns) for columns in zip(nothing, *changes, strict=True))
    order = np.lexsort((time_us, line))
    line, time_us, amount = line[order], time_us[order], amount[order]
    starts = np.flatnonzero((np.diff(line, prepend=-1) != 0) | (np.diff(time_us, prepend=-1) != 0))
    amount = np.add.reduceat(amount, starts) if len(starts) else amount
    moved = np.flatnonzero(amount)
    line, time_us, amount = line[starts][moved], time_us[starts][moved], amount[moved]
    return _Course(line, time_us, _summed(line, amount, before))


def _summed(line: Ints, amount: Ints, before: Ints) -> Ints:
    """Add up *amount* along each line, from what it was *before* (lines,)."""
    total = np.cumsum(amount)
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    count = np.diff(np.append(starts, len(line)))
    added: Ints = total - np.repeat(total[starts] - amount[starts], count)
    return before[line] + added


def _merge(part: _Part, fresh: Ints, course: _Course) -> _Merged:
    """Merge a follower's rows, those in force before and *fresh* ones, with copies for each change in its line.

    The first row of each machine is the one that was in force, but at the very start, when there is none.
    """
    own = np.concatenate([part.own, _widened(fresh, part.own.shape[1])])
    owner, change = _of_lines(course, part.line)
    machine = np.concatenate([own[:, row.MACHINE], owner])
    time_us = np.concatenate([own[:, row.TIME], course.time_us[change]])
    order = np.lexsort((np.arange(len(machine)) >= len(own), time_us, machine))
    machine, time_us, is_own = machine[order], time_us[order], order < len(own)
    place = np.arange(len(order))
    base = own[order[np.maximum.accumulate(np.where(is_own, place, 0))]]
    begins = np.searchsorted(machine, np.arange(len(part.line)))
    changed = np.maximum.accumulate(np.where(is_own, -1, place))
    there = changed >= begins[machine]
    in_force = np.full(len(order), -1)
    in_force[there] = change[order[changed[there]] - len(own)]
    rows = _moved(base, time_us)
    rows[~is_own, row.CAUSE] = row.SETPOINT
    kept = np.flatnonzero((np.diff(machine, append=-1) != 0) | (np.diff(time_us, append=-1) != 0))
    first = np.searchsorted(machine[kept], np.arange(len(part.line) + 1))
    part.own = base[np.append(begins[1:], len(order)) - 1]
    return _Merged(rows[kept], first, in_force[kept])


def _of_lines(course: _Course, line: Ints) -> tuple[Ints, Ints]:
    """Find the changes in each machine's *line*: the machine, and the place in the course."""
    first, stop = np.searchsorted(course.line, line), np.searchsorted(course.line, line, side="right")
    owner = np.repeat(np.arange(len(line)), stop - first)
    before = np.cumsum(stop - first) - (stop - first)
    return owner, np.arange(len(owner)) + (first - before)[owner]


def _widened(rows: Ints, width: int) -> Ints:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def _moved(rows: Ints, time_us: Ints) -> Ints:
    """Give *rows* as they would have been written at *time_us*, nothing having changed meanwhile."""
    moved = rows.copy()
    moved[:, row.TIME] = time_us
    ran_us = np.where(rows[:, row.STATE] == State.EXECUTE, time_us - rows[:, row.TIME], 0)
    for first in range(FIXED, FIXED + (rows.shape[1] - FIXED) // PER_MODE * PER_MODE, PER_MODE):
        moved[:, first + row.AGE] += ran_us * rows[:, first + row.RATE] // PPM
    return moved


def _in_force(part: _Part, merged: _Merged, course: _Course, before: Ints) -> Ints:
    """Give the value of *course* in force at each row; *before* (lines,) where no change is."""
    value = before[part.line[merged.rows[:, row.MACHINE]]]
    there = merged.change >= 0
    value[there] = course.value[merged.change[there]]
    return value


def _carry_turns(model: Model, spans: Spans) -> None:
    """Begin a new turn at every change of the duty, in place, so that the receiver's pressure does not jump.

    In rounds: everyone's first change, then everyone's second. A compressor that stands still stays where it is in
    its turn, and goes on from there.
    """
    assert model.cycle is not None, "a compressor turns"
    rows, stream = spans.rows, model.cycle.stream
    rank = np.arange(len(rows)) - spans.first[rows[:, row.MACHINE]]
    for round_ in range(1, int(rank.max(initial=0)) + 1):
        which = np.flatnonzero(rank == round_)
        before, now_us = rows[which - 1], rows[which, row.TIME]
        turned: Bools = before[:, row.STATE] == State.EXECUTE
        time_us = np.where(turned, now_us, before[:, row.TIME])
        phase = span_phases(before, time_us, model.cycle)
        assert phase is not None, "a compressor turns"
        at = (phase + 0.5) / PHASES
        start, period, done = (before[:, column] for column in (row.START, row.PERIOD, row.DONE))
        number, _ = cycles(time_us, start, period, done, model.cycle, stream[before[:, row.MACHINE]])
        old, new = before[:, row.LEVEL] / PPM, rows[which, row.LEVEL] / PPM
        at = np.where(at < old, at / old * new, 1.0 - (1.0 - at) / (1.0 - old) * (1.0 - new))
        steady = turned & (before[:, row.LEVEL] == rows[which, row.LEVEL])
        done = done + np.where(steady, 0, number.astype(np.int64))
        width = first_width(done, model.cycle, stream[before[:, row.MACHINE]])
        begun_us = now_us - np.rint(at * width * rows[which, row.PERIOD]).astype(np.int64)
        rows[which, row.START] = np.where(steady, start, begun_us)
        rows[which, row.DONE] = done

"""The plant: a SimPy model of what decides, never of a reading, a cycle or a part.

A machine is one process that sleeps until its next decision: a micro-stop, a failure, the end of
a shift, a buffer that becomes full or empty, a new setpoint. Each is an instant known in closed
form; only a neighbour's change can bring it forward. What happened stays behind as rows of state changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import simpy

from fleet.data import Bools, Ints, State, Words
from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.beginning import Beginning, begin, first_meetings
from fleet.sim.calendar import NEVER_US, Calendar
from fleet.sim.changes import FIXED, PER_MODE, PPM, Journal
from fleet.sim.flow import Buffer, Counts, blocked_us, has_room_us, holds_us, starved_us
from fleet.sim.lives import life_of
from fleet.sim.rules import (
    SET_GAP,
    SET_GAP_MIN,
    SET_GAP_RANGE,
    SET_LEVEL,
    STOP_GAP,
    STOP_SPAN,
    Rules,
    to_millisecond,
    to_second,
)

_STATES = tuple(State)
_AWAKE = NEVER_US + 1


class Line(NamedTuple):
    """What the machines of a line share."""

    calendar: Calendar
    crew: int  # index into the plant's crews; -1: none
    buffer: int  # parts between stations that have a cycle; 0: none


@dataclass(frozen=True, slots=True, eq=False)
class Stations:
    """Where the machines of a plant stand, in its order; arrays are (machines,)."""

    cohort: Ints  # index into the plant's cohorts
    index: Ints  # index into the cohort, ascending
    line: Ints  # index into the plant's lines
    island: Ints


class Met(NamedTuple):
    """How a machine was met at the start of the plant, and when it decides first."""

    cells: list[int]  # its first state change
    stop_left_us: int
    set_us: int
    until_us: int
    wake_us: int


class Machine:
    """One machine and its process."""

    __slots__ = (
        "_act", "_calendar", "_cause", "_changing", "_crew", "_draws", "_elapsed_us", "_env", "_fail_us",
        "_failing", "_index", "_journal", "_level_ppm", "_lives", "_mode", "_off_us", "_on_us", "_ordinal", "_process",
        "_rules", "_set_count", "_set_us", "_since_us", "_state", "_stop_count", "_stop_left_us", "_stop_us",
        "_until_us", "_wake_us", "above", "below", "counts",
    )  # fmt: skip

    def __init__(
        self,
        env: simpy.Environment,
        journal: Journal,
        rules: Rules,
        draws: Draws,
        calendar: Calendar,
        crew: simpy.Resource | None,
        met: Met,
    ) -> None:
        self._env, self._journal, self._rules, self._index = env, journal, rules, met.cells[row.MACHINE]
        self._draws, self._calendar, self._crew = draws, calendar, crew
        self.above: tuple[Machine, Buffer] | None = None
        self.below: tuple[Machine, Buffer] | None = None
        begun_us, cells = met.cells[row.TIME], met.cells
        self._state, self._cause, self._ordinal = _STATES[cells[row.STATE]], cells[row.CAUSE], 1
        self._level_ppm = cells[row.LEVEL]
        self._lives = [0] * len(rules.modes)
        self._mode = cells[FIXED:]
        self._elapsed_us = self._until_us = self._on_us = self._failing = self._stop_count = 0
        self._changing = -1
        self._off_us = self._stop_us = self._fail_us = NEVER_US
        self._stop_left_us, self._set_us, self._set_count = met.stop_left_us, met.set_us, int(met.set_us < NEVER_US)
        self._since_us = begun_us
        self.counts = Counts(period_us=cells[row.PERIOD])
        if self._state == State.EXECUTE:
            self._off_us = met.until_us
            self._run_from(begun_us)
        else:
            self._on_us = met.until_us
        self._act: Callable[[], None] = self._go_on
        self._wake_us = met.wake_us
        self._process = env.process(self._operate())

    # ---- draws, each by its ordinal

    def _stop_gap_us(self) -> int:
        return to_millisecond(self._rules.stop_every_us * self._draws.exponential(STOP_GAP, self._stop_count))

    def _draw_life(self, mode: int) -> None:
        """Draw a new life for failure *mode*, and when its damage begins to show."""
        law, life = self._rules.modes[mode], self._lives[mode]
        drawn = life_of(law.law, law.shape, self._draws.uniform(law.life_word, life))
        life_us = to_second(law.life_us[self._index] * drawn)
        low, high = law.onset
        onset_us = to_second(life_us * (low + (high - low) * self._draws.uniform(law.onset_word, life)))
        rate = law.rate_ppm(self._level_ppm)
        first = PER_MODE * mode
        self._mode[first : first + PER_MODE] = [0, life_us, min(onset_us, life_us), rate, 0, life]

    def _follow_setpoint(self) -> None:
        """Take the setpoint that the schedule has reached by now."""
        rules = self._rules
        if not rules.set_every_us:
            return
        now = self._env.now
        if self._set_us == NEVER_US:
            self._set_us = int(now)
        while self._set_us <= now:
            share = self._draws.uniform(SET_LEVEL, self._set_count)
            self._level_ppm = round((rules.set_from + (rules.set_to - rules.set_from) * share) * PPM)
            gap = SET_GAP_MIN + SET_GAP_RANGE * self._draws.uniform(SET_GAP, self._set_count)
            self._set_us += to_second(rules.set_every_us * gap)
            self._set_count += 1
        for mode, law in enumerate(rules.modes):
            self._mode[PER_MODE * mode + row.RATE] = law.rate_ppm(self._level_ppm)

    # ---- the process

    def _operate(self) -> Generator[simpy.Event, object, None]:
        """Sleep until the next decision, carry it out, for ever."""
        env = self._env
        while True:
            if self._state == State.ABORTED:
                yield from self._be_repaired()
            if not self._wake_us:  # at first it is known
                self._wake_us = self._decide_us()
            if self._wake_us > env.now:
                try:
                    yield env.timeout(self._wake_us - env.now)
                except simpy.Interrupt:  # poked: to decide anew
                    continue
                self._wake_us = 0
                if self._decide_us() > env.now:  # a neighbour put it off meanwhile
                    continue
            self._wake_us = 0
            self._act()

    def poke(self) -> None:
        """Reconsider after a neighbour's change; wake only if the next decision comes earlier."""
        if self._wake_us > self._env.now and self._decide_us() < self._wake_us:
            self._wake_us = 0
            self._process.interrupt()

    def _decide_us(self) -> int:
        """Find the next decision: the instant is returned, the deed is left in ``_act``."""
        state = self._state
        if state == State.EXECUTE:
            return self._decide_executing_us()
        if state == State.SUSPENDED:
            ready = self._ready_us()
            self._act = self._go_on
            return min(ready, self._off_us)
        self._act = self._go_on
        return self._until_us if state == State.HELD else self._on_us

    def _decide_executing_us(self) -> int:
        now = int(self._env.now)
        when, self._act = self._off_us, self._go_on
        if self._stop_us < when:
            when, self._act = self._stop_us, self._pause
        if self._fail_us < when:
            when, self._act = self._fail_us, self._fail
        if self._set_us < when:
            when, self._act = self._set_us, self._change_level
        if self.above is not None:
            starved = starved_us(self.above[1], now)
            if starved <= when:
                when, self._act = starved, self._starve
        if self.below is not None:
            blocked = blocked_us(self.below[1], now)
            if blocked <= when:
                when, self._act = blocked, self._block
        return when

    def _ready_us(self) -> int:
        """Say when both neighbouring buffers allow the next cycle."""
        now = int(self._env.now)
        ready = now
        if self.above is not None and not self.counts.inside:
            buffer = self.above[1]
            ready = holds_us(buffer, buffer.restart if self._cause == row.STARVED else 1, now)
        if self.below is not None:
            buffer = self.below[1]
            ready = max(ready, has_room_us(buffer, buffer.restart if self._cause == row.BLOCKED else 1, now))
        return ready

    # ---- deeds: each ends in a state change

    def _go_on(self) -> None:
        """Leave a pause, or begin: to whichever state the shift and the buffers allow now."""
        now = int(self._env.now)
        if self._state == State.EXECUTE:
            self._leave_execute(inside=1)
        if self._changing >= 0:
            self._renew(self._changing)
            self._changing = -1
        on, until = self._calendar.at(now)
        if not on:
            self._on_us = until
            self._change(State.STOPPED, row.SHIFT)
            return
        self._off_us = until
        if self._ready_us() > now:
            starving = self.above is not None and not self.counts.inside and self.above[1].level_at(now) < 1
            self._change(State.SUSPENDED, row.STARVED if starving else row.BLOCKED)
            return
        self._execute()

    def _execute(self) -> None:
        now = int(self._env.now)
        cause = row.REPAIRED if self._state == State.ABORTED else row.BY_PLAN
        self._follow_setpoint()
        self._run_from(now)
        self._change(State.EXECUTE, cause)

    def _run_from(self, now: int) -> None:
        """Let what runs only while executing run: the time to the next micro-stop, wear, the cycle."""
        self._since_us = now
        self._stop_us = now + self._stop_left_us
        self._fail_us = NEVER_US
        self._foresee_failure(now)
        if self._rules.period_us is not None:
            counts = self.counts
            counts.running, counts.inside = True, 1
            counts.start_us, self._elapsed_us = now - self._elapsed_us, 0

    def _foresee_failure(self, now: int) -> None:
        """Find which mode's life ends first, and when, if the machine ran on as it does."""
        self._fail_us, cells = NEVER_US, self._mode
        for mode in range(len(self._lives)):
            first = PER_MODE * mode
            left = cells[first + row.LIFE] - cells[first + row.AGE]
            fail_us = now - (-left * PPM // cells[first + row.RATE])
            if fail_us < self._fail_us:
                self._fail_us, self._failing = fail_us, mode

    def _grow_older(self, ran_us: int) -> None:
        """Let all that wears age by a running time of *ran_us*."""
        cells = self._mode
        for first in range(0, len(cells), PER_MODE):
            cells[first + row.AGE] += ran_us * cells[first + row.RATE] // PPM

    def _leave_execute(self, *, inside: int) -> None:
        """Freeze what runs only while executing: wear, the time to the next micro-stop, the cycle."""
        now = int(self._env.now)
        ran = now - self._since_us
        self._since_us = now
        self._stop_left_us -= ran if self._rules.stop_every_us else 0
        self._grow_older(ran)
        counts = self.counts
        if counts.running:
            self._elapsed_us = (now - counts.start_us) % counts.period_us
            counts.done, counts.running, counts.inside = counts.done_at(now), False, inside

    def _pause(self) -> None:
        self._leave_execute(inside=1)
        span = self._rules.stop_lasts_us * self._draws.lognormal(STOP_SPAN, self._stop_count, self._rules.stop_sigma)
        self._stop_count += 1
        self._stop_left_us = self._stop_gap_us()
        self._until_us = int(self._env.now) + to_millisecond(span)
        self._change(State.HELD, row.MICRO_STOP)

    def _fail(self) -> None:
        self._leave_execute(inside=1)
        law = self._rules.modes[self._failing]
        if law.fails:
            self._change(State.ABORTED, len(row.CAUSES) + self._failing)
            return
        self._changing = self._failing
        self._until_us = int(self._env.now) + self._repair_us(self._failing)
        self._change(State.HELD, len(row.CAUSES) + self._failing)

    def _starve(self) -> None:
        self._leave_execute(inside=0)
        self._change(State.SUSPENDED, row.STARVED)

    def _block(self) -> None:
        just_begun = self.counts.start_us == self._env.now  # room was made and taken back in one instant
        self._leave_execute(inside=int(just_begun))
        self._change(State.SUSPENDED, row.BLOCKED)

    def _change_level(self) -> None:
        now = int(self._env.now)
        self._grow_older(now - self._since_us)
        self._follow_setpoint()
        if self._rules.stop_every_us:
            self._stop_left_us -= now - self._since_us
        self._since_us = now
        self._foresee_failure(now)
        self._write(now, row.SETPOINT)

    def _be_repaired(self) -> Generator[simpy.Event, object, None]:
        """Queue for the crew, be repaired, go on with a new life."""
        mode = self._failing
        repair = self._env.timeout
        if self._crew is None:
            self._change(State.ABORTED, row.REPAIR)
            yield repair(self._repair_us(mode))
        else:
            with self._crew.request() as turn:
                yield turn
                self._change(State.ABORTED, row.REPAIR)
                yield repair(self._repair_us(mode))
        self._renew(mode)
        self._go_on()

    def _repair_us(self, mode: int) -> int:
        """Draw how long the work at the end of this life takes."""
        law = self._rules.modes[mode]
        factor = self._draws.lognormal(law.repair_word, self._lives[mode], law.repair_sigma)
        return to_second(law.repair_us[self._index] * factor)

    def _renew(self, mode: int) -> None:
        self._lives[mode] += 1
        self._draw_life(mode)

    # ---- what is left behind

    def _change(self, state: State, cause: int) -> None:
        ran_before, self._state, self._cause = self._state == State.EXECUTE, state, cause
        self._write(int(self._env.now), cause)
        self._ordinal += 1
        if ran_before != (state == State.EXECUTE):
            if self.above is not None:
                self.above[0].poke()
            if self.below is not None:
                self.below[0].poke()

    def _write(self, now: int, cause: int) -> None:
        counts = self.counts
        start = counts.start_us if counts.running else now - self._elapsed_us
        self._journal.append(
            (self._index, now, self._state, cause, self._level_ppm, start, counts.period_us, counts.done,
             self._ordinal, *self._mode)
        )  # fmt: skip


class Plant:
    """All islands of one worker in one SimPy environment; machines of different islands never meet.

    An island sleeps until the first decision of any of its machines: until then it is a few columns.
    """

    def __init__(
        self,
        start_us: int,
        cohorts: Sequence[tuple[Rules, Words]],
        stations: Stations,
        lines: Sequence[Line],
        crews: Sequence[int],
    ) -> None:
        self._env = simpy.Environment(initial_time=start_us)
        self._cohorts, self._stations, self._lines = cohorts, stations, lines
        self._crew_sizes = crews
        self._crews: dict[int, simpy.Resource] = {}
        self._journals = [Journal(len(rules.modes)) for rules, _ in cohorts]
        on, until_us = _shifts_at(lines, start_us)
        self._begun: list[Beginning] = []
        self._wake_us = np.full(len(stations.line), NEVER_US)
        period_us = np.zeros(len(stations.line), np.int64)
        for place, (rules, words) in enumerate(cohorts):
            here = stations.cohort == place
            line = stations.line[here]
            begun = begin(rules, words, on=on[line], until_us=until_us[line], start_us=start_us)
            self._begun.append(begun)
            self._journals[place].extend(begun.rows)
            self._wake_us[here] = begun.decision_us
            if rules.period_us is not None:
                period_us[here] = rules.period_us
        capacity = np.array([line.buffer for line in lines], np.int64)[stations.line]
        self._joined = (capacity > 0) & (period_us > 0)
        met = np.flatnonzero(self._joined & on[stations.line])
        meeting_us = first_meetings(period_us[met], capacity[met], stations.line[met], start_us)
        self._wake_us[met] = np.minimum(self._wake_us[met], meeting_us)
        rouse_us = np.full(stations.island.max(initial=0) + 1, NEVER_US)
        np.minimum.at(rouse_us, stations.island, self._wake_us)
        self._rouse_us = rouse_us[stations.island]

    def advance(self, stop_us: int) -> list[Ints]:
        """Run to just before *stop_us* and hand over each cohort's new rows, in order of time."""
        self.rouse(stop_us)
        self._env.run(until=stop_us)
        return [journal.take() for journal in self._journals]

    def rouse(self, until_us: int) -> tuple[list[Machine], list[Buffer]]:
        """Wake the islands in which something is decided at *until_us* at the latest; machines and buffers in order.

        A first decision is always yet to come when its machine wakes, also where one advance ends with it. All
        machines of an island wake at once and in order, so that what they decide for the same instant happens in
        the same order whenever that was.
        """
        roused = np.flatnonzero(self._rouse_us <= until_us)
        self._rouse_us[roused] = _AWAKE
        machines: list[Machine] = []
        buffers: list[Buffer] = []
        before: tuple[int, Machine] | None = None
        for place, line in zip(roused.tolist(), self._stations.line[roused].tolist(), strict=True):
            machine = self._machine(place, self._lines[line])
            machines.append(machine)
            if self._joined[place]:
                if before is not None and before[0] == line:
                    buffers.append(chain(before[1], machine, self._lines[line].buffer))
                before = (line, machine)
        return machines, buffers

    def _machine(self, place: int, line: Line) -> Machine:
        """Set up the machine at *place* as it was met at the start."""
        cohort, index = int(self._stations.cohort[place]), int(self._stations.index[place])
        rules, words = self._cohorts[cohort]
        begun = self._begun[cohort]
        met = Met(
            cells=begun.rows[index].tolist(),
            stop_left_us=int(begun.stop_left_us[index]),
            set_us=int(begun.set_us[index]),
            until_us=int(begun.until_us[index]),
            wake_us=int(self._wake_us[place]),
        )
        crew = None if line.crew < 0 else self._crew(line.crew)
        return Machine(self._env, self._journals[cohort], rules, Draws(int(words[index])), line.calendar, crew, met)

    def _crew(self, number: int) -> simpy.Resource:
        """Hire a crew when it is first needed; it repairs first come, first served."""
        if number not in self._crews:
            self._crews[number] = simpy.Resource(self._env, self._crew_sizes[number])
        return self._crews[number]


def _shifts_at(lines: Sequence[Line], time_us: int) -> tuple[Bools, Ints]:
    """Say of each line whether it is on at *time_us*, and until when."""
    known = {id(line.calendar): line.calendar.at(time_us) for line in lines}
    shifts = [known[id(line.calendar)] for line in lines]
    return np.array([on for on, _ in shifts], bool), np.array([until_us for _, until_us in shifts], np.int64)


def chain(above: Machine, below: Machine, capacity: int) -> Buffer:
    """Put a half-full buffer for *capacity* parts between two machines."""
    buffer = Buffer(capacity, capacity // 2, above.counts, below.counts)
    above.below, below.above = (below, buffer), (above, buffer)
    return buffer

"""One machine as a SimPy process that sleeps until its next decision.

That is a micro-stop, a failure, the end of a shift or of a lot, a buffer that becomes full or empty, a bad part,
planned work, a new setpoint. Each is an instant known in closed form; only a neighbour's change can bring it
forward. What happened stays behind as rows of state changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import NamedTuple

import simpy

from fleet.data import State
from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.calendar import NEVER_US, Calendar
from fleet.sim.changes import FIXED, PER_MODE, PPM, Journal
from fleet.sim.damage import age_at, level_of
from fleet.sim.flow import Buffer, Counts, blocked_us, has_room_us, holds_us, starved_us
from fleet.sim.lives import life_of
from fleet.sim.lots import ANYTHING, Lots, period_of, stretched
from fleet.sim.rules import (
    RAMP_CYCLES,
    RAMP_MAX,
    RAMP_MIN,
    SCRAP_GAP,
    SET_GAP,
    SET_GAP_MIN,
    SET_GAP_RANGE,
    SET_LEVEL,
    SETUP_SPAN,
    STOP_GAP,
    STOP_SPAN,
    Rules,
    scrap_gap,
    to_millisecond,
    to_second,
)
from fleet.sim.work import INSPECTION, LEAD, NO_POLICY, PLANNED_SPAN, Policy, Shelf

_STATES = tuple(State)


class Met(NamedTuple):
    """How a machine was met at the start of the plant, and when it decides first."""

    cells: list[int]  # its first state change
    stop_left_us: int
    set_us: int
    until_us: int
    next_scrap: int
    wake_us: int


class Around(NamedTuple):
    """What a machine shares with others."""

    calendar: Calendar
    crew: simpy.Resource | None
    lots: Lots | None
    scrap: float  # share of bad parts
    policy: Policy
    shelves: tuple[Shelf | None, ...]  # of spare parts, one a failure mode; none where the policy knows no parts


class _Job(NamedTuple):
    """Work on a machine: on which failure mode, and whether before it failed."""

    mode: int
    planned: bool


class Machine:
    """One machine and its process."""

    __slots__ = (
        "_act", "_around", "_cause", "_changing", "_cold", "_covered", "_draws", "_due_us", "_elapsed_us", "_env",
        "_fail_us", "_failing", "_index", "_inspected_us", "_job", "_journal", "_level_ppm", "_lives", "_lot",
        "_lot_end", "_make", "_mode", "_off_us", "_on_us", "_ordinal", "_part_us", "_plan_us", "_planned",
        "_planned_count", "_process", "_ramp_count", "_ramp_end", "_repaired", "_rules", "_scrap_count", "_set_count",
        "_set_us", "_setpoint_ppm", "_setup_count", "_setup_us", "_since_us", "_state", "_stop_count", "_stop_left_us",
        "_stop_us", "_told", "_until_us", "_wake_us", "_wanted_us", "above", "below", "counts",
    )  # fmt: skip

    def __init__(
        self, env: simpy.Environment, journal: Journal, rules: Rules, draws: Draws, around: Around, met: Met
    ) -> None:
        cells = met.cells
        self._env, self._journal, self._rules, self._index = env, journal, rules, cells[row.MACHINE]
        self._draws, self._around = draws, around
        self.above: tuple[Machine, Buffer] | None = None
        self.below: tuple[Machine, Buffer] | None = None
        begun_us, modes = cells[row.TIME], len(rules.modes)
        self._state, self._cause, self._ordinal = _STATES[cells[row.STATE]], cells[row.CAUSE], 1
        self._lives = [0] * modes
        self._mode = cells[FIXED:]
        self._elapsed_us = begun_us - cells[row.START]
        self._until_us = self._on_us = self._failing = self._stop_count = 0
        self._off_us = self._stop_us = self._fail_us = NEVER_US
        self._stop_left_us, self._set_us, self._set_count = met.stop_left_us, met.set_us, int(met.set_us < NEVER_US)
        self._since_us = begun_us
        self._changing, self._repaired = -1, False
        self._job: _Job | None = None
        self.counts = Counts(period_us=cells[row.PERIOD], next_scrap=met.next_scrap)
        self._scrap_count, self._ramp_end, self._ramp_count = 1, 0, 0
        self._cold = self._state in _RESTARTS
        self._begin_lots(cells)
        self._begin_plans(begun_us)
        if self._state == State.EXECUTE:
            self._off_us = met.until_us
            self._run_from(begun_us)
        else:
            self._on_us = met.until_us
        self._act: Callable[[], None] = self._go_on
        self._wake_us = met.wake_us
        self._process = env.process(self._operate())

    def _begin_lots(self, cells: list[int]) -> None:
        """Take up the first lot; who stands behind a buffer is told by the one above where it ends."""
        lots = self._around.lots
        self._lot = self._setup_us = self._setup_count = 0
        self._level_ppm = self._setpoint_ppm = cells[row.LEVEL]
        self._make, self._lot_end, self._told = ANYTHING, NEVER_US, _NOTHING_TOLD
        if lots is not None and self._rules.period_us is not None:
            self._make, self._lot_end, self._told = lots.product(0), lots.size(0), deque()
            self._setpoint_ppm = self._setpoint_at(0) if self._rules.set_every_us and self._set_count else PPM

    def _begin_plans(self, now: int) -> None:
        """Find at which ages work will be wanted."""
        policy, modes = self._around.policy, self._rules.modes
        self._plan_us, self._planned, self._planned_count, self._inspected_us = NEVER_US, -1, 0, 0
        self._covered: tuple[int, ...] = ()
        self._wanted_us = self._due_us = self._part_us = _NOTHING_PLANNED
        if policy is NO_POLICY:
            return
        self._wanted_us, self._due_us, self._part_us = ([NEVER_US] * len(modes) for _ in range(3))
        if policy.plans:
            self._covered = tuple(number for number, mode in enumerate(modes) if policy.covers(mode.name))
            self._inspected_us = round(self._draws.uniform(INSPECTION, 0) * policy.inspected_us)
        for mode in self._covered:
            self._want(mode)

    # ---- draws, each by its ordinal

    def _stop_gap_us(self) -> int:
        return to_millisecond(self._rules.stop_every_us * self._draws.exponential(STOP_GAP, self._stop_count))

    def _draw_life(self, mode: int, *, age_us: int, left_ppm: int) -> None:
        """Draw a new life for failure *mode*, given what the last one left, and when its damage begins to grow."""
        law, life = self._rules.modes[mode], self._lives[mode]
        scale_us = law.life_us[self._index]
        drawn = life_of(law.law, law.shape, self._draws.uniform(law.life_word, life), age_us / scale_us)
        life_us = max(to_second(scale_us * drawn), age_us + SECOND_LEFT_US if age_us else 0)
        low, high = law.onset
        share = low + (high - low) * self._draws.uniform(law.onset_word, life)
        onset_us = age_us + to_second((life_us - age_us) * share)
        rate = law.rate_ppm(self._level_ppm)
        first = PER_MODE * mode
        self._mode[first : first + PER_MODE] = [age_us, life_us, min(onset_us, life_us), rate, left_ppm, life]

    def _setpoint_at(self, ordinal: int) -> int:
        rules = self._rules
        share = self._draws.uniform(SET_LEVEL, ordinal)
        return round((rules.set_from + (rules.set_to - rules.set_from) * share) * PPM)

    def _follow_setpoint(self) -> None:
        """Take the setpoint that the schedule has reached by now, and what the product makes of it."""
        rules = self._rules
        if rules.set_every_us:
            now = self._env.now
            if self._set_us == NEVER_US:
                self._set_us = int(now)
            while self._set_us <= now:
                self._setpoint_ppm = self._setpoint_at(self._set_count)
                gap = SET_GAP_MIN + SET_GAP_RANGE * self._draws.uniform(SET_GAP, self._set_count)
                self._set_us += to_second(rules.set_every_us * gap)
                self._set_count += 1
        self._level_ppm = round(self._setpoint_ppm * self._make.level)
        for mode, law in enumerate(rules.modes):
            if law.taylor:
                self._mode[PER_MODE * mode + row.RATE] = law.rate_ppm(self._level_ppm)

    def _repair_us(self, mode: int) -> int:
        """Draw how long the work at the end of this life takes."""
        law = self._rules.modes[mode]
        factor = self._draws.lognormal(law.repair_word, self._lives[mode], law.repair_sigma)
        return to_second(law.repair_us[self._index] * factor)

    # ---- the process

    def _operate(self) -> Generator[simpy.Event, object, None]:
        """Sleep until the next decision, carry it out, for ever."""
        env = self._env
        while True:
            while self._job is not None:
                yield from self._be_worked_on(self._job)
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

    def _poke_neighbours(self) -> None:
        if self.above is not None:
            self.above[0].poke()
        if self.below is not None:
            self.below[0].poke()

    def _decide_us(self) -> int:
        """Find the next decision: the instant is returned, the deed is left in ``_act``."""
        state = self._state
        if state == State.EXECUTE:
            return self._decide_executing_us()
        self._act = self._go_on
        if state == State.SUSPENDED:
            if self._lot_is_over():
                return int(self._env.now)
            return min(self._ready_us(), self._off_us)
        return self._on_us if state == State.STOPPED else self._until_us

    def _decide_executing_us(self) -> int:
        """Find what happens first; of what falls into one instant, what is looked at last here happens first."""
        now, counts = int(self._env.now), self.counts
        when, self._act = self._off_us, self._go_on
        if self._stop_us < when:
            when, self._act = self._stop_us, self._pause
        if self._fail_us < when:
            when, self._act = self._fail_us, self._wear_out
        if self._plan_us < when:
            when, self._act = max(self._plan_us, now), self._begin_planned
        if self._set_us < when:
            when, self._act = self._set_us, self._change_level
        if not counts.running:
            return when
        if counts.done < self._ramp_end and (at_speed_us := counts.end_us(self._ramp_end)) < when:
            when, self._act = at_speed_us, self._reach_speed
        lot_us, is_last = counts.end_us(self._lot_end), False
        if lot_us < NEVER_US and lot_us <= when:
            is_last = self._next_make() is not self._make
            if lot_us < when and not is_last:
                when, self._act = lot_us, self._end_lot
        if self.above is not None:
            starved = starved_us(self.above[1], now)
            if starved <= when:
                when, self._act = starved, self._starve
        if self.below is not None:
            blocked = blocked_us(self.below[1], now)
            if blocked <= when:
                when, self._act = blocked, self._block
        if is_last and lot_us <= when:
            when, self._act = lot_us, self._change_over
        bad_us = counts.end_us(counts.next_scrap)
        if bad_us < NEVER_US and bad_us <= when:
            when, self._act = bad_us, self._scrap
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
        """Leave a pause, or begin: to whichever state the shift, the lot and the buffers allow now."""
        now = int(self._env.now)
        if self._state == State.EXECUTE:
            self._leave_execute(inside=1)
        if self._changing >= 0:
            self._renew(self._changing, planned=False)
            self._changing = -1
        while self._lot_is_over():
            self._take_next_lot()
        on, until = self._around.calendar.at(now)
        if not on:
            self._on_us = until
            self._job = self._work_for_gap(now, until)
            if self._job is None:
                self._change(State.STOPPED, row.REPAIRED if self._repaired else row.SHIFT)
                self._repaired = False
            return
        self._off_us = until
        if self._setup_us:
            self._until_us, self._setup_us = now + self._setup_us, 0
            self._follow_setpoint()
            self._change(State.IDLE, row.CHANGEOVER)
        elif self._ready_us() > now:
            starving = self.above is not None and not self.counts.inside and self.above[1].level_at(now) < 1
            self._change(State.SUSPENDED, row.STARVED if starving else row.BLOCKED)
        else:
            self._execute(now)

    def _execute(self, now: int) -> None:
        cause = row.REPAIRED if self._repaired else row.BY_PLAN
        self._repaired = False
        self._follow_setpoint()
        if self._rules.period_us is not None:
            self._set_pace(self._rules.period_us[self._index])
        self._run_from(now)
        self._change(State.EXECUTE, cause)

    def _set_pace(self, own_us: int) -> None:
        """Choose the period: the product's, longer for some cycles after a restart."""
        counts, rules = self.counts, self._rules
        counts.period_us = period_of(self._make, own_us)
        if self._cold and rules.ramp:
            cycles = RAMP_MIN + int((RAMP_MAX + 1 - RAMP_MIN) * self._draws.uniform(RAMP_CYCLES, self._ramp_count))
            self._ramp_count += 1
            self._ramp_end = counts.done + cycles
        self._cold = False
        if counts.done < self._ramp_end:
            counts.period_us = stretched(counts.period_us, 1.0 + rules.ramp)

    def _run_from(self, now: int) -> None:
        """Let what runs only while executing run: the time to the next micro-stop, wear, the cycle."""
        self._since_us = now
        self._stop_us = now + self._stop_left_us
        self._foresee(now)
        if self._rules.period_us is not None:
            counts = self.counts
            counts.running, counts.inside = True, 1
            counts.start_us, self._elapsed_us = now - self._elapsed_us, 0

    def _foresee(self, now: int) -> None:
        """Find which mode's life ends first, and when, if the machine runs on as it does; and planned work."""
        self._fail_us = self._plan_us = NEVER_US
        cells = self._mode
        for mode in range(len(self._lives)):
            first = PER_MODE * mode
            left, rate = cells[first + row.LIFE] - cells[first + row.AGE], cells[first + row.RATE]
            fail_us = now + _running_us(left, rate)
            if fail_us < self._fail_us:
                self._fail_us, self._failing = fail_us, mode
        if self._around.calendar.edges_us:  # work waits for a gap
            return
        for mode in self._covered:
            first = PER_MODE * mode
            plan_us = self._due_us[mode]
            if plan_us == NEVER_US:
                left = self._wanted_us[mode] - cells[first + row.AGE]
                plan_us = self._inspection_us(now + _running_us(max(left, 0), cells[first + row.RATE]))
            if plan_us < self._plan_us:
                self._plan_us, self._planned = plan_us, mode

    def _grow_older(self, now: int) -> None:
        """Let all that wears age by the time it ran since it last did, and note what work is due by that."""
        ran_us, cells = now - self._since_us, self._mode
        for first in range(0, len(cells), PER_MODE):
            cells[first + row.AGE] += ran_us * cells[first + row.RATE] // PPM
        for mode in self._covered:
            first = PER_MODE * mode
            over = cells[first + row.AGE] - self._wanted_us[mode]
            if over >= 0 and self._due_us[mode] == NEVER_US:
                self._due_us[mode] = self._inspection_us(now - _running_us(over, cells[first + row.RATE]))
        if self._rules.stop_every_us:
            self._stop_left_us -= ran_us
        self._since_us = now

    def _leave_execute(self, *, inside: int) -> None:
        """Freeze what runs only while executing: wear, the time to the next micro-stop, the cycle."""
        now = int(self._env.now)
        self._grow_older(now)
        counts = self.counts
        if counts.running:
            self._elapsed_us = (now - counts.start_us) % counts.period_us
            counts.done, counts.running, counts.inside = counts.done_at(now), False, inside
            assert counts.done < counts.next_scrap, "a bad part is counted before anything else of its instant"

    def _pause(self) -> None:
        self._leave_execute(inside=1)
        span = self._rules.stop_lasts_us * self._draws.lognormal(STOP_SPAN, self._stop_count, self._rules.stop_sigma)
        self._stop_count += 1
        self._stop_left_us = self._stop_gap_us()
        self._until_us = int(self._env.now) + to_millisecond(span)
        self._change(State.HELD, row.MICRO_STOP)

    def _wear_out(self) -> None:
        """Fail, or stand still for a change of what is worn out."""
        self._leave_execute(inside=1)
        mode = self._failing
        if self._rules.modes[mode].fails:
            self._job = _Job(mode, planned=False)
            self._change(State.ABORTED, len(row.CAUSES) + mode)
            return
        self._changing = mode
        self._until_us = int(self._env.now) + self._repair_us(mode)
        self._change(State.HELD, len(row.CAUSES) + mode)

    def _starve(self) -> None:
        self._leave_execute(inside=0)
        self._change(State.SUSPENDED, row.STARVED)

    def _block(self) -> None:
        just_begun = self.counts.start_us == self._env.now  # room was made and taken back in one instant
        self._leave_execute(inside=int(just_begun))
        self._change(State.SUSPENDED, row.BLOCKED)

    def _change_level(self) -> None:
        now = int(self._env.now)
        self._grow_older(now)
        self._follow_setpoint()
        self._foresee(now)
        self._write(now, row.SETPOINT)

    def _scrap(self) -> None:
        """Take out a bad part: who waits for parts has one less to come."""
        counts = self.counts
        counts.scrap += 1
        counts.next_scrap += scrap_gap(self._around.scrap, self._draws.uniform(SCRAP_GAP, self._scrap_count))
        self._scrap_count += 1
        if self.below is not None:
            self.below[0].poke()

    def _reach_speed(self) -> None:
        """End the ramp after a restart."""
        assert self._rules.period_us is not None, "only what has a cycle has a ramp"
        self._begin_cycle()
        self.counts.period_us = period_of(self._make, self._rules.period_us[self._index])
        self._write(int(self._env.now), row.AT_SPEED)
        self._poke_neighbours()

    def _begin_cycle(self) -> None:
        """Let the cycle that begins now be the first of those that are counted from."""
        now = int(self._env.now)
        self._grow_older(now)
        self.counts.done, self.counts.start_us = self.counts.done_at(now), now

    # ---- lots

    def _next_make(self) -> object:
        assert self._around.lots is not None, "who ends lots has some"
        return self._around.lots.product(self._lot + 1)

    def _lot_is_over(self) -> bool:
        """Tell whether all parts of the lot are made, by a machine that stands still."""
        return self.counts.done >= self._lot_end

    def _end_lot(self) -> None:
        """Go on with another lot of the same product."""
        self._begin_cycle()
        self._take_next_lot()
        self._write(int(self._env.now), row.LOT_ENDED)
        self._ordinal += 1

    def _change_over(self) -> None:
        self._leave_execute(inside=0)
        self._go_on()

    def _take_next_lot(self) -> None:
        """Take up the next lot, tell the machine below where this one ends, and plan to set up where that must be."""
        lots, counts = self._around.lots, self.counts
        assert lots is not None, "who ends lots has some"
        if self.below is not None:
            machine, buffer = self.below
            machine.tell(buffer.initial + counts.done - counts.scrap)
        self._lot += 1
        make = lots.product(self._lot)
        if make is not self._make:
            factor = self._draws.lognormal(SETUP_SPAN, self._setup_count, lots.setup_sigma)
            self._setup_us, self._make = to_second(lots.setup_us * factor), make
            self._setup_count += 1
        if self.above is None:
            self._lot_end += lots.size(self._lot)
        else:
            self._lot_end = self._told.popleft() if self._told else NEVER_US

    def await_lots(self) -> None:
        """Learn where lots end from the machine above."""
        self._lot_end = NEVER_US

    def tell(self, parts: int) -> None:
        """Learn from the machine above that its lot is over: it ends here with so many *parts* done."""
        if self._lot_end == NEVER_US:
            self._lot_end = parts
            self.poke()
        else:
            self._told.append(parts)

    # ---- work

    def _want(self, mode: int) -> None:
        """Find the age at which work on *mode* is wanted in its new life."""
        policy, first = self._around.policy, PER_MODE * mode
        cells = self._mode[first : first + PER_MODE]
        law = self._rules.modes[mode]
        if policy.above:
            self._wanted_us[mode] = age_at(law, self._draws.word, cells, policy.above)
        elif self._lives[mode]:
            self._wanted_us[mode] = cells[row.AGE] + policy.by_age_us
        else:
            self._wanted_us[mode] = policy.by_age_us
        self._due_us[mode] = NEVER_US

    def _inspection_us(self, time_us: int) -> int:
        return self._around.policy.inspection_us(time_us, self._inspected_us)

    def _part_ready_us(self, mode: int, now: int) -> int:
        """Take a spare part for *mode* from the shelf, if that was not done, and say when it is there."""
        parts = self._around.policy.parts
        shelf = None if parts is None else self._around.shelves[mode]
        if shelf is None or parts is None:
            return now
        if self._part_us[mode] == NEVER_US:
            lead_us = parts.lead_of(self._draws, LEAD ^ self._rules.modes[mode].life_word, self._lives[mode])
            self._part_us[mode] = shelf.take(now, lead_us)
        return self._part_us[mode]

    def _work_for_gap(self, now: int, until: int) -> _Job | None:
        """Choose the work that is due, whose part is there, and for which the gap *until* then is long enough."""
        policy = self._around.policy
        if until - now < min(policy.takes_us, self._around.calendar.longest_gap_us):
            return None
        for mode in self._covered:
            if self._due_us[mode] <= now and self._part_ready_us(mode, now) <= now:
                return _Job(mode, planned=True)
        return None

    def _begin_planned(self) -> None:
        """Stop for planned work, or run on until the part for it is there."""
        now, mode = int(self._env.now), self._planned
        ready_us = self._part_ready_us(mode, now)
        if ready_us > now:
            self._due_us[mode] = ready_us
            self._grow_older(now)
            self._foresee(now)
            return
        self._leave_execute(inside=1)
        self._job = _Job(mode, planned=True)

    def _be_worked_on(self, job: _Job) -> Generator[simpy.Event, object, None]:
        """Wait for a part and for the crew, have the work done, go on with a new life."""
        env, crew = self._env, self._around.crew
        state = State.STOPPED if job.planned else State.ABORTED
        wait_us = self._part_ready_us(job.mode, int(env.now)) - int(env.now)
        if wait_us > 0:
            self._change(state, row.WAITING_FOR_PART)
            yield env.timeout(wait_us)
        if crew is None:
            yield self._work(job, state)
            self._finish(job)
            return
        with crew.request() as turn:
            if not turn.triggered:
                self._change(state, row.WAITING_FOR_CREW)
            if job.planned and self._around.calendar.edges_us:
                yield turn | env.timeout(max(self._on_us - int(env.now), 0))
            else:
                yield turn
            if not turn.triggered:  # the shift begins: it is put off to the next gap
                self._job = None
                self._go_on()
                return
            yield self._work(job, state)
        self._finish(job)

    def _work(self, job: _Job, state: State) -> simpy.Timeout:
        if not job.planned:
            self._change(state, row.REPAIR)
            return self._env.timeout(self._repair_us(job.mode))
        self._change(state, row.PLANNED)
        policy = self._around.policy
        factor = self._draws.lognormal(PLANNED_SPAN, self._planned_count, policy.sigma)
        self._planned_count += 1
        return self._env.timeout(to_second(policy.takes_us * factor))

    def _finish(self, job: _Job) -> None:
        self._renew(job.mode, planned=job.planned)
        self._job, self._repaired = None, True
        self._go_on()

    def _renew(self, mode: int, *, planned: bool) -> None:
        """Begin a new life of *mode*, as good as new or as the policy leaves it."""
        policy, law, first = self._around.policy, self._rules.modes[mode], PER_MODE * mode
        cells = self._mode[first : first + PER_MODE]
        leaves = policy.leaves if law.fails and policy.covers(law.name) else 0.0
        damage = level_of(law, self._draws.word, cells) if planned else 1.0
        self._lives[mode] += 1
        age_us = to_second(leaves * cells[row.AGE]) if leaves else 0
        self._draw_life(mode, age_us=age_us, left_ppm=round(leaves * damage * PPM))
        if self._part_us:
            self._part_us[mode] = NEVER_US
        if mode in self._covered:
            self._want(mode)

    # ---- what is left behind

    def _change(self, state: State, cause: int) -> None:
        ran_before, self._state, self._cause = self._state == State.EXECUTE, state, cause
        self._cold = self._cold or state in _RESTARTS
        self._write(int(self._env.now), cause)
        self._ordinal += 1
        if ran_before != (state == State.EXECUTE):
            self._poke_neighbours()

    def _write(self, now: int, cause: int) -> None:
        counts = self.counts
        start = counts.start_us if counts.running else now - self._elapsed_us
        self._journal.append(
            (self._index, now, self._state, cause, self._level_ppm, start, counts.period_us, counts.done,
             self._ordinal, counts.scrap, self._make.number, self._lot + 1 if self._make.number else 0, *self._mode)
        )  # fmt: skip


_NOTHING_TOLD: deque[int] = deque()
_NOTHING_PLANNED: list[int] = []
"""What all machines without lots and without a policy share; nothing is ever put into it."""

_RESTARTS = (State.STOPPED, State.ABORTED, State.IDLE)
"""States after which a machine needs some cycles to be at speed again: not after a short pause."""

SECOND_LEFT_US = 1_000_000
"""What has lived a while lives at least so much longer."""


def _running_us(span_us: int, rate_ppm: int) -> int:
    """Say in how much running time what ages at *rate_ppm* ages by *span_us*, rounded up."""
    return -(-span_us * PPM // rate_ppm)


def chain(above: Machine, below: Machine, capacity: int, initial: int) -> Buffer:
    """Put a buffer for *capacity* parts, *initial* of them there, between two machines."""
    buffer = Buffer(capacity, initial, above.counts, below.counts)
    above.below, below.above = (below, buffer), (above, buffer)
    below.await_lots()
    return buffer

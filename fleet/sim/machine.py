"""One machine as a SimPy process that sleeps until its next decision.

That is a micro-stop, a failure, the end of a shift or of a lot, a buffer that becomes full or empty, a bad part,
planned work, a new setpoint. Each is an instant known in closed form; only a neighbour's change can bring it
forward. What happened stays behind as rows of state changes. What wears, and what is to be made, is kept beside it
(`upkeep`, `orders`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import simpy

from fleet.data import State
from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.around import Around, Met
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import FIXED, Journal
from fleet.sim.flow import Buffer
from fleet.sim.heating import Warmth
from fleet.sim.neighbours import Neighbours
from fleet.sim.orders import RESTARTS, Orders
from fleet.sim.rules import STOP_GAP, STOP_SPAN, STRIKE_REPAIR, Rules, to_millisecond, to_second
from fleet.sim.strikes import REPAIR_SIGMA, REPAIR_US, Strike
from fleet.sim.upkeep import Upkeep

_STATES = tuple(State)


class _Job(NamedTuple):
    """Work on a machine: on which failure mode (-1: none of them), whether before it failed, and after which strike."""

    mode: int
    planned: bool
    strike: Strike | None = None


class Machine:
    """One machine and its process."""

    __slots__ = (
        "_act", "_around", "_cause", "_changing", "_draws", "_env", "_index", "_job", "_journal",
        "_off_us", "_on_us", "_orders", "_ordinal", "_process", "_repaired", "_rules", "_state", "_stop_count",
        "_stop_left_us", "_stop_us", "_struck", "_switch_us", "_until_us", "_upkeep", "_wake_us", "_warmth",
        "_watchers", "counts", "neighbours",
    )  # fmt: skip

    def __init__(
        self, env: simpy.Environment, journal: Journal, rules: Rules, draws: Draws, around: Around, met: Met
    ) -> None:
        cells = met.cells
        self._env, self._journal, self._rules, self._index = env, journal, rules, cells[row.MACHINE]
        self._draws, self._around = draws, around
        begun_us = cells[row.TIME]
        self._state, self._cause, self._ordinal = _STATES[cells[row.STATE]], cells[row.CAUSE], 1
        self._until_us = self._on_us = self._switch_us = self._stop_count = 0
        self._off_us = self._stop_us = NEVER_US
        self._stop_left_us = met.stop_left_us
        self._changing, self._repaired = -1, False
        self._job: _Job | None = None
        self._struck: tuple[Strike, ...] = ()  # by what it will be stopped as soon as it runs
        self._watchers: list[tuple[State, simpy.Event]] = []
        self._orders = Orders(cells, rules, draws, around.lots, set_us=met.set_us, next_scrap=met.next_scrap)
        self.counts = self._orders.counts
        self.neighbours = Neighbours(self.counts)
        self._upkeep = Upkeep(cells[FIXED:], cells[row.MACHINE], rules, draws, around, begun_us=begun_us)
        if self._state == State.EXECUTE:
            self._off_us = met.until_us
            self._run_from(begun_us)
        else:
            self._on_us, self._switch_us = met.until_us, met.wake_us
        self._warmth = None if rules.heating is None else Warmth(rules.heating, self._state, begun_us)
        self._act: Callable[[], None] = self._go_on
        self._wake_us = met.wake_us
        self._process = env.process(self._operate())

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
                if self._decide_us() > env.now:  # a neighbour put it off meanwhile, or a fault in this very instant
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
        self._act = self._go_on
        if state == State.SUSPENDED:
            if self._orders.lot_is_over():
                return int(self._env.now)
            return min(self.neighbours.ready_us(int(self._env.now), self._cause), self._off_us)
        return self._switch_us if state == State.STOPPED else self._until_us

    def _decide_executing_us(self) -> int:
        """Find what happens first; of what falls into one instant, what is looked at last here happens first."""
        now, counts, upkeep, orders = int(self._env.now), self.counts, self._upkeep, self._orders
        when, self._act = self._off_us, self._go_on
        if self._stop_us < when:
            when, self._act = self._stop_us, self._pause
        if upkeep.fail_us < when:
            when, self._act = upkeep.fail_us, self._wear_out
        if upkeep.plan_us < when:
            when, self._act = max(upkeep.plan_us, now), self._begin_planned
        if orders.set_us < when:
            when, self._act = orders.set_us, self._change_level
        if not counts.running:
            return when
        if counts.done < orders.ramp_end and (at_speed_us := counts.end_us(orders.ramp_end)) < when:
            when, self._act = at_speed_us, self._reach_speed
        lot_us, is_last = counts.end_us(orders.lot_end), False
        if lot_us < NEVER_US and lot_us <= when:
            is_last = orders.next_differs()
            if lot_us < when and not is_last:
                when, self._act = lot_us, self._end_lot
        starved = self.neighbours.starved_us(now)
        if starved <= when:
            when, self._act = starved, self._starve
        blocked = self.neighbours.blocked_us(now)
        if blocked <= when:
            when, self._act = blocked, self._block
        if is_last and lot_us <= when:
            when, self._act = lot_us, self._change_over
        bad_us = counts.end_us(counts.next_scrap)
        if bad_us < NEVER_US and bad_us <= when:
            when, self._act = bad_us, self._scrap
        return when

    # ---- deeds: each ends in a state change

    def _go_on(self) -> None:
        """Leave a pause, or begin: to whichever state the shift, the lot and the buffers allow now."""
        now = int(self._env.now)
        if self._state == State.EXECUTE:
            self._leave_execute(inside=1)
        if self._changing >= 0:
            self._upkeep.renew(self._changing, self._orders.level_ppm, planned=False)
            self._changing = -1
        while self._orders.lot_is_over():
            self._take_next_lot()
        on, until = self._around.calendar.at(now)
        if not on:
            self._on_us = until
            mode = self._upkeep.due_in_gap(now, until)
            if mode >= 0:
                self._job = _Job(mode, planned=True)
                return
            self._switch_us = until if self._warmth is None else self._warmth.on_us(now, until)
            if self._switch_us <= now:
                self._heat(until)
                return
            self._change(State.STOPPED, row.REPAIRED if self._repaired else row.SHIFT)
            self._repaired = False
            return
        self._off_us = until
        if self._orders.setup_us:
            self._until_us, self._orders.setup_us = now + self._orders.setup_us, 0
            self._follow_setpoint(now)
            self._change(State.IDLE, row.CHANGEOVER)
        elif self._warmth is not None and (hot_us := self._warmth.ready_us(now)) > now:
            self._heat(min(hot_us, until))
        elif self.neighbours.ready_us(now, self._cause) > now:
            self._change(State.SUSPENDED, self.neighbours.cause_at(now))
        elif (strike := self._next_strike(now)) is not None:
            self._stop_for(strike)
        else:
            self._execute(now)

    def _heat(self, until: int) -> None:
        """Be on and nothing else: it gets hot, or stays so through a pause."""
        self._until_us = until
        self._change(State.IDLE, row.HEATING)

    def _execute(self, now: int) -> None:
        cause = row.REPAIRED if self._repaired else row.BY_PLAN
        self._repaired = False
        self._follow_setpoint(now)
        if self._rules.period_us is not None:
            self._orders.set_pace()
        self._run_from(now)
        self._change(State.EXECUTE, cause)

    def _follow_setpoint(self, now: int) -> None:
        """Take the setpoint that the schedule has reached by now, and wear by it."""
        self._orders.follow_setpoint(now)
        self._upkeep.bear(self._orders.level_ppm)

    def _run_from(self, now: int) -> None:
        """Let what runs only while executing run: the time to the next micro-stop, wear, the cycle."""
        self._stop_us = now + self._stop_left_us
        self._upkeep.run_from(now)
        if self._rules.period_us is not None:
            self.counts.resume(now)

    def _grow_older(self, now: int) -> None:
        """Let all that wears age by the time it ran since it last did, and the next micro-stop come closer."""
        ran_us = self._upkeep.grow_older(now)
        if self._rules.stop_every_us:
            self._stop_left_us -= ran_us

    def _leave_execute(self, *, inside: int) -> None:
        """Freeze what runs only while executing: wear, the time to the next micro-stop, the cycle."""
        now = int(self._env.now)
        self._grow_older(now)
        if self.counts.running:
            self.counts.freeze(now, inside)

    def _pause(self) -> None:
        self._leave_execute(inside=1)
        span = self._rules.stop_lasts_us * self._draws.lognormal(STOP_SPAN, self._stop_count, self._rules.stop_sigma)
        self._stop_count += 1
        gap_us = self._rules.stop_every_us * self._draws.exponential(STOP_GAP, self._stop_count)
        self._stop_left_us = to_millisecond(gap_us)
        self._until_us = int(self._env.now) + to_millisecond(span)
        self._change(State.HELD, row.MICRO_STOP)

    def _wear_out(self) -> None:
        """Fail, or stand still for a change of what is worn out."""
        self._leave_execute(inside=1)
        mode = self._upkeep.failing
        if self._rules.modes[mode].fails:
            self._job = _Job(mode, planned=False)
            self._change(State.ABORTED, len(row.CAUSES) + mode)
            return
        self._changing = mode
        self._until_us = int(self._env.now) + self._upkeep.repair_us(mode)
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
        self._follow_setpoint(now)
        self._upkeep.foresee(now)
        self._write(now, row.SETPOINT)

    def _scrap(self) -> None:
        """Take out a bad part: who waits for parts has one less to come."""
        self._orders.scrap_one(self._around.scrap)
        self.neighbours.poke_below()

    def _reach_speed(self) -> None:
        """End the ramp after a restart."""
        now = int(self._env.now)
        self._begin_cycle(now)
        self._orders.reach_speed()
        self._write(now, row.AT_SPEED)
        self.neighbours.poke()

    def _begin_cycle(self, now: int) -> None:
        self._grow_older(now)
        self._orders.begin_cycle(now)

    # ---- lots

    def _end_lot(self) -> None:
        """Go on with another lot of the same product."""
        now = int(self._env.now)
        self._begin_cycle(now)
        self._take_next_lot()
        self._write(now, row.LOT_ENDED)
        self._ordinal += 1

    def _change_over(self) -> None:
        self._leave_execute(inside=0)
        self._go_on()

    def _take_next_lot(self) -> None:
        """Take up the next lot, and tell the machine below where this one ends."""
        self.neighbours.tell_below()
        self._orders.take_next_lot(leads=self.neighbours.above is None)

    def await_lots(self) -> None:
        """Learn where lots end from the machine above."""
        self._orders.await_lots()

    def tell(self, parts: int) -> None:
        """Learn from the machine above that its lot is over: it ends here with so many *parts* done."""
        if self._orders.tell(parts):
            self.poke()

    # ---- work

    def _begin_planned(self) -> None:
        """Stop for planned work, or run on until the part for it is there."""
        now, mode = int(self._env.now), self._upkeep.planned
        ready_us = self._upkeep.part_ready_us(mode, now)
        if ready_us > now:
            self._upkeep.put_off(mode, ready_us)
            self._grow_older(now)
            self._upkeep.foresee(now)
            return
        self._leave_execute(inside=1)
        self._job = _Job(mode, planned=True)

    def _be_worked_on(self, job: _Job) -> Generator[simpy.Event, object, None]:
        """Wait for a part and for the crew, have the work done, go on with a new life."""
        env, crew = self._env, self._around.crew
        state = State.STOPPED if job.planned else State.ABORTED
        wait_us = self._upkeep.part_ready_us(job.mode, int(env.now)) - int(env.now) if job.mode >= 0 else 0
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
        self._change(state, row.PLANNED if job.planned else row.REPAIR)
        if job.planned:
            takes_us = self._upkeep.planned_work_us()
        elif job.mode >= 0:
            takes_us = self._upkeep.repair_us(job.mode)
        else:
            assert job.strike is not None, "work that renews nothing follows a strike"
            factor = self._draws.lognormal(STRIKE_REPAIR ^ job.strike.word, job.strike.ordinal, REPAIR_SIGMA)
            takes_us = to_second(REPAIR_US * factor)
        return self._env.timeout(takes_us)

    def _finish(self, job: _Job) -> None:
        if job.mode >= 0:
            self._upkeep.renew(job.mode, self._orders.level_ppm, planned=job.planned)
        if job.strike is not None:
            job.strike.ended_us = int(self._env.now)
        self._job, self._repaired = None, True
        self._go_on()

    # ---- scripted faults

    def be_struck(self, strike: Strike) -> None:
        """Be stopped by a scripted fault: at once while it runs, else as soon as it would."""
        if self._state != State.EXECUTE:
            self._struck = (*self._struck, strike)
        elif strike.passes_us > self._env.now:
            self._leave_execute(inside=1)
            self._stop_for(strike)
            if self._wake_us > self._env.now:
                self._wake_us = 0
                self._process.interrupt()

    def _next_strike(self, now: int) -> Strike | None:
        """Take the first of what waits to stop the machine and has not passed meanwhile."""
        while self._struck:
            strike, *later = self._struck
            self._struck = tuple(later)
            if strike.passes_us > now:
                return strike
        return None

    def _stop_for(self, strike: Strike) -> None:
        """Stand still for *strike*: until it has passed, or for its repair."""
        strike.failed_us = int(self._env.now)
        self._change(strike.state, len(row.CAUSES) + len(self._rules.modes) + strike.cause)
        if strike.repaired:
            self._job, self._until_us = _Job(strike.mode, planned=False, strike=strike), NEVER_US
        else:
            self._until_us = strike.ended_us = strike.passes_us

    def entering(self, state: State) -> simpy.Event:
        """Give an event that happens as soon as the machine is in *state*."""
        event = self._env.event()
        if self._state == state:
            event.succeed()
        else:
            self._watchers.append((state, event))
        return event

    def _tell_watchers(self) -> None:
        for state, event in self._watchers:
            if state == self._state:
                event.succeed()
        self._watchers = [each for each in self._watchers if each[0] != self._state]

    # ---- what is left behind

    def _change(self, state: State, cause: int) -> None:
        ran_before, self._state, self._cause = self._state == State.EXECUTE, state, cause
        if self._warmth is not None:
            self._warmth.enter(state, int(self._env.now))
        self._orders.cold = self._orders.cold or state in RESTARTS
        self._write(int(self._env.now), cause)
        self._ordinal += 1
        if self._watchers:
            self._tell_watchers()
        if ran_before != (state == State.EXECUTE):
            self.neighbours.poke()

    def _write(self, now: int, cause: int) -> None:
        counts, orders = self.counts, self._orders
        make = orders.make.number
        self._journal.append(
            (self._index, now, self._state, cause, orders.level_ppm, counts.cycle_us(now), counts.period_us,
             counts.done, self._ordinal, counts.scrap, make, orders.lot + 1 if make else 0, *self._upkeep.cells)
        )  # fmt: skip


def chain(above: Machine, below: Machine, capacity: int, initial: int) -> Buffer:
    """Put a buffer for *capacity* parts, *initial* of them there, between two machines."""
    buffer = Buffer(capacity, initial, above.counts, below.counts)
    above.neighbours.below, below.neighbours.above = (below, buffer), (above, buffer)
    below.await_lots()
    return buffer

"""The plant: a SimPy model of what decides, never of a reading, a cycle or a part.

A machine is one process that sleeps until its next decision: a micro-stop, a failure, the end of
a shift, a buffer that becomes full or empty, a new setpoint. Each is an instant known in closed
form; only a neighbour's change can bring it forward. What happened stays behind as rows of state changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import simpy

from fleet.data import SECOND_US, Ints, State
from fleet.sim import changes as row
from fleet.sim.address import Draws, word_of
from fleet.sim.calendar import NEVER_US, Calendar
from fleet.sim.changes import PPM, Journal
from fleet.sim.flow import Buffer, Counts, blocked_us, has_room_us, holds_us, starved_us

_STOP_GAP, _STOP_SPAN = word_of("plant.micro_stop.gap"), word_of("plant.micro_stop.span")
_SET_GAP, _SET_LEVEL = word_of("plant.setpoint.gap"), word_of("plant.setpoint.level")
_MILLISECOND_US = 1000

USED_UP_MAX = 0.8
"""A plant is met in the middle of its life: each part starts with a share of its first life used up."""

SPAN_MAX_US = 10**18
"""Longest drawn life or pause, 30,000 years: the tail of a wild distribution still fits a column."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to fail by wear: its life is drawn (Weibull, running time), then repaired for good."""

    name: str
    life_us: Sequence[int]  # characteristic life, one a machine
    shape: float
    onset: tuple[float, float]  # share of the life at which damage begins, drawn between these
    repair_us: Sequence[int]  # median, one a machine
    repair_sigma: float
    life_word: int
    onset_word: int
    repair_word: int
    used_word: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What all machines of a cohort decide by."""

    period_us: Sequence[int] | None  # cycle, one a machine; None: makes no parts
    stop_every_us: int  # mean running time between micro-stops; 0: none
    stop_lasts_us: int  # median
    stop_sigma: float
    set_every_us: int  # mean time between setpoint changes; 0: none
    set_from: float
    set_to: float
    modes: tuple[Mode, ...]


def _to_second(span_us: float) -> int:
    """Round to whole seconds, at least one, so that the last bit of a logarithm moves nothing."""
    return max(1, round(min(span_us, SPAN_MAX_US) / SECOND_US)) * SECOND_US


def _to_millisecond(span_us: float) -> int:
    return max(1, round(min(span_us, SPAN_MAX_US) / _MILLISECOND_US)) * _MILLISECOND_US


class Machine:
    """One machine and its process."""

    __slots__ = (
        "_act", "_ages", "_calendar", "_cause", "_crew", "_draws", "_elapsed_us", "_env", "_fail_us", "_failing",
        "_index", "_journal", "_level_ppm", "_lives", "_mode", "_off_us", "_on_us", "_onsets", "_ordinal", "_process",
        "_rules", "_set_count", "_set_us", "_since_us", "_state", "_stop_count", "_stop_left_us", "_stop_us",
        "_until_us", "_wake_us", "above", "below", "counts",
    )  # fmt: skip

    def __init__(
        self,
        env: simpy.Environment,
        journal: Journal,
        rules: Rules,
        index: int,
        draws: Draws,
        calendar: Calendar,
        crew: simpy.Resource | None,
    ) -> None:
        self._env, self._journal, self._rules, self._index = env, journal, rules, index
        self._draws, self._calendar, self._crew = draws, calendar, crew
        self.above: tuple[Machine, Buffer] | None = None
        self.below: tuple[Machine, Buffer] | None = None
        self.counts = Counts(period_us=rules.period_us[index] if rules.period_us else 1)
        self._state, self._cause, self._ordinal = State.IDLE, row.BY_PLAN, 0
        self._elapsed_us = self._since_us = self._until_us = 0
        self._wake_us = self._on_us = 0
        self._off_us = self._stop_us = self._fail_us = self._set_us = NEVER_US
        self._stop_count = self._set_count = self._failing = 0
        self._stop_left_us = self._stop_gap_us() if rules.stop_every_us else NEVER_US
        self._level_ppm = PPM
        self._lives = [0] * len(rules.modes)
        self._mode = [0] * (3 * len(rules.modes))
        for mode in range(len(rules.modes)):
            self._draw_life(mode)
            used = draws.uniform(rules.modes[mode].used_word, 0) * USED_UP_MAX
            self._mode[3 * mode] = _to_second(used * self._mode[3 * mode + 1]) - SECOND_US
        self._act: Callable[[], None] = self._go_on
        self._process = env.process(self._operate())

    # ---- draws, each by its ordinal

    def _stop_gap_us(self) -> int:
        return _to_millisecond(self._rules.stop_every_us * self._draws.exponential(_STOP_GAP, self._stop_count))

    def _draw_life(self, mode: int) -> None:
        """Draw a new life for failure *mode*, and when its damage begins to show."""
        law, life = self._rules.modes[mode], self._lives[mode]
        life_us = _to_second(law.life_us[self._index] * self._draws.weibull(law.life_word, life, law.shape))
        low, high = law.onset
        onset_us = _to_second(life_us * (low + (high - low) * self._draws.uniform(law.onset_word, life)))
        self._mode[3 * mode : 3 * mode + 3] = [0, life_us, min(onset_us, life_us)]

    def _follow_setpoint(self) -> None:
        """Take the setpoint that the schedule has reached by now."""
        rules = self._rules
        if not rules.set_every_us:
            return
        now = self._env.now
        if self._set_us == NEVER_US:
            self._set_us = int(now)
        while self._set_us <= now:
            share = self._draws.uniform(_SET_LEVEL, self._set_count)
            self._level_ppm = round((rules.set_from + (rules.set_to - rules.set_from) * share) * PPM)
            gap = 0.25 + 1.5 * self._draws.uniform(_SET_GAP, self._set_count)
            self._set_us += _to_second(rules.set_every_us * gap)
            self._set_count += 1

    # ---- the process

    def _operate(self) -> Generator[simpy.Event, object, None]:
        """Sleep until the next decision, carry it out, for ever."""
        env = self._env
        self._go_on()
        while True:
            if self._state == State.ABORTED:
                yield from self._be_repaired()
            self._wake_us = self._decide_us()
            if self._wake_us > env.now:
                try:
                    yield env.timeout(self._wake_us - env.now)
                except simpy.Interrupt:
                    continue
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
        self._since_us = now
        self._stop_us = now + self._stop_left_us
        self._fail_us = NEVER_US
        for mode in range(len(self._lives)):
            age, life, _ = self._mode[3 * mode : 3 * mode + 3]
            if now + life - age < self._fail_us:
                self._fail_us, self._failing = now + life - age, mode
        if self._rules.period_us is not None:
            counts = self.counts
            counts.running, counts.inside = True, 1
            counts.start_us, self._elapsed_us = now - self._elapsed_us, 0
        self._change(State.EXECUTE, cause)

    def _leave_execute(self, *, inside: int) -> None:
        """Freeze what runs only while executing: wear, the time to the next micro-stop, the cycle."""
        now = int(self._env.now)
        ran = now - self._since_us
        self._since_us = now
        self._stop_left_us -= ran if self._rules.stop_every_us else 0
        for mode in range(len(self._lives)):
            self._mode[3 * mode] += ran
        counts = self.counts
        if counts.running:
            self._elapsed_us = (now - counts.start_us) % counts.period_us
            counts.done, counts.running, counts.inside = counts.done_at(now), False, inside

    def _pause(self) -> None:
        self._leave_execute(inside=1)
        span = self._rules.stop_lasts_us * self._draws.lognormal(_STOP_SPAN, self._stop_count, self._rules.stop_sigma)
        self._stop_count += 1
        self._stop_left_us = self._stop_gap_us()
        self._until_us = int(self._env.now) + _to_millisecond(span)
        self._change(State.HELD, row.MICRO_STOP)

    def _fail(self) -> None:
        self._leave_execute(inside=1)
        self._change(State.ABORTED, len(row.CAUSES) + self._failing)

    def _starve(self) -> None:
        self._leave_execute(inside=0)
        self._change(State.SUSPENDED, row.STARVED)

    def _block(self) -> None:
        just_begun = self.counts.start_us == self._env.now  # room was made and taken back in one instant
        self._leave_execute(inside=int(just_begun))
        self._change(State.SUSPENDED, row.BLOCKED)

    def _change_level(self) -> None:
        self._follow_setpoint()
        now = int(self._env.now)
        for mode in range(len(self._lives)):
            self._mode[3 * mode] += now - self._since_us
        if self._rules.stop_every_us:
            self._stop_left_us -= now - self._since_us
        self._since_us = now
        self._write(now, row.SETPOINT)

    def _be_repaired(self) -> Generator[simpy.Event, object, None]:
        """Queue for the crew, be repaired, go on with a new life."""
        mode = self._failing
        law = self._rules.modes[mode]
        factor = self._draws.lognormal(law.repair_word, self._lives[mode], law.repair_sigma)
        repair = self._env.timeout
        if self._crew is None:
            self._change(State.ABORTED, row.REPAIR)
            yield repair(_to_second(law.repair_us[self._index] * factor))
        else:
            with self._crew.request() as turn:
                yield turn
                self._change(State.ABORTED, row.REPAIR)
                yield repair(_to_second(law.repair_us[self._index] * factor))
        self._lives[mode] += 1
        self._draw_life(mode)
        self._go_on()

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
    """All islands of one worker in one SimPy environment; machines of different islands never meet."""

    def __init__(self, start_us: int) -> None:
        self._env = simpy.Environment(initial_time=start_us)
        self._journals: list[Journal] = []

    def add_cohort(self, rules: Rules) -> Journal:
        """Make the journal of a cohort that decides by *rules*."""
        journal = Journal(len(rules.modes))
        self._journals.append(journal)
        return journal

    def add_crew(self, size: int) -> simpy.Resource:
        """Hire a crew of *size* that repairs first come, first served."""
        return simpy.Resource(self._env, size)

    def add_machine(
        self,
        journal: Journal,
        rules: Rules,
        index: int,
        draws: Draws,
        calendar: Calendar,
        crew: simpy.Resource | None,
    ) -> Machine:
        """Set up machine *index* of a cohort; it starts with the first *advance*."""
        return Machine(self._env, journal, rules, index, draws, calendar, crew)

    def advance(self, stop_us: int) -> list[Ints]:
        """Run to just before *stop_us* and hand over each cohort's new rows, in order of time."""
        self._env.run(until=stop_us)
        return [journal.take() for journal in self._journals]


def chain(above: Machine, below: Machine, capacity: int) -> Buffer:
    """Put a half-full buffer for *capacity* parts between two machines."""
    buffer = Buffer(capacity, capacity // 2, above.counts, below.counts)
    above.below, below.above = (below, buffer), (above, buffer)
    return buffer

"""What wears in one machine: its lives and their running ages, and which work on it is due before it fails.

It knows no states and no process. The machine says for how long it ran, asks what will end a life or want work
first, and tells when work is done.
"""

from __future__ import annotations

from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.around import Around
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import PER_MODE, PPM
from fleet.sim.damage import age_at, level_of
from fleet.sim.lives import life_of
from fleet.sim.rules import Rules, to_second
from fleet.sim.work import INSPECTION, LEAD, NO_POLICY, PLANNED_SPAN

SECOND_LEFT_US = 1_000_000
"""What has lived a while lives at least so much longer."""


class Upkeep:
    """The failure modes of one machine: *cells* has their columns of a state change, PER_MODE each."""

    __slots__ = (
        "_around", "_covered", "_draws", "_due_us", "_index", "_inspected_us", "_lives", "_part_us",
        "_planned_count", "_rules", "_since_us", "_wanted_us", "cells", "fail_us", "failing", "plan_us", "planned",
    )  # fmt: skip

    def __init__(
        self, cells: list[int], index: int, rules: Rules, draws: Draws, around: Around, *, begun_us: int
    ) -> None:
        self.cells, self._index = cells, index
        self._rules, self._draws, self._around = rules, draws, around
        self._lives, self._since_us = [0] * len(rules.modes), begun_us
        self.fail_us, self.failing = NEVER_US, 0  # when the first life ends, and which
        self.plan_us, self.planned = NEVER_US, -1  # when work is due first, and on which mode
        self._planned_count = self._inspected_us = 0
        self._covered: tuple[int, ...] = ()
        self._wanted_us = self._due_us = self._part_us = _NOTHING_PLANNED
        policy = around.policy
        if policy is NO_POLICY:
            return
        self._wanted_us, self._due_us, self._part_us = ([NEVER_US] * len(rules.modes) for _ in range(3))
        if policy.plans:
            self._covered = tuple(number for number, mode in enumerate(rules.modes) if policy.covers(mode.name))
            self._inspected_us = round(draws.uniform(INSPECTION, 0) * policy.inspected_us)
        for mode in self._covered:
            self._want(mode)

    # ---- running

    def run_from(self, now: int) -> None:
        """Let everything wear from *now* on, and find what comes first."""
        self._since_us = now
        self.foresee(now)

    def foresee(self, now: int) -> None:
        """Find which mode's life ends first, and when, if the machine runs on as it does; and planned work."""
        self.fail_us = self.plan_us = NEVER_US
        cells = self.cells
        for mode in range(len(self._lives)):
            first = PER_MODE * mode
            left, rate = cells[first + row.LIFE] - cells[first + row.AGE], cells[first + row.RATE]
            fail_us = now + _running_us(left, rate)
            if fail_us < self.fail_us:
                self.fail_us, self.failing = fail_us, mode
        if self._around.calendar.edges_us:  # work waits for a gap
            return
        for mode in self._covered:
            first = PER_MODE * mode
            plan_us = self._due_us[mode]
            if plan_us == NEVER_US:
                left = self._wanted_us[mode] - cells[first + row.AGE]
                plan_us = self._inspection_us(now + _running_us(max(left, 0), cells[first + row.RATE]))
            if plan_us < self.plan_us:
                self.plan_us, self.planned = plan_us, mode

    def grow_older(self, now: int) -> int:
        """Let all that wears age by the time it ran since it last did, which is returned; note what work is due."""
        ran_us, cells = now - self._since_us, self.cells
        for first in range(0, len(cells), PER_MODE):
            cells[first + row.AGE] += ran_us * cells[first + row.RATE] // PPM
        for mode in self._covered:
            first = PER_MODE * mode
            over = cells[first + row.AGE] - self._wanted_us[mode]
            if over >= 0 and self._due_us[mode] == NEVER_US:
                self._due_us[mode] = self._inspection_us(now - _running_us(over, cells[first + row.RATE]))
        self._since_us = now
        return ran_us

    def bear(self, level_ppm: int) -> None:
        """Let what wears by its load do so at the level *level_ppm*."""
        for mode, law in enumerate(self._rules.modes):
            if law.taylor:
                self.cells[PER_MODE * mode + row.RATE] = law.rate_ppm(level_ppm)

    # ---- planned work

    def _want(self, mode: int) -> None:
        """Find the age at which work on *mode* is wanted in its new life."""
        policy, first = self._around.policy, PER_MODE * mode
        cells = self.cells[first : first + PER_MODE]
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

    def put_off(self, mode: int, until_us: int) -> None:
        """Let the work on *mode* be due no sooner than *until_us*."""
        self._due_us[mode] = until_us

    def part_ready_us(self, mode: int, now: int) -> int:
        """Take a spare part for *mode* from the shelf, if that was not done, and say when it is there."""
        parts = self._around.policy.parts
        shelf = None if parts is None else self._around.shelves[mode]
        if shelf is None or parts is None:
            return now
        if self._part_us[mode] == NEVER_US:
            lead_us = parts.lead_of(self._draws, LEAD ^ self._rules.modes[mode].life_word, self._lives[mode])
            self._part_us[mode] = shelf.take(now, lead_us)
        return self._part_us[mode]

    def due_in_gap(self, now: int, until: int) -> int:
        """Choose the mode on which work is due, whose part is there, and for which the gap *until* then is long enough.

        -1 where there is none.
        """
        policy = self._around.policy
        if until - now < min(policy.takes_us, self._around.calendar.longest_gap_us):
            return -1
        for mode in self._covered:
            if self._due_us[mode] <= now and self.part_ready_us(mode, now) <= now:
                return mode
        return -1

    # ---- how long work takes, and what it leaves

    def repair_us(self, mode: int) -> int:
        """Draw how long the work at the end of this life takes."""
        law = self._rules.modes[mode]
        factor = self._draws.lognormal(law.repair_word, self._lives[mode], law.repair_sigma)
        return to_second(law.repair_us[self._index] * factor)

    def planned_work_us(self) -> int:
        """Draw how long planned work takes."""
        policy = self._around.policy
        factor = self._draws.lognormal(PLANNED_SPAN, self._planned_count, policy.sigma)
        self._planned_count += 1
        return to_second(policy.takes_us * factor)

    def renew(self, mode: int, level_ppm: int, *, planned: bool) -> None:
        """Begin a new life of *mode*, as good as new or as the policy leaves it, under a load of *level_ppm*."""
        policy, law, first = self._around.policy, self._rules.modes[mode], PER_MODE * mode
        cells = self.cells[first : first + PER_MODE]
        leaves = policy.leaves if law.fails and policy.covers(law.name) else 0.0
        damage = level_of(law, self._draws.word, cells) if planned else 1.0
        self._lives[mode] += 1
        age_us = to_second(leaves * cells[row.AGE]) if leaves else 0
        self.cells[first : first + PER_MODE] = self._new_life(
            mode, age_us=age_us, rate_ppm=law.rate_ppm(level_ppm), left_ppm=round(leaves * damage * PPM)
        )
        if self._part_us:
            self._part_us[mode] = NEVER_US
        if mode in self._covered:
            self._want(mode)

    def _new_life(self, mode: int, *, age_us: int, rate_ppm: int, left_ppm: int) -> list[int]:
        """Draw a new life for failure *mode*, given what the last one left, and when its damage begins to grow."""
        law, life = self._rules.modes[mode], self._lives[mode]
        scale_us = law.life_us[self._index]
        drawn = life_of(law.law, law.shape, self._draws.uniform(law.life_word, life), age_us / scale_us)
        life_us = max(to_second(scale_us * drawn), age_us + SECOND_LEFT_US if age_us else 0)
        low, high = law.onset
        share = low + (high - low) * self._draws.uniform(law.onset_word, life)
        onset_us = age_us + to_second((life_us - age_us) * share)
        return [age_us, life_us, min(onset_us, life_us), rate_ppm, left_ppm, life]


_NOTHING_PLANNED: list[int] = []
"""What all machines without a policy share; nothing is ever put into it."""


def _running_us(span_us: int, rate_ppm: int) -> int:
    """Say in how much running time what ages at *rate_ppm* ages by *span_us*, rounded up."""
    return -(-span_us * PPM // rate_ppm)

"""The plant: a SimPy model of what decides, never of a reading, a cycle or a part.

Machines are met at the start by columns; those of an island wake when the first of them has something to decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import simpy

from fleet.data import Bools, Ints, Words
from fleet.sim import changes as row
from fleet.sim.address import Draws
from fleet.sim.around import Around, Met
from fleet.sim.beginning import Asked, Beginning, begin, first_fill, first_meetings
from fleet.sim.calendar import NEVER_US, Calendar
from fleet.sim.changes import Journal
from fleet.sim.flow import Buffer
from fleet.sim.lots import ANYTHING, Lots
from fleet.sim.machine import Machine, chain
from fleet.sim.onset import bring_about
from fleet.sim.rules import Rules
from fleet.sim.strikes import Strike
from fleet.sim.work import NO_POLICY, Policy, Shelf

_AWAKE = NEVER_US + 1


class Line(NamedTuple):
    """What the machines of a line share."""

    calendar: Calendar
    crew: int  # index into the plant's crews; -1: none
    buffer: int  # parts between stations that have a cycle; 0: none
    lots: Lots | None = None  # None: always the same product
    scrap: float | None = None  # share of bad parts; None: the kinds' own


@dataclass(frozen=True, slots=True, eq=False)
class Stations:
    """Where the machines of a plant stand, in its order; arrays are (machines,)."""

    cohort: Ints  # index into the plant's cohorts
    index: Ints  # index into the cohort, ascending
    line: Ints  # index into the plant's lines
    island: Ints
    policy: Ints | None = None  # index into the plant's policies; -1, or no array: run to failure


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
        policies: Sequence[Policy] = (),
        strikes: Sequence[Strike] = (),
    ) -> None:
        self._env = simpy.Environment(initial_time=start_us)
        self._cohorts, self._stations, self._lines = cohorts, stations, lines
        self._crew_sizes, self._policies = crews, policies
        self._shelves: dict[tuple[int, int, str, str], Shelf] = {}
        self._arounds: dict[tuple[int, int, int, int], Around] = {}
        self._crews: dict[int, simpy.Resource] = {}
        self._journals = [Journal(len(rules.modes)) for rules, _ in cohorts]
        on, until_us = _shifts_at(lines, start_us)
        self._begun: list[Beginning] = []
        self._wake_us = np.full(len(stations.line), NEVER_US)
        period_us = np.zeros(len(stations.line), np.int64)
        for place, (rules, words) in enumerate(cohorts):
            here = stations.cohort == place
            line = stations.line[here]
            asked = self._asked(rules, stations, here)
            begun = begin(rules, words, asked, on=on[line], until_us=until_us[line], start_us=start_us)
            self._begun.append(begun)
            self._journals[place].extend(begun.rows)
            self._wake_us[here] = begun.decision_us
            if rules.period_us is not None:
                period_us[here] = begun.rows[:, row.PERIOD]
        capacity = np.array([line.buffer for line in lines], np.int64)[stations.line]
        self._joined = (capacity > 0) & (period_us > 0)
        self._fill = np.zeros(len(stations.line), np.int64)
        for place, (_, words) in enumerate(cohorts):
            here = stations.cohort == place
            self._fill[here] = first_fill(words, capacity[here])
        met = np.flatnonzero(self._joined & on[stations.line])
        meeting_us = first_meetings(period_us[met], capacity[met], self._fill[met], stations.line[met], start_us)
        self._wake_us[met] = np.minimum(self._wake_us[met], meeting_us)
        rouse_us = np.full(stations.island.max(initial=0) + 1, NEVER_US)
        np.minimum.at(rouse_us, stations.island, self._wake_us)
        self._strikes: dict[int, list[Strike]] = {}
        for strike in strikes:
            island = int(stations.island[strike.place])
            self._strikes.setdefault(island, []).append(strike)
            rouse_us[island] = min(rouse_us[island], strike.begins_us)
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
        met = self._met(roused)
        by_place: dict[int, Machine] = {}
        for place, line in zip(roused.tolist(), self._stations.line[roused].tolist(), strict=True):
            machine = self._machine(place, line, *met[place])
            machines.append(machine)
            by_place[place] = machine
            if self._joined[place]:
                if before is not None and before[0] == line:
                    buffers.append(chain(before[1], machine, self._lines[line].buffer, int(self._fill[place])))
                before = (line, machine)
        for island in np.unique(self._stations.island[roused]).tolist() if self._strikes else ():
            for strike in self._strikes.get(island, ()):
                watched = None if strike.when is None else by_place[strike.when[0]]
                bring_about(self._env, strike, by_place[strike.place], watched)
        return machines, buffers

    def _met(self, places: Ints) -> dict[int, tuple[int, int, Met]]:
        """Tell of the machines at *places* their cohort, their word and how they were met, by place."""
        found: dict[int, tuple[int, int, Met]] = {}
        for cohort, (begun, (_, words)) in enumerate(zip(self._begun, self._cohorts, strict=True)):
            here = places[self._stations.cohort[places] == cohort]
            index = self._stations.index[here]
            columns = (begun.rows, begun.stop_left_us, begun.set_us, begun.until_us, begun.next_scrap)
            cells = zip(*(column[index].tolist() for column in columns), self._wake_us[here].tolist(), strict=True)
            for place, word, met in zip(here.tolist(), words[index].tolist(), map(Met._make, cells), strict=True):
                found[place] = cohort, word, met
        return found

    def _machine(self, place: int, line: int, cohort: int, word: int, met: Met) -> Machine:
        """Set up the machine at *place* as it was met at the start."""
        around = self._around(place, cohort, line)
        return Machine(self._env, self._journals[cohort], self._cohorts[cohort][0], Draws(word), around, met)

    def _around(self, place: int, cohort: int, number: int) -> Around:
        """Give what the machines of a *cohort* on line *number*, of one policy, share: the same to all of them."""
        followed = -1 if self._stations.policy is None else int(self._stations.policy[place])
        policy = NO_POLICY if followed < 0 else self._policies[followed]
        key = (number, cohort, followed, -1 if policy.parts is None else int(self._stations.island[place]))
        if key not in self._arounds:
            rules, line = self._cohorts[cohort][0], self._lines[number]
            self._arounds[key] = Around(
                calendar=line.calendar,
                crew=None if line.crew < 0 else self._crew(line.crew),
                lots=line.lots,
                scrap=rules.scrap if line.scrap is None else line.scrap,
                policy=policy,
                shelves=tuple(self._shelf(place, rules.kind, mode.name, policy) for mode in rules.modes),
            )
        return self._arounds[key]

    def _shelf(self, place: int, kind: str, mode: str, policy: Policy) -> Shelf | None:
        """Give the shelf of parts for a failure *mode* of a *kind* that its line's machines share."""
        if policy.parts is None or not policy.covers(mode):
            return None
        key = (int(self._stations.island[place]), int(self._stations.line[place]), kind, mode)
        if key not in self._shelves:
            self._shelves[key] = Shelf(policy.parts.stock)
        return self._shelves[key]

    def _asked(self, rules: Rules, stations: Stations, here: Bools) -> Asked:
        """Say what lines and policies ask of the machines of a cohort, which are *here*."""
        line, machines = stations.line[here], int(here.sum())
        makes = {number: each.lots.product(0) for number, each in enumerate(self._lines) if each.lots is not None}
        scrap = [rules.scrap if each.scrap is None else each.scrap for each in self._lines]
        policy = np.full(machines, -1) if stations.policy is None else stations.policy[here]
        plans = np.array([False, *(each.plans for each in self._policies)])[policy + 1]
        first = [makes.get(number, ANYTHING) for number in range(len(self._lines))] if makes else []
        return Asked(
            scrap=np.array(scrap)[line],
            product=np.array([make.number for make in first])[line] if makes else np.zeros(machines, np.int64),
            period=np.array([make.period for make in first])[line] if makes else np.ones(machines),
            level=np.array([make.level for make in first])[line] if makes else np.ones(machines),
            anew=plans | np.isin(line, list(makes)),
            by_age_us=self._renewed(rules, policy) if plans.any() else {},
        )

    def _renewed(self, rules: Rules, policy: Ints) -> Mapping[str, Ints]:
        """Say of each failure mode after which running time the machines' policies renew it."""
        found = {}
        for mode in rules.modes:
            spans = [
                each.by_age_us if each.by_age_us and each.covers(mode.name) else NEVER_US for each in self._policies
            ]
            found[mode.name] = np.array([NEVER_US, *spans])[policy + 1]
        return found

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

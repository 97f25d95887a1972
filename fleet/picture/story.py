"""What happened in a scenario, told small enough for a picture: simulated block by block, kept by pixel column.

The states of a fleet come from the plant alone; the readings of a machine from a simulation of its island, in which
only its own tiles are computed. Both are what a run with the same seed and start does, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import SECOND_US, Block, Cohort, Equipment, Floats, Ints, Label, State
from fleet.picture.arrivals import Arrivals
from fleet.picture.envelope import Envelope
from fleet.picture.labels import Labels, of_machine
from fleet.picture.shares import Shares
from fleet.scenario.kind import Kind
from fleet.scenario.roster import Roster
from fleet.sim import changes as row
from fleet.sim.blocks import Simulation
from fleet.sim.changes import CAUSES
from fleet.sim.lines import product_names

TICKS_A_BLOCK = 16_384
"""Ticks of one machine that are computed at once: what a tile holds, so that a call's cost is spread."""

BLOCKS_MIN = 24
"""A span is cut in at least so many blocks, so that who waits sees that it goes on."""

STATES = len(State)
CLOSED, OPEN = 0, 1

Progress = Callable[[float], None]
"""Told the share of the work that is done."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is simulated, and in how many columns it is kept."""

    seed: int
    start_us: int
    stop_us: int
    columns: int

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.stop_us - self.start_us) / (3600 * SECOND_US)


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """What became of one machine in a span; *us* (columns, states) is the time in each state, open doors in 1."""

    machine: Equipment
    place: int  # in the roster
    kind: Kind
    us: Floats
    micro_stops: int
    failures: int
    parts: int | None  # None for what makes none; of doors, how often they opened
    scrap: int
    ideal_us: int  # what its parts would have taken at the fastest pace that it had for each product

    @property
    def is_door(self) -> bool:
        """Whether its states are closed and open."""
        return self.kind.door is not None

    @property
    def total_us(self) -> Floats:
        """The time in each state; (states,)."""
        return np.asarray(self.us.sum(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One machine with its readings; *readings* is None for what has no sensors."""

    lived: Lived
    readings: Envelope | None
    arrivals: Arrivals | None
    labels: Sequence[Label]  # the last of each of its faults, in order of their onset
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class States:
    """What became of all machines, and the labels of what was scripted."""

    lived: Sequence[Lived]
    labels: Sequence[Label]


class _Cohort:
    """The states of one cohort while they are collected."""

    def __init__(self, cohort: Cohort, kind: Kind, places: Sequence[int], roster: Roster, span: Span) -> None:
        self.cohort, self.kind, self.places = cohort, kind, places
        machines = len(cohort.machines)
        self.shares = Shares(machines, STATES, columns=span.columns, start_us=span.start_us, stop_us=span.stop_us)
        self.micro_stops = np.zeros(machines, np.int64)
        self.failures = np.zeros(machines, np.int64)
        products = len(product_names(roster))
        self.made = np.zeros((machines, products), np.int64)
        self.fastest_us = np.full((machines, products), np.iinfo(np.int64).max)
        self.last: Ints = np.zeros((machines, row.FIXED), np.int64)

    def add(self, rows: Ints, until_us: int) -> None:
        """Take in the state changes up to *until_us*."""
        machine = rows[:, row.MACHINE]
        self.shares.add(machine, rows[:, row.TIME], rows[:, row.STATE], until_us)
        np.add.at(self.micro_stops, machine[rows[:, row.CAUSE] == row.MICRO_STOP], 1)
        aborted = rows[(rows[:, row.STATE] == State.ABORTED) & (rows[:, row.CAUSE] >= len(CAUSES))]
        np.add.at(self.failures, aborted[:, row.MACHINE], 1)
        self._count_parts(rows[np.argsort(machine, kind="stable"), : row.FIXED])
        self.last[machine] = rows[:, : row.FIXED]  # of several the last one stays

    def _count_parts(self, rows: Ints) -> None:
        """Book the parts made between two state changes under the product of the first; *rows* machine by machine."""
        if not len(rows):
            return
        machine = rows[:, row.MACHINE]
        before = np.where((np.diff(machine, prepend=-1) != 0)[:, None], self.last[machine], np.roll(rows, 1, axis=0))
        np.add.at(self.made, (machine, before[:, row.PRODUCT]), rows[:, row.DONE] - before[:, row.DONE])
        runs = rows[rows[:, row.STATE] == State.EXECUTE]
        np.minimum.at(self.fastest_us, (runs[:, row.MACHINE], runs[:, row.PRODUCT]), runs[:, row.PERIOD])

    def lived(self, index: int, stop_us: int) -> Lived:
        """Tell what became of machine *index*."""
        last = self.last[index].tolist()
        made, more = self.made[index].copy(), 0
        if last[row.STATE] == State.EXECUTE:
            more = (stop_us - last[row.START]) // last[row.PERIOD]
        made[last[row.PRODUCT]] += more
        ideal_us = int(np.where(made > 0, self.fastest_us[index], 0) @ made)
        return Lived(
            machine=self.cohort.machines[index],
            place=self.places[index],
            kind=self.kind,
            us=self.shares.us[index],
            micro_stops=int(self.micro_stops[index]),
            failures=int(self.failures[index]),
            parts=None if self.kind.cycle is None else last[row.DONE] + more,
            scrap=last[row.SCRAP],
            ideal_us=ideal_us,
        )


class _Doors:
    """The doors of a simulation while their openings are collected."""

    def __init__(self, doors: Sequence[tuple[int, Equipment, Kind]], span: Span) -> None:
        self._doors, self._span = doors, span
        self._index = {machine.id: index for index, (_, machine, _) in enumerate(doors)}
        self._shares = Shares(len(doors), STATES, columns=span.columns, start_us=span.start_us, stop_us=span.stop_us)
        self._shares.begin(CLOSED)
        self._openings = np.zeros(len(doors), np.int64)

    def add(self, block: Block) -> None:
        """Take in the openings and closings of *block*."""
        moved = [event for event in block.events if event.type == "door"] if self._doors else []
        door = np.array([self._index[event.machine.id] for event in moved], np.int64)
        state = np.array([event.state == "open" for event in moved], np.int64)
        self._shares.add(door, np.array([event.time_us for event in moved], np.int64), state, block.stop_us)
        np.add.at(self._openings, door, state)

    def lived(self) -> Iterator[Lived]:
        """Tell what became of each door: openings stand in place of parts."""
        for index, (place, machine, kind) in enumerate(self._doors):
            yield Lived(machine, place, kind, self._shares.us[index], 0, 0, int(self._openings[index]), 0, 0)


class _Collected:
    """What a simulation of some islands leaves behind."""

    def __init__(self, simulation: Simulation, roster: Roster, islands: tuple[int, int], span: Span) -> None:
        keep = np.flatnonzero(roster.island % islands[1] == islands[0]).tolist()
        place_of = {roster.machines[place].id: place for place in keep}
        kind_of = {place: roster.entries[roster.entry[place]].kind for place in keep}
        self._span = span
        self.cohorts = []
        for cohort in simulation.cohorts:
            places = [place_of[machine.id] for machine in cohort.machines]
            self.cohorts.append(_Cohort(cohort, kind_of[places[0]], places, roster, span))
        doors = [(place, roster.machines[place], kind_of[place]) for place in keep if kind_of[place].door is not None]
        self._doors = _Doors(doors, span)

    def add(self, decided: Sequence[Ints], block: Block) -> None:
        """Take in what was decided in *block*."""
        for cohort, rows in zip(self.cohorts, decided, strict=True):
            cohort.add(rows, block.stop_us)
        self._doors.add(block)

    def lived(self) -> list[Lived]:
        """Tell what became of every machine, in the roster's order."""
        found = [
            cohort.lived(index, self._span.stop_us) for cohort in self.cohorts for index in range(len(cohort.places))
        ]
        return sorted([*found, *self._doors.lived()], key=lambda lived: lived.place)


def states_of(roster: Roster, span: Span, islands: tuple[int, int], progress: Progress) -> States:
    """Simulate the plant of the *islands* (share, of), no readings, and tell what became of every machine of it."""
    nobody = np.zeros(0, np.int64)
    simulation = Simulation(roster, seed=span.seed, start_us=span.start_us, islands=islands, readings_of=nobody)
    collected, labels = _Collected(simulation, roster, islands, span), Labels()
    for block in blocks_of(simulation, span, span.stop_us - span.start_us, progress):
        collected.add(simulation.decided, block)
        labels.add(block)
    return States(collected.lived(), labels.ended(simulation, span.stop_us))


def tell(roster: Roster, span: Span, places: Sequence[int], progress: Progress) -> list[Told]:
    """Simulate the island that the machines *places* stand in, with the readings of these machines alone."""
    number = int(roster.island[places[0]])
    assert all(roster.island[place] == number for place in places), "they stand in one island"
    islands = (number, int(roster.island.max()) + 1)
    wanted = np.array(with_competitors(roster, places), np.int64)
    simulation = Simulation(roster, seed=span.seed, start_us=span.start_us, islands=islands, readings_of=wanted)
    collected = _Collected(simulation, roster, islands, span)
    at = {place: (cohort, cohort.places.index(place)) for place in places for cohort in collected.cohorts
          if place in cohort.places}  # fmt: skip
    with_sensors = {place: cohort.cohort for place, (cohort, _) in at.items() if cohort.cohort.sensors}
    bounds = span.columns, span.start_us, span.stop_us
    readings = {place: Envelope(len(cohort.sensors), *bounds) for place, cohort in with_sensors.items()}
    arrivals = {place: Arrivals(roster.machines[place].id, *bounds) for place in with_sensors}
    labels = Labels(frozenset(roster.machines[place].id for place in places))
    base_us = min((cohort.cohort.base_period_us for cohort, _ in at.values()), default=SECOND_US)
    for block in blocks_of(simulation, span, TICKS_A_BLOCK * base_us, progress):
        collected.add(simulation.decided, block)
        labels.add(block)
        for place in with_sensors:
            arrivals[place].add(block)
            _read(readings[place], arrivals[place], block, *at[place])
    lived = {each.place: each for each in collected.lived()}
    ended = labels.ended(simulation, span.stop_us)
    return [
        Told(lived[place], readings.get(place), arrivals.get(place), *of_machine(ended, roster.machines[place].id))
        for place in places
    ]


def with_competitors(roster: Roster, places: Sequence[int]) -> list[int]:
    """Give *places* and the machines whose readings fill the same gateway's buffer in an outage as theirs do."""
    found = set(places)
    for each in roster.script.scripted:
        if "buffer" in each.set:
            lines = roster.line[each.machines]
            mine = np.isin(lines, roster.line[[place for place in places if place in set(each.machines.tolist())]])
            found |= set(each.machines[mine].tolist())
    return sorted(found)


def _read(envelope: Envelope, arrivals: Arrivals, block: Block, cohort: _Cohort, index: int) -> None:
    """Take the readings of machine *index* of the cohort out of *block*."""
    for columns in block.kinds:
        if columns.cohort is cohort.cohort:
            first, stop = np.searchsorted(columns.machine, [index, index + 1])
            rows = slice(int(first), int(stop))
            arrivals.read(columns, rows)
            if not columns.copy:
                envelope.add(columns.sensors, columns.scan_us[rows], columns.value[rows], columns.quality[rows])


def blocks_of(simulation: Simulation, span: Span, length_us: int, progress: Progress) -> Iterator[Block]:
    """Advance *simulation* over the *span* in blocks of at most *length_us*."""
    whole_us = span.stop_us - span.start_us
    length_us = max(1, min(length_us, -(-whole_us // BLOCKS_MIN)))
    while simulation.now_us < span.stop_us:
        yield simulation.advance(min(simulation.now_us + length_us, span.stop_us))
        progress((simulation.now_us - span.start_us) / whole_us)

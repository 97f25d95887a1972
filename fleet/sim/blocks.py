"""One block after another: the plant decides, then all readings of the block are computed at once.

A cohort is computed in tiles of machines that stay in the cache, on a rectangle of (machines,
ticks) that covers the block; the scans that are truly due in it are then picked out. So a block
may end anywhere, and nothing loops over machines in Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter

import numpy as np

from fleet.data import (
    SECOND_US,
    Block,
    Bools,
    Cohort,
    Event,
    Floats,
    Ints,
    KindColumns,
    Label,
    SilentScans,
    State,
)
from fleet.scenario.model import Hall
from fleet.scenario.roster import Roster
from fleet.sim import changes as row
from fleet.sim.calendar import Calendar
from fleet.sim.changes import CAUSES, Spans, arrange
from fleet.sim.cohorts import Model, models
from fleet.sim.doors import Doors
from fleet.sim.hall import KNOT_US, Air, AirOver, dew_point, felt, history, work_of
from fleet.sim.incidents import Incidents
from fleet.sim.lags import lag_rests
from fleet.sim.lines import calendar_of, lines_of, policy_of, product_names
from fleet.sim.misread import Absent
from fleet.sim.nodes import rests, turns_of
from fleet.sim.plant import Line, Plant, Stations
from fleet.sim.reporting import Reported, nothing_reported
from fleet.sim.strikes import STRUCK_BY, Strike
from fleet.sim.supply import Supply, width_of
from fleet.sim.tiles import Cut, scans_of

BLOCK_READINGS = 2_000_000
"""How many readings a block has: enough to spread the cost of calls, few enough to stay in the cache."""

TICKS_MIN = 8
"""Where that is less than so many base periods a block has more: every machine is called upon in every block."""

SPAN_MAX_S = 3600.0
"""A block of very few machines spans less than BLOCK_READINGS."""

BLOCK_BYTES_MAX = 256 << 20
"""Bound on the columns of one block."""

BYTES_A_READING = 16
"""Room for a reading in a block: value, quality, and its share of the scan's instants."""


@dataclass(slots=True)
class _Running:
    """A cohort and what of it is in force at the end of the last block."""

    model: Model
    rows: Ints
    rest: Floats
    wanted: tuple[slice, ...]  # the machines whose readings are computed
    reported: Reported


class Simulation:
    """A scenario's plant and readings, advanced one block at a time; the same wherever it is cut.

    *islands* (share, of) keeps only every of-th island, as one of *of* workers does. With *readings_of*
    (indices into the roster) the readings of these machines alone are computed, and the events of all.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        seed: int,
        start_us: int,
        islands: tuple[int, int] = (0, 1),
        truth: bool = False,
        readings_of: Ints | None = None,
    ) -> None:
        share, workers = islands
        keep = np.flatnonzero(roster.island % workers == share)
        self._roster, self._truth = roster, truth
        self.now_us = start_us
        healthy = models(roster, seed=seed, start_us=start_us, keep=keep)
        self._incidents = Incidents(roster, healthy, start_us=start_us)
        built = self._incidents.models
        self._running = [_fresh(model, readings_of) for model in built]
        self._quiet = not any(running.wanted for running in self._running)
        self._decided: list[Ints] = []
        self._plant = _plant(roster, built, self._incidents.strikes, seed=seed, start_us=start_us)
        self._products = product_names(roster)
        self._supply = Supply(roster, built, start_us=start_us)
        self._air = [_air_of(hall, seed) for hall in roster.halls]
        self._dew = [dew_point(seed, hall.name) for hall in roster.halls if any(map(_feels_dew, built))]
        self._felt_us = sorted(set().union(*map(_felt_us, built)))
        self._doors = Doors(roster, keep, seed=seed, start_us=start_us)

    @property
    def cohorts(self) -> list[Cohort]:
        """The machines that are computed, by what they share."""
        return [running.model.cohort for running in self._running]

    @property
    def decided(self) -> list[Ints]:
        """What the plant decided in the last block: each cohort's state changes, rows as in fleet.sim.changes."""
        return self._decided

    @property
    def machines(self) -> int:
        """How many machines with sensors this worker computes."""
        return sum(len(running.model.members) for running in self._running)

    def span_us(self) -> int:
        """Choose how long a block should be: BLOCK_READINGS, or TICKS_MIN base periods, if these fit the bytes."""
        planned = sum(_rate(running.model) for running in self._running)
        rate = max(planned + self._incidents.injection_rate, 1e-3)
        base_s = _usual_base_us(self._running) / SECOND_US
        fitting_s = BLOCK_BYTES_MAX / BYTES_A_READING / rate
        span_s = max(min(BLOCK_READINGS / rate, SPAN_MAX_S), min(TICKS_MIN * base_s, fitting_s))
        return max(1, round(span_s * SECOND_US))

    def advance(self, stop_us: int) -> Block:
        """Compute everything that is due from where the last block ended to *stop_us*."""
        assert stop_us > self.now_us, "a block has a length"
        start_us, self.now_us = self.now_us, stop_us
        self._decided = fresh = self._plant.advance(stop_us)
        self._incidents.learn()
        followed = fresh if self._quiet else self._supply.follow(fresh)
        air = self._air_over(start_us, stop_us)
        kinds: list[KindColumns] = []
        apart: list[tuple[int, KindColumns]] = []  # of machines whose gateway or sensors may lose or delay scans
        absent: list[tuple[int, Absent]] = []
        labels: list[Label] = []
        silent: list[SilentScans] = []
        events: list[Event] = list(self._doors.between(start_us, stop_us))
        for cohort, (running, decided, rows) in enumerate(zip(self._running, fresh, followed, strict=True)):
            events.extend(_events(running.model, decided, self._products))
            if self._quiet:
                continue
            spans = self._enter(running, rows)
            labels += self._incidents.worn(cohort, spans, start_us, stop_us)
            own = self._incidents.apart(cohort, start_us, stop_us)
            cut = Cut(start_us, stop_us, self._truth, self._incidents.struck[cohort], apart=own)
            parts = scans_of(running.model, spans, running.rest, air, cut, running.wanted, running.reported)
            for is_apart, scans in parts:
                if isinstance(scans, SilentScans):
                    silent.append(scans)
                elif is_apart:
                    apart.append((cohort, scans))
                else:
                    kinds.append(scans)
            absent += [(cohort, each) for each in cut.absent]
            running.rows, running.rest = spans.rows[spans.last], running.rest[:, spans.last]
        events.sort(key=_IN_ORDER)
        sent, unsent, lost = self._incidents.passed(apart, absent, start_us, stop_us)
        labels += self._incidents.labels(stop_us)
        labels.sort(key=lambda label: (label.time_us, label.machine.id, label.id, not label.is_open))
        return Block(
            start_us,
            stop_us,
            (*kinds, *sent),
            tuple(events),
            (*silent, *unsent),
            tuple(labels),
            tuple(lost),
            () if self._quiet else self._incidents.injected(start_us, stop_us),
        )

    def ended(self, labels: Sequence[Label], stop_us: int) -> tuple[Label, ...]:
        """Give the *labels* of faults that still go on as they are closed by a run that ends at *stop_us*."""
        return self._incidents.ended(labels, stop_us)

    def plant_only(self) -> Callable[[int], int]:
        """Give a function that runs the plant alone to an instant and counts the state changes: no readings."""

        def decide(stop_us: int) -> int:
            return sum(len(rows) for rows in self._plant.advance(stop_us))

        return decide

    def _enter(self, running: _Running, rows: Ints) -> Spans:
        """Merge the new rows with those in force, and compute the slow nodes' rests at each."""
        model = running.model
        spans, order = arrange(running.rows, rows, len(model.members))
        carried = len(running.rows)
        is_known: Bools = order < carried
        nodes = len(model.nodes)
        known = np.zeros((nodes + len(model.lags), len(order)))
        known[:, is_known] = running.rest[:, order[is_known]]
        turns = turns_of(spans, model.cycle)
        rest = rests(model.nodes, known[:nodes], is_known, turns, model.worn)
        lagging = lag_rests(model.lags, rest, known[nodes:], is_known, turns, model.worn)
        running.rest = np.concatenate([rest, lagging]) if model.lags else rest
        return spans

    def _air_over(self, start_us: int, stop_us: int) -> AirOver:
        """Compute every hall's air over the block and the ticks around it that a rectangle may touch."""
        reach = max((4 * running.model.cohort.base_period_us for running in self._running), default=0)
        lag = max((math.ceil(lag.tau_us) for running in self._running for lag in running.model.lags), default=0)
        first = (start_us - reach - lag) // KNOT_US
        stop = (stop_us + reach) // KNOT_US + 2
        dew = [air.knots(first, stop) for air in self._dew]
        before = max(map(history, self._felt_us), default=0)
        past = np.stack([air.knots(first - before, stop) for air in self._air])
        later = {tau_us: felt(past[:, before - history(tau_us) :], tau_us) for tau_us in self._felt_us}
        return AirOver(past[:, before:], first, np.array(dew), later)


def _air_of(hall: Hall, seed: int) -> Air:
    work = work_of(calendar_of(hall.shifts))
    return Air(seed, hall.name, hall.mean, hall.daily, hall.season, _WANDER_K, warmth=hall.work, work=work)


_WANDER_K = 0.5
"""Slow wander of a hall's air, K (1 sigma): doors, sun, people."""


def _fresh(model: Model, readings_of: Ints | None) -> _Running:
    rest = np.zeros((len(model.nodes) + len(model.lags), 0))
    memory = nothing_reported(model.deadbands, len(model.members))
    return _Running(model, np.zeros((0, width_of(model)), np.int64), rest, _wanted(model, readings_of), memory)


def _wanted(model: Model, readings_of: Ints | None) -> tuple[slice, ...]:
    """Give the stretches of a cohort whose readings are computed: all of it, or where *readings_of* lie."""
    if readings_of is None:
        return (slice(0, len(model.members)),)
    at = np.flatnonzero(np.isin(model.members, readings_of))
    breaks = np.flatnonzero(np.diff(at) > 1) + 1
    return tuple(slice(int(run[0]), int(run[-1]) + 1) for run in np.split(at, breaks) if len(run))


def _feels_dew(model: Model) -> bool:
    return any("dew_point" in graph.needed for group in model.groups for graph in group.graphs)


def _felt_us(model: Model) -> set[float]:
    """Give the time constants with which a cohort's slow nodes feel the air, us."""
    return {tau_us for group in model.groups for graph in group.graphs for tau_us in graph.felt.values()}


def _usual_base_us(running: Sequence[_Running]) -> int:
    """Give the base period that half of all readings have, or a longer one."""
    read: dict[int, float] = {}
    for each in running:
        base_us = each.model.cohort.base_period_us
        read[base_us] = read.get(base_us, 0.0) + _rate(each.model)
    left = sum(read.values()) / 2
    for base_us in sorted(read):
        left -= read[base_us]
        if left <= 0.0:
            return base_us
    return SECOND_US


def _rate(model: Model) -> float:
    base_s = model.cohort.base_period_us / 1e6
    return len(model.members) * sum(1.0 / (sensor.multiple * base_s) for sensor in model.cohort.sensors)


def _plant(roster: Roster, built: list[Model], strikes: Sequence[Strike], *, seed: int, start_us: int) -> Plant:
    """Set up the plant of the cohorts *built*, its machines in the roster's order."""
    members = np.concatenate([model.members for model in built] or [np.zeros(0, np.int64)])
    cohort = np.repeat(np.arange(len(built)), [len(model.members) for model in built])
    index = np.concatenate([np.arange(len(model.members)) for model in built] or [np.zeros(0, np.int64)])
    order = np.argsort(members)
    places = members[order]
    always_on = np.array([model.kind.always_on for model in built], bool)[cohort[order]]
    line = np.where(always_on, len(roster.lines), roster.line[places])  # as if on a line of their own
    return Plant(
        start_us,
        [(model.rules, model.words) for model in built],
        Stations(cohort[order], index[order], line, roster.island[places], roster.entry[places]),
        [*lines_of(roster, seed), Line(Calendar(), -1, 0)],
        [crew.size for crew in roster.crews],
        [policy_of(entry.maintenance) for entry in roster.entries],
        strikes,
    )


_IN_ORDER = itemgetter(*(Event._fields.index(name) for name in ("time_us", "machine", "seq")))
"""By time, then by the machine's id: the first field of a machine, and no two have the same."""


_TOLD = (
    row.MACHINE, row.ORDINAL, row.TIME, row.STATE, row.CAUSE, row.DONE, row.SCRAP, row.PRODUCT, row.LOT,
)  # fmt: skip


def _events(model: Model, rows: Ints, products: tuple[str, ...]) -> Iterator[Event]:
    """Turn the rows at which a state begins into events."""
    if not len(rows):
        return iter(())
    causes = (*CAUSES, *(mode.name for mode in model.rules.modes), *STRUCK_BY)
    states = [state.name.lower() for state in State]
    machines = model.cohort.machines
    begins = rows[~np.isin(rows[:, row.CAUSE], row.SILENT)]
    machine, seq, time_us, state, cause, parts, scrap, product, lot = (begins[:, column].tolist() for column in _TOLD)
    fields = zip(
        [machines[index] for index in machine],
        seq,
        time_us,
        repeat("state"),
        [states[index] for index in state],
        [causes[index] for index in cause],
        parts,
        scrap,
        [products[number] for number in product],
        lot,
    )
    return map(Event._make, fields)

"""What drives a machine, and its slow nodes, as closed forms between state changes.

Under a drive u a first-order node follows ``y(t) = P(phi(t)) + (y0 - P(phi0)) exp(-(t - t0) / tau)``:
its periodic answer plus a decaying rest. A drive itself is handed over from the level it had to its profile,
``y(t) = P(phi(t)) + (y0 - P(phi(t))) exp(-(t - t0) / tau)``: always between the two, so it never leaves the range of
its levels, as a rest on top of a profile that falls meanwhile would. A state change stores what is needed of y0,
computed for all machines in turns (everyone's first change, then everyone's second, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, Ints, State, Words
from fleet.sim import changes as row
from fleet.sim.address import normals
from fleet.sim.changes import FIXED, PER_MODE, PPM, Spans
from fleet.sim.damage import damage
from fleet.sim.profiles import PHASES, Profile, periodic
from fleet.sim.rules import Mode

FADED = 60.0
"""Time constants after which an exponential is taken for 0: it would be smaller than 1e-26."""

SETTLED = np.nan
"""The level that a drive is handed over from where there is none: it is met settled."""

CYCLE_ERROR_MAX = 0.12
"""Largest error of a cycle's beginning, in periods: below 1/8, so that cycles never overtake each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A first-order follower of a drive: the drive's own settling, or a slow node.

    ``levels`` is the drive's level by state, already its mean in EXECUTE where there is a profile.
    ``gain`` is (machines,); ``tau_us`` by state. ``slow`` chooses how the profile is answered.
    ``lag_us`` is a second, faster lag in series (a thermometer's pocket); 0 for none. ``mode`` is the number of the
    failure mode whose damage its drive is multiplied by, -1 for none: damage that grows smoothly does so over hours, so
    a node answers to it at once; jumps of it arrive as the node lets them (`damage.as_felt`), and where a repair ends
    it what was warm cools like all else.
    """

    name: str
    levels: Floats  # (states,)
    profile: Profile | None
    follows_setpoint: bool
    gain: Floats
    tau_us: Floats  # (states,)
    slow: bool
    lag_us: float = 0.0
    mode: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """How punctual the cycles of a cohort are: error in periods (1 sigma), and its streams (machines,).

    *part_stream* addresses what differs from part to part.
    """

    jitter: float
    stream: Words
    part_stream: Words


Errors = Callable[[Floats], Floats]
"""How late cycles begin, in periods, by their numbers."""


def phases(time_us: Ints, start_us: Ints, period_us: Ints, done: Ints, cycle: Cycle, stream: Words) -> Ints:
    """Find the table place (0 to PHASES - 1) of each instant in its cycle; all arguments broadcast.

    Cycle k begins at ``start + k T + e_k``, e_k addressed by (machine, part number), |e_k| < T / 8.
    """
    return _phases((time_us - start_us) / period_us, lambda number: _errors(number, done, cycle, stream))


def phases_between(rows: Ints, place: Ints, time_us: Ints, limits_us: tuple[Ints, Ints], cycle: Cycle) -> Ints:
    """Find the phases at *time_us* (machines, scans), where *place* says which of the spans *rows* is in force.

    *limits_us* are the first and the last instant of each span. Many instants share a cycle, so how late they begin
    is drawn for each cycle of a span and looked up.
    """
    start, period, done = (rows[:, column] for column in (row.START, row.PERIOD, row.DONE))
    stream = cycle.stream[rows[:, row.MACHINE]]
    at = (time_us - start[place]) / period[place]
    first, last = (np.rint((limit_us - start) / period) for limit_us in limits_us)
    first -= 1.0
    count = int((last - first).max()) + 2
    if count * len(rows) >= at.size:
        return _phases(at, lambda number: _errors(number, done[place], cycle, stream[place]))
    drawn = _errors(first[:, None] + np.arange(count), done[:, None], cycle, stream[:, None]).ravel()
    shift = (np.arange(len(rows)) * count - first)[place]
    return _phases(at, lambda number: np.asarray(drawn.take((number + shift).astype(np.int64))))


def _phases(at: Floats, errors: Errors) -> Ints:
    """Find the table places of instants *at* so many periods; *errors* are asked for near them.

    Only the nearest nominal beginning and the one on the other side of the instant matter.
    """
    nearest = np.rint(at)
    begin = nearest + errors(nearest)
    past = at - begin
    other = nearest + np.copysign(1.0, past)
    width = errors(other)
    width += other
    width -= begin
    past /= np.abs(width, out=width)
    past += past < 0.0
    past *= PHASES
    return np.minimum(past.astype(np.int64), PHASES - 1)


def cycles(
    time_us: Ints, start_us: Ints, period_us: Ints, done: Ints, cycle: Cycle, stream: Words
) -> tuple[Floats, Floats]:
    """Find how many cycles were completed since *start_us* at *time_us*, and how long the last one took, in periods.

    The cycle that *phases* finds each instant in.
    """
    at = (time_us - start_us) / period_us
    number = np.rint(at)
    number -= at < number + _errors(number, done, cycle, stream)
    late, before = (_errors(number - ago, done, cycle, stream) for ago in (0.0, 1.0))
    return number, 1.0 + late - before


def first_width(done: Ints, cycle: Cycle, stream: Words) -> Floats:
    """Give how long the cycle takes that a state change begins, in periods; the arguments broadcast."""
    return 1.0 + _errors(np.ones(np.broadcast(done, stream).shape), done, cycle, stream)


def _errors(number: Floats, done: Ints, cycle: Cycle, stream: Words) -> Floats:
    """Draw how late cycle *number* begins, in periods; the one that a state change begins is punctual."""
    error = normals(stream, done + number.astype(np.int64)) * np.float32(cycle.jitter)
    error = np.clip(error, -CYCLE_ERROR_MAX, CYCLE_ERROR_MAX)
    return np.where(number == 0.0, 0.0, error.astype(np.float64))


def answer(node: Node, rows: Ints, phase: Ints | None) -> Floats:
    """Give the periodic answer P of *node* in the spans *rows* at table places *phase*; (len(rows),)."""
    state = rows[:, row.STATE]
    level = node.levels[state]
    if node.profile is not None and phase is not None:
        running = state == State.EXECUTE
        place = np.arange(len(rows))
        level = np.where(running, profile_answer(node, node.profile, rows[:, row.PERIOD], place, phase), level)
    return level * scale_of(node, rows)


def scale_of(node: Node, rows: Ints) -> Floats:
    """Give what the level of *node*'s drive is multiplied by, for each span."""
    scale = node.gain[rows[:, row.MACHINE]]
    if node.follows_setpoint:
        scale = scale * (rows[:, row.LEVEL] / PPM)
    return scale


def profile_answer(node: Node, over: Profile, period_us: Ints, place: Ints, phase: Ints) -> Floats:
    """Give the answer to a profile at *phase*: the profile itself, or what a slow node makes of it.

    *period_us* has the cycle's period for each row that *place* names.
    """
    if not node.slow:
        return np.asarray(over.level.take(phase))
    tau_us = float(node.tau_us[State.EXECUTE])
    return periodic(over, period_us, (tau_us, node.lag_us) if node.lag_us else (tau_us,), place, phase)


def decay(age_us: Floats | Ints, tau_us: Floats, lag_us: float) -> Floats:
    """Give the share of a rest that is left after *age_us*: one pole, or two in series that start level.

    ``exp(-t / tau)``; with a lag s in series ``(tau exp(-t / tau) - s exp(-t / s)) / (tau - s)``, which leaves
    with slope 0 as a lagging sensor's answer does.
    """
    ages = np.abs(age_us / tau_us)  # a rectangle reaches back to before the state change: nobody reads those
    left = np.exp(-ages)
    if lag_us:
        left = (tau_us * left - lag_us * np.exp(-np.abs(age_us) / lag_us)) / (tau_us - lag_us)
    return np.where(ages <= FADED, left, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """How worn the machines of a cohort are, as nodes feel it: its failure modes, and the words of their paths."""

    modes: tuple[Mode, ...]
    words: Words

    def by(self, node: Node, rows: Ints, age_us: Ints | Floats) -> Floats | float:
        """Give what the drive of *node* is multiplied by at *age_us* in the spans *rows*; 1 where nothing wears it."""
        if node.mode < 0:
            return 1.0
        cells = rows[:, FIXED + PER_MODE * node.mode :]
        reached = cells[:, row.AGE] + age_us * (cells[:, row.RATE] / PPM)
        grown = np.flatnonzero((reached > cells[:, row.ONSET]) | (cells[:, row.LEFT] > 0))
        if not len(grown):  # as a rule
            return 0.0
        worn = rows[grown]
        place, ages = np.arange(len(worn))[:, None], age_us[grown, None].astype(np.float64)
        executing = worn[place, row.STATE] == State.EXECUTE
        found = np.zeros(len(rows))
        found[grown] = damage(self.modes[node.mode], self.words, worn, node.mode, place, ages, executing)[:, 0]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """The spans that are not the first of their machine: everyone's second one, then everyone's third, ...

    *rows* are these and *before* those that they end; arrays are (len(which),). Only what depends on the turn before
    need be computed turn by turn, and *turns* says where each is.
    """

    which: Ints
    rows: Ints
    before: Ints
    lasted: Ints  # how long those before did, us
    phase_end: Ints | None  # of the cycle before, at its end
    phase_start: Ints | None  # of the new one
    turns: tuple[slice, ...]

    def __iter__(self) -> Iterator[tuple[slice, Ints, Ints]]:
        """Go through the turns: where they are here, the spans, and those before."""
        for turn in self.turns:
            yield turn, self.which[turn], self.which[turn] - 1


def turns_of(spans: Spans, cycle: Cycle | None) -> Turns:
    """Put the spans into turns."""
    if len(spans.rows) == len(spans.first) - 1:  # nothing changes
        nothing = np.zeros(0, np.int64)
        return Turns(nothing, spans.rows[:0], spans.rows[:0], nothing, None, None, ())
    rank = np.arange(len(spans.rows)) - spans.first[spans.rows[:, row.MACHINE]]
    later = np.flatnonzero(rank)
    which = later[np.argsort(rank[later], kind="stable")]
    edges = [*np.flatnonzero(np.diff(rank[which], prepend=0)).tolist(), len(which)]
    rows, before = spans.rows[which], spans.rows[which - 1]
    time_us = rows[:, row.TIME]
    end, start = (span_phases(each, time_us, cycle) for each in (before, rows))
    return Turns(which, rows, before, time_us - before[:, row.TIME], end, start, tuple(map(slice, edges, edges[1:])))


def rests(nodes: tuple[Node, ...], known: Floats, is_known: Bools, turns: Turns, worn: Worn) -> Floats:
    """Compute ``y0 - P(phi0)`` of every slow node, and y0 of every drive, at every span; (nodes, spans).

    *known* (nodes, spans) holds it where *is_known* (spans that were in force before the block).
    A machine's very first span starts settled: its rests are 0, its drives' levels SETTLED.
    """
    rest = np.where(is_known, known, np.array([0.0 if node.slow else SETTLED for node in nodes])[:, None])
    if not turns.turns:
        return rest
    for place, node in enumerate(nodes):
        by_end, by_start = worn.by(node, turns.before, turns.lasted), worn.by(node, turns.rows, 0 * turns.lasted)
        if node.mode >= 0 and not (np.any(by_end) or np.any(by_start) or rest[place].any()):
            continue  # nothing is worn, or was
        end = answer(node, turns.before, turns.phase_end) * by_end
        left = decay(turns.lasted, node.tau_us[turns.before[:, row.STATE]], node.lag_us)
        if node.slow:
            start = answer(node, turns.rows, turns.phase_start) * by_start
            for turn, now, then in turns:
                rest[place, now] = end[turn] + rest[place, then] * left[turn] - start[turn]
        else:
            for turn, now, then in turns:
                rest[place, now] = handed_over(rest[place, then], end[turn], left[turn])
    return rest


def handed_over(level: Floats, to: Floats, left: Floats) -> Floats:
    """Give a drive that is *left* (1 to 0) at the *level* it had, and for the rest where it goes *to*."""
    return np.asarray(np.where(np.isnan(level), to, to + (level - to) * left))


def span_phases(rows: Ints, time_us: Ints, cycle: Cycle | None) -> Ints | None:
    """Find the phase of the spans *rows* at *time_us*; (len(rows),)."""
    if cycle is None:
        return None
    stream = cycle.stream[rows[:, row.MACHINE]]
    return phases(time_us, rows[:, row.START], rows[:, row.PERIOD], rows[:, row.DONE], cycle, stream)

"""How a plant is met at its start: what every machine does and decides first, in one go of arrays.

A machine begins by its shift alone: no buffer is empty or full, so a line that is on executes, each machine somewhere
in a cycle, and one that is off is stopped. The instant of each machine's first decision follows, and
until the first of its island nothing of it needs to exist but these columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import SECOND_US, Bools, Floats, Ints, State, Words
from fleet.sim import changes as row
from fleet.sim.address import firsts, word_of
from fleet.sim.calendar import NEVER_US
from fleet.sim.changes import FIXED, PER_MODE, PPM
from fleet.sim.heating import Heating
from fleet.sim.lives import lives_of
from fleet.sim.lots import stretched
from fleet.sim.rules import (
    MILLISECOND_US,
    SCRAP_GAP,
    SET_GAP,
    SET_GAP_MIN,
    SET_GAP_RANGE,
    SET_LEVEL,
    SPAN_MAX_US,
    STOP_GAP,
    Mode,
    Rules,
)

USED_UP_MAX = 0.8
"""A plant is met in the middle of its life: each part starts with a share of its first life used up."""

MET_PHASE, MET_FILL = word_of("plant.met.phase"), word_of("plant.met.fill")

LONG_CYCLE_US = 1 << 48
"""Cycles of nine years and more count as nine years where buffers are concerned: products fit 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """How the machines of a cohort are met; arrays are (machines,), *rows* (machines, width)."""

    rows: Ints  # their first state changes
    stop_left_us: Ints  # running time to the first micro-stop
    set_us: Ints  # when the setpoint changes next
    until_us: Ints  # when the shift, or the pause between two, ends
    next_scrap: Ints  # which part is the first bad one
    decision_us: Ints  # the first decision, but for what neighbours bring about


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What their lines ask of the machines of a cohort; arrays are (machines,)."""

    scrap: Floats  # share of bad parts
    product: Ints  # of the first lot; 0: none
    period: Floats  # its cycle against the machine's own
    level: Floats  # its load against the setpoint
    anew: Bools  # whether it must decide again right after the start: about lots and planned work
    by_age_us: Mapping[str, Ints]  # running time after which planned work renews a failure mode; absent: never


def begin(rules: Rules, words: Words, asked: Asked, *, on: Bools, until_us: Ints, start_us: int) -> Beginning:
    """Draw how the machines with *words* are met at *start_us*, their lines *on* or off *until_us*."""
    machines = len(words)
    rows = np.zeros((machines, FIXED + PER_MODE * len(rules.modes)), np.int64)
    rows[:, row.MACHINE] = np.arange(machines)
    rows[:, row.TIME] = rows[:, row.START] = start_us
    rows[:, row.STATE] = np.where(on, State.EXECUTE, State.STOPPED)
    rows[:, row.CAUSE] = np.where(on, row.BY_PLAN, row.SHIFT)
    rows[:, row.LEVEL] = PPM
    rows[:, row.PERIOD] = 1 if rules.period_us is None else rules.period_us
    stop_left_us, set_us, next_scrap = (np.full(machines, NEVER_US) for _ in range(3))
    decision_us = np.where(asked.anew, np.minimum(until_us, start_us + 1), until_us)
    if rules.period_us is not None:
        _ask(rows, asked)
        rows[on, row.START] -= (firsts(words, MET_PHASE) * rows[:, row.PERIOD]).astype(np.int64)[on]
        next_scrap = _first_scraps(asked.scrap, words)
        decision_us = np.minimum(decision_us, _after(next_scrap, rows[:, row.PERIOD], rows[:, row.START]))
    if rules.stop_every_us:
        stop_left_us = _rounded(rules.stop_every_us * _exponentials(words, STOP_GAP), MILLISECOND_US)
        decision_us = np.minimum(decision_us, start_us + stop_left_us)
    if rules.set_every_us:
        level = rules.set_from + (rules.set_to - rules.set_from) * firsts(words, SET_LEVEL)
        setpoint = np.rint(level * PPM)
        if rules.period_us is not None:
            setpoint = np.rint(setpoint * asked.level)
        rows[on, row.LEVEL] = setpoint.astype(np.int64)[on]
        gap = SET_GAP_MIN + SET_GAP_RANGE * firsts(words, SET_GAP)
        set_us[on] = start_us + _rounded(rules.set_every_us * gap, SECOND_US)[on]
        decision_us = np.minimum(decision_us, set_us)
    for place, mode in enumerate(rules.modes):
        wear = rows[:, FIXED + PER_MODE * place :][:, :PER_MODE]
        wear[:, : row.RATE] = _first_life(mode, words, asked.by_age_us.get(mode.name))
        wear[:, row.RATE] = _rates(mode, rows[:, row.LEVEL])
        decision_us = np.minimum(decision_us, start_us + _ages_in(wear))
    begins_us = until_us if rules.heating is None else _switched_on(rules.heating, until_us, start_us)
    return Beginning(rows, stop_left_us, set_us, until_us, next_scrap, np.where(on, decision_us, begins_us))


def _switched_on(heating: Heating, until_us: Ints, start_us: int) -> Ints:
    """Say when machines that are met cold are switched on to be ready at *until_us*."""
    cold = heating.levels[State.STOPPED]
    instants, which = np.unique(until_us, return_inverse=True)  # few: of the shifts that there are
    on_us = [heating.on_us(cold, start_us, until) for until in instants.tolist()]
    return np.maximum(np.array(on_us, np.int64)[which], start_us + 1)


def _ask(rows: Ints, asked: Asked) -> None:
    """Let machines with a cycle make their lines' first products."""
    made = np.flatnonzero(asked.product)
    rows[made, row.PRODUCT], rows[made, row.LOT] = asked.product[made], 1
    rows[made, row.LEVEL] = np.rint(PPM * asked.level[made])
    for place in made.tolist():
        rows[place, row.PERIOD] = stretched(int(rows[place, row.PERIOD]), float(asked.period[place]))


def _first_scraps(share: Floats, words: Words) -> Ints:
    """Draw which part is each machine's first bad one."""
    never = share <= 0.0
    if never.all():
        return np.full(len(words), NEVER_US)
    gap = _exponentials(words, SCRAP_GAP) / -np.log1p(-np.where(never, 0.5, share))
    return np.where(never, NEVER_US, 1 + np.minimum(gap, float(NEVER_US // 2)).astype(np.int64))


def _first_life(mode: Mode, words: Words, renewed_us: Ints | None) -> Ints:
    """Draw AGE, LIFE and ONSET of each machine's first life, which planned work ends at *renewed_us*; (machines, 3)."""
    drawn = np.array(lives_of(mode.law, mode.shape, firsts(words, mode.life_word).tolist()))
    life_us = _rounded(np.array(mode.life_us) * drawn, SECOND_US)
    low, high = mode.onset
    onset_us = _rounded(life_us * (low + (high - low) * firsts(words, mode.onset_word)), SECOND_US)
    used = firsts(words, mode.used_word) * USED_UP_MAX
    longest_us = life_us if renewed_us is None else np.minimum(life_us, renewed_us)
    age_us = _rounded(used * longest_us, SECOND_US) - SECOND_US
    return np.stack([age_us, life_us, np.minimum(onset_us, life_us)], axis=1)


def _rates(mode: Mode, level_ppm: Ints) -> Ints:
    """Say how fast running ages each machine at its first load, ppm."""
    if not mode.taylor:
        return np.full(len(level_ppm), mode.rate_ppm(PPM))
    return np.array([mode.rate_ppm(level) for level in level_ppm.tolist()], np.int64)


def _ages_in(wear: Ints) -> Ints:
    """Say in how much running time each machine's life ends, rounded up."""
    left, rate = wear[:, row.LIFE] - wear[:, row.AGE], wear[:, row.RATE]
    whole, rest = np.divmod(left, rate)
    return np.minimum(whole, NEVER_US // PPM) * PPM + -(-rest * PPM // rate)


def _exponentials(words: Words, purpose: int) -> Floats:
    """Draw each machine's first exponential variate of mean 1.

    By the same ``log`` as all later ones: numpy's may differ in the last bit.
    """
    return np.array([-math.log(each) for each in firsts(words, purpose).tolist()])


def _rounded(span_us: Floats, unit_us: int) -> Ints:
    """Round to whole units, at least one."""
    return np.maximum(np.rint(np.minimum(span_us, SPAN_MAX_US) / unit_us), 1.0).astype(np.int64) * unit_us


def first_fill(words: Words, capacity: Ints) -> Ints:
    """Draw how many parts are met before each of the machines with *words*, the one inside included; (machines,)."""
    drawn = 1 + (firsts(words, MET_FILL) * (capacity - 1)).astype(np.int64)
    return np.asarray(np.where(capacity > 1, drawn, capacity // 2))


def first_meetings(period_us: Ints, capacity: Ints, fill: Ints, line: Ints, start_us: int) -> Ints:
    """Say before when no station of buffered lines can be starved or blocked, all of them running; (stations,).

    Arrays are of the stations that buffers join, line by line; *fill* is that of the buffer above each. Each is met
    somewhere in a cycle, so this is a cycle earlier than it would be if they began one. A station that wakes finds
    the instant itself.
    """
    period = np.minimum(period_us, LONG_CYCLE_US)
    meeting = np.full(len(period), NEVER_US)
    if len(period) < 2:
        return meeting
    joined = line[1:] == line[:-1]
    # Above: the first cycle that finds nothing is the first n with n (T_above - T) > (fill - 1) T_above - T.
    gain = period[:-1] - period[1:]
    cycles = np.maximum(fill[1:] - 2, 0) * period[:-1] // np.maximum(gain, 1)
    slower = joined & (gain > 0)
    meeting[1:][slower] = _after(np.maximum(cycles - 1, 0), period[1:], start_us)[slower]
    meeting[1:][joined & (fill[1:] <= 1)] = start_us  # the part inside is the only one: whoever is first
    # Below: nothing is taken out yet, so the room that is there fills up.
    room = capacity[:-1] - fill[1:]
    blocked = _after(np.maximum(room - 1, 0), period[:-1], start_us)
    meeting[:-1][joined] = np.minimum(meeting[:-1], blocked)[joined]
    return np.asarray(np.maximum(meeting, start_us + 1))


def _after(cycles: Ints, period_us: Ints, start_us: int | Ints) -> Ints:
    """Give the end of so many *cycles*, or never where that fits no column."""
    fits = cycles.astype(np.float64) * period_us < NEVER_US // 2
    return np.where(fits, start_us + np.where(fits, cycles, 0) * period_us, NEVER_US)

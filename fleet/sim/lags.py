"""What a sensor's own lag makes of the inputs of its signal, in closed form.

A sensor that answers with the time constant s, ``s dy/dt = x - y``, is given the inputs of its signal lagged by s. That
is exact where the signal is linear in them, and first order in s where it is not: the lag of a product is not the
product of lags, but differs only while both are moving. An input follows ``x(t) = P(phi(t)) + r exp(-(t - t0) / tau)``
between two state changes, so its lag is a third exponential beside the lagged parts, which meets what was before:

    y(t) = Q(phi(t)) + r tau / (tau - s) exp(-(t - t0) / tau) + c exp(-(t - t0) / s)

The periodic answer Q of a profile of straight pieces is exact for any ratio of the cycle's period to s.

A drive is handed over from the level it had, y0, to its profile, and so is its lag: from y0 and from its own level l0,
by the shares that the two exponentials give, which add up to 1 with that of Q. Exact where the profile is a level,
first order where it moves meanwhile; never out of the drive's range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, Ints, State
from fleet.sim import changes as row
from fleet.sim.nodes import FADED, SETTLED, Node, Turns, Worn, scale_of
from fleet.sim.profiles import periodic

APART = 1e-5
"""Two time constants are never closer than this share: in partial fractions they would divide by 0."""

NO_REST = -1
"""The place of an input that has no settling of its own: it steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Lag:
    """An input of a signal, lagged by a sensor's *tau_us*; *place* is where the rest of its own is kept."""

    node: Node
    place: int
    tau_us: float


def stepping(name: str, machines: int) -> Node:
    """Make the input that is the setpoint itself: it steps at its changes."""
    ones = np.ones(len(State))
    return Node(name, ones, None, follows_setpoint=True, gain=np.ones(machines), tau_us=ones, slow=False)


def lag_rests(lags: Sequence[Lag], rest: Floats, known: Floats, is_known: Bools, turns: Turns, worn: Worn) -> Floats:
    """Compute what each of *lags* starts with at every span, the factor c, of drives the level l0; (lags, spans).

    *rest* (nodes, spans) is complete; *known* (lags, spans) holds the factor where *is_known*. A machine's very
    first span starts settled.
    """
    found = np.where(is_known, known, np.array([0.0 if lag.node.slow else SETTLED for lag in lags])[:, None])
    if not turns.turns:
        return found
    lasted = turns.lasted.astype(np.float64)
    for number, lag in enumerate(lags):
        here = found[number]
        own = np.zeros(len(here)) if lag.place == NO_REST else rest[lag.place]
        left = _faded(lasted / lag.tau_us)
        if lag.node.slow:
            end, start = _ends(lag, turns, own, lasted, worn)
            for turn, now, then in turns:
                here[now] = end[turn] + here[then] * left[turn] - start[turn]
        else:
            to = _answer(lag, turns.before, np.arange(len(lasted)), turns.phase_end)
            tau_us = apart(lag.node.tau_us[turns.before[:, row.STATE]], lag.tau_us)
            stepped = np.asarray(_stepped(lag, own[turns.which - 1], to, tau_us, lasted, left) + np.zeros(len(lasted)))
            for turn, now, then in turns:
                here[now] = _moved(to[turn], here[then], left[turn], stepped[turn])
    return found


def _ends(lag: Lag, turns: Turns, rest: Floats, lasted: Floats, worn: Worn) -> tuple[Floats, Floats]:
    """Give what a slow node lagged comes to by the end of each turn, and begins with in it, but for its factors."""
    nothing = np.zeros(len(lasted))
    by_end, by_start = worn.by(lag.node, turns.before, lasted), worn.by(lag.node, turns.rows, nothing)
    if lag.node.mode >= 0 and not (np.any(by_end) or np.any(by_start) or rest.any()):  # nothing is worn, or was
        return nothing, nothing
    place = np.arange(len(lasted))
    end = on_grid(lag, turns.before, rest[turns.which - 1], nothing, place, lasted, turns.phase_end, by_end)
    return end, _at_once(lag, turns.rows, rest[turns.which], turns.phase_start, by_start)


def _at_once(lag: Lag, rows: Ints, rest: Floats, phase: Ints | None, worn: Floats | float) -> Floats:
    """Give what a slow node lagged is right after the state changes *rows*, without a factor of its own."""
    value = _answer(lag, rows, np.arange(len(rows)), phase) * worn
    for tau_us, share in _poles(lag.node, lag.node.tau_us[rows[:, row.STATE]]):
        moved_us = apart(tau_us, lag.tau_us)
        value = value + rest * share * (moved_us / (moved_us - lag.tau_us))
    return value


def on_grid(
    lag: Lag,
    rows: Ints,
    rest: Floats,
    start: Floats,
    place: Ints,
    age_us: Floats,
    phase: Ints | None,
    worn: Floats | float,
) -> Floats:
    """Give an input lagged on a rectangle: *place* says which of *rows* is in force at each cell.

    *worn* is what the drive is multiplied by, see Worn.
    """
    node, own_us = lag.node, lag.tau_us
    if not node.slow:
        return _handed_over(lag, rows, rest[place], start[place], place, age_us, _answer(lag, rows, place, phase))
    answer = _answer(lag, rows, place, phase) if np.any(worn) else np.zeros(place.shape)
    value = _with_fading(answer * worn, start[place], np.full(place.shape, own_us), age_us)
    for tau_us, share in _poles(node, node.tau_us[rows[:, row.STATE]]):
        moved_us = apart(tau_us, own_us)
        factor = rest * share * (moved_us / (moved_us - own_us))
        value = _with_fading(value, factor[place], moved_us[place], age_us)
    return value


def _handed_over(lag: Lag, rows: Ints, level: Floats, own: Floats, place: Ints, age_us: Floats, to: Floats) -> Floats:
    """Give a drive lagged: from its *level* and its *own*, lagged one at the state change, *to* its lagged profile."""
    tau_us = apart(lag.node.tau_us[rows[:, row.STATE]], lag.tau_us)[place]
    since_us = age_us if place.shape == age_us.shape else age_us[..., :1]
    is_left = ~np.isnan(own) & (since_us <= (FADED + 1.0) * np.maximum(tau_us, lag.tau_us))
    moving = np.flatnonzero(is_left.reshape(len(place), -1).any(axis=1))
    if not len(moving):
        return to
    value = np.array(np.broadcast_to(to, age_us.shape))
    to, own, age_us, tau_us = value[moving], own[moving], age_us[moving], tau_us[moving]
    left = _faded(age_us / lag.tau_us)
    value[moving] = _moved(to, own, left, _stepped(lag, level[moving], to, tau_us, age_us, left))
    return value


def _stepped(lag: Lag, level: Floats, to: Floats, tau_us: Floats, age_us: Floats, left: Floats) -> Floats | float:
    """Give what a drive's own settling, from its *level*, leaves of it when of a lagged one so much is *left*."""
    if lag.place == NO_REST:
        return 0.0
    return np.asarray((level - to) * (tau_us / (tau_us - lag.tau_us)) * (_faded(age_us / tau_us) - left))


def _moved(to: Floats, own: Floats, left: Floats, stepped: Floats | float) -> Floats:
    return np.where(np.isnan(own), to, to + (own - to) * left + stepped)


def _faded(ages: Floats) -> Floats:
    ages = np.abs(ages)  # a rectangle reaches back to before the state change: nobody reads those
    return np.where(ages <= FADED, np.exp(-ages), 0.0)


def _with_fading(value: Floats, factor: Floats, tau_us: Floats, age_us: Floats) -> Floats:
    """Add ``factor exp(-age / tau)`` to *value*; it is nothing after FADED time constants, for whole rows as a rule."""
    since_us = age_us if factor.shape == age_us.shape else age_us[..., :1]
    is_left = (factor != 0.0) & (since_us <= (FADED + 1.0) * tau_us)
    moving = np.flatnonzero(is_left.reshape(len(factor), -1).any(axis=1))
    if not len(moving):
        return value
    ages = age_us[moving] / tau_us[moving]
    left = factor[moving] * _faded(ages)
    if len(moving) == len(factor):
        return np.asarray(value + left)
    value = np.array(np.broadcast_to(value, age_us.shape))
    value[moving] += left
    return value


def apart(tau_us: Floats, own_us: float) -> Floats:
    """Give the time constant of an input, moved a little where it is that of the sensor."""
    return np.where(np.abs(tau_us - own_us) < APART * own_us, own_us * (1.0 + APART), tau_us)


def _lag_apart(node: Node, own_us: float) -> tuple[float, ...]:
    return (float(apart(np.array([node.lag_us]), own_us)[0]),) if node.lag_us else ()


def _poles(node: Node, tau_us: Floats) -> Iterator[tuple[Floats, Floats | float]]:
    """Give the exponentials by which a node's rest decays, each with its share of it."""
    if not node.lag_us:
        yield tau_us, 1.0
        return
    yield tau_us, tau_us / (tau_us - node.lag_us)
    yield np.full_like(tau_us, node.lag_us), -node.lag_us / (tau_us - node.lag_us)


def _answer(lag: Lag, rows: Ints, place: Ints, phase: Ints | None) -> Floats:
    """Give the lagged periodic answer: the level in force, or in EXECUTE the lag of the profile."""
    node = lag.node
    scale = scale_of(node, rows)
    state = rows[:, row.STATE]
    level = (node.levels[state] * scale)[place]
    if node.profile is None or phase is None:
        return np.asarray(level)
    taus_us: tuple[float, ...] = (lag.tau_us,)
    if node.slow:
        tau_us = float(apart(node.tau_us[State.EXECUTE : State.EXECUTE + 1], lag.tau_us)[0])
        taus_us = (tau_us, *_lag_apart(node, lag.tau_us), lag.tau_us)
    answer = periodic(node.profile, np.maximum(rows[:, row.PERIOD], 1), taus_us, place, phase)
    return np.where((state == State.EXECUTE)[place], answer * scale[place], level)

"""How long each machine was in each state, in every pixel column of a picture."""

from __future__ import annotations

import numpy as np

from fleet.data import Floats, Ints

UNKNOWN = -1


class Shares:
    """Time in states, filled block by block; *us* is (machines, columns, states).

    A machine's state holds until its next change; nothing is kept of a change once its time is counted.
    """

    def __init__(self, machines: int, states: int, *, columns: int, start_us: int, stop_us: int) -> None:
        self.us: Floats = np.zeros((machines, columns, states))
        self._state: Ints = np.full(machines, UNKNOWN)
        self._start_us, self._stop_us, self._now_us = start_us, stop_us, start_us

    def begin(self, state: int) -> None:
        """Let all machines be in *state* from the start."""
        self._state[:] = state

    def add(self, machine: Ints, time_us: Ints, state: Ints, until_us: int) -> None:
        """Count the time up to *until_us*, in which *machine* went into *state* at *time_us*, all (changes,)."""
        machines, columns, states = self.us.shape
        if not machines:
            return
        edges = self._edges_us(until_us)
        everyone = np.arange(machines)
        of = np.concatenate([everyone, machine, np.repeat(everyone, len(edges))])
        when = np.concatenate([np.full(machines, self._now_us), time_us, np.tile(edges, machines)])
        what = np.concatenate([self._state, state, np.full(machines * len(edges), UNKNOWN)])
        order = np.lexsort((np.arange(len(of)), when, of))
        of, when, what = of[order], when[order], what[order]
        known = np.where(what == UNKNOWN, 0, np.arange(len(what)))
        what = what[np.maximum.accumulate(known)]
        last = np.append(of[1:] != of[:-1], True)
        span_us = np.where(last, until_us, np.append(when[1:], until_us)) - when
        column = (when - self._start_us) * columns // (self._stop_us - self._start_us)
        column = np.minimum(column, columns - 1)
        first = int(column.min())
        width = int(column.max()) + 1 - first
        cell = (of * width + column - first) * states + np.maximum(what, 0)
        counted = np.bincount(cell, span_us, machines * width * states)
        self.us[:, first : first + width] += counted.reshape(machines, width, states)
        self._state[of[last]], self._now_us = what[last], until_us

    def _edges_us(self, until_us: int) -> Ints:
        """Give the instants at which a column begins after now and before *until_us*; an instant is in the later."""
        columns, span_us = self.us.shape[1], self._stop_us - self._start_us
        first = (self._now_us - self._start_us) * columns // span_us + 1
        column = np.arange(first, columns)
        edges = self._start_us - (-column * span_us // columns)
        return np.asarray(edges[edges < until_us])


def shares_of(us: Floats) -> Floats:
    """Give the share of time in each state, (..., states), of the time *us*; 0 where there is none."""
    total = us.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(us, total, out=np.zeros(us.shape), where=total > 0))


def merged(us: Floats, together: int) -> Floats:
    """Make *together* columns of *us* (machines, columns, states) one."""
    machines, columns, states = us.shape
    return np.asarray(us.reshape(machines, columns // together, together, states).sum(axis=2))

"""Which readings a sensor reports: all of them, or those that have changed, and one now and then to show it lives.

A sensor with a deadband and a heartbeat looks at windows of so many of its readings, aligned to absolute ticks and
shifted by each machine's stagger, so that not all report at once. The first reading of a window is always reported;
each other one if it differs by more than the deadband from the last that was reported in its window, or has another
quality. So what is reported depends on nothing before its window, and of a block's end only the window that goes on
beyond it has to be remembered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Bytes, Floats, Ints
from fleet.scenario.kind import Sensor

ROUNDING = 0.5
"""Steps: a change of exactly the deadband is none, whatever its last bit says."""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """The sensors of a rate group that report by deadband; arrays are (those sensors,)."""

    rows: Ints  # places in the group
    begin: int  # place of the first of them in what the cohort remembers
    threshold: Floats  # a change beyond this is reported, units
    window: tuple[int, ...]  # readings between heartbeats


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """What each machine's deadband sensors have reported last; (those sensors of the cohort, machines)."""

    value: Floats  # not a number where nothing was
    quality: Bytes


def nothing_reported(sensors: int, machines: int) -> Reported:
    """Give what is remembered at the start."""
    return Reported(np.full((sensors, machines), np.nan), np.zeros((sensors, machines), np.uint8))


def policy_of(sensors: Mapping[str, Sensor], begin: int) -> Policy | None:
    """Give how *sensors* of a rate group report; None where all report everything."""
    rows = [place for place, sensor in enumerate(sensors.values()) if sensor.deadband]
    if not rows:
        return None
    listed = [list(sensors.values())[place] for place in rows]
    steps = [math.floor(sensor.deadband / sensor.resolution + 1e-6) for sensor in listed]
    return Policy(
        np.array(rows, np.int64),
        begin,
        np.array([(step + ROUNDING) * sensor.resolution for step, sensor in zip(steps, listed, strict=True)]),
        tuple(max(1, math.floor(sensor.heartbeat / sensor.period + 1e-6)) for sensor in listed),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rectangle:
    """The readings of a rate group's sensors, (sensors, machines, ordinals from its *first* (machines,) on).

    *due* (machines, ordinals) says which are in the block: those of a machine follow one another. *shift* (machines,)
    moves its windows.
    """

    first: Ints
    shift: Ints
    due: Bools
    value: Floats
    quality: Bytes


def reported(policy: Policy, memory: Reported, machines: slice, of: Rectangle) -> Bools:
    """Say which readings are reported, (sensors, machines, ordinals), and remember the last ones."""
    out = np.ones(of.value.shape, np.bool_)
    for number, row in enumerate(policy.rows.tolist()):
        last = memory.value[policy.begin + number, machines], memory.quality[policy.begin + number, machines]
        window = policy.window[number]
        table = _Readings(of.value[row], of.quality[row], of.due, (of.first + of.shift) % window, window)
        if table.count > 2 * window:
            table, last_of, cell = _by_windows(table, *last)
            told = _told(table, *last_of, float(policy.threshold[number]))
            out[row].reshape(-1)[cell[table.due]] = told[table.due]
            some: Bools = np.logical_or.reduce(table.due, axis=2)
            machine = np.flatnonzero(some.any(axis=1))
            latest = some.cumsum(axis=1).argmax(axis=1)[machine]  # the last window that any is in
            last[0][machine], last[1][machine] = (column[machine, latest] for column in last_of)
        else:
            out[row] = _told(table, *last, float(policy.threshold[number]))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Readings:
    """The readings of one sensor in order along the last axis; *begun* is how far into its window the first is."""

    value: Floats
    quality: Bytes
    due: Bools
    begun: Ints
    window: int

    @property
    def count(self) -> int:
        """How many there are in a row."""
        return int(self.value.shape[-1])


def _told(table: _Readings, value: Floats, quality: Bytes, threshold: float) -> Bools:
    """Go through the readings in order; *value* and *quality* of what was reported last are brought forward."""
    told = np.zeros(table.value.shape, np.bool_)
    for at in range(table.count):
        now, good, due = table.value[..., at], table.quality[..., at], table.due[..., at]
        changed = ~(np.abs(now - value) <= threshold) | (good != quality)
        told[..., at] = tells = due & (changed | ((table.begun + at) % table.window == 0))
        np.copyto(value, now, where=tells)
        np.copyto(quality, good, where=tells)
    return told


def _by_windows(table: _Readings, value: Floats, quality: Bytes) -> tuple[_Readings, tuple[Floats, Bytes], Ints]:
    """Lay the windows of many readings side by side, (machines, windows, readings), to go through all at once.

    Gives also what was reported last before each, and the cell of the rectangle that each reading is.
    """
    machines, count = table.value.shape
    windows = -(-count // table.window) + 1
    place = np.arange(windows * table.window) - table.begun[:, None]
    inside = (place >= 0) & (place < count)
    cell = np.clip(place, 0, count - 1) + (np.arange(machines) * count)[:, None]
    shape = (machines, windows, table.window)
    due = (table.due.reshape(-1)[cell] & inside).reshape(shape)
    begins = due.any(axis=2).argmax(axis=1)
    last = np.full(shape[:2], np.nan), np.zeros(shape[:2], np.uint8)
    for column, before in zip(last, (value, quality), strict=True):
        column[np.arange(machines), begins] = before
    side_by_side = _Readings(
        table.value.reshape(-1)[cell].reshape(shape),
        table.quality.reshape(-1)[cell].reshape(shape),
        due,
        np.zeros(1, np.int64),
        table.window,
    )
    return side_by_side, last, cell.reshape(shape)

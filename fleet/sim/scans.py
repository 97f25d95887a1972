"""From a controller's ticks to the three instants of its scans, and to the numbers of its readings.

Tick k of a machine happens at ``start + k * base + phase + jitter(k)``, |jitter| below a quarter of
the base period: time never runs backwards within a machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleet.data import Floats, Ints, Words
from fleet.sim.noise import white

JITTER_MAX = 0.24
"""Largest jitter, in base periods; the law says below a quarter."""

CLOCK_STEP_MAX = 0.45
"""Largest step of a clock back at a synchronisation, in base periods; the law says below a half."""


@dataclass(frozen=True, slots=True, eq=False)
class Controllers:
    """The controllers of a cohort; arrays are (machines,)."""

    start_us: int
    base_us: int
    phase_us: Ints
    jitter_us: float  # 1 sigma
    jitter_stream: Words
    clock_us: Floats  # height of the sawtooth from middle to edge, signed: the clock's own rate
    sync_us: int  # between synchronisations
    sync_phase_us: Ints


def ticks_between(controllers: Controllers, start_us: int, stop_us: int) -> tuple[int, int]:
    """Give the range of ticks outside which no machine has a scan in *start_us* to *stop_us*.

    Tick k happens less than a base period and the largest jitter after ``start + k * base``, and less than the
    largest jitter before it; the first one never before the start.
    """
    base = controllers.base_us
    jitter = math.ceil(JITTER_MAX * base)
    first = -((controllers.start_us + base + jitter - start_us) // base)
    stop = -((controllers.start_us - jitter - stop_us) // base)
    return max(0, first), max(0, stop)


def instants(controllers: Controllers, machines: slice, first: int, stop: int) -> Ints:
    """Give the true instant of ticks *first* to *stop* of *machines*; (machines, ticks) int64 us."""
    jitter = white(controllers.jitter_stream[machines], first, stop) * np.float32(controllers.jitter_us)
    bound = JITTER_MAX * controllers.base_us
    nominal = controllers.start_us + np.arange(first, stop, dtype=np.int64) * controllers.base_us
    scan = controllers.phase_us[machines, None] + nominal[None, :]
    scan += np.clip(jitter, -bound, bound).astype(np.int64)
    np.maximum(scan, controllers.start_us, out=scan)
    return scan


def clock_readings(controllers: Controllers, machine: Ints, scan_us: Ints) -> Ints:
    """Give what each controller's clock says at *scan_us*: the truth plus a sawtooth between synchronisations."""
    age = (scan_us + controllers.sync_phase_us[machine]) % controllers.sync_us
    error = controllers.clock_us[machine] * (age * (2.0 / controllers.sync_us) - 1.0)
    return np.asarray(scan_us + np.rint(error).astype(np.int64))


def readings_before(tick: Ints, stagger: Ints, multiples: tuple[int, ...]) -> Ints:
    """Count a machine's readings scheduled before *tick*: the ``seq`` of the scan's first reading.

    A sensor of multiple m is due where ``(tick + stagger) % m == 0``, so before tick k it was due
    ``ceil((k + stagger) / m) - ceil(stagger / m)`` times.
    """
    count = np.zeros(np.broadcast_shapes(tick.shape, stagger.shape), np.int64)
    for multiple in sorted(set(multiples)):
        sensors = multiples.count(multiple)
        if multiple == 1:
            count += sensors * tick
        else:
            due = (tick + (stagger + (multiple - 1))) // multiple - (stagger + (multiple - 1)) // multiple
            count += sensors * due
    return count

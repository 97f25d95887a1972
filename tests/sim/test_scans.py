from __future__ import annotations

import numpy as np
import pytest

from fleet.data import SECOND_US
from fleet.sim.address import keys, machine_words
from fleet.sim.scans import Controllers, clock_readings, instants, readings_before, ticks_between
from tests.sim.plants import START_US, blocks_of, line, logs_of, roster_of


def controllers(machines: int = 1, *, jitter_us: float = 0.0, clock_us: float = 0.0) -> Controllers:
    return Controllers(
        start_us=START_US,
        base_us=SECOND_US,
        phase_us=np.linspace(0, SECOND_US - 1, machines).astype(np.int64),
        jitter_us=jitter_us,
        jitter_stream=keys(machine_words(1, [f"m{k}" for k in range(machines)]), "scan.jitter"),
        clock_us=np.full(machines, clock_us),
        sync_us=600 * SECOND_US,
        sync_phase_us=np.zeros(machines, np.int64),
    )


def test_no_scan_of_a_span_lies_outside_the_ticks_that_are_looked_at() -> None:
    plant = controllers(50, jitter_us=SECOND_US)
    everything = instants(plant, slice(0, 50), 0, 200)

    for start in range(0, 100 * SECOND_US, 7_654_321):
        span = START_US + start, START_US + start + 3_210_987
        first, stop = ticks_between(plant, *span)
        due = (everything >= span[0]) & (everything < span[1])
        assert due.any(axis=0)[first:stop].sum() == due.any(axis=0).sum()


def test_no_scan_is_before_the_start() -> None:
    assert instants(controllers(50, jitter_us=SECOND_US), slice(0, 50), 0, 2).min() >= START_US


def test_the_phases_of_machines_are_spread_evenly_over_the_base_period() -> None:
    roster = roster_of(line("a", {"kind": "pump", "count": 400}))

    phases = np.sort([float(log.time_s[0]) for log in logs_of(blocks_of(roster, 3)).values()])

    distance = np.abs(phases - (np.arange(400) + 0.5) / 400).max()
    assert distance < 1.63 / np.sqrt(400)  # Kolmogorov and Smirnov's 1 % bound


def test_scans_scatter_by_their_kinds_jitter() -> None:
    (log,) = logs_of(blocks_of(roster_of(line("a", {"kind": "pump"})), 3000)).values()

    gaps = np.diff(log.of("vibration").time_s)

    assert gaps.std() == pytest.approx(0.01 * np.sqrt(2), rel=0.1)
    assert gaps.mean() == pytest.approx(1.0, abs=1e-4)


def test_a_clock_runs_from_one_edge_to_the_other_between_synchronisations() -> None:
    plant = controllers(clock_us=20_000.0)
    origin = -(-START_US // plant.sync_us) * plant.sync_us
    time_us = origin + np.arange(0, 1200, 1) * SECOND_US

    error = clock_readings(plant, np.zeros(1200, np.int64), time_us) - time_us

    assert (error[0], error[300], error[600]) == (-20_000, 0, -20_000)
    assert error.max() == pytest.approx(20_000, abs=100)
    assert (np.diff(error) < 0).sum() == 1


def test_readings_are_counted_as_if_one_by_one() -> None:
    multiples, stagger = (1, 3, 3, 10, 1), np.arange(40)
    tick = np.arange(120)

    counted = readings_before(tick[None, :], stagger[:, None], multiples)

    due = sum((((tick[None, :] + stagger[:, None]) % m) == 0).astype(int) for m in multiples)
    assert np.array_equal(counted[:, 1:], np.cumsum(due, axis=1)[:, :-1])
    assert (counted[:, 0] == 0).all()

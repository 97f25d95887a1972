from __future__ import annotations

import numpy as np
import pytest

from fleet.data import DAY_US, HOUR_US, MINUTE_US, Floats
from fleet.sim.calendar import Calendar, weekly
from fleet.sim.hall import KNOT_US, WORK_TAU_US, Air, Work, felt, history, read_off, work_of
from tests.sim.plants import START_US, blocks_of, kind_from, line, logs_of, roster_of

FIRST = START_US // KNOT_US
DAY = DAY_US // KNOT_US
YEAR = 365 * DAY
TAU_MIN = 120

THERMOMETER = """\
kind: thermometer
signals:
  air: {law: scaled, of: ambient, by: 1, plus: 0}
sensors:
  air: {signal: air, units: degC, period: 1 min, span: [-40, 80], resolution: 0.01}
"""


def wander(seed: int) -> Floats:
    return Air(seed, "main", 0.0, 0.0, 0.0, 0.5).knots(FIRST, FIRST + 60 * DAY)


def test_air_has_its_daily_wave_warmest_in_the_afternoon() -> None:
    air = Air(1, "main", 22.0, 3.0, 0.0, 0.5).knots(FIRST, FIRST + 60 * DAY)
    hour = (np.arange(FIRST, FIRST + 60 * DAY) % DAY) / 60

    by_hour = np.array([air[(hour >= h) & (hour < h + 1)].mean() for h in range(24)])

    assert int(by_hour.argmax()) in {14, 15}
    assert np.ptp(by_hour) / 2 == pytest.approx(3.0, abs=0.3)
    wave = 3.0 * np.sin(2 * np.pi * (hour - 9) / 24)
    assert 1 - (air - air.mean() - wave).var() / air.var() > 0.25


def test_air_is_coldest_in_january_and_warmest_in_july() -> None:
    air = Air(1, "main", 22.0, 0.0, 6.0, 0.0).knots(0, YEAR)

    assert int(air.argmin()) // DAY in range(5, 25)
    assert int(air.argmax()) // DAY in range(185, 210)
    assert np.ptp(air) == pytest.approx(12, abs=0.1)


def test_air_wanders_like_an_ornstein_uhlenbeck_process_of_two_hours() -> None:
    found = np.mean([statistics(wander(seed)) for seed in range(1, 21)], axis=0)

    assert found[0] == pytest.approx(0.5**2, rel=0.1)
    assert found[1:] == pytest.approx(np.exp([-0.5, -1, -2]), abs=0.1)


def statistics(air: Floats) -> list[float]:
    """Give the variance and the autocorrelation at half, one and two time constants."""
    lags = (TAU_MIN // 2, TAU_MIN, 2 * TAU_MIN)
    return [float(air.var()), *(float(np.corrcoef(air[:-lag], air[lag:])[0, 1]) for lag in lags)]


FIVE_DAYS = weekly((0, 1, 2, 3, 4), [(6 * 3600, 14 * 3600), (14 * 3600, 22 * 3600)], [])


def test_a_hall_is_cooler_at_weekends_and_by_night_and_swings_less_while_nobody_works() -> None:
    minutes = np.arange(FIRST, FIRST + 28 * DAY)
    air = Air(1, "main", 22.0, 3.0, 0.0, 0.0, warmth=3.0, work=Work(FIVE_DAYS)).knots(FIRST, FIRST + 28 * DAY)
    hour, day = (minutes % DAY) / 60, (minutes // DAY + 3) % 7

    def swing(days: list[int]) -> float:
        return float(np.mean([np.ptp(air[(minutes // DAY - FIRST // DAY == each)]) for each in days]))

    sunday, wednesday = (float(air[(day == each) & (hour >= 14) & (hour < 16)].mean()) for each in (6, 2))
    assert 2.0 < wednesday - sunday < 6.0
    assert air[(day == 6) & (hour < 4)].mean() < air[(day == 2) & (hour < 4)].mean() - 0.2
    assert swing([5 + 1, 12 + 1, 19 + 1]) < 0.7 * swing([1, 2, 3, 8, 9, 10])
    assert np.abs(np.diff(air)).max() < 0.05, "work begins at once, a hall warms up over hours"
    assert air.mean() == pytest.approx(22.0, abs=0.3)


def test_the_warmth_of_work_is_the_first_order_answer_to_the_shifts() -> None:
    minutes = np.arange(FIRST - 14 * DAY, FIRST + 7 * DAY)
    on = np.array([FIVE_DAYS.at(minute * KNOT_US)[0] for minute in minutes.tolist()], float)

    stepped, value = np.empty(len(minutes)), 0.0
    for place, each in enumerate(on.tolist()):
        stepped[place] = value
        value = each + (value - each) * np.exp(-KNOT_US / WORK_TAU_US)

    assert Work(FIVE_DAYS).at(minutes * KNOT_US)[14 * DAY :] == pytest.approx(stepped[14 * DAY :], abs=1e-9)
    assert Work(FIVE_DAYS).mean == pytest.approx(on[14 * DAY :].mean())


def test_a_hall_that_never_rests_has_no_warmth_of_work_and_one_that_always_does_none_either() -> None:
    never = weekly((), [(0, 3600)], [])

    assert work_of(Calendar()) is None
    assert np.array_equal(Work(never).at(np.arange(FIRST, FIRST + DAY) * KNOT_US), np.zeros(DAY))


def test_air_at_work_does_not_depend_on_where_it_is_cut() -> None:
    air = Air(5, "main", 22.0, 3.0, 6.0, 0.5, warmth=3.0, work=Work(FIVE_DAYS))

    whole = air.knots(FIRST, FIRST + 10_000)

    assert np.array_equal(whole, np.concatenate([air.knots(FIRST, FIRST + 17), air.knots(FIRST + 17, FIRST + 10_000)]))


def test_one_more_machine_changes_nothing_of_the_air_and_a_halls_own_shifts_do() -> None:
    station, kinds = {"kind": "thermometer"}, {"thermometer": kind_from(THERMOMETER)}
    shift = {"hours": ["06:00-14:00"]}

    def read(lines: list[dict[str, object]], **more: object) -> Floats:
        logs = logs_of(blocks_of(roster_of(*lines, kinds=kinds, **more), 12 * 3600))
        return logs["a-thermometer-001"].value

    alone = read([line("a", station)], shifts=shift)
    beside = read([line("a", station), line("b", {"kind": "rig", "count": 3}, shifts={"days": ["sun"]})], shifts=shift)
    always = read([line("a", station)])
    own = read([line("a", station)], halls=[{"name": "main", "shifts": shift}])

    assert np.array_equal(alone, beside)
    assert np.array_equal(alone, own)
    assert np.abs(alone - always).max() > 1


def test_air_changes_by_little_from_minute_to_minute() -> None:
    air = Air(1, "main", 22.0, 3.0, 6.0, 0.5).knots(FIRST, FIRST + 60 * DAY)

    assert np.abs(np.diff(air)).max() < 0.15


def test_air_does_not_depend_on_where_it_is_cut() -> None:
    air = Air(5, "main", 22.0, 3.0, 6.0, 0.5)

    whole = air.knots(FIRST, FIRST + 1000)

    assert np.array_equal(whole, np.concatenate([air.knots(FIRST, FIRST + 17), air.knots(FIRST + 17, FIRST + 1000)]))


def test_halls_and_seeds_have_airs_of_their_own() -> None:
    airs = [Air(seed, hall, 22.0, 3.0, 6.0, 0.5).knots(FIRST, FIRST + DAY) for seed in (1, 2) for hall in ("a", "b")]

    assert all(not np.allclose(airs[i], airs[j], atol=0.01) for i in range(4) for j in range(i))


def test_air_is_read_off_between_its_knots() -> None:
    knots = np.array([10.0, 20.0, 0.0])

    found = read_off(
        knots, 5, np.array([5 * MINUTE_US, 5 * MINUTE_US + MINUTE_US // 4, 6 * MINUTE_US + MINUTE_US // 2])
    )

    assert found.tolist() == [10.0, 12.5, 10.0]


def test_every_worker_and_every_machine_of_a_hall_feels_the_same_air() -> None:
    kinds = {"thermometer": kind_from(THERMOMETER)}
    roster = roster_of(*(line(f"l{k}", {"kind": "thermometer", "count": 3}) for k in range(3)), kinds=kinds)
    logs = [logs_of(blocks_of(roster, 6 * 3600, islands=(i, 3), truth=True)) for i in range(3)]
    air = Air(1, "main", 22.0, 3.0, 6.0, 0.5).knots(FIRST, FIRST + 6 * HOUR_US // KNOT_US + 2)

    for log in (log for worker in logs for log in worker.values()):
        assert log.truth is not None
        assert np.abs(log.truth - read_off(air, FIRST, log.scan_us)).max() <= 0.5e-5 + 1e-12

    assert sum(len(worker) for worker in logs) == 9


@pytest.mark.parametrize("tau_min", [8, 40, 200])
def test_what_follows_the_air_is_a_first_order_lag_of_it_wherever_it_is_cut(tau_min: int) -> None:
    air, tau_us = Air(3, "main", 22.0, 3.0, 6.0, 0.5), tau_min * float(MINUTE_US)
    reach = history(tau_us)
    knots = air.knots(FIRST - reach, FIRST + DAY)[None, :]

    whole = felt(knots, tau_us)[0]
    late = felt(knots[:, 700:], tau_us)[0]

    fine = np.interp(np.arange(0, knots.shape[1] - 1, 0.02), np.arange(knots.shape[1]), knots[0])
    value, stepped = fine[0], np.empty(len(fine))
    for place, each in enumerate(fine.tolist()):
        value += (each - value) * 0.02 / tau_min
        stepped[place] = value
    assert np.abs(whole[DAY // 2 : -1] - stepped[::50][reach + DAY // 2 :][: len(whole) - DAY // 2 - 1]).max() < 0.01
    assert np.array_equal(whole[700:], late)

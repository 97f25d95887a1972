"""Readings by pixel column: exactly those of a run, in memory that does not grow with the span."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.api import load
from fleet.data import HOUR_US, MINUTE_US, SECOND_US, Bytes, Floats, Ints
from fleet.picture.envelope import Envelope
from fleet.picture.plot import START_US
from fleet.picture.story import Span, Told, tell
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.roster import Roster
from fleet.sim.laws import LAW_INPUTS
from tests.cli.commands import fleet
from tests.sim.plants import blocks_of, line, logs_of, roster_of


def silent(share: float) -> None:
    assert 0 < share <= 1


def told(roster: Roster, place: int, seconds: float, *, columns: int, seed: int = 1) -> Told:
    stop_us = START_US + round(seconds * SECOND_US)
    return tell(roster, Span(seed, START_US, stop_us, columns), [place], silent)[0]


def of_scenario(name: str) -> Roster:
    scenario = load(name)
    return expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))


def columns_of(time_us: Ints, value: Floats, columns: int, span_us: int) -> dict[int, list[float]]:
    """Sort values into columns, one by one."""
    found: dict[int, list[float]] = {}
    for at, each in zip(((time_us - START_US) * columns // span_us).tolist(), value.tolist(), strict=True):
        found.setdefault(at, []).append(each)
    return found


@given(
    st.lists(st.tuples(st.integers(0, 999), st.floats(-1e3, 1e3), st.integers(0, 2)), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([4, 10, 1000]),
)
def test_columns_have_the_smallest_the_largest_and_the_mean(
    scans: list[tuple[int, float, int]], cuts: list[int], columns: int
) -> None:
    scans.sort()
    time_us = np.array([START_US + at for at, _, _ in scans], np.int64)
    value, quality = np.array([[v] for _, v, _ in scans]), np.array([[q] for _, _, q in scans], np.uint8)
    envelope = Envelope(2, columns, START_US, START_US + 1000)

    for begin, stop in pieces(cuts, len(scans)):
        envelope.add((1,), time_us[begin:stop], value[begin:stop], quality[begin:stop])

    expected = columns_of(time_us, value[:, 0], columns, 1000)
    assert np.flatnonzero(envelope.count[1]).tolist() == sorted(expected)
    assert not envelope.count[0].any()
    for at, values in expected.items():
        assert envelope.low[1, at] == min(values)
        assert envelope.high[1, at] == max(values)
        assert envelope.mean[1, at] == pytest.approx(np.mean(values), abs=1e-9)
    assert envelope.doubtful.sum() == (quality > 0).sum()


def pieces(cuts: Sequence[int], length: int) -> list[tuple[int, int]]:
    edges = [0, *sorted({cut for cut in cuts if cut < length}), length]
    return list(pairwise(edges))


def test_a_narrow_picture_has_the_extremes_of_the_wide_one() -> None:
    wide = Envelope(1, 6, 0, 6)
    wide.add((0,), np.arange(6), np.array([[3.0], [1.0], [4.0], [1.0], [5.0], [9.0]]), np.zeros((6, 1), np.uint8))

    narrow = wide.merged(2)

    assert (narrow.low.tolist(), narrow.high.tolist(), narrow.mean.tolist()) == (
        [[1, 1, 5]], [[3, 4, 9]], [[2, 2.5, 7]],
    )  # fmt: skip


def test_the_readings_are_those_that_fleet_run_sends() -> None:
    roster, seconds = of_scenario("quickstart"), 60
    place = next(at for at, machine in enumerate(roster.machines) if machine.id == "filling-pump-worn")
    sampled = fleet("run", "quickstart", "--sample", "100000", "--for", "60s", "--start", "2026-03-02T06:00:00Z")
    sent = [reading for reading in map(json.loads, sampled.out.splitlines()) if reading.get("sensor")]

    seen = told(roster, place, seconds, columns=seconds * 20, seed=11)

    assert seen.readings is not None
    for number, name in enumerate(seen.lived.kind.sensors):
        values = [one["value"] for one in sent if (one["machine"], one["sensor"]) == ("filling-pump-worn", name)]
        read = np.flatnonzero(seen.readings.count[number])
        assert (seen.readings.count[number, read] == 1).all()
        assert seen.readings.low[number, read].tolist() == values
        assert seen.readings.high[number, read].tolist() == values
        assert len(values) == seconds // round(seen.lived.kind.sensors[name].period)


@pytest.mark.parametrize("buffer", [None, 4])
def test_a_machine_alone_reads_what_it_does_among_all(buffer: int | None) -> None:
    roster = roster_of(
        line("a", {"kind": "rig", "count": 3}, **({} if buffer is None else {"buffer": buffer})),
        line("b", {"kind": "pump", "count": 2}, {"kind": "rig"}, crew=1),
    )
    logs = logs_of(blocks_of(roster, 400))
    columns, span_us = 40, 400 * SECOND_US

    for place in (1, 3, 5):
        seen = told(roster, place, 400, columns=columns)

        log = logs[roster.machines[place].id]
        assert seen.readings is not None
        assert seen.readings.count.sum() == len(log.seq)
        for number, name in enumerate(log.sensors):
            expected = columns_of(log.of(name).scan_us, log.of(name).value, columns, span_us)
            for at, values in expected.items():
                assert seen.readings.low[number, at] == min(values)
                assert seen.readings.high[number, at] == max(values)


def test_a_week_is_kept_in_no_more_numbers_than_an_hour() -> None:
    roster = of_scenario("quickstart")

    hour, week = (told(roster, 3, span_us / SECOND_US, columns=640) for span_us in (HOUR_US, 7 * 24 * HOUR_US))

    assert hour.readings is not None
    assert week.readings is not None
    assert week.readings.count.sum() == 168 * hour.readings.count.sum()
    assert week.readings.points == hour.readings.points == 5 * 9 * 640
    assert week.lived.us.shape == hour.lived.us.shape
    assert len(week.labels) <= 2000


def test_a_reading_that_is_not_good_is_counted() -> None:
    quality: Bytes = np.array([[0, 1], [2, 0], [0, 0]], np.uint8)
    envelope = Envelope(2, 1, 0, MINUTE_US)

    envelope.add((0, 1), np.arange(3), np.zeros((3, 2)), quality)

    assert envelope.doubtful.tolist() == [[1], [1]]

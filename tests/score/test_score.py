"""Every figure of a score, on cases whose answer is known."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import DAY_US, MINUTE_US, SECOND_US
from fleet.score.match import match, spans
from fleet.score.report import as_json, report_lines, seconds_text
from fleet.score.score import score
from fleet.score.values import Alert, Labelled, Tolerance, window_of
from tests.score.cases import DRIFT, KNOWN, LATER, LENGTH_S, MACHINES, OUTAGE, TRUTH, WEAR, alert, at, label, truth_of


def test_every_figure_of_the_known_case() -> None:
    found = score(KNOWN, TRUTH).counted

    every = found.all
    assert (every.labels, every.found, every.missed, every.false_alarms) == (4, 3, 1, 6)
    assert every.precision == pytest.approx(3 / 9)
    assert every.recall == pytest.approx(3 / 4)
    assert every.f1 == pytest.approx(6 / 13)
    assert every.delay_s == pytest.approx((400, 560))
    assert every.ahead_s == (2400,)
    ill_s = 4310 + 1310 + 910 + 1310
    assert every.healthy_days == pytest.approx((4 * LENGTH_S - ill_s) / 86400)
    assert every.false_per_day == pytest.approx(6 * 86400 / (4 * LENGTH_S - ill_s))
    alarms = 3 + 6
    chances = [1 - math.exp(-alarms * window / (4 * LENGTH_S)) for window in (4310, 1310, 910, 1310)]
    assert every.by_chance == pytest.approx(sum(chances) / 4)


def test_the_figures_of_each_fault() -> None:
    found = score(KNOWN, TRUTH).counted

    assert list(found.faults) == ["bearing", "drift", "outage"]
    wear, drift, outage = found.faults.values()
    assert (wear.found, wear.false_alarms, wear.precision, wear.recall, wear.f1) == (1, 0, 1, 1, 1)
    assert (drift.found, drift.false_alarms) == (2, 1)
    assert (drift.precision, drift.recall) == (pytest.approx(2 / 3), 1)
    assert drift.delay_s == pytest.approx((200, 360))
    assert (outage.found, outage.precision, outage.recall, outage.f1, outage.delay_s) == (0, None, 0, 0, None)
    assert found.unnamed == 5
    assert sum(row.false_alarms or 0 for row in found.faults.values()) + 5 == found.all.false_alarms


def test_the_table_and_the_json_say_the_same() -> None:
    found = score(KNOWN, TRUTH)

    lines, data = list(report_lines(found)), as_json(found)

    assert "  ".join(lines).count("10s before the onset") == 1
    assert any("5min after its stop" in line for line in lines)
    assert any("within 10min are one false alarm" in line for line in lines)
    (row,) = [line.split() for line in lines if line.startswith("all ")]
    assert row[1:7] == ["4", "3", "6", "0.333", "0.750", "0.462"]
    assert data["tolerance"] == {"before_s": 10, "after_s": 300, "merge_s": 600}
    assert data["all"]["f1"] == pytest.approx(6 / 13)
    assert data["all"]["delay_s"] == {"median": pytest.approx(400), "p90": pytest.approx(560)}
    assert data["all"]["ahead_of_failure_s"] == {"median": 2400, "failures": 1}
    assert data["false_alarms_without_fault"] == 5
    assert [(each["id"], each["delay_s"]) for each in data["labels"]] == [
        (WEAR.id, 600), (DRIFT.id, 0), (OUTAGE.id, None), (LATER.id, 400),
    ]  # fmt: skip


def test_the_perfect_detector_gets_everything() -> None:
    alerts = [Alert(each.machine, each.onset_us, each.sensor, each.fault, 1.0) for each in TRUTH.labels]

    found = score(alerts, TRUTH)

    for row in (found.counted.all, *found.counted.faults.values()):
        assert (row.precision, row.recall, row.f1) == (1, 1, 1)
        assert (row.false_alarms, row.false_per_day, row.delay_s) == (0, 0, (0, 0))
    assert found.curve is not None
    assert found.curve.average_precision == 1
    assert found.curve.f1(found.curve.best) == 1


def test_one_that_always_alarms_finds_all_and_is_told_that_chance_would() -> None:
    alerts = [alert(machine, second) for machine in MACHINES for second in range(0, LENGTH_S, 60)]

    found = score(alerts, TRUTH).counted.all

    assert found.recall == 1
    assert found.by_chance is not None
    assert found.by_chance > 0.85
    # Ten minutes of alerts are one false alarm, so it has nearly six for each healthy hour, not one a machine.
    assert found.false_alarms is not None
    assert 200 < found.false_alarms < 240
    assert found.precision == pytest.approx(4 / (4 + found.false_alarms))
    assert found.precision < 0.02
    assert found.f1 is not None
    assert found.f1 < 0.04
    assert found.false_per_day == pytest.approx(144, rel=0.05)


def test_one_that_never_alarms_has_no_precision_and_no_merit() -> None:
    found = score([], TRUTH)

    every = found.counted.all
    assert (every.found, every.missed, every.false_alarms) == (0, 4, 0)
    assert (every.precision, every.recall, every.f1, every.delay_s, every.false_per_day) == (None, 0, 0, None, 0)
    assert found.curve is None


def test_on_a_quiet_day_only_false_alarms_count() -> None:
    quiet = score([alert("m1", 50)], truth_of([])).counted.all
    silent = score([], truth_of([])).counted.all

    assert (quiet.precision, quiet.recall, quiet.f1) == (0, None, 0)
    assert quiet.false_per_day == pytest.approx(86400 / (4 * LENGTH_S))
    assert (silent.precision, silent.recall, silent.f1, silent.false_per_day) == (None, None, None, 0)


def test_what_is_not_asked_about_counts_neither_way() -> None:
    found = score(KNOWN, TRUTH, asked=["sensor"])

    assert [each.fault for each in found.beside] == ["bearing", "outage"]
    # The two alerts on WEAR are excused; that it is drift, on m1 at 1600 s, remains false.
    assert (found.counted.all.labels, found.counted.all.found, found.counted.all.false_alarms) == (2, 2, 6)
    assert list(found.counted.faults) == ["drift"]
    assert int(found.matched.excused.sum()) == 2


def test_claims_may_be_ignored() -> None:
    found = score(KNOWN, TRUTH, ignored=["fault", "sensor"]).counted

    assert (found.all.found, found.all.false_alarms) == (3, 4)  # m2 at 3300 s, three of m4
    assert found.unnamed is None
    assert all(row.false_alarms is None and row.precision is None for row in found.faults.values())


def test_where_nobody_knows_the_machines_there_is_no_rate() -> None:
    alone = truth_of(TRUTH.labels)
    alone = type(alone)(alone.run, alone.name, alone.start_us, alone.stop_us, alone.labels)

    found = score(KNOWN, alone)

    assert found.counted.all.f1 == pytest.approx(6 / 13)
    assert (found.counted.all.false_per_day, found.counted.all.by_chance) == (None, None)
    assert not any("chance" in line.split() for line in report_lines(found))


def test_overlapping_windows_are_not_healthy_twice() -> None:
    labels = [label("m1", "sensor", "drift", 0, 7200), label("m1", "sensor", "noise", 3600, 10_800)]

    found = score([], truth_of(labels), tolerance=Tolerance(0, 0, MINUTE_US)).counted.all

    assert found.healthy_days == pytest.approx((4 * LENGTH_S - 10_800) / 86400)


def test_the_curve_of_a_known_case() -> None:
    labels = [label("m1", "machine", "a", 1000, 2000), label("m2", "machine", "b", 1000, 2000)]
    alerts = [
        alert("m1", 1500, score=5),
        alert("m3", 100, score=4),
        alert("m3", 200, score=3),  # merged with the one before
        alert("m2", 1100, score=2),
        alert("m2", 1900, score=3),
        alert("m4", 100, score=1),
    ]

    found = score(alerts, truth_of(labels))

    curve = found.curve
    assert curve is not None
    assert curve.threshold.tolist() == [5, 4, 3, 2, 1]
    assert curve.found.tolist() == [1, 1, 2, 2, 2]
    assert curve.false.tolist() == [0, 1, 1, 1, 2]
    assert curve.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (curve.threshold[curve.best], curve.f1(curve.best)) == (3, pytest.approx(0.8))
    assert found.counted.all.delays_s == (100, 500)
    assert score(alerts, truth_of(labels), threshold=3).counted.all.delays_s == (500, 900)


def test_lengths_are_written_with_two_units() -> None:
    assert [seconds_text(each) for each in (0, 0.25, 59, 60, 400, 3600, 90_000, -61)] == [
        "0s", "0.25s", "59s", "1min 00s", "6min 40s", "1h 00min", "1d 01h", "-1min 01s",
    ]  # fmt: skip


# ---------------------------------------------------------------- properties

TIMES = st.integers(0, 400)


@st.composite
def drawn_label(draw: st.DrawFn) -> Labelled:
    onset = draw(TIMES)
    stop, fault = onset + draw(st.integers(1, 120)), draw(st.sampled_from("xyz"))
    sensor = draw(st.sampled_from(["", "a", "b"]))
    return label(draw(st.sampled_from(MACHINES)), "sensor", fault, onset, stop, sensor=sensor)


LABELS = st.lists(drawn_label(), max_size=6)
ALERTS = st.lists(
    st.builds(
        alert, st.sampled_from(MACHINES), TIMES, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "x", "y"]),
        st.integers(0, 5).map(float),
    ),
    max_size=30,
)  # fmt: skip
TOLERANCES = st.builds(
    lambda *seconds: Tolerance(*(each * SECOND_US for each in seconds)),
    st.integers(0, 20), st.integers(0, 50), st.integers(0, 60),
)  # fmt: skip


def fits(one: Alert, other: Labelled, tolerance: Tolerance) -> bool:
    """Say by the definition itself whether an alert counts for a label."""
    start_us, stop_us = window_of(other, tolerance)
    return (
        one.machine == other.machine
        and start_us <= one.time_us < stop_us
        and (not one.sensor or not other.sensor or one.sensor == other.sensor)
        and (not one.fault or one.fault == other.fault)
    )


@given(alerts=ALERTS, labels=LABELS, tolerance=TOLERANCES, seed=st.integers(0, 99))
def test_the_order_of_alerts_changes_nothing(
    alerts: list[Alert], labels: list[Labelled], tolerance: Tolerance, seed: int
) -> None:
    shuffled = random.Random(seed).sample(alerts, len(alerts))

    one, other = (as_json(score(each, truth_of(labels), tolerance=tolerance)) for each in (alerts, shuffled))

    assert one == other


@given(alerts=ALERTS, labels=LABELS, tolerance=TOLERANCES)
def test_matching_is_what_its_definition_says(
    alerts: list[Alert], labels: list[Labelled], tolerance: Tolerance
) -> None:
    matched = match(alerts, labels[::2], tolerance, beside=labels[1::2])

    for place, each in enumerate(matched.labels):
        fitting = [one for one in alerts if fits(one, each, tolerance)]
        first = matched.first(place)
        assert len(fitting) == len(matched.fitting[place])
        assert (first >= 0) == bool(fitting)
        assert first < 0 or matched.alerts[first].time_us == min(one.time_us for one in fitting)
    for place, one in enumerate(matched.alerts):
        scored, excused = (any(fits(one, each, tolerance) for each in some) for some in (labels[::2], labels[1::2]))
        assert (matched.fitted[place], matched.excused[place]) == (scored, excused and not scored)


@given(alerts=ALERTS, labels=LABELS, tolerance=TOLERANCES)
def test_the_curve_is_the_score_at_each_threshold_and_never_falls(
    alerts: list[Alert], labels: list[Labelled], tolerance: Tolerance
) -> None:
    truth = truth_of(labels)
    curve = score(alerts, truth, tolerance=tolerance).curve

    assert (curve is None) == (not alerts or not labels)
    if curve is None:
        return
    assert (np.diff(curve.found) >= 0).all()
    assert (np.diff(curve.false) >= 0).all()
    for threshold, found, false in zip(curve.threshold.tolist(), curve.found, curve.false, strict=True):
        then = score(alerts, truth, tolerance=tolerance, threshold=threshold).counted.all
        assert (then.found, then.false_alarms) == (found, false)


@given(seconds=st.lists(TIMES, min_size=1, max_size=30), merge=st.integers(0, 60))
def test_false_alerts_are_merged_into_the_fewest_spans_that_hold_them(seconds: list[int], merge: int) -> None:
    times = np.array(sorted(at(each) for each in seconds), np.int64)
    merge_us = merge * SECOND_US

    found = spans(times, merge_us)

    # No two beginnings fit one span, so no fewer would do; and each time lies in a span.
    starts = times[found]
    assert (np.diff(starts) >= max(merge_us, 0)).all()
    behind = times[:, None] - starts[None]
    if merge:
        assert ((behind >= 0) & (behind < merge_us)).any(axis=1).all()
    else:
        assert len(found) == len(times)


@given(alerts=ALERTS, labels=LABELS, tolerance=TOLERANCES)
def test_every_share_is_a_share(alerts: list[Alert], labels: list[Labelled], tolerance: Tolerance) -> None:
    counted = score(alerts, truth_of(labels), tolerance=tolerance).counted

    for row in (counted.all, *counted.faults.values()):
        assert all(share is None or 0 <= share <= 1 for share in (row.precision, row.recall, row.f1, row.by_chance))
        assert row.found + row.missed == row.labels
        assert row.healthy_days is not None
        assert 0 < row.healthy_days <= 4 * LENGTH_S * SECOND_US / DAY_US

"""The figures of a score: found and false, precision, recall, F1, delay, false alarms a machine-day, chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import DAY_US, SECOND_US, Bools
from fleet.score.match import Matched, claims, spans
from fleet.score.values import Labelled, Tolerance, Truth, window_of


@dataclass(frozen=True, slots=True)
class Figures:
    """What a detector did about some labels. What cannot be said is None: nothing divided by nothing is no number.

    *false_alarms* is None for a fault that no alert names, *healthy_days* where the run's machines are not known.
    *ahead_s* is by how much failures were foretold, negative where the alert came after; *by_chance* the recall of
    as many alarms thrown at machines and instants blindly.
    """

    labels: int
    delays_s: tuple[float, ...]
    false_alarms: int | None
    healthy_days: float | None
    ahead_s: tuple[float, ...] = ()
    by_chance: float | None = None

    @property
    def found(self) -> int:
        """How many labels were found."""
        return len(self.delays_s)

    @property
    def missed(self) -> int:
        """How many were not."""
        return self.labels - self.found

    @property
    def precision(self) -> float | None:
        """Found labels among all that was raised."""
        return None if self.false_alarms is None else ratio(self.found, self.found + self.false_alarms)

    @property
    def recall(self) -> float | None:
        """Found labels among all labels."""
        return ratio(self.found, self.labels)

    @property
    def f1(self) -> float | None:
        """Twice the found over twice the found, the false and the missed: 0 where nothing was found."""
        return None if self.false_alarms is None else f1_of(self.found, self.false_alarms, self.missed)

    @property
    def delay_s(self) -> tuple[float, float] | None:
        """The median and the 90 % quantile of the delays of what was found."""
        return median_and_p90(self.delays_s)

    @property
    def ahead_median_s(self) -> float | None:
        """The median time by which failures were foretold."""
        return float(np.median(np.array(self.ahead_s))) if self.ahead_s else None

    @property
    def false_per_day(self) -> float | None:
        """False alarms a day and machine without a label."""
        if self.false_alarms is None or not self.healthy_days:
            return None
        return self.false_alarms / self.healthy_days


def ratio(part: int, whole: int) -> float | None:
    """Divide; None where there is nothing to divide by."""
    return part / whole if whole else None


def f1_of(found: int, false: int, missed: int) -> float | None:
    """Give the harmonic mean of precision and recall, by counts: it is 0, and not unknown, without any alarm."""
    return ratio(2 * found, 2 * found + false + missed)


def median_and_p90(values: Sequence[float]) -> tuple[float, float] | None:
    """Give both, linear between neighbours; None of nothing."""
    if not values:
        return None
    median, p90 = np.quantile(np.array(values), [0.5, 0.9])
    return float(median), float(p90)


@dataclass(frozen=True, slots=True)
class Counted:
    """All figures: in all, by fault, and the false alarms that name no fault (None where no alert names any)."""

    all: Figures
    faults: dict[str, Figures]
    unnamed: int | None


def count(matched: Matched, truth: Truth, tolerance: Tolerance, *, beside: Sequence[Labelled] = ()) -> Counted:
    """Count what *matched* says of the labels of *truth*; those *beside* are not asked about."""
    false = false_alarms(matched, matched.false, tolerance)
    healthy = healthy_days(truth, [*matched.labels, *beside], tolerance)
    chance = _chances(matched, truth, tolerance)
    places = range(len(matched.labels))
    named = any(alert.fault for alert in matched.alerts)
    by_fault: dict[str, list[int]] = {}
    for place in places:
        by_fault.setdefault(matched.labels[place].fault, []).append(place)
    if named:
        for fault in false:
            if fault:
                by_fault.setdefault(fault, [])
    return Counted(
        _figures(matched, places, sum(false.values()), healthy, chance),
        {
            fault: _figures(matched, by_fault[fault], false.get(fault, 0) if named else None, healthy, chance)
            for fault in sorted(by_fault)
        },
        false.get("", 0) if named else None,
    )


def _figures(
    matched: Matched, places: Sequence[int], false: int | None, healthy: float | None, chance: Sequence[float]
) -> Figures:
    delays, ahead = [], []
    for place in places:
        first, label = matched.first(place), matched.labels[place]
        if first < 0:
            continue
        time_us = int(matched.time_us[first])
        delays.append(max(0, time_us - label.onset_us) / SECOND_US)
        if label.failure_us is not None:
            ahead.append((label.failure_us - time_us) / SECOND_US)
    by_chance = math.fsum(chance[place] for place in places) / len(places) if chance and places else None
    return Figures(len(places), tuple(sorted(delays)), false, healthy, tuple(sorted(ahead)), by_chance)


def false_alarms(matched: Matched, which: Bools, tolerance: Tolerance) -> dict[str, int]:
    """Count the false alarms that the alerts *which* make, by the fault they name."""
    found: dict[str, int] = {}
    for (_, fault), places in claims(matched, which).items():
        found[fault] = found.get(fault, 0) + len(spans(matched.time_us[places], tolerance.merge_us))
    return found


def healthy_days(truth: Truth, labels: Iterable[Labelled], tolerance: Tolerance) -> float | None:
    """Give the machine-days of the run outside the windows of all *labels*: where an alert can be false."""
    if truth.machine_days is None:
        return None
    by_machine: dict[str, list[tuple[int, int]]] = {}
    for label in labels:
        by_machine.setdefault(label.machine, []).append(window_of(label, tolerance))
    ill_us = 0
    for windows in by_machine.values():
        at = truth.start_us
        for start_us, stop_us in sorted(windows):
            start_us, stop_us = max(start_us, at), min(stop_us, truth.stop_us)  # noqa: PLW2901 - cut to the run
            if start_us < stop_us:
                ill_us += stop_us - start_us
                at = stop_us
    return truth.machine_days - ill_us / DAY_US


def _chances(matched: Matched, truth: Truth, tolerance: Tolerance) -> list[float]:
    """Give for each label how likely as many alarms would find it that know nothing: Poisson over machines and time."""
    if truth.machine_days is None:
        return []
    found = sum(matched.first(place) >= 0 for place in range(len(matched.labels)))
    alarms = found + sum(false_alarms(matched, matched.false, tolerance).values())
    windows = [window_of(label, tolerance) for label in matched.labels]
    cut = [(max(start, truth.start_us), min(stop, truth.stop_us)) for start, stop in windows]
    return [-math.expm1(-alarms * (stop - start) / DAY_US / truth.machine_days) for start, stop in cut]

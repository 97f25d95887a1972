"""Which alert finds which label, and which alerts are false. Whatever order they come in, the answer is the same.

A label counts once, however many alerts fit it, and one alert may find all labels it fits (Hundman et al. 2018;
Tatbul et al. 2018 would call it existence reward without cardinality). Nothing inside a label is adjusted: no point of
it becomes true because another one was found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, Ints
from fleet.score.values import Alert, Labelled, Tolerance, in_order, window_of

Claim = tuple[str, str]
"""A machine and the fault that an alert names on it, "" where it names none: false alerts of one claim are merged."""


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """What became of every label and every alert.

    *fitting* has for each of *labels* the places in *alerts* of those that fit it, in order of time. *fitted* (alerts,)
    says which fit any of them; *excused* which fit only a label that is not asked about.
    """

    labels: tuple[Labelled, ...]
    alerts: tuple[Alert, ...]  # in order of machine and time
    fitting: tuple[Ints, ...]
    fitted: Bools
    excused: Bools
    time_us: Ints
    score: Floats

    @property
    def false(self) -> Bools:
        """Which alerts fit nothing; (alerts,)."""
        return ~self.fitted & ~self.excused

    def first(self, place: int, threshold: float = -np.inf) -> int:
        """Give the place of the first alert that finds the label at *place* with *threshold* or more; -1: none."""
        fitting = self.fitting[place]
        # An alert without a score is one at any threshold.
        sure = fitting[~(self.score[fitting] < threshold)]
        return int(sure[0]) if len(sure) else -1


def match(
    alerts: Sequence[Alert], labels: Sequence[Labelled], tolerance: Tolerance, *, beside: Sequence[Labelled] = ()
) -> Matched:
    """Hold *alerts* against *labels*, and against those *beside*, whose alerts count neither way."""
    ordered = in_order(alerts)
    columns = _Columns(ordered)
    fitting = tuple(columns.fitting(label, tolerance) for label in labels)
    fitted = _marked(len(ordered), fitting)
    excused = _marked(len(ordered), [columns.fitting(label, tolerance) for label in beside]) & ~fitted
    score = np.array([alert.score for alert in ordered], np.float64)
    return Matched(tuple(labels), tuple(ordered), fitting, fitted, excused, columns.time_us, score)


def _marked(size: int, places: Iterable[Ints]) -> Bools:
    marks = np.zeros(size, np.bool_)
    for each in places:
        marks[each] = True
    return marks


class _Columns:
    """Alerts as columns, so that a label with a hundred thousand of them is no loop."""

    def __init__(self, ordered: Sequence[Alert]) -> None:
        self.time_us = np.array([alert.time_us for alert in ordered], np.int64)
        self._sensor, self._sensors = _codes([alert.sensor for alert in ordered])
        self._fault, self._faults = _codes([alert.fault for alert in ordered])
        self._rows: dict[str, tuple[int, int]] = {}
        for place, alert in enumerate(ordered):
            self._rows[alert.machine] = (self._rows.get(alert.machine, (place, 0))[0], place + 1)

    def fitting(self, label: Labelled, tolerance: Tolerance) -> Ints:
        """Give the places of the alerts that fit *label*: its machine, its window, no claim that it contradicts."""
        start, stop = self._rows.get(label.machine, (0, 0))
        low, high = start + np.searchsorted(self.time_us[start:stop], window_of(label, tolerance))
        fault = self._fault[low:high]
        said = (fault == 0) | (fault == self._faults.get(label.fault, -1))
        if label.sensor:
            sensor = self._sensor[low:high]
            said &= (sensor == 0) | (sensor == self._sensors.get(label.sensor, -1))
        return np.asarray(low + np.flatnonzero(said), np.int64)


def _codes(texts: Sequence[str]) -> tuple[Ints, dict[str, int]]:
    """Give each text a number, 0 for the empty one."""
    known: dict[str, int] = {"": 0}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64), known


def claims(matched: Matched, which: Bools) -> Mapping[Claim, Ints]:
    """Give the places of the alerts *which* by claim, in order of time."""
    found: dict[Claim, list[int]] = defaultdict(list)
    for place in np.flatnonzero(which).tolist():
        alert = matched.alerts[place]
        found[alert.machine, alert.fault].append(place)
    return {claim: np.array(places, np.int64) for claim, places in found.items()}


def spans(time_us: Ints, merge_us: int) -> list[int]:
    """Give the first place of each of the fewest spans of *merge_us* that hold all of *time_us*, which ascends.

    Taking the next span where the last one ends is the fewest there can be; so more alerts never make fewer spans, and
    who alerts without a pause gets one for each *merge_us*, not a single one.
    """
    found, at = [], 0
    while at < len(time_us):
        found.append(at)
        at = max(at + 1, int(np.searchsorted(time_us, time_us[at] + merge_us)))
    return found

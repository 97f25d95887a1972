"""The threshold sweep of alerts with scores: precision against recall, average precision, the best F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Floats, Ints
from fleet.score.figures import f1_of
from fleet.score.match import Matched, claims, spans
from fleet.score.values import Tolerance

THRESHOLDS_MAX = 400
"""Of more different scores so many quantiles are tried, beside the best score of each label."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What is found and false with only the alerts of a score of at least *threshold*; all shaped (thresholds,).

    Thresholds descend, so *found* and *false* never fall.
    """

    labels: int
    threshold: Floats
    found: Ints
    false: Ints

    @property
    def precision(self) -> Floats:
        """Found among all that was raised."""
        # A threshold is the score of an alert; where that fits a label beside only, nothing is raised: no point then.
        raised = self.found + self.false
        return np.asarray(np.where(raised > 0, self.found / np.maximum(raised, 1), 1.0), np.float64)

    @property
    def recall(self) -> Floats:
        """Found among all labels."""
        return np.asarray(self.found / self.labels, np.float64)

    @property
    def average_precision(self) -> float:
        """Sum precision times the step of recall, as usual: no line is drawn between points, which would flatter."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    @property
    def best(self) -> int:
        """Give the place of the best F1; of equal ones that of the highest threshold."""
        pairs = zip(self.found.tolist(), self.false.tolist(), strict=True)
        return int(np.argmax([f1_of(found, false, self.labels - found) or 0.0 for found, false in pairs]))

    def f1(self, place: int) -> float:
        """Give F1 at a *place*."""
        found, false = int(self.found[place]), int(self.false[place])
        return f1_of(found, false, self.labels - found) or 0.0


def sweep(matched: Matched, tolerance: Tolerance) -> Curve | None:
    """Try every threshold; None where there are no scores or no labels."""
    scores = matched.score[~np.isnan(matched.score)]
    if not len(scores) or len(scores) < len(matched.score) or not matched.labels:
        return None
    best = np.array([matched.score[each].max() if len(each) else -np.inf for each in matched.fitting])
    threshold = _thresholds(scores, best[np.isfinite(best)])
    found = np.array([np.count_nonzero(best >= each) for each in threshold], np.int64)
    false = np.zeros(len(threshold), np.int64)
    for places in claims(matched, matched.false).values():
        false += _false(matched.time_us[places], matched.score[places], threshold.tolist(), tolerance.merge_us)
    return Curve(len(matched.labels), threshold, found, false)


def _thresholds(scores: Floats, best: Floats) -> Floats:
    """Choose the thresholds to try, the highest first."""
    different = np.unique(scores)
    if len(different) > THRESHOLDS_MAX:
        different = np.quantile(different, np.linspace(0, 1, THRESHOLDS_MAX), method="nearest")
    return np.unique(np.concatenate([different, best]))[::-1]


def _false(time_us: Ints, score: Floats, thresholds: Sequence[float], merge_us: int) -> Ints:
    """Count the false alarms of one claim at each threshold."""
    counts: list[int] = []
    alerts = -1
    for threshold in thresholds:
        sure = time_us[score >= threshold]
        if len(sure) != alerts:  # else the same alerts as before
            counts.append(len(spans(sure, merge_us)))
            alerts = len(sure)
        else:
            counts.append(counts[-1])
    return np.array(counts, np.int64)

"""Alerts and truth in, the score out: nothing is read or written here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fleet.score.curve import Curve, sweep
from fleet.score.figures import Counted, count
from fleet.score.match import Matched, match
from fleet.score.values import DEFAULT, Alert, Labelled, Tolerance, Truth

CLAIMS = ("sensor", "fault")


@dataclass(frozen=True, slots=True)
class Score:
    """All that was counted, and by which definitions."""

    truth: Truth
    tolerance: Tolerance
    matched: Matched
    counted: Counted
    curve: Curve | None
    beside: tuple[Labelled, ...] = ()  # labels that were not asked about
    ignored: tuple[str, ...] = ()  # claims that were not held against alerts
    threshold: float | None = None


def score(
    alerts: Sequence[Alert],
    truth: Truth,
    *,
    tolerance: Tolerance = DEFAULT,
    asked: Collection[str] = (),
    ignored: Sequence[str] = (),
    threshold: float | None = None,
) -> Score:
    """Hold *alerts* against the *truth*.

    *asked* are families and faults: other labels are not asked about, and alerts that fit only those count neither
    way; none: all are asked. *ignored* are claims of alerts, ``sensor`` or ``fault``, that are not held against them.
    Only alerts with a score of at least *threshold* are raised; the sweep has them all.
    """
    labels = [label for label in truth.labels if label.machine]
    chosen = [label for label in labels if not asked or label.family in asked or label.fault in asked]
    beside = [label for label in labels if label not in set(chosen)]
    claimed = [_without(alert, ignored) for alert in alerts] if ignored else alerts
    everything = match(claimed, chosen, tolerance, beside=beside)
    raised = everything
    if threshold is not None:
        raised = match([each for each in claimed if not each.score < threshold], chosen, tolerance, beside=beside)
    return Score(
        truth,
        tolerance,
        raised,
        count(raised, truth, tolerance, beside=beside),
        sweep(everything, tolerance),
        tuple(beside),
        tuple(ignored),
        threshold,
    )


def _without(alert: Alert, ignored: Collection[str]) -> Alert:
    return alert._replace(
        sensor="" if "sensor" in ignored else alert.sensor, fault="" if "fault" in ignored else alert.fault
    )

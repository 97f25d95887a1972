"""A score for people, as a table, and for machines, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleet.data import SECOND_US
from fleet.scenario.times import moment, span_text
from fleet.score.curve import Curve
from fleet.score.figures import Figures
from fleet.score.score import Score

HEADS = ("", "labels", "found", "false", "precision", "recall", "F1", "delay", "p90", "ahead", "false/day", "chance")
LEGEND = (
    "delay: from onset to the first alert, median and 90 % quantile of what was found; ahead: of failures, median; "
    "false/day: a machine and day without a fault; chance: the recall of as many alarms thrown blindly"
)
NOTHING = "-"


def report_lines(score: Score) -> Iterator[str]:
    """Yield what a person should read: what was scored, how it was counted, the table, the sweep."""
    truth, counted = score.truth, score.counted
    span = f"{moment(truth.start_us)} to {moment(truth.stop_us)}"
    machines = _many(truth.count, "machine") if truth.count else "machines unknown"
    yield f"{truth.name}: {machines}, {span}"
    yield f"{_many(counted.all.labels, 'label')}, {_many(len(score.matched.alerts), 'alert')}"
    yield from definitions(score)
    yield ""
    rows = [HEADS, _cells("all", counted.all), *(_cells(fault, each) for fault, each in counted.faults.items())]
    if counted.unnamed:
        rows.append(("no fault named", "", "", f"{counted.unnamed:,}", *[""] * (len(HEADS) - 4)))
    # What stands in the last two columns needs the machines of the run.
    yield from _table(rows if truth.count else [row[:-2] for row in rows])
    yield LEGEND
    if score.curve is not None:
        yield ""
        yield from _sweep(score.curve)


def definitions(score: Score) -> Iterator[str]:
    """Say how it was counted."""
    tolerance = score.tolerance
    before, after, merge = (span_text(each) for each in tolerance)
    yield (
        f"an alert counts from {before} before the onset of a fault of its machine to {after} after its stop: the "
        "first finds it, the others there count neither way"
    )
    yield f"any other alert is false; those of a machine within {merge} are one false alarm"
    if score.ignored:
        yield f"what alerts say of the {' and the '.join(score.ignored)} was not held against them"
    if score.threshold is not None:
        yield f"only alerts with a score of at least {score.threshold:g} were raised"
    if score.beside:
        yield (
            f"{_many(len(score.beside), 'label')} of other faults not asked about; alerts that fit only those count "
            "neither way"
        )
    if not score.truth.count:
        yield "which machines ran is not known, so there are no false alarms a day: name the readings, --from file:PATH"


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _cells(name: str, row: Figures) -> tuple[str, ...]:
    delay = row.delay_s
    ahead = row.ahead_median_s
    return (
        name,
        f"{row.labels:,}",
        f"{row.found:,}",
        NOTHING if row.false_alarms is None else f"{row.false_alarms:,}",
        share_text(row.precision),
        share_text(row.recall),
        share_text(row.f1),
        NOTHING if delay is None else seconds_text(delay[0]),
        NOTHING if delay is None else seconds_text(delay[1]),
        NOTHING if ahead is None else seconds_text(ahead),
        NOTHING if row.false_per_day is None else f"{row.false_per_day:.3g}",
        share_text(row.by_chance),
    )


def share_text(share: float | None) -> str:
    """Write a share with three digits."""
    return NOTHING if share is None else f"{share:.3f}"


def seconds_text(seconds: float) -> str:
    """Write a length with its two largest units: ``1h 04min``."""
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds))
    if whole < 60:
        return f"{sign}{abs(seconds):.3g}s" if abs(seconds) < 10 else f"{sign}{whole}s"
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{sign}{whole // size}{unit} {whole % size // smaller:02d}{name}"
    raise AssertionError(seconds)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        right = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([f"{row[0]:{widths[0]}}", *right]).rstrip()


def _sweep(curve: Curve) -> Iterator[str]:
    at = curve.best
    yield f"over {len(curve.threshold):,} thresholds of the score: average precision {curve.average_precision:.3f}"
    yield (
        f"best F1 {curve.f1(at):.3f} with a score of at least {curve.threshold[at]:.4g}: precision "
        f"{curve.precision[at]:.3f}, recall {curve.recall[at]:.3f}"
    )


# ---------------------------------------------------------------- JSON


def as_json(score: Score) -> dict[str, Any]:
    """Give all of it; instants are RFC 3339 text, lengths seconds, what cannot be said null."""
    truth, tolerance = score.truth, score.tolerance
    return {
        "run": truth.run,
        "start": moment(truth.start_us),
        "stop": moment(truth.stop_us),
        "machines": truth.count or None,
        "alerts": len(score.matched.alerts),
        "tolerance": {
            "before_s": tolerance.before_us / SECOND_US,
            "after_s": tolerance.after_us / SECOND_US,
            "merge_s": tolerance.merge_us / SECOND_US,
        },
        "threshold": score.threshold,
        "ignored": list(score.ignored),
        "labels_not_asked_about": len(score.beside),
        "all": _figures(score.counted.all),
        "faults": {fault: _figures(row) for fault, row in score.counted.faults.items()},
        "false_alarms_without_fault": score.counted.unnamed,
        "curve": None if score.curve is None else _curve(score.curve),
        "labels": [_label(score, place) for place in range(len(score.matched.labels))],
    }


def _figures(row: Figures) -> dict[str, Any]:
    delay = row.delay_s
    return {
        "labels": row.labels,
        "found": row.found,
        "missed": row.missed,
        "false_alarms": row.false_alarms,
        "precision": row.precision,
        "recall": row.recall,
        "f1": row.f1,
        "delay_s": None if delay is None else {"median": delay[0], "p90": delay[1]},
        "ahead_of_failure_s": {"median": row.ahead_median_s, "failures": len(row.ahead_s)} if row.ahead_s else None,
        "false_alarms_per_machine_day": row.false_per_day,
        "healthy_machine_days": row.healthy_days,
        "recall_by_chance": row.by_chance,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    at = curve.best
    return {
        "average_precision": curve.average_precision,
        "best": {
            "f1": curve.f1(at),
            "threshold": float(curve.threshold[at]),
            "precision": float(curve.precision[at]),
            "recall": float(curve.recall[at]),
        },
        "threshold": curve.threshold.tolist(),
        "precision": curve.precision.tolist(),
        "recall": curve.recall.tolist(),
    }


def _label(score: Score, place: int) -> dict[str, Any]:
    label, first = score.matched.labels[place], score.matched.first(place)
    found_us = int(score.matched.time_us[first]) if first >= 0 else None
    return {
        "id": label.id,
        "machine": label.machine,
        "family": label.family,
        "fault": label.fault,
        "sensor": label.sensor,
        "incident": label.incident,
        "onset": moment(label.onset_us),
        "stop": moment(label.stop_us),
        "failure": None if label.failure_us is None else moment(label.failure_us),
        "found": None if found_us is None else moment(found_us),
        "delay_s": None if found_us is None else max(0, found_us - label.onset_us) / SECOND_US,
    }

"""A detector's alerts, one JSON object a row: what each must hold, and where it does not.

    {"machine": "filling-pump-003", "time": "2026-03-02T08:14:05Z", "sensor": "vibration", "score": 3.2}

*time* is ISO 8601 text or a number since 1970: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17.
*sensor*, *fault*, *score* and *run* may be left out or null; whatever else a row has is the detector's own affair.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from fleet.data import SECOND_US
from fleet.errors import Problem, ScenarioError
from fleet.fit.table import MICROS_MAX, MILLIS_MAX, SECONDS_MAX
from fleet.scenario.times import moment
from fleet.scenario.wording import did_you_mean, shown
from fleet.score.values import Alert, Tolerance, Truth

ROWS_MAX = 5_000_000
"""Alerts that are read: more of them are no alerts, and would not fit the memory of a small computer."""

PROBLEMS_MAX = 10
"""Wrong rows that are told one by one."""

PATIENCE_US = 3600 * SECOND_US
"""How long behind the end of a run a detector may still say something of it, where the tolerance is shorter."""


class Row(NamedTuple):
    """One text that should be an alert, and where it stands: a file and a line, a partition and an offset."""

    file: str
    line: int
    text: str | bytes


@dataclass(slots=True)
class AlertRows:
    """The alerts that were read, and what a person should know of them."""

    alerts: list[Alert] = field(default_factory=list)
    zoneless: int = 0  # times without a zone, taken as UTC
    others: int = 0  # rows of other runs, in a topic


class _WrongError(ValueError):
    """A row that is no alert; the message says what must hold."""


def read_alerts(rows: Iterable[Row], truth: Truth, tolerance: Tolerance, *, shared: bool) -> AlertRows:
    """Read the alerts about the run of *truth*; ScenarioError has a located line for each row that is wrong.

    A *shared* place, a topic, may have alerts of other runs: by their *run*, or by their time where they name none.
    They are left out and counted; in a file of one's own they are mistakes.
    """
    reader = _Reader(truth, tolerance, shared=shared)
    problems: list[Problem] = []
    for count, row in enumerate(rows):
        if count >= ROWS_MAX:
            problems.append(Problem(row.file, row.line, "", f"must have at most {ROWS_MAX:,} alerts, has more"))
            break
        try:
            reader.take(row)
        except _WrongError as error:
            problems.append(Problem(row.file, row.line, "", str(error)))
    if len(problems) > PROBLEMS_MAX:
        more = f"and {len(problems) - PROBLEMS_MAX:,} more rows like these"
        problems = [*problems[:PROBLEMS_MAX], Problem(problems[0].file, 0, "", more)]
    if problems:
        raise ScenarioError(problems)
    return reader.read


class _Reader:
    """Reads row after row."""

    def __init__(self, truth: Truth, tolerance: Tolerance, *, shared: bool) -> None:
        self.read = AlertRows()
        self._truth, self._shared = truth, shared
        self._from_us = truth.start_us - tolerance.before_us
        self._to_us = truth.stop_us + max(tolerance.after_us, PATIENCE_US)
        self._scored: tuple[bool, str] | None = None  # whether the first row had a score, and where it stands

    def take(self, row: Row) -> None:
        """Take one *row*."""
        fields = _object(row.text)
        run = _text(fields, "run")
        if run and run != self._truth.run and self._truth.run:
            if not self._shared:
                _wrong("run", f"must be {self._truth.run}, the run that is scored", run)
            self.read.others += 1
            return
        time_us, zoneless = _instant(fields)
        if not self._in_time(time_us, named=bool(run)):
            return
        machine = self._machine(fields)
        score = _score(fields)
        self._see_that_all_have_scores(row, score)
        self.read.alerts.append(Alert(machine, time_us, _text(fields, "sensor"), _text(fields, "fault"), score))
        self.read.zoneless += zoneless

    def _machine(self, fields: dict[str, Any]) -> str:
        machine = _text(fields, "machine")
        if not machine:
            raise _WrongError("must name its machine, has no 'machine'")
        known = self._truth.machines
        if known is not None and machine not in known:
            raise _WrongError(
                f"machine: must be one of the run's {len(known):,}, got {shown(machine)}{did_you_mean(machine, known)}"
            )
        return machine

    def _in_time(self, time_us: int, *, named: bool) -> bool:
        """Say whether an instant is the run's; an error, unless it may be another run's."""
        if not self._truth.count or self._from_us <= time_us < self._to_us:
            return True
        if self._shared and not named:
            self.read.others += 1
            return False
        raise _WrongError(
            f"time: must lie within the run, {moment(self._truth.start_us)} to {moment(self._truth.stop_us)} in "
            f"simulated time, got {moment(time_us)}"
        )

    def _see_that_all_have_scores(self, row: Row, score: float) -> None:
        scored = not math.isnan(score)
        if self._scored is None:
            self._scored = scored, f"{row.file}:{row.line}"
        elif self._scored[0] != scored:
            first = f"as the first alert ({self._scored[1]}) {'has' if self._scored[0] else 'has none'}"
            must, found = ("must have one", "has none") if self._scored[0] else ("must have none", f"got {score:g}")
            raise _WrongError(f"score: {must}, {first}; {found}")


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        found = text if isinstance(text, str) else text.decode(errors="replace")
        raise _WrongError(f"must be a JSON object with machine and time, got {shown(found.strip())}")
    return fields


def _wrong(name: str, must: str, found: object) -> NoReturn:
    raise _WrongError(f"{name}: {must}, got {shown(found)}")


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        _wrong(name, "must be text", value)
    return value


def _score(fields: dict[str, Any]) -> float:
    value = fields.get("score")
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _wrong("score", "must be a finite number", value)
    return float(value)


def _instant(fields: dict[str, Any]) -> tuple[int, bool]:
    """Give the microseconds since 1970 of a row, and whether they were written without a zone."""
    value = fields.get("time")
    if value is None:
        raise _WrongError("must have a time, has none")
    must = "must be a time like '2026-03-02T06:00:00Z', or seconds, ms or us since 1970"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < MICROS_MAX:
            _wrong("time", must, value)
        return round(value * (SECOND_US if value < SECONDS_MAX else 1000 if value < MILLIS_MAX else 1)), False
    try:
        instant = datetime.fromisoformat(value)
        zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        whole = zoned.replace(microsecond=0)
        return int(whole.timestamp()) * SECOND_US + zoned.microsecond, instant.tzinfo is None
    except (TypeError, ValueError, OverflowError):
        _wrong("time", must, value)


def rows_of(lines: Iterable[str | bytes], file: str) -> Iterator[Row]:
    """Yield the *lines* of a *file* that are not empty, with their numbers."""
    for line, text in enumerate(lines, start=1):
        if text.strip():
            yield Row(file, line, text)


def see_claims(alerts: Iterable[Alert], truth: Truth) -> list[str]:
    """Say which faults alerts name that no label has: a slip of the pen would make every one of them false."""
    known = {label.fault for label in truth.labels}
    strange: dict[str, int] = {}
    for alert in alerts:
        if alert.fault and alert.fault not in known:
            strange[alert.fault] = strange.get(alert.fault, 0) + 1
    if not known or not strange:
        return []
    name = max(strange, key=lambda each: (strange[each], each))
    rest = f" (and {len(strange) - 1} other names)" if len(strange) > 1 else ""
    return [
        f"{strange[name]:,} alerts name the fault {shown(name)}, which no label has{did_you_mean(name, known)}{rest}"
    ]

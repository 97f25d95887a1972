"""What scoring is about: alerts, the truth beside them, and how far one may lie from the other.

The definitions and where they come from are in docs/score.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fleet.data import DAY_US, MINUTE_US, SECOND_US


class Alert(NamedTuple):
    """A detector says that something is wrong with a machine.

    *sensor* and *fault* are claims, "" where it makes none; *score* is how sure it is, NaN where it does not say.
    """

    machine: str
    time_us: int
    sensor: str = ""
    fault: str = ""
    score: float = math.nan


class Labelled(NamedTuple):
    """What the label of a fault says that scoring needs; *stop_us* is the run's end where the fault had none."""

    id: str
    machine: str
    family: str  # "machine", "sensor", "network", "producer"
    fault: str
    onset_us: int
    stop_us: int
    sensor: str = ""
    failure_us: int | None = None
    incident: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of one run; *name* says which.

    *machines* are all there were, None where nobody knows; *count* is how many, 0 where nobody knows: then *start_us*
    and *stop_us* are only those of the labels.
    """

    run: str
    name: str
    start_us: int
    stop_us: int
    labels: tuple[Labelled, ...]
    machines: frozenset[str] | None = None
    count: int = 0

    @property
    def machine_days(self) -> float | None:
        """Machines times length of the run; None where that is not known."""
        return self.count * (self.stop_us - self.start_us) / DAY_US if self.count else None


class Tolerance(NamedTuple):
    """How far from a label an alert still counts, and within how much time false ones are one."""

    before_us: int = 10 * SECOND_US  # clocks differ, and detectors stamp the beginning of what they looked at
    after_us: int = 5 * MINUTE_US  # averages and queues take their time
    merge_us: int = 10 * MINUTE_US  # ISA-18.2 counts alarms an operator by ten minutes


DEFAULT = Tolerance()


def window_of(label: Labelled, tolerance: Tolerance) -> tuple[int, int]:
    """Give the half-open span in which an alert counts for *label*."""
    return label.onset_us - tolerance.before_us, label.stop_us + tolerance.after_us


def in_order(alerts: Sequence[Alert]) -> list[Alert]:
    """Sort *alerts* by machine and time; the order they came in is forgotten."""
    return sorted(alerts, key=lambda each: (*each[:4], -math.inf if math.isnan(each.score) else each.score))

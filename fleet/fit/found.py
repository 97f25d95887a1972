"""What is found, as rows for people and settings for the part; how numbers and their widths are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet.data import State
from fleet.fit.estimate import Fit
from fleet.fit.fit import Fitted
from fleet.fit.pool import Pooled, pooled
from fleet.fit.sure import Sure, says_something, spread_is_taken, sureness

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One number: *section* and *name* say which; texts with units; *sure* is how sure it is."""

    section: str
    name: str
    default: str
    found: str
    sure: str


@dataclass(frozen=True, slots=True)
class Unknowable:
    """What stays at the kind's own value, and why."""

    name: str
    why: str


@dataclass(slots=True)
class Findings:
    """Rows for people, settings for the part, and what could not be found."""

    rows: list[Row]
    settings: dict[str, dict[str, str]]  # of parameters and sensors: property by name, as YAML has it
    unknowable: list[Unknowable]
    hall_mean: float | None = None


def text_of(value: float, unit: str = "") -> str:
    """Write a number with its *unit* as a scenario has it."""
    number = f"{value:.{DIGITS}g}"
    if "e" in number:
        number = f"{float(number):.10f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{float(number):.0f}"
    return f"{number} {unit}".strip()


def share_of(value: float) -> str:
    """Write a share in %."""
    return f"{100 * value:.3g} %"


def machines_of(count: int) -> str:
    """Write how many machines."""
    return f"{count} machine{'' if count == 1 else 's'}"


def interval_of(both: Pooled) -> str:
    """Write the interval that the middle of such machines lies in, and whether it is rough."""
    rough = f"; rough: by itself ±{share_of(1.96 * both.width)}" if sureness(both.width) is not Sure.YES else ""
    return f"±{share_of(1.96 * both.sd)} (95 %), {machines_of(both.machines)}{rough}"


def pooled_of(
    fits: tuple[Fit, ...], role: str, name: str, prior: float, usual: float = 0.0
) -> tuple[Pooled | None, float]:
    """Put the machines together that say something of an unknown; also the narrowest width of all."""
    each = [found for fit in fits if (found := fit.found(role, name)) is not None]
    narrow = min((sd for _, sd in each), default=np.inf)
    good = [(mean, sd) for mean, sd in each if says_something(sd, prior=prior)]
    if not good:
        return None, narrow
    means, sds = np.array(good).T
    return pooled(means, sds, usual=usual), narrow


def take_spread(fitted: Fitted, found: Findings, name: str, own: float, both: Pooled, settings: dict[str, str]) -> None:
    """Take the spread between machines where there are enough of them, or where they contradict the kind's."""
    if both.between is None or sureness(both.width) is not Sure.YES:
        return
    scatter = max(both.between, own) / np.sqrt(2 * (both.machines - 1))
    contradicts = abs(both.between - own) > 2 * max(both.between_sd, scatter, 0.002)
    note = f"±{share_of(1.96 * both.between_sd)} (95 %), {machines_of(both.machines)}"
    if both.apart:
        names = ", ".join(fitted.fits[place].record.machine for place in both.apart)
        note += f"; without {names}, far from the others"
    if spread_is_taken(both.machines, contradicts=contradicts):
        settings["spread"] = share_of(both.between)
    else:
        note += "; the kind's own fits and is kept"
    found.rows.append(Row("spread", name, share_of(own), share_of(both.between), note))


def pause_lengths(fit: Fit) -> list[float]:
    """Give how long the machine paused each time, s; pauses that the record's ends cut are left out."""
    resting = (fit.decoded.timeline.state != State.EXECUTE).astype(np.int8)
    edges = np.flatnonzero(np.diff(resting))
    begins, ends = edges[np.diff(resting)[edges] > 0], edges[np.diff(resting)[edges] < 0]
    if len(begins) and len(ends) and ends[0] < begins[0]:
        ends = ends[1:]
    return [float(stop - start) * fit.record.step_s for start, stop in zip(begins, ends, strict=False)]

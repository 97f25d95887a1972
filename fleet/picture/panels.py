"""Panels: one quantity over time, as bands and lines; when and whether readings arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fleet.data import Floats, Ints, Label
from fleet.picture.arrivals import CLOCK, DELAY, Arrivals
from fleet.picture.axes import days
from fleet.picture.envelope import Envelope
from fleet.picture.labels import CLOCKS, ONCE, of_network
from fleet.picture.palette import BAND, LINE, RULE, SCRIPT, SOFT, WEAR, Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fleet.picture.axes import Look

STEPS_MIN = 14
"""A panel spans at least so many steps of a sensor's resolution: a steady reading looks steady."""

GAP_COLUMNS = 2.5
"""A line is broken where nothing was read for so many times the usual distance of two readings."""

STEP_S = 0.001
"""Times are told to a millisecond."""


class Network(NamedTuple):
    """A panel of what the network did."""

    title: str
    labels: Sequence[Label]
    row: int  # of the envelope; -1: what was lost and doubled


def network_panels(arrivals: Arrivals | None, labels: Sequence[Label]) -> list[Network]:
    """Say which panels show what network faults did to a machine's readings; none where they did nothing."""
    return [] if arrivals is None else list(_network(arrivals, of_network(labels)))


def _network(arrivals: Arrivals, labels: Sequence[Label]) -> Iterator[Network]:
    clocks = [label for label in labels if label.fault in CLOCKS]
    once = [label for label in labels if label.fault in ONCE]
    others = [label for label in labels if label.fault not in CLOCKS | ONCE]
    if (arrivals.waits.high[DELAY] > 0).any():
        yield Network("Arrives later by, s", others, DELAY)
    if clocks:
        yield Network("Clock is ahead by, s", clocks, CLOCK)
    if arrivals.lost.any() or arrivals.doubled.any():
        both = " and ".join(word for word, of in (("doubled (up)", arrivals.doubled), ("lost (down)", arrivals.lost))
                            if of.any())  # fmt: skip
        yield Network(f"Readings {both}", once, -1)


def draw_network(axes: Axes, arrivals: Arrivals, panel: Network) -> None:
    """Draw a panel of what the network did."""
    if panel.row >= 0:
        draw_readings(axes, arrivals.waits, panel.row, STEP_S)
        return
    x = days(1) * arrivals.middles_us
    for of, sign, tone in ((arrivals.doubled, 1, LINE), (arrivals.lost, -1, SCRIPT)):
        some = of > 0
        axes.vlines(x[some], 0, sign * of[some], color=tone.day, linewidth=0.9)
    y_axis(axes, -float(arrivals.lost.max()), float(arrivals.doubled.max()), 0.3)
    axes.axhline(0, color=SOFT.day, linewidth=0.5)


def draw_readings(
    axes: Axes, readings: Envelope, number: int, resolution: float, line: Tone = LINE, band: Tone = BAND
) -> tuple[float, float]:
    """Draw one sensor: the band from smallest to largest reading, and the mean in it; give the range of both."""
    read: Ints = np.flatnonzero(readings.count[number]).astype(np.int64)
    if not len(read):
        axes.text(0.5, 0.5, "no readings", transform=axes.transAxes, ha="center", va="center", color=SOFT.day)
        axes.set_yticks([])
        return np.inf, -np.inf
    width = (readings.stop_us - readings.start_us) / readings.columns
    usual = np.median(np.diff(read)) if len(read) > 1 else 1.0
    breaks: Ints = (np.flatnonzero(np.diff(read) > GAP_COLUMNS * usual) + 1).astype(np.int64)
    x, low, high, mean = (
        np.insert(column, breaks, np.nan)
        for column in (
            days(1) * (readings.start_us + (read + 0.5) * width),
            readings.low[number, read],
            readings.high[number, read],
            readings.mean[number, read],
        )
    )
    if np.nanmax(high - low) > 0:
        axes.fill_between(x, low, high, facecolor=band.day, alpha=0.85, linewidth=0)
    axes.plot(x, mean, color=line.day, linewidth=0.8, solid_joinstyle="round")
    _doubtful(axes, readings, number, x, read, breaks)
    least, most = float(np.nanmin(low)), float(np.nanmax(high))
    y_axis(axes, least, most, resolution)
    return least, most


def draw_zones(axes: Axes, ends: Sequence[float], look: Look) -> None:
    """Draw where the zones of a vibration end, as far as the readings come near."""
    low, high = axes.get_ylim()
    for zone, end in zip("BCD", ends, strict=False):
        if low < end < high:
            axes.axhline(end, color=SOFT.day, linewidth=0.5, linestyle=(0, (1, 3)))
            axes.annotate(
                zone,
                (1, end),
                xytext=(2, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                va="bottom",
                fontsize=look.text - 2,
                color=SOFT.day,
            )


def _doubtful(axes: Axes, readings: Envelope, number: int, x: Floats, read: Ints, breaks: Ints) -> None:
    """Mark the columns in which a reading was not good, along the bottom."""
    doubtful = np.insert(readings.doubtful[number, read].astype(float), breaks, 0.0) > 0
    if doubtful.any():
        axes.plot(x[doubtful], np.zeros(int(doubtful.sum())), "|", color=WEAR.day, markersize=3, clip_on=False,
                  transform=axes.get_xaxis_transform())  # fmt: skip


def y_axis(axes: Axes, low: float, high: float, resolution: float) -> None:
    """Let the y axis of *axes* hold what is from *low* to *high*."""
    from matplotlib.ticker import MaxNLocator

    least = STEPS_MIN * resolution
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    room = 0.06 * (high - low)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))
    axes.grid(axis="y", color=RULE.day, linewidth=0.4)
    axes.set_axisbelow(True)

"""The picture of one machine: every sensor over its states, with what wear did to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fleet.data import Floats, Ints, State
from fleet.picture.axes import (
    Look,
    Sheet,
    date_words,
    days,
    draw_keys,
    headline_height,
    keys_of,
    rows_of,
    shade,
    strip,
    time_axis,
)
from fleet.picture.envelope import Envelope
from fleet.picture.palette import BAND, INK, LINE, RULE, SOFT, WEAR
from fleet.picture.shares import merged
from fleet.picture.story import Span, Told
from fleet.picture.wear import Damaged
from fleet.picture.words import plain, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP, SAID, TITLE, PANEL, BOTTOM = 0.2, 0.17, 0.24, 0.62, 0.52
NAMED_MAX = 6
"""More failures than this are shaded but not named: their words would lie on each other."""

STEPS_MIN = 14
"""A panel spans at least so many steps of a sensor's resolution: a steady reading looks steady."""

GAP_COLUMNS = 2.5
"""A line is broken where nothing was read for so many times the usual distance of two readings."""


def draw_machine(told: Told, span: Span, look: Look) -> Figure:
    """Draw *told*: a strip of its states, below it a panel a sensor."""
    lived, readings = told.lived, told.readings
    us = merged(lived.us[None], look.merge)[0]
    sensors = lived.kind.sensors
    keys = keys_of(np.zeros(len(State)) if lived.is_door else us.sum(axis=0), look, doors=lived.is_door)
    said = SAID if 0 < len(told.damaged) <= NAMED_MAX else 0.0
    sheet = Sheet(look, headline_height(look) + STRIP + said + len(sensors) * (TITLE + PANEL) + BOTTOM + rows_of(keys))
    sheet.headline(lived.machine.id, f"{date_words(span.start_us, span.stop_us)}, UTC")
    states = sheet.axes(STRIP)
    extent = (days(span.start_us), days(span.stop_us), 0.0, 1.0)
    states.imshow(strip(us, 24, is_door=lived.is_door), extent=extent, aspect="auto", interpolation="nearest")
    states.set_yticks([])
    states.set_xticks([])
    _frame(states)
    last = states
    if readings is not None:
        _behind(sheet, said + len(sensors) * (TITLE + PANEL), us, told, extent)
        sheet.skip(said)
        narrow = readings.merged(look.merge)
        for number, (name, sensor) in enumerate(sensors.items()):
            sheet.skip(TITLE)
            sheet.text(look.left, titled(name, sensor.units), va="bottom", color=INK.day)
            last.tick_params(labelbottom=False)
            last.set_xlim(extent[:2])
            last = sheet.axes(PANEL)
            _sensor(last, narrow, number, sensor.resolution)
            _zones(last, sensor.zones or (), look)
            last.tick_params(axis="y", labelsize=look.text - 1)
            last.set_xticks([])
    time_axis(last, look, span.start_us, span.stop_us)
    sheet.skip(BOTTOM)
    draw_keys(sheet, keys)
    return sheet.figure


def _frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(RULE.day)


def _behind(sheet: Sheet, height: float, us: Floats, told: Told, extent: tuple[float, float, float, float]) -> None:
    """Lay the states, and the spans in which wear showed, behind all panels at once."""
    look = sheet.look
    behind = sheet.figure.add_axes(
        (look.left / look.width, 1 - (sheet.down + height) / sheet.height,
         (look.width - look.left - look.right) / look.width, height / sheet.height),
        zorder=-1,
    )  # fmt: skip
    behind.axis("off")
    behind.imshow(shade(us), extent=extent, aspect="auto", interpolation="nearest")
    behind.set_xlim(extent[:2])
    wear_shades(behind, told.damaged, extent, look)


def wear_shades(axes: Axes, damaged: Sequence[Damaged], extent: tuple[float, ...], look: Look) -> None:
    """Shade from the first sign of damage to the failure, and mark the failure; name them where there is room."""
    start, stop = extent[:2]
    letter = (stop - start) * 0.6 * (look.text - 1) / 72 / (look.width - look.left - look.right)
    free = start
    for each in damaged:
        ends_us = each.repair_us if each.fails_us is None else each.fails_us
        fails = stop if ends_us is None else days(ends_us)
        shows = fails if each.shows_us is None else days(each.shows_us)
        axes.axvspan(shows, fails, color=WEAR.day, alpha=0.13, linewidth=0)
        if ends_us is not None:
            axes.axvline(fails, color=WEAR.day, linewidth=0.9 if each.fails_us is not None else 0.5)
        name = f"{plain(each.mode).lower()} {_story(each)}"
        late = shows + letter * len(name) > stop
        begins = fails - letter * len(name) if late else shows
        if len(damaged) > NAMED_MAX or begins < free:
            continue
        free = begins + letter * len(name)
        axes.annotate(
            name,
            (fails if late else shows, 1),
            xytext=(-2 if late else 2, -3),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if late else "left",
            va="top",
            fontsize=look.text - 1,
            color=WEAR.day,
        )


def _story(each: Damaged) -> str:
    """Say in a few words how far it came."""
    ending = "fails" if each.fails_us is not None else "is changed" if each.repair_us is not None else ""
    return ", ".join(part for part in ("wear shows" if each.shows_us is not None else "", ending) if part)


def _sensor(axes: Axes, readings: Envelope, number: int, resolution: float) -> None:
    """Draw one sensor: the band from smallest to largest reading, and the mean in it."""
    read: Ints = np.flatnonzero(readings.count[number]).astype(np.int64)
    if not len(read):
        axes.text(0.5, 0.5, "no readings", transform=axes.transAxes, ha="center", va="center", color=SOFT.day)
        axes.set_yticks([])
        return
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
        axes.fill_between(x, low, high, facecolor=BAND.day, alpha=0.85, linewidth=0)
    axes.plot(x, mean, color=LINE.day, linewidth=0.8, solid_joinstyle="round")
    _doubtful(axes, readings, number, x, read, breaks)
    _y_axis(axes, float(np.nanmin(low)), float(np.nanmax(high)), resolution)


def _zones(axes: Axes, ends: Sequence[float], look: Look) -> None:
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


def _y_axis(axes: Axes, low: float, high: float, resolution: float) -> None:
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

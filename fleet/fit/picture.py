"""The readings above what the fitted machine shows doing the same: every sensor of one machine twice, at one scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fleet.data import MINUTE_US, SECOND_US, Bools, Floats, Ints
from fleet.errors import RequestError
from fleet.fit.fit import Fitted
from fleet.fit.replayed import replayed
from fleet.fit.simulated import simulated
from fleet.picture.axes import WIDE, Sheet, date_words, days, headline_height, time_axis
from fleet.picture.library import as_png, as_svg, our_settings, see_that_it_is_there
from fleet.picture.palette import BAND, INK, LINE, RULE, SOFT, WEAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLOSE_CYCLES, CLOSE_S = 6, 600.0
"""The right half shows so many cycles of it, or so many seconds of a machine without a cycle."""

HOLE = 5
"""A gap of so many readings, or of so many pixels where they are drawn as a band, is left open."""

PIXELS = 700
"""A curve of more readings is drawn as the band between the least and the largest of each of so many stretches."""

ROW, GAP, PAIR = 0.52, 0.06, 0.24
"""Heights in inches: one curve, between the two of a sensor, between sensors."""

MIDDLE = 0.58
"""Where the left half, the whole record, ends: a share of the width."""


class Curve(NamedTuple):
    """Readings of one sensor; (readings,)."""

    time_us: Ints
    value: Floats


def check_picture(out: Path) -> None:
    """Raise RequestError before any work where *out* can be no picture."""
    if out.suffix not in (".png", ".svg"):
        raise RequestError(f"--plot: must be a file that ends in .png or .svg, got '{out}'")
    see_that_it_is_there()


def draw(fitted: Fitted, part: str, out: Path, *, folder: str) -> None:
    """Draw the machine with most readings, and what is fitted to it doing what it was found to do, into *out*.

    A sensor whose signal the kind's laws do not give is that of the first machine of *part*, simulated over the same
    span.
    """
    found = max(fitted.fits, key=lambda fit: int(np.isfinite(fit.record.value).sum()))
    record = found.record
    scans = record.value.shape[1]
    start_us = record.start_us
    stop_us = start_us + round(scans * record.step_s * SECOND_US)
    time_us = start_us + np.rint(record.time_s * SECOND_US).astype(np.int64)
    again = {name: replayed(fitted, found, name) for name in record.sensors}
    made = {name: Curve(time_us[columns[0]], columns[1]) for name, columns in again.items() if columns is not None}
    others = [name for name in record.sensors if name not in made]
    if others:
        columns_of = simulated(part, start_us=start_us, stop_us=stop_us, sensors=others, folder=folder)
        made |= {name: Curve(*columns) for name, columns in columns_of.items()}
    close_us = round(max(CLOSE_CYCLES * found.decoded.period_s, 0 if found.decoded.period_s else CLOSE_S) * SECOND_US)
    close_us = min(max(close_us, MINUTE_US), stop_us - start_us)
    from_us = start_us + _fullest(
        np.asarray(np.isfinite(record.value).any(axis=0)), close_us / (stop_us - start_us)
    ) * round(record.step_s * SECOND_US)
    height = headline_height(WIDE) + len(record.sensors) * (2 * ROW + GAP + PAIR) + 0.45
    with our_settings():
        sheet = Sheet(WIDE, height)
        sheet.headline(f"{record.machine} (above) and {fitted.kind.kind} fitted to it", date_words(start_us, stop_us))
        for place, name in enumerate(record.sensors):
            row = record.value[place]
            known = np.isfinite(row)
            _pair(
                sheet,
                f"{name}, {fitted.kind.sensors[name].units}",
                (Curve(time_us[known], row[known]), made[name]),
                ((start_us, stop_us), (from_us, from_us + close_us)),
                ("read", "simulated" if name in others else "fitted"),
                last=place == len(record.sensors) - 1,
            )
        data = as_png(sheet.figure) if out.suffix == ".png" else as_svg(sheet.figure).encode()
    try:
        out.write_bytes(data)
    except OSError as error:
        raise RequestError(f"{out}: cannot be written: {error.strerror}") from None


def _pair(
    sheet: Sheet,
    title: str,
    curves: tuple[Curve, Curve],
    spans: tuple[tuple[int, int], tuple[int, int]],
    words: tuple[str, str],
    *,
    last: bool,
) -> None:
    """Draw one sensor: the whole record left, a part of it right; the readings above, the fitted below."""
    sheet.skip(PAIR)
    sheet.text(sheet.look.left, title, color=INK.day, va="bottom")
    low = min(float(np.quantile(curve.value, 0.0005)) for curve in curves)
    high = max(float(np.quantile(curve.value, 0.9995)) for curve in curves)
    room = 0.08 * (high - low) or 1.0
    for place, (curve, tone) in enumerate(zip(curves, (LINE, WEAR), strict=True)):
        whole = sheet.axes(ROW)
        left, bottom, width, height = whole.get_position().bounds
        whole.set_position((left, bottom, width * MIDDLE, height))
        close = sheet.figure.add_axes((left + width * (MIDDLE + 0.04), bottom, width * (0.96 - MIDDLE), height))
        for axes, (start_us, stop_us) in zip((whole, close), spans, strict=True):
            _curve(axes, curve, start_us, stop_us, tone.day)
            time_axis(axes, sheet.look, start_us, stop_us)
            axes.set_ylim(low - room, high + room)
            axes.tick_params(axis="y", labelsize=sheet.look.text - 1.5)
            axes.locator_params(axis="y", nbins=3)
            axes.grid(axis="y", color=RULE.day, linewidth=0.4)
            if not (last and place == 1):
                axes.tick_params(axis="x", labelbottom=False)
        close.tick_params(axis="y", labelleft=False)
        close.text(
            1.01, 0.5, words[place], transform=close.transAxes, ha="left", va="center", rotation=270,
            fontsize=sheet.look.text - 2, color=SOFT.day,
        )  # fmt: skip
        if not place:
            sheet.skip(GAP)


def _curve(axes: Axes, curve: Curve, start_us: int, stop_us: int, colour: str) -> None:
    """Draw a curve; where there are more readings than pixels, the band that they fill and their middle."""
    inside = (curve.time_us >= start_us) & (curve.time_us < stop_us)
    time_us, value = curve.time_us[inside], curve.value[inside]
    if not len(time_us):
        return
    if len(value) <= 2 * PIXELS:
        hole = np.diff(time_us, prepend=time_us[0]) > HOLE * np.median(np.diff(time_us)) if len(value) > 2 else None
        axes.plot([days(each) for each in time_us.tolist()], _broken(value, hole), color=colour, linewidth=0.8)
        return
    column = np.minimum((time_us - start_us) * PIXELS // (stop_us - start_us), PIXELS - 1)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    at = [days(each) for each in time_us[first].tolist()]
    least, most = np.minimum.reduceat(value, first), np.maximum.reduceat(value, first)
    middle = np.add.reduceat(value, first) / np.diff(np.append(first, len(value)))
    hole = np.diff(column[first], prepend=column[first][:1]) > HOLE
    axes.fill_between(at, _broken(least, hole), _broken(most, hole), color=BAND.day, linewidth=0, step="mid")
    axes.plot(at, _broken(middle, hole), color=colour, linewidth=0.6)


def _broken(value: Floats, hole: Bools | None) -> Floats:
    """Leave out the first value behind each *hole*: no line is drawn across it."""
    return value if hole is None else np.where(hole, np.nan, value)


def _fullest(there: Bools, share: float) -> int:
    """Find the scan where the fullest *share* of a record begins, of some places the one nearest to its middle."""
    scans = len(there)
    length = max(1, round(share * scans))
    starts = np.linspace(0, scans - length, 25).astype(np.int64)
    sums = np.append(0, np.cumsum(there))
    full = sums[starts + length] - sums[starts]
    best = np.flatnonzero(full >= 0.99 * full.max())
    return int(starts[best[np.abs(best - 12).argmin()]])

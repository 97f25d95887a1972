"""A score drawn: labels and alerts of each machine along time, the delays, precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fleet.data import Bools, Floats, State
from fleet.errors import RequestError
from fleet.picture.axes import LEGEND_ROW, WIDE, Look, Sheet, date_words, days, headline_height, time_axis
from fleet.picture.library import as_png, as_svg, our_settings, see_that_it_is_there
from fleet.picture.palette import BAND, INK, LINE, RULE, SOFT, STATES
from fleet.score.match import Matched, spans
from fleet.score.report import seconds_text, share_text
from fleet.score.score import Score
from fleet.score.values import Labelled, window_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS_MAX = 40
"""Machines that are drawn: those with labels first, then those with most alerts."""

ROW, BOTTOM, LOWER = 0.26, 0.42, 1.9
"""Heights in inches: a machine, what stands below axes, the two pictures below the timeline."""

LOOK = Look(width=WIDE.width, left=1.7, right=0.3, text=8.0, merge=1, ticks=9)
FALSE, FAMILY = STATES[State.ABORTED], {"machine": BAND.day, "sensor": "#d9c48a", "network": "#b9bec3"}
UNKNOWN_FAMILY = "#cfb9dc"
BINS, TICKS_MAX = 26, 7
ROUND_S = [
    size * number
    for size, numbers in (
        (1, (1, 2, 5, 10, 30)),
        (60, (1, 2, 5, 10, 20, 30)),
        (3600, (1, 2, 4, 8)),
        (86400, range(1, 999)),
    )
    for number in numbers
]
"""Round delays in seconds: no two neighbours lie further apart than a factor of 3."""


def check_picture(out: Path) -> None:
    """Raise RequestError before any work where *out* can be no picture."""
    if out.suffix not in (".png", ".svg"):
        raise RequestError(f"--picture: must be a file that ends in .png or .svg, got '{out}'")
    see_that_it_is_there()


def draw(score: Score, out: Path) -> None:
    """Draw *score* into *out*."""
    machines, others = shown_machines(score)
    rows = max(1, len(machines))
    height = headline_height(WIDE) + 2 * LEGEND_ROW + 0.1 + rows * ROW + BOTTOM + 0.1
    has_lower = bool(score.counted.all.found) or score.curve is not None
    height += 0.3 + LOWER + BOTTOM if has_lower else 0.0
    with our_settings():
        sheet = Sheet(LOOK, height)
        truth = score.truth
        figures = score.counted.all
        sheet.headline(
            f"{figures.found} of {figures.labels} labels found, {_many(figures.false_alarms or 0, 'false alarm')}; F1 "
            f"{share_text(figures.f1)}",
            date_words(truth.start_us, truth.stop_us),
        )
        _keys(sheet, score)
        axes = sheet.axes(rows * ROW)
        _timeline(axes, score, machines)
        time_axis(axes, LOOK, truth.start_us, truth.stop_us)
        if others:
            sheet.skip(0.32)
            sheet.text(LOOK.left, f"and {others:,} more machines with labels or alerts", color=SOFT.day, va="bottom")
            sheet.skip(BOTTOM - 0.32 + 0.3)
        else:
            sheet.skip(BOTTOM + 0.3)
        if has_lower:
            _lower(sheet, score)
        data = as_png(sheet.figure) if out.suffix == ".png" else as_svg(sheet.figure).encode()
    try:
        out.write_bytes(data)
    except OSError as error:
        raise RequestError(f"{out}: cannot be written: {error.strerror}") from None


def shown_machines(score: Score) -> tuple[list[str], int]:
    """Choose the machines that are drawn, in order of names, and count the others that have labels or alerts."""
    labels: dict[str, int] = {}
    alerts: dict[str, int] = {}
    for label in (*score.matched.labels, *score.beside):
        labels[label.machine] = labels.get(label.machine, 0) + 1
    for alert in score.matched.alerts:
        alerts[alert.machine] = alerts.get(alert.machine, 0) + 1
    every = sorted(
        labels.keys() | alerts.keys(), key=lambda name: (-min(labels.get(name, 0), 1), -alerts.get(name, 0), name)
    )
    return sorted(every[:ROWS_MAX]), max(0, len(every) - ROWS_MAX)


def _timeline(axes: Axes, score: Score, machines: Sequence[str]) -> None:
    """Draw a row a machine: labels as bars, what tolerance adds as a lighter end, alerts as marks."""
    row = {name: at for at, name in enumerate(machines)}
    matched = score.matched
    lanes = _lanes([*matched.labels, *score.beside])
    for place, label in enumerate((*matched.labels, *score.beside)):
        if label.machine in row:
            found = matched.first(place) >= 0 if place < len(matched.labels) else None
            lane, of = lanes[place]
            _bar(axes, label, (row[label.machine] - 0.3 + 0.6 * lane / of, 0.6 / of), score, found=found)
    firsts = np.zeros(len(matched.alerts), np.bool_)
    firsts[[first for place in range(len(matched.labels)) if (first := matched.first(place)) >= 0]] = True
    y = np.array([row.get(alert.machine, -1) for alert in matched.alerts], np.float64)
    _marks(axes, matched, y, (y >= 0) & ~firsts & ~matched.false, marker="|", size=16, colour=SOFT.day)
    _marks(axes, matched, y, (y >= 0) & _first_false(score), marker="x", size=20, colour=FALSE)
    _marks(axes, matched, y, (y >= 0) & firsts, marker="o", size=18, colour=LINE.day)
    axes.set_ylim(max(1, len(machines)) - 0.5, -0.5)
    axes.set_yticks(range(len(machines)), [_cut(name) for name in machines])
    axes.tick_params(axis="y", length=0, labelsize=LOOK.text - 1)
    axes.grid(axis="y", color=RULE.day, linewidth=0.4)
    axes.set_axisbelow(True)


def _lanes(labels: Sequence[Labelled]) -> list[tuple[int, int]]:
    """Give each label a lane of its machine's row, and how many the row has: what overlaps lies side by side."""
    taken: dict[str, list[int]] = {}  # by machine and lane, until when
    lane = [0] * len(labels)
    for place in sorted(range(len(labels)), key=lambda each: (labels[each].onset_us, each)):
        label = labels[place]
        until = taken.setdefault(label.machine, [])
        free = (at for at, stop_us in enumerate(until) if stop_us <= label.onset_us)
        lane[place] = next(free, len(until))
        until[lane[place] : lane[place] + 1] = [label.stop_us]
    return [(at, len(taken[label.machine])) for at, label in zip(lane, labels, strict=True)]


def _cut(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:13]}…{name[-13:]}"


def _bar(axes: Axes, label: Labelled, span: tuple[float, float], score: Score, *, found: bool | None) -> None:
    """Draw a label: full where it was found, an outline where it was missed, faint where it was not asked about."""
    start_us, stop_us = window_of(label, score.tolerance)
    colour = FAMILY.get(label.family, UNKNOWN_FAMILY)
    axes.broken_barh([(days(start_us), days(stop_us) - days(start_us))], span, facecolor=colour, alpha=0.3, linewidth=0)
    axes.broken_barh(
        [(days(label.onset_us), days(label.stop_us) - days(label.onset_us))], span,
        facecolor=colour if found else "none", edgecolor=FALSE if found is False else colour,
        linewidth=0.9 if found is False else 0.6,
    )  # fmt: skip
    if label.failure_us is not None:
        axes.plot([days(label.failure_us)] * 2, [span[0] - 0.08, sum(span) + 0.08], color=INK.day, linewidth=1.1)


def _first_false(score: Score) -> Bools:
    """Mark the alert that begins each false alarm; (alerts,)."""
    from fleet.score.match import claims

    matched = score.matched
    marks = np.zeros(len(matched.alerts), np.bool_)
    for places in claims(matched, matched.false).values():
        marks[places[spans(matched.time_us[places], score.tolerance.merge_us)]] = True
    return marks


def _marks(axes: Axes, matched: Matched, y: Floats, which: Bools, *, marker: str, size: float, colour: str) -> None:
    x = [days(each) for each in matched.time_us[which].tolist()]
    axes.scatter(x, y[which], s=size, marker=marker, color=colour, linewidths=1.1, zorder=3)


def _keys(sheet: Sheet, score: Score) -> None:
    """Draw what the marks and colours mean."""
    families = list(dict.fromkeys(label.family for label in (*score.matched.labels, *score.beside)))
    bars = [(f"{name or 'unknown'} fault", FAMILY.get(name, UNKNOWN_FAMILY)) for name in sorted(families)]
    marks = [("finds a label", "o", LINE.day), ("more of the same", "|", SOFT.day), ("false alarm", "x", FALSE)]
    axes = sheet.axes(2 * LEGEND_ROW)
    axes.set_axis_off()
    axes.set_xlim(0, LOOK.width - LOOK.left - LOOK.right)
    axes.set_ylim(2, 0)
    x = 0.05
    for name, colour in bars:
        axes.broken_barh([(x, 0.22)], (0.2, 0.6), facecolor=colour)
        axes.text(x + 0.3, 0.5, name, va="center", fontsize=LOOK.text)
        x += 0.5 + 0.075 * len(name)
    axes.broken_barh([(x, 0.22)], (0.2, 0.6), facecolor="none", edgecolor=FALSE, linewidth=0.9)
    axes.text(x + 0.3, 0.5, "missed", va="center", fontsize=LOOK.text)
    if any(label.failure_us is not None for label in score.matched.labels):
        x += 1.0
        axes.plot([x, x], [0.12, 0.88], color=INK.day, linewidth=1.1)
        axes.text(x + 0.1, 0.5, "failure", va="center", fontsize=LOOK.text)
    x = 0.16
    for name, marker, colour in marks:
        axes.scatter([x], [1.5], s=20, marker=marker, color=colour, linewidths=1.1)
        axes.text(x + 0.19, 1.5, name, va="center", fontsize=LOOK.text)
        x += 0.5 + 0.075 * len(name)
    sheet.skip(0.1)


def _lower(sheet: Sheet, score: Score) -> None:
    """Draw the delays left, precision against recall right."""
    whole = sheet.axes(LOWER, left=WIDE.left)
    left, bottom, width, height = whole.get_position().bounds
    half = 0.45 if score.curve is not None else 1.0
    whole.set_position((left, bottom, width * half, height))
    _delays(whole, score)
    if score.curve is not None:
        right = sheet.figure.add_axes((left + width * 0.56, bottom, width * 0.44, height))
        _precision_recall(right, score)
    sheet.skip(BOTTOM)


def _delays(axes: Axes, score: Score) -> None:
    """Draw how late the labels were found, from the first second on as logarithms: minutes and days fit one axis."""
    from matplotlib.ticker import MaxNLocator

    delays = np.array(score.counted.all.delays_s)
    both = score.counted.all.delay_s
    words = "" if both is None else f": median {seconds_text(both[0])} (line), p90 {seconds_text(both[1])} (dashed)"
    title = f"delay of {_many(len(delays), 'found label')}{words}"
    axes.set_title(title, loc="left", fontsize=LOOK.text, color=INK.day)
    axes.tick_params(labelsize=LOOK.text - 1)
    if both is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing was found", transform=axes.transAxes, ha="center", color=SOFT.day)
        return
    edges = np.geomspace(max(1.0, float(delays.min())) / 1.5, max(1.0, float(delays.max())) * 1.5, BINS)
    axes.hist(np.maximum(delays, edges[0]), bins=edges.tolist(), color=LINE.day, rwidth=0.92)
    axes.set_xscale("log")
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    inside = [tick for tick in ROUND_S if edges[0] <= tick <= edges[-1]]
    ticks = inside[:: -(-len(inside) // TICKS_MAX)]
    axes.set_xticks(ticks, [seconds_text(tick).partition(" ")[0] for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_ylabel("labels", fontsize=LOOK.text)
    for value, line in zip(both, ("-", "--"), strict=True):
        axes.axvline(max(value, float(edges[0])), color=INK.day, linewidth=0.8, linestyle=line)


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _precision_recall(axes: Axes, score: Score) -> None:
    """Draw precision against recall as steps, and the best F1 on it."""
    curve = score.curve
    assert curve is not None
    at = curve.best
    axes.set_title(
        f"precision against recall: average precision {curve.average_precision:.3f}", loc="left", fontsize=LOOK.text,
        color=INK.day,
    )  # fmt: skip
    recall, precision = np.append(0.0, curve.recall), np.append(curve.precision[:1], curve.precision)
    axes.step(recall, precision, where="pre", color=LINE.day, linewidth=1.1)
    axes.scatter(curve.recall[at], curve.precision[at], s=24, color=LINE.day, zorder=3)
    words = f"best F1 {curve.f1(at):.3f}\nat score ≥ {curve.threshold[at]:.3g}"
    is_right = curve.recall[at] > 0.5
    axes.annotate(
        words, (float(curve.recall[at]), float(curve.precision[at])), xytext=(-6 if is_right else 6, -6),
        textcoords="offset points", ha="right" if is_right else "left", va="top", fontsize=LOOK.text - 1, color=INK.day,
    )  # fmt: skip
    axes.set_xlim(-0.02, 1.04)
    axes.set_ylim(-0.02, 1.06)
    axes.set_xlabel("recall", fontsize=LOOK.text)
    axes.set_ylabel("precision", fontsize=LOOK.text)
    axes.tick_params(labelsize=LOOK.text - 1)
    axes.grid(color=RULE.day, linewidth=0.4)
    axes.set_axisbelow(True)

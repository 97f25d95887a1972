"""Faults as spans behind readings: those of a machine behind all panels, others in the panel that they concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fleet.data import Label
from fleet.picture.axes import Look, days
from fleet.picture.labels import named
from fleet.picture.palette import SCRIPT, WEAR, Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED_MAX = 6
"""More faults than this are shaded but not named: their words would lie on each other."""

LANES_MAX = 3
"""Names that would lie on each other are put below one another, in so many rows at most."""

LETTER_IN = 0.62 / 72
"""Width of a letter in inches, for each point of its size."""

STRENGTH = 0.13
LEAST_COLUMN = 1 / 400
"""A span is drawn at least so wide, as a share of the picture: seconds are seen in a day."""


class Name(NamedTuple):
    """Where the name of a fault stands, in days; *lane* counts down from the top."""

    label: Label
    x: float
    ends: bool  # at x, or begins there
    lane: int


def tone_of(label: Label) -> Tone:
    """Give the colour of a fault: wear has its own."""
    return SCRIPT if label.incident else WEAR


def end_us(label: Label) -> int:
    """Give until when a fault is shaded: wear until the machine fails, what is scripted until it has ended."""
    assert label.stop_us is not None, "labels are closed before they are drawn"
    return label.stop_us if label.incident or label.failure_us is None else label.failure_us


def lanes_of(labels: Sequence[Label], extent: Sequence[float], look: Look) -> list[Name]:
    """Place the names of *labels*, those of a whole machine; none where there are too many."""
    if len(labels) > NAMED_MAX:
        return []
    start, stop = extent[:2]
    letter = (stop - start) * LETTER_IN * (look.text - 1) / (look.width - look.left - look.right)
    free = [start] * LANES_MAX
    placed = []
    for label in labels:
        width = letter * len(named(label))
        onset, end = days(label.onset_us), days(end_us(label))
        ends = onset + width > stop
        begins = max(start, end - width) if ends else onset
        lane = next((at for at in range(LANES_MAX) if free[at] <= begins), None)
        if lane is not None:
            free[lane] = begins + width + letter
            placed.append(Name(label, begins, False, lane) if begins == start else Name(label, end if ends else onset,
                                                                                         ends, lane))  # fmt: skip
    return placed


def behind_all(axes: Axes, labels: Sequence[Label], names: Sequence[Name], look: Look, lane_share: float) -> None:
    """Shade faults of a whole machine on *axes* that lie behind all panels; a lane takes *lane_share* of the height."""
    for label in labels:
        _span(axes, label)
    for name in names:
        axes.annotate(
            named(name.label),
            (name.x, 1 - name.lane * lane_share),
            xytext=(-2 if name.ends else 2, -3),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if name.ends else "left",
            va="top",
            fontsize=look.text - 1,
            color=tone_of(name.label).day,
        )


def in_panel(axes: Axes, labels: Sequence[Label], look: Look, *, title: str) -> None:
    """Shade the faults of one panel, and name them above it where there is room beside its *title*."""
    left, right = axes.get_xlim()
    letter = (right - left) * LETTER_IN * (look.text - 1) / (look.width - look.left - look.right)
    free = left + letter * (len(title) * look.text / (look.text - 1) + 2)
    for label in labels:
        _span(axes, label)
        width = letter * len(named(label))
        begins = min(max(days(label.onset_us), free), right - width)
        if len(labels) > NAMED_MAX or begins < free:
            continue
        free = begins + width + letter
        axes.annotate(named(label), (begins, 1), xytext=(0, 2), xycoords=axes.get_xaxis_transform(),
                      textcoords="offset points", va="bottom", fontsize=look.text - 1, color=SCRIPT.day,
                      annotation_clip=False)  # fmt: skip


def _span(axes: Axes, label: Label) -> None:
    """Shade one fault, and draw a line where it stopped its machine."""
    onset, end = days(label.onset_us), days(end_us(label))
    left, right = axes.get_xlim()
    end = max(end, onset + (right - left) * LEAST_COLUMN)
    axes.axvspan(onset, end, color=tone_of(label).day, alpha=STRENGTH, linewidth=0, zorder=0.4)
    if label.failure_us is not None:
        axes.axvline(days(label.failure_us), color=tone_of(label).day, linewidth=0.9, zorder=0.5)

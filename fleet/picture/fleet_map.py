"""The picture of a fleet: a heat map, one row a machine, coloured by its states over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from fleet.data import Bytes, State
from fleet.picture.axes import (
    Look,
    Sheet,
    date_words,
    days,
    draw_keys,
    headline_height,
    keys_of,
    rows_of,
    strip,
    time_axis,
)
from fleet.picture.palette import INK
from fleet.picture.shares import merged
from fleet.picture.story import Lived, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_MAX = 45
"""Up to so many machines each row has its name; beyond, the lines have, as far as there is room."""

ROW, NAME, ROWS_HEIGHT_MAX = 0.19, 0.15, 8.0
PIXELS_A_ROW, PIXELS_MAX = 16, 1000
BOTTOM = 0.52
LETTER = 0.62 / 72
"""Width of a letter in inches, for each point of its size."""


def draw_fleet(lived: Sequence[Lived], span: Span, look: Look, title: str) -> Figure:
    """Draw the states of all machines *lived*, line by line."""
    named = len(lived) <= NAMED_MAX
    above = named and look.narrow  # names stand above their rows where there is no room beside them
    each = ROW + NAME * above
    rows = each * len(lived) if named else min(ROWS_HEIGHT_MAX, max(ROW * NAMED_MAX, len(lived) * 0.02))
    left = 0.26 if above else _margin([one.machine.id if named else one.machine.line for one in lived], look)
    machines = [one.total_us for one in lived if not one.is_door]
    held = np.sum([np.zeros(len(State)), *machines], axis=0)
    keys = keys_of(held, replace(look, left=0.12), doors=len(machines) < len(lived))
    sheet = Sheet(replace(look, left=left), headline_height(look) + rows + BOTTOM + rows_of(keys))
    sheet.headline(title, f"{date_words(span.start_us, span.stop_us)}, UTC")
    axes = sheet.axes(rows)
    pixels = PIXELS_A_ROW if named else max(1, PIXELS_MAX // len(lived))
    free = round(pixels * NAME / ROW) if above else 0
    image = np.concatenate([_row(one, look, pixels=pixels, free=free, gap=named) for one in lived])
    extent = (days(span.start_us), days(span.stop_us), len(lived), 0.0)
    axes.imshow(image, extent=extent, aspect="auto", interpolation="nearest")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks([])
    if above:
        for number, one in enumerate(lived):
            axes.text(extent[0], number + NAME / each, one.machine.id, va="bottom", fontsize=look.text, color=INK.day)
    elif named:
        axes.set_yticks(np.arange(len(lived)) + 0.5, [one.machine.id for one in lived], fontsize=look.text)
        axes.tick_params(axis="y", length=0, labelcolor=INK.day)
    else:
        _lines(axes, lived, look, rows)
    time_axis(axes, sheet.look, span.start_us, span.stop_us)
    sheet.skip(BOTTOM)
    draw_keys(sheet, keys)
    return sheet.figure


def _margin(names: Sequence[str], look: Look) -> float:
    """Give the room that the longest of *names* wants beside the rows, at most a third of the width."""
    longest = max((len(name) for name in names), default=0)
    return min(look.width / 3, 0.16 + LETTER * look.text * longest)


def _row(one: Lived, look: Look, *, pixels: int, free: int, gap: bool) -> Bytes:
    """Give one machine's row as RGBA pixels, *free* of them left for its name, one between two rows where *gap*."""
    colours = strip(merged(one.us[None], look.merge)[0], pixels, is_door=one.is_door)
    row = np.zeros((free + pixels, colours.shape[1], 4), np.uint8)
    row[free:, :, :3], row[free:, :, 3] = colours, 255
    if gap:
        row[-2:] = 0
    return row


def _lines(axes: Axes, lived: Sequence[Lived], look: Look, rows: float) -> None:
    """Name the lines beside their rows, as many as fit under one another."""
    at: list[float] = []
    names: list[str] = []
    begin = 0
    apart = len(lived) * 1.5 * look.text / 72 / rows
    for name, members in groupby(lived, key=lambda one: one.machine.line):
        count = len(list(members))
        middle = begin + count / 2
        if not at or middle - at[-1] >= apart:
            at.append(middle)
            names.append(name)
        begin += count
    axes.set_yticks(at, names, fontsize=look.text)
    axes.tick_params(axis="y", length=0, labelcolor=INK.day)

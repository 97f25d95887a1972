"""The picture of one machine: every sensor over its states, with the faults it had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fleet.data import Floats, Label, State
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
from fleet.picture.labels import of_all_panels, of_sensor
from fleet.picture.palette import INK, RULE
from fleet.picture.panels import draw_network, draw_readings, draw_zones, network_panels
from fleet.picture.shades import Name, behind_all, in_panel, lanes_of
from fleet.picture.shares import merged
from fleet.picture.story import Span, Told
from fleet.picture.words import titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP, SAID, TITLE, PANEL, BOTTOM = 0.2, 0.17, 0.24, 0.62, 0.52

Extent = tuple[float, float, float, float]


class Panel(NamedTuple):
    """What stands below the states: its title, what is drawn, and the faults that concern it alone."""

    title: str
    draw: Callable[[Axes], None]
    labels: Sequence[Label]
    height: float = PANEL


def draw_machine(told: Told, span: Span, look: Look) -> Figure:
    """Draw *told*: a strip of its states, below it a panel a sensor, and what the network did to its readings."""
    return draw_panels(told, list(_panels(told, look)), span, look)


def draw_panels(
    told: Told,
    panels: Sequence[Panel],
    span: Span,
    look: Look,
    *,
    title: str = "",
    more: Sequence[tuple[str, str]] = (),
) -> Figure:
    """Draw the states of *told* and below them *panels*, over the faults of the whole machine; *more* are colours."""
    lived = told.lived
    us = merged(lived.us[None], look.merge)[0]
    extent = (days(span.start_us), days(span.stop_us), 0.0, 1.0)
    keys = keys_of(np.zeros(len(State)) if lived.is_door else us.sum(axis=0), look, doors=lived.is_door, more=more)
    faults = of_all_panels(told.labels)
    names = lanes_of(faults, extent, look)
    said = SAID * (1 + max(name.lane for name in names)) if names else 0.0
    below = said + sum(TITLE + panel.height for panel in panels)
    sheet = Sheet(look, headline_height(look) + STRIP + below + BOTTOM + rows_of(keys))
    sheet.headline(title or lived.machine.id, f"{date_words(span.start_us, span.stop_us)}, UTC")
    last = sheet.axes(STRIP)
    last.imshow(strip(us, 24, is_door=lived.is_door), extent=extent, aspect="auto", interpolation="nearest")
    last.set_yticks([])
    last.set_xticks([])
    _frame(last)
    if panels:
        _behind(sheet, below, us, faults, names, extent)
        sheet.skip(said)
    for panel in panels:
        sheet.skip(TITLE)
        sheet.text(look.left, panel.title, va="bottom", color=INK.day)
        last = sheet.axes(panel.height)
        last.set_xlim(extent[:2])
        panel.draw(last)
        last.set_xlim(extent[:2])
        in_panel(last, panel.labels, look, title=panel.title)
        last.tick_params(axis="y", labelsize=look.text - 1)
        last.set_xticks([])
    time_axis(last, look, span.start_us, span.stop_us)
    sheet.skip(BOTTOM)
    draw_keys(sheet, keys)
    return sheet.figure


def _panels(told: Told, look: Look) -> Iterator[Panel]:
    if told.readings is None:
        return
    readings = told.readings.merged(look.merge)
    for number, (name, sensor) in enumerate(told.lived.kind.sensors.items()):

        def draw(axes: Axes, number: int = number, resolution: float = sensor.resolution,
                 zones: Sequence[float] = sensor.zones or ()) -> None:  # fmt: skip
            draw_readings(axes, readings, number, resolution)
            draw_zones(axes, zones, look)

        yield Panel(titled(name, sensor.units), draw, of_sensor(told.labels, name))
    yield from of_the_network(told, look)


def of_the_network(told: Told, look: Look) -> Iterator[Panel]:
    """Give the panels of what network faults did to the machine's readings, if anything."""
    if told.arrivals is not None:
        arrivals = told.arrivals.merged(look.merge)
        for each in network_panels(arrivals, told.labels):
            yield Panel(each.title, partial(draw_network, arrivals=arrivals, panel=each), each.labels)


def _frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(RULE.day)


def _behind(
    sheet: Sheet, height: float, us: Floats, faults: Sequence[Label], names: Sequence[Name], extent: Extent
) -> None:
    """Lay the states, and the faults of the whole machine, behind all panels at once."""
    look = sheet.look
    behind = sheet.figure.add_axes(
        (look.left / look.width, 1 - (sheet.down + height) / sheet.height,
         (look.width - look.left - look.right) / look.width, height / sheet.height),
        zorder=-1,
    )  # fmt: skip
    behind.axis("off")
    behind.imshow(shade(us), extent=extent, aspect="auto", interpolation="nearest")
    behind.set_xlim(extent[:2])
    behind_all(behind, faults, names, look, SAID / height)

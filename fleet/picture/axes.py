"""What all pictures share: a column of axes in inches, a time axis, states as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fleet.data import SECOND_US, Bytes, Floats, State
from fleet.picture.palette import DOOR_CLOSED, DOOR_OPEN, INK, SOFT, STATES
from fleet.picture.shares import shares_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DAY_US = 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class Look:
    """The size of a picture: its width, what stands left and right of the axes, in inches; text in points."""

    width: float
    left: float
    right: float
    text: float
    merge: int  # columns of the story that become one here
    ticks: int  # at most so many of time
    narrow: bool = False


WIDE = Look(width=9.6, left=0.62, right=0.3, text=8.0, merge=1, ticks=9)
NARROW = Look(width=4.0, left=0.52, right=0.24, text=8.0, merge=2, ticks=4, narrow=True)


class Sheet:
    """A figure that is filled from the top, in inches."""

    def __init__(self, look: Look, height: float) -> None:
        from matplotlib.figure import Figure

        self.look, self.height = look, height
        self.figure: Figure = Figure(figsize=(look.width, height))
        self.down = 0.0

    def axes(self, height: float, *, left: float | None = None) -> Axes:
        """Give axes of *height* inches over the whole width, below what is there."""
        left = self.look.left if left is None else left
        self.down += height
        return self.figure.add_axes(
            (left / self.look.width, 1 - self.down / self.height,
             (self.look.width - left - self.look.right) / self.look.width, height / self.height)
        )  # fmt: skip

    def skip(self, inches: float) -> None:
        """Leave room."""
        self.down += inches

    def text(self, x: float, text: str, **more: Any) -> None:
        """Write *text* at *x* inches, on the line that the sheet is filled to."""
        more.setdefault("fontsize", self.look.text)
        self.figure.text(x / self.look.width, 1 - self.down / self.height, text, **more)

    def headline(self, title: str, when: str) -> None:
        """Write what the picture shows, and when: side by side, or below one another where it is narrow."""
        look, right = self.look, 1 - self.look.right / self.look.width
        bold = {"fontsize": look.text + 2, "fontweight": "bold", "color": INK.day}
        self.figure.text(0.12 / look.width, 1 - 0.2 / self.height, title, **bold)  # type: ignore[arg-type]
        if look.narrow:
            self.figure.text(0.12 / look.width, 1 - 0.36 / self.height, when, fontsize=look.text, color=SOFT.day)
        else:
            self.figure.text(right, 1 - 0.2 / self.height, when, ha="right", fontsize=look.text, color=SOFT.day)
        self.skip(headline_height(look))


def headline_height(look: Look) -> float:
    """Give the room that a headline takes, in inches."""
    return 0.5 if look.narrow else 0.34


def days(time_us: int) -> float:
    """Give an instant as matplotlib's dates count it: days since 1970."""
    return time_us / _DAY_US


def time_axis(axes: Axes, look: Look, start_us: int, stop_us: int) -> None:
    """Let the x axis of *axes* be time in UTC, with few ticks at round instants."""
    from matplotlib.dates import HOURLY, MINUTELY, SECONDLY, AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=look.ticks)  # type: ignore[no-untyped-call]
    for unit, most in ((HOURLY, 24), (MINUTELY, 60), (SECONDLY, 60)):  # few ticks: two hours would have none that fit
        locator.intervald[unit] = [*locator.intervald[unit], most]
    words = ConciseDateFormatter(locator, tz=UTC, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(words)
    axes.set_xlim(days(start_us), days(stop_us))
    axes.tick_params(axis="x", labelsize=look.text)


def date_words(start_us: int, stop_us: int) -> str:
    """Say which days a picture shows."""
    first, last = (datetime.fromtimestamp(time_us // SECOND_US, UTC) for time_us in (start_us, stop_us - 1))
    words = f"{first:%a} {first.day} {first:%b %Y}"
    return words if first.date() == last.date() else f"{words} to {last:%a} {last.day} {last:%b %Y}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Give the parts of a colour like ``#6dbfac``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _colours(*, is_door: bool) -> tuple[list[int], Bytes]:
    """Give the states from the bottom up, and their colours (states, 3)."""
    if is_door:
        return [0, 1], np.array([rgb(DOOR_CLOSED), rgb(DOOR_OPEN)], np.uint8)
    return [int(state) for state in STATES], np.array([rgb(colour) for colour in STATES.values()], np.uint8)


def strip(us: Floats, height: int, *, is_door: bool = False) -> Bytes:
    """Give the states of one machine, *us* (columns, states), as pixels (height, columns, 3).

    The pixels of a column are dealt to the states by their share of its time, so a picture of a month shows micro-stops
    as a thin layer; a column of one pixel has the state that held longest.
    """
    order, colours = _colours(is_door=is_door)
    if height == 1:
        return np.asarray(colours[us[None][:, :, order].argmax(axis=2)])
    bounds = np.cumsum(shares_of(us)[:, order], axis=1)
    level = (np.arange(height)[::-1, None] + 0.5) / height
    state = (level[:, :, None] >= bounds[None] - 1e-9).sum(axis=2)
    return np.asarray(colours[np.minimum(state, len(order) - 1)])


def shade(us: Floats) -> Floats:
    """Give what to lay behind readings, (1, columns, 4): the colours of all that is not executing, by their share."""
    shares = shares_of(us)
    colours = np.array([rgb(STATES[State(state)]) for state in range(len(State))]) / 255
    shares = shares.copy()
    shares[:, State.EXECUTE] = 0.0
    strength = 0.38 * shares.sum(axis=1) - 0.2 * shares[:, State.STOPPED]  # nights and weekends are no news
    resting = shares.sum(axis=1, keepdims=True)
    mixed = np.divide((shares[:, :, None] * colours[None]).sum(axis=1), resting, out=np.ones((len(us), 3)),
                      where=resting > 0)  # fmt: skip
    return np.concatenate([mixed, strength[:, None]], axis=1)[None]


LEGEND_ROW, _BOX = 0.2, 0.11


class Key(NamedTuple):
    """One colour of a legend, its name, and where it stands: inches from the left, rows down."""

    name: str
    colour: str
    x: float
    row: int


def keys_of(us: Floats, look: Look, *, doors: bool, more: Sequence[tuple[str, str]] = ()) -> list[Key]:
    """Place the colours of the states that have time in *us* (states,), of *doors* and *more*, in rows of the width."""
    entries = [(state.name.lower(), colour) for state, colour in STATES.items() if us[state] > 0]
    entries += [("door open", DOOR_OPEN), ("door closed", DOOR_CLOSED)] if doors else []
    entries += more
    placed: list[Key] = []
    x, at = look.left, 0
    for name, colour in entries:
        width = _BOX + 0.19 + 0.62 * look.text / 72 * len(name)
        if x + width > look.width:
            x, at = look.left, at + 1
        placed.append(Key(name, colour, x, at))
        x += width
    return placed


def rows_of(keys: Sequence[Key]) -> float:
    """Give the height of a legend in inches."""
    return LEGEND_ROW * (keys[-1].row + 1) if keys else 0.0


def draw_keys(sheet: Sheet, keys: Sequence[Key]) -> None:
    """Draw a legend below what is there."""
    from matplotlib.patches import Rectangle

    look, top = sheet.look, sheet.down
    for name, colour, x, at_row in keys:
        sheet.down = top + at_row * LEGEND_ROW
        at = (x / look.width, 1 - (sheet.down + 0.01) / sheet.height)
        sheet.figure.add_artist(
            Rectangle(at, _BOX / look.width, _BOX / sheet.height, transform=sheet.figure.transFigure,
                      facecolor=colour, edgecolor=SOFT.day, linewidth=0.4)
        )  # fmt: skip
        sheet.text(x + _BOX + 0.05, name, color=INK.day, va="bottom")

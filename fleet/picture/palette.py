"""The colours of every picture, said once: states of machines, lines, paper, by day and by night.

The states differ in lightness as well as in hue, so that they can be told apart with any kind of colour
vision; a test simulates the common kinds. What a machine does most of the time is the calmest of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.data import State

STATES: Mapping[State, str] = {
    State.EXECUTE: "#6dbfac",
    State.IDLE: "#e3e8ea",
    State.SUSPENDED: "#5577b8",
    State.HELD: "#e6ac2f",
    State.STOPPED: "#737b83",
    State.ABORTED: "#a3262a",
}
"""By state, in the order in which shares of them are stacked."""

MEANINGS: Mapping[State, str] = {
    State.EXECUTE: "producing",
    State.IDLE: "on, nothing asked of it",
    State.SUSPENDED: "waits for others: starved or blocked",
    State.HELD: "a short stop of its own",
    State.STOPPED: "no shift, or planned work",
    State.ABORTED: "failed: waits for the crew, or is repaired",
}

DOOR_CLOSED, DOOR_OPEN = "#e3b3ef", "#4f1d78"
"""Of no machine's state: in a heat map doors stand between machines."""


class Tone(NamedTuple):
    """A colour that is another one by night."""

    name: str
    day: str
    night: str


PAPER = Tone("paper", "#fefefe", "#14181c")
INK = Tone("ink", "#1c2126", "#e4e8eb")
SOFT = Tone("soft", "#5b646d", "#a3adb6")
RULE = Tone("rule", "#d9dee2", "#343b42")
LINE = Tone("line", "#1f5a94", "#86b9ea")
BAND = Tone("band", "#a9c4de", "#33536f")
WEAR = Tone("wear", "#7a4da2", "#b78fda")
SCRIPT = Tone("script", "#b3450f", "#f09a5f")
TWIN = Tone("twin", "#3f8f5b", "#7cc795")
TONES = (PAPER, INK, SOFT, RULE, LINE, BAND, WEAR, SCRIPT, TWIN)
"""WEAR is what wear brings by itself, SCRIPT what an incident does, TWIN what would have been without it."""

"""The colours of states can be told apart, by everyone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from fleet.data import Floats, State
from fleet.picture.axes import rgb
from fleet.picture.palette import DOOR_CLOSED, DOOR_OPEN, INK, PAPER, SOFT, STATES

# Machado, Oliveira & Fernandes, "A physiologically-based model for simulation of color vision deficiency", 2009:
# full severity, in linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TOLD_APART = 18.0  # CIE 1976 difference; 2.3 is just noticeable side by side


def linear(colour: str) -> Floats:
    part = np.array(rgb(colour)) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(light: Floats) -> Floats:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = (to_xyz @ np.clip(light, 0, 1)) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """Give the ratio of luminances as WCAG defines it."""
    light, dark = sorted((float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("vision", VISION)
def test_states_can_be_told_apart(vision: str) -> None:
    colours = {**{state.name: colour for state, colour in STATES.items()}, "closed": DOOR_CLOSED, "open": DOOR_OPEN}
    seen = {name: lab(VISION[vision] @ linear(colour)) for name, colour in colours.items()}

    near = {(one, other): float(np.linalg.norm(seen[one] - seen[other])) for one, other in combinations(seen, 2)}

    assert min(near.values()) > TOLD_APART, near


def test_every_state_has_a_colour() -> None:
    assert set(STATES) == set(State)


@pytest.mark.parametrize("tone", [INK, SOFT])
def test_text_can_be_read_by_day_and_by_night(tone: object) -> None:
    assert contrast(tone.day, PAPER.day) > 4.5  # type: ignore[attr-defined]
    assert contrast(tone.night, PAPER.night) > 4.5  # type: ignore[attr-defined]

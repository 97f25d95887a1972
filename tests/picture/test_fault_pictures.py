"""`fleet faults NAME --out FILE`: every fault can be drawn, and the picture shows what it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fleet.faults.catalogue import CATALOGUE
from fleet.picture.fault_picture import is_drawn, picture_of, scenario_of, sent_of
from fleet.picture.labels import count_of
from tests.cli.commands import fleet
from tests.picture.test_envelope import silent

SIGNS = {
    "bearing_wear": ("Vibration, mm/s", "Bearing temperature, °C", "without incidents"),
    "fouled_filter": ("Suction pressure, bar", "Flow, m³/h"),
    "tool_break": ("Vibration, mm/s", "tool break, stops"),
    "heater_failure": ("Zone 1 temperature, °C",),
    "dropout": ("Readings lost (down)",),
    "wrong_unit": ("Bearing temperature, °C", "difference, °C"),
    "outage": ("Arrives after its time stamp by, s",),
    "loss": ("lost",),
    "duplicate": ("second copies are green",),
}


@pytest.mark.parametrize("fault", SIGNS)
def test_a_fault_is_drawn_with_the_sensors_that_show_it(fault: str, tmp_path: Path) -> None:
    picture_of(fault, tmp_path / "fault.svg", silent)

    text = (tmp_path / "fault.svg").read_text()
    for words in (fault, *SIGNS[fault]):
        assert words in text


@pytest.mark.parametrize("fault", [name for name in CATALOGUE if is_drawn(name)])
def test_every_fault_has_a_scenario_that_shows_before_and_during(fault: str) -> None:
    roster, span = scenario_of(fault)

    (incident,) = roster.script.scripted
    assert span.start_us < span.start_us + incident.at_us < span.stop_us
    assert roster.script.faults == []


def test_the_readings_of_a_network_picture_are_those_that_the_label_counts() -> None:
    roster, span = scenario_of("duplicate")
    sensors = len(roster.entries[0].kind.sensors)

    sent, (label,) = sent_of(roster, span)

    copies = int(sent.is_copy.sum())
    assert copies * (sensors - 1) <= count_of(label.doubled) <= copies * sensors  # one sensor is slower
    assert (np.diff(sent.due_us) >= 0).all()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "a.svg"), "--out: name the fault to draw: fleet faults FAULT --out FILE"),
        (("bias", "--out", "a.html"), "--out: a fault has one picture: .svg or .png, got 'a.html'"),
        (("bias", "--out", "a.gif"), "--out: must end in .html, .png or .svg, got 'a.gif'"),
        (("baias", "--out", "a.svg"), "unknown fault 'baias'; did you mean 'bias'?"),
        (("hot_key", "--out", "a.svg"), "--out: 'hot_key' changes no reading, a wrong client sends its records beside"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    ended = fleet("faults", *words, cwd=tmp_path)

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(says)
    assert list(tmp_path.iterdir()) == []

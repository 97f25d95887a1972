"""What one fault does to readings, drawn: beside the healthy twin, or when each reading arrives.

Of every fault a small scenario of one machine is simulated, with the catalogue's own defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleet.data import SECOND_US, Floats, Ints, Label
from fleet.errors import RequestError
from fleet.faults.catalogue import CATALOGUE, MACHINE, SENSOR, TRANSPORT_FAULTS
from fleet.faults.machine import roles_of
from fleet.picture import library
from fleet.picture.axes import WIDE, Sheet, days, headline_height, time_axis
from fleet.picture.compare import compare
from fleet.picture.faults import kinds_with
from fleet.picture.labels import CLOCKS, Labels
from fleet.picture.palette import INK, LINE, RULE, SCRIPT, TWIN
from fleet.picture.panels import y_axis
from fleet.picture.plot import START_US, see_the_form, write, written
from fleet.picture.shades import in_panel
from fleet.picture.story import Progress, Span, blocks_of, tell
from fleet.picture.twin import draw_twin, twin_of
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.quantities import DURATION, quantity
from fleet.scenario.roster import Roster
from fleet.scenario.wording import unknown
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEED = 3
COLUMNS = 160
SENSORS_MAX = 3
"""Of a machine fault the sensors are shown that it changes most."""

POINTS_MAX = 900
"""Of more readings every so manieth is drawn, those that arrive late or twice all."""

WAIT_STEP_S = 0.02
"""Waits far below this are a clock's own error, and look flat."""

MARKS_MAX = 200
"""So many readings that never arrive are marked."""

PREFERRED = "pump"
KINDS = {"jam": "conveyor", "encoder_loss": "robot-arm", "leakage": "hydraulic-press", "heater_failure": "oven"}
"""What is drawn of which kinds, where that is not PREFERRED or the first that can have the fault."""

SENSORS = {"wrong_unit": "bearing_temperature"}
SENSOR_SHOWN = "discharge_pressure"

MINUTE, HOUR = 60.0, 3600.0
TIMES: dict[str, tuple[float, float, float]] = {
    "tool_break": (8 * MINUTE, 5.0, 6 * MINUTE),
    "encoder_loss": (8 * MINUTE, 5.0, 6 * MINUTE),
    "power_dip": (3 * MINUTE, 10.0, 3 * MINUTE),
    "gateway_restart": (3 * MINUTE, 45.0, 3 * MINUTE),
    "tool_wear": (20 * MINUTE, 40 * MINUTE, 40 * MINUTE),
    "bearing_wear": (1 * HOUR, 5 * HOUR, 2 * HOUR),
    "compressor_leak": (12 * HOUR, 48 * HOUR, 0.0),
    "drift": (4 * HOUR, 20 * HOUR, 0.0),
    "calibration_jump": (HOUR, 2 * HOUR, 0.0),
    "wrong_unit": (HOUR, 2 * HOUR, 0.0),
    "imbalance": (10 * MINUTE, 30 * MINUTE, 10 * MINUTE),
    "spike": (HOUR, 4 * HOUR, HOUR),
}
"""Seconds before, during and after a fault, where its own length says nothing or makes a poor picture."""


def picture_of(name: str, file: Path, progress: Progress) -> None:
    """Draw what the fault *name* does into *file*, SVG or PNG; RequestError where it cannot be."""
    see_the_form(file)
    form = file.suffix.lower()
    if form == ".html":
        raise RequestError(f"--out: a fault has one picture: .svg or .png, got '{file.name}'")
    if name not in CATALOGUE:
        raise RequestError(unknown("fault", name, CATALOGUE))
    if not is_drawn(name):
        raise RequestError(f"--out: '{name}' changes no reading, a wrong client sends its records beside them")
    library.see_that_it_is_there()
    roster, span = scenario_of(name)
    with library.our_settings():
        figure = _network(name, roster, span) if name in TRANSPORT_FAULTS else _beside(roster, span, progress)
        content = written(figure, form)
    write(file, content)


def is_drawn(name: str) -> bool:
    """Say whether a fault does something to readings of ours."""
    return CATALOGUE[name].family in {MACHINE, SENSOR} or name in TRANSPORT_FAULTS


def scenario_of(name: str) -> tuple[Roster, Span]:
    """Expand a plant of one machine with the fault *name*, and say how long it is shown."""
    family, entry = CATALOGUE[name]
    kind = PREFERRED
    if family == MACHINE and roles_of(name):
        kinds = sorted(kinds_with(name))
        kind = KINDS.get(name, PREFERRED if PREFERRED in kinds else kinds[0])
    lasts = _seconds(entry.lasts) or 1.5 * _seconds(entry.grows) or HOUR
    before, during, after = TIMES.get(name, (lasts / 3, lasts, lasts / 2))
    incident: dict[str, Any] = {"id": name, "at": f"{before:g} s", "machine": "shown", "fault": name}
    incident["for"] = f"{during:g} s"
    if entry.grows:
        incident["over"] = f"{min(_seconds(entry.grows), during):g} s"
    if family == SENSOR:
        incident["sensor"] = SENSORS.get(name, SENSOR_SHOWN)
    raw = {
        "fleet": 1,
        "name": name.replace("_", "-"),
        "lines": [{"name": "line", "machines": [{"kind": kind, "id": "shown"}]}],
        "incidents": [incident],
    }
    scenario = Scenario.model_validate(raw)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    assert not roster.script.faults, roster.script.faults
    stop_us = START_US + round((before + during + after) * SECOND_US)
    return roster, Span(SEED, START_US, stop_us, COLUMNS)


def _seconds(text: str) -> float:
    return quantity(text, DURATION) if text else 0.0


def _beside(roster: Roster, span: Span, progress: Progress) -> Figure:
    """Draw the sensors that the fault changes most, over those of the twin."""
    compared = compare(roster, twin_of(roster), span, [0], progress)
    (told,) = tell(roster, span, [0], lambda share: None)
    (machine,) = roster.machines
    (incident,) = roster.scenario.incidents
    title = f"{incident.fault}: {CATALOGUE[incident.fault].entry.about.rstrip('.')}"
    return draw_twin(told, compared.beside[machine.id], compared.rows, span, WIDE, most=SENSORS_MAX, title=title)


# ---- what the network does


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """Scans of the machine: when each happened, what its clock said, and when it arrived; (scans,)."""

    scan_us: Ints
    event_us: Ints
    due_us: Ints
    is_copy: Ints


def sent_of(roster: Roster, span: Span) -> tuple[Sent, list[Label]]:
    """Simulate the machine, and give each reading of its first sensor that arrives, in order of arrival."""
    simulation = Simulation(roster, seed=span.seed, start_us=span.start_us)
    labels, parts = Labels(), []
    for block in blocks_of(simulation, span, span.stop_us - span.start_us, lambda share: None):
        labels.add(block)
        parts += [
            np.stack([columns.scan_us, columns.event_us, columns.due_us, np.full(len(columns.tick), int(columns.copy))])
            for columns in block.kinds
            if 0 in columns.sensors
        ]
    joined = np.concatenate(parts, axis=1)
    return Sent(*joined[:, np.argsort(joined[2], kind="stable")]), labels.ended(simulation, span.stop_us)


def _network(name: str, roster: Roster, span: Span) -> Figure:
    """Draw arrival against the time that each reading says, and below it how much later it is."""
    (sent, labels), (healthy, _) = sent_of(roster, span), sent_of(twin_of(roster), span)
    lost_us = np.setdiff1d(healthy.scan_us, sent.scan_us)
    sheet = Sheet(WIDE, headline_height(WIDE) + 2 * 0.26 + 1.7 + 0.9 + 0.34)
    sheet.headline(f"{name}: each dot a reading", CATALOGUE[name].entry.about)
    waits_s = (sent.due_us - sent.event_us) / SECOND_US
    usual_s = (sent.due_us - sent.scan_us) / SECOND_US
    chosen = _few(np.abs(usual_s) + sent.is_copy > 1e-6)
    shown: list[tuple[str, float, Floats]] = [
        ("Arrival against the time stamp, UTC", 1.7, days(1) * sent.due_us.astype(np.float64)),
        ("Arrives after its time stamp by, s", 0.9, waits_s),
    ]
    axes: Axes | None = None
    for number, (title, height, y) in enumerate(shown):
        sheet.skip(0.26)
        sheet.text(WIDE.left, title, va="bottom", color=INK.day)
        axes = sheet.axes(height)
        low_us, high_us = int(min(sent.event_us.min(), span.start_us)), int(max(sent.event_us.max(), span.stop_us))
        axes.set_xlim(days(low_us), days(high_us))
        first, again = chosen & (sent.is_copy == 0), chosen & (sent.is_copy == 1)
        _dots(axes, sent.event_us[first], y[first], LINE.day, days(high_us) - days(low_us))
        axes.plot(days(1) * sent.event_us[again], y[again], "o", color=TWIN.day, markersize=2.4)
        if number:
            y_axis(axes, float(y.min()), float(y.max()), WAIT_STEP_S)
        else:
            _arrivals_axis(axes, y)
        axes.tick_params(axis="y", labelsize=WIDE.text - 1)
        axes.set_xticks([])
        if number == 0 and len(lost_us):
            some_us = lost_us[:: max(1, len(lost_us) // MARKS_MAX)]
            axes.plot(days(1) * some_us, np.zeros(len(some_us)), "|", color=SCRIPT.day, markersize=5,
                      transform=axes.get_xaxis_transform())  # fmt: skip
            axes.annotate("lost", (days(int(lost_us[0])), 0), xytext=(0, 4), textcoords="offset points",
                          xycoords=axes.get_xaxis_transform(), ha="right", color=SCRIPT.day,
                          fontsize=WIDE.text - 1)  # fmt: skip
        if number == 0 and sent.is_copy.any():
            axes.annotate("second copies are green", (0.01, 0.9), xycoords="axes fraction", color=TWIN.day, va="top",
                          fontsize=WIDE.text - 1)  # fmt: skip
        if name not in CLOCKS:
            in_panel(axes, labels, WIDE, title=title)
    assert axes is not None
    time_axis(axes, WIDE, low_us, high_us)
    return sheet.figure


def _arrivals_axis(axes: Axes, arrival: Floats) -> None:
    """Let the y axis be time in UTC, with few ticks."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    room = 0.05 * float(arrival.max() - arrival.min())
    axes.set_ylim(float(arrival.min()) - room, float(arrival.max()) + room)
    axes.yaxis.set_major_locator(AutoDateLocator(tz=UTC, minticks=3, maxticks=6))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))  # type: ignore[no-untyped-call]
    axes.grid(axis="y", color=RULE.day, linewidth=0.4)
    axes.set_axisbelow(True)


def _few(special: Any) -> Any:
    """Choose the readings that are drawn: all that are special, of the others every so manieth."""
    chosen = np.zeros(len(special), bool)
    for of in (special, ~special):
        places = np.flatnonzero(of)
        chosen[places[:: max(1, -(-len(places) // (POINTS_MAX // 2)))]] = True
    return chosen


def _dots(axes: Axes, time_us: Ints, y: Floats, colour: str, width: float) -> None:
    """Draw dots as one path of very short strokes: a tenth of what markers take in a file."""
    x = days(1) * time_us
    nothing = np.full(len(x), np.nan)
    across = np.stack([x, x + width / 2500, nothing], axis=1).ravel()
    axes.plot(across, np.stack([y, y, nothing], axis=1).ravel(), color=colour, linewidth=1.8, solid_capstyle="round")

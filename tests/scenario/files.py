"""Files that several tests write: a pump, and scenarios around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import ScenarioError
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import load_kind
from fleet.scenario.load import load
from fleet.scenario.model import Scenario

PUMP = """\
kind: pump
about: A centrifugal process pump on a direct-on-line motor.
sources: [an imagined text]
parameters:
  rated_current: {value: 22 A, spread: 8 %, about: nameplate current}
  warmth: {value: 55 K, spread: 10 %}
  bearing_life: {value: 400 h}
  cycle_time: {value: 4 min}
  exponent: {value: 1.6}
cycle: {period: cycle_time, jitter: 2 %}
setpoint: {every: 2 h, from: 0.7, to: 1.0}
micro_stop: {every: 25 min, lasts: 40 s, sigma: 0.8}
wear:
  bearing: {life: bearing_life, shape: 1.8, onset: [0.7, 0.97], exponent: 2.5, repair: 90 min}
drives:
  speed: {execute: 1, held: 1, settle: 2 s}
  load: {execute: [[0, 0.2], [0.1, 1], [0.9, 1], [1, 0.2]], settle: 1 s, setpoint: true}
nodes:
  motor_rise: {drive: load, gain: warmth, tau: 45 min, tau_at_rest: 90 min}
signals:
  current: {law: motor_current, load: load, on: speed, rated: rated_current, idle_share: 0.35}
  vibration: {law: vibration, speed: speed, load: load, healthy: 1.2 mm/s, damage: damage.bearing}
  temperature: {law: total, a: ambient, b: motor_rise, c: 0}
sensors:
  current: {signal: current, units: A, period: 1 s, span: [0, 60], resolution: 0.01, noise: 0.05}
  vibration: {signal: vibration, units: mm/s, span: [0, 25], resolution: 0.01, noise_share: 2 %}
  motor_temperature: {signal: temperature, units: degC, period: 10 s, span: [-20, 180], resolution: 0.1}
"""

BELT = """\
kind: belt
signals:
  speed: {law: scaled, of: 1}
sensors:
  speed: {signal: speed, units: m/s, span: [0, 3], resolution: 0.01}
"""

HEAD = "fleet: 1\nname: demo\n"


def write_kinds(folder: Path) -> None:
    """Put the kinds into *folder* where a scenario in it finds them."""
    (folder / "kinds").mkdir(exist_ok=True)
    (folder / "kinds" / "lift.yaml").write_text(PUMP.replace("kind: pump", "kind: lift"))
    (folder / "kinds" / "belt.yaml").write_text(BELT)


def scenario_of(folder: Path, text: str, *, settings: tuple[str, ...] = ()) -> Scenario:
    """Load a scenario of *text* from a file in *folder*, beside the kinds."""
    write_kinds(folder)
    file = folder / "demo.yaml"
    file.write_text(text)
    return load(file, settings=settings)


def mistakes(folder: Path, text: str, *, settings: tuple[str, ...] = ()) -> list[str]:
    """Return the problems of a scenario of *text* as ``line: path: text``."""
    with pytest.raises(ScenarioError) as error:
        scenario_of(folder, text, settings=settings)
    return [str(problem).removeprefix(f"{folder / 'demo.yaml'}:") for problem in error.value.problems]


def kind_of(folder: Path, text: str, **options: object) -> Kind:
    """Load a kind of *text* from a file in *folder*."""
    file = folder / "pump.yaml"
    file.write_text(text)
    return load_kind(file, **options)  # type: ignore[arg-type]


def kind_mistakes(folder: Path, text: str, **options: object) -> list[str]:
    """Return the problems of a kind of *text* as ``line: path: text``."""
    with pytest.raises(ScenarioError) as error:
        kind_of(folder, text, **options)
    return [str(problem).removeprefix(f"{folder / 'pump.yaml'}:") for problem in error.value.problems]

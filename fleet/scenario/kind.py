"""The model of a machine kind: its physics, its sensors and its controller, as data.

Everything is in canonical units (durations in seconds, shares 0..1). A name in a law's inputs
means, in this order: a drive, a node, an earlier signal, a parameter; or it is one of the
built-in ``ambient``, ``level`` and ``damage.<mode>``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from fleet.data import State
from fleet.scenario.fields import DayHours, Hours, Model, Name, Term, number
from fleet.scenario.quantities import (
    Duration,
    DurationOrZero,
    Measure,
    Ratio,
    Spread,
    measure,
    refused,
    split,
)
from fleet.scenario.wording import shown, unknown

BUILT_IN = ("ambient", "level")  # and damage.<mode>
STATES = {state.name.lower(): state for state in State}
BASE_PERIOD_MIN_S = 1e-4

Plain = Annotated[float, BeforeValidator(number())]
PlainOrZero = Annotated[float, BeforeValidator(number(least=0))]
Positive = Annotated[float, BeforeValidator(number(above=0))]
Value = Annotated[Measure, BeforeValidator(measure)]


def _reference_or_number(value: object) -> str | float:
    """Take a name as it is and a quantity as its canonical number."""
    if isinstance(value, str) and split(value) is None and value.strip():
        return value.strip()
    return measure(value).value


def _reference_or_duration(value: object) -> str | float:
    from fleet.scenario.quantities import DURATION, bounded

    if isinstance(value, str) and split(value) is None and value.strip():
        return value.strip()
    return bounded(DURATION, above=0)(value)


Input = Annotated[str | float, BeforeValidator(_reference_or_number)]
Period = Annotated[str | float, BeforeValidator(_reference_or_duration)]


class Parameter(Model):
    """A number that each machine draws for itself: *value* times a lognormal of *spread*."""

    value: Value
    spread: Spread = 0.0
    about: str = ""


class Cycle(Model):
    """The making of one part."""

    period: Period
    """A duration, or the name of a parameter that is one."""
    jitter: Ratio = 0.02
    spread: Spread = 0.0


class Setpoint(Model):
    """A level of the load that is changed now and then."""

    every: Duration
    low: Ratio = Field(alias="from")
    high: Ratio = Field(alias="to")


class MicroStop(Model):
    """Short stops of a machine's own: exponential gaps of running time, lognormal lengths."""

    every: Duration
    lasts: Duration
    sigma: PlainOrZero = 0.8


class Wear(Model):
    """A failure mode: a Weibull life of running time, damage that grows late, a repair."""

    life: Period
    shape: Positive
    onset: tuple[Ratio, Ratio] = (0.7, 0.97)
    exponent: Positive = 2.5
    repair: Duration
    sigma: PlainOrZero = 0.8


class Drive(Model):
    """What moves the machine: a level for each state, constant or a profile over the cycle.

    *levels* has every state; a profile is ``((phase, level), ...)`` from phase 0 to 1.
    """

    levels: dict[State, float | tuple[tuple[float, float], ...]]
    settle: DurationOrZero = 0.0
    setpoint: bool = False


class Node(Model):
    """A slow quantity: a first-order lag of *gain* times a drive."""

    drive: str
    gain: Input
    tau: Duration
    tau_at_rest: Duration


class Signal(Model):
    """A true physical value: a law and what goes into it, each a name or a number."""

    law: str
    inputs: dict[str, str | float]


class Sensor(Model):
    """What measures a signal; noise and the like are in *units*, see the reference of kinds."""

    signal: str
    units: Annotated[str, Field(min_length=1)]
    span: tuple[Plain, Plain]
    resolution: Positive
    period: Duration = 1.0
    noise: PlainOrZero = 0.0
    noise_share: Ratio = 0.0
    flicker: PlainOrZero = 0.0
    offset: PlainOrZero = 0.0
    gain: Ratio = 0.0
    temperature: Plain = 0.0
    lag: DurationOrZero = 0.0


class Door(Model):
    """Openings of a door: exponential gaps inside *hours*, lognormal lengths."""

    every: Duration
    lasts: Duration
    sigma: PlainOrZero = 0.6
    hours: DayHours = Hours(0, 86_400)


class Kind(Model):
    """A machine's type: everything that machines of a kind have in common."""

    kind: Name
    about: str = ""
    sources: tuple[str, ...] = ()
    parameters: dict[Term, Parameter] = Field(default_factory=dict)
    cycle: Cycle | None = None
    setpoint: Setpoint | None = None
    micro_stop: MicroStop | None = None
    wear: dict[Term, Wear] = Field(default_factory=dict)
    drives: dict[Term, Drive] = Field(default_factory=dict)
    nodes: dict[Term, Node] = Field(default_factory=dict)
    signals: dict[Term, Signal] = Field(default_factory=dict)
    sensors: dict[Term, Sensor] = Field(default_factory=dict)
    jitter: Annotated[float, BeforeValidator(number())] = 0.01
    clock_error: DurationOrZero = 0.02
    sync_every: Duration = 600.0
    door: Door | None = None

    @property
    def base_period(self) -> float:
        """The controller's base period in seconds: the smallest of its sensors'; 1 without sensors."""
        return min((sensor.period for sensor in self.sensors.values()), default=1.0)

    def multiple(self, sensor: str) -> int:
        """Return how many base periods lie between two readings of *sensor*."""
        return round(self.sensors[sensor].period / self.base_period)

    def with_settings(self, settings: dict[str, Any], rate: float | None = None) -> Kind:
        """Return this kind with parameters and sensors changed, and scanned at *rate* (1/s)."""
        from fleet.scenario.settings import changed

        return changed(self, settings, rate=rate)

"""The model of a machine kind: its physics, its sensors and its controller, as data.

Everything is in canonical units (durations in seconds, shares 0..1). A name in a law's inputs
means, in this order: a drive, a node, an earlier signal, a parameter; or it is one of the
built-in ``ambient``, ``dew_point``, ``level``, ``time`` (s), ``damage.<mode>``, ``rising.<drive>`` (how far a drive
is below what it heads for), and in a kind with a cycle ``phase``, ``parts``, ``last_cycle`` (s) and ``part_scatter``;
in one with a receiver ``phase``; in a meter ``line_power`` (kW) and ``line_energy`` (kWh).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from fleet.data import State
from fleet.scenario.fields import DayHours, Hours, Model, Name, Term, flag, number, one_of
from fleet.scenario.quantities import (
    DURATION,
    RATIO,
    Duration,
    DurationOrZero,
    Measure,
    Ratio,
    Spread,
    bounded,
    measure,
    refused,
    split,
)
from fleet.scenario.wording import Path, shown

BUILT_IN = ("ambient", "dew_point", "level", "time", "unrest")  # and ambient.<node>, damage.<mode>, rising.<drive>
OF_METERS = ("line_power", "line_energy")
OF_CYCLES = ("phase", "parts", "last_cycle", "part_scatter")
RISING = "rising."
FELT = "ambient."  # the air as a slow node feels it
BASE_PERIOD_MIN_S = 1e-4
DEADBANDS_MAX = 8  # sensors of a kind: a scan's set of those that report is a bit each in a byte
PERIODS_MAX = 8  # different ones in a kind: a scan's set of due sensors is a bit each in a byte

Profile = tuple[tuple[float, float], ...]  # (phase, level) from phase 0 to 1
Level = float | Profile


def _name_or_number(value: object) -> str | float:
    """Take a name as it is and a quantity as its canonical number."""
    if isinstance(value, str) and split(value) is None and value.strip():
        return value.strip()
    return measure(value).value


def _name_or_duration(value: object) -> str | float:
    if isinstance(value, str) and split(value) is None and value.strip():
        return value.strip()
    return bounded(DURATION, above=0)(value)


def _pair(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise refused(f"must be two numbers like [0, 25], got {shown(value)}")
    low, high = (number()(each) for each in value)
    if low >= high:
        raise refused(f"must ascend, got [{low:g}, {high:g}]")
    return low, high


def _share(value: object) -> float:
    """Read a share of a whole: neither nothing nor all of it."""
    share = bounded(RATIO, above=0)(value)
    if share >= 1:
        raise refused(f"must be below 100 %, got {shown(value)}")
    return share


def _zones(value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise refused(f"must be three numbers like [0.71, 1.8, 4.5], where A, B and C end, got {shown(value)}")
    ends = tuple(number(above=0)(each) for each in value)
    if sorted(set(ends)) != list(ends):
        raise refused(f"must ascend, got [{', '.join(f'{end:g}' for end in ends)}]")
    return ends


def _onset(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise refused(f"must be two shares of the life like [0.7, 0.97], got {shown(value)}")
    low, high = (bounded(RATIO, least=0, most=1)(each) for each in value)
    if low > high or low >= 1:
        raise refused(f"must ascend and begin below 1, got [{low:g}, {high:g}]")
    return low, high


def _step(value: object) -> float:
    """Read a resolution: readings are whole steps of it and must come out as short decimals."""
    step = number(above=0)(value)
    steps = 1 / step if step < 1 else step
    if abs(steps - round(steps)) > 1e-9 * steps:
        raise refused(f"must be a whole number or divide 1 without a rest, got {step:g}")
    return step


def _level(value: object) -> Level:
    """Read a level of a drive: a number, or a profile over the cycle."""
    if not isinstance(value, list | tuple):
        return number()(value)
    points = [each for each in value if isinstance(each, list | tuple) and len(each) == 2]
    if len(points) != len(value) or len(points) < 2:
        raise refused("must be a number or a profile like [[0, 0.2], [0.5, 1], [1, 0.2]]")
    profile = tuple((number(least=0, most=1)(phase), number()(level)) for phase, level in points)
    phases = [phase for phase, _ in profile]
    if phases[0] != 0 or phases[-1] != 1:
        raise refused(f"must run from phase 0 to phase 1, got {phases[0]:g} to {phases[-1]:g}")
    for before, after in pairwise(phases):
        if after <= before:
            raise refused(f"must have ascending phases, got {after:g} after {before:g}")
    return profile


def _names(value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, list | tuple) and listed and all(isinstance(each, str) and each for each in listed):
        return tuple(listed)
    raise refused(f"must be a name like 'vibration', or a list of names, got {shown(value)}")


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Plain = Annotated[float, BeforeValidator(number())]
PlainOrZero = Annotated[float, BeforeValidator(number(least=0))]
Positive = Annotated[float, BeforeValidator(number(above=0))]
Step = Annotated[float, BeforeValidator(_step)]
Value = Annotated[Measure, BeforeValidator(measure)]
Span = Annotated[tuple[float, float], BeforeValidator(_pair)]
Zones = Annotated[tuple[float, ...], BeforeValidator(_zones)]
Onset = Annotated[tuple[float, float], BeforeValidator(_onset)]
Input = Annotated[str | float, BeforeValidator(_name_or_number)]
Period = Annotated[str | float, BeforeValidator(_name_or_duration)]
Levels = Annotated[Any, BeforeValidator(_level)]
Metered = Annotated[str, BeforeValidator(one_of("line"))]
Share = Annotated[float, BeforeValidator(_share)]
Flag = Annotated[bool, BeforeValidator(flag)]
LifeLaw = Annotated[str, BeforeValidator(one_of("weibull", "exponential", "lognormal"))]
Growth = Annotated[str, BeforeValidator(one_of("power", "gamma", "wiener", "flank"))]
Ending = Annotated[str, BeforeValidator(one_of("failure", "change"))]
Portion = Annotated[float, BeforeValidator(bounded(RATIO, least=0.001, most=1))]
Roughness = Annotated[float, BeforeValidator(bounded(RATIO, least=0.01, most=1))]


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
    scrap: Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=0.5))] = 0.01
    """Share of bad parts; they are taken out behind the machine."""
    ramp: Ratio = 0.15
    """How much longer the first few cycles take after a restart."""


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


_LATE_ONSET, _NO_ONSET = (0.7, 0.97), (0.0, 0.0)


class Wear(Model):
    """A way to wear out: a life of running time, damage that grows to 1 at its end, and a repair."""

    life: Period
    """The scale of its law: Weibull's characteristic life, the exponential's mean, the lognormal's median."""
    law: LifeLaw = "weibull"
    shape: Positive | None = None
    """Weibull's shape, or the standard deviation of the lognormal's logarithm; the exponential has none."""
    growth: Growth = "power"
    onset: Onset = Field(default_factory=lambda data: _NO_ONSET if data.get("growth") == "flank" else _LATE_ONSET)
    """Shares of the life between which damage begins to grow."""
    exponent: Positive = 2.5
    """Damage grows as this power of the time since its onset; a rough path does so in the mean."""
    roughness: Roughness = 0.2
    """How rough a gamma or Wiener path is: the spread of its end, had nothing been known of it."""
    share: Portion = 1.0
    """Of the running time in which it wears: a tool's cutting time."""
    taylor: Portion | None = None
    """Taylor's exponent n, by which a higher load shortens the life: `v T^n = C`. Absent: it does not."""
    ends: Ending = "failure"
    """Whether its end is a failure, or a change in passing as of a tool or a filter."""
    repair: Period
    sigma: PlainOrZero = 0.8


class Drive(Model):
    """What moves the machine: a level for each state, constant or a profile over the cycle."""

    stopped: Levels = 0.0
    idle: Levels = 0.0
    execute: Levels = 0.0
    held: Levels = 0.0
    suspended: Levels = 0.0
    aborted: Levels = 0.0
    settle: DurationOrZero = 0.0
    setpoint: Flag = False

    @property
    def levels(self) -> dict[State, Level]:
        """The level in every state."""
        return {state: getattr(self, state.name.lower()) for state in State}


class Node(Model):
    """A slow quantity: a first-order lag of *gain* times a drive."""

    drive: str
    gain: Input
    tau: Duration
    tau_at_rest: Duration = Field(default_factory=lambda data: data["tau"])
    """In states other than execute; as a rule the machine's own fan stands still then."""
    lag: DurationOrZero = 0.0
    """A second, faster lag behind it: the sensor that measures it in its well."""
    wear: str | None = None
    """The mode of wear that warms it: its drive counts times the damage, 0 while nothing is worn."""


class Signal(Model):
    """A true physical value: a law, and what goes into it, each a name or a number."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Input]

    law: str

    @property
    def inputs(self) -> Mapping[str, str | float]:
        """What goes into the law, by the law's argument: a name, or a number in canonical units."""
        return self.__pydantic_extra__


class Sensor(Model):
    """What measures a signal; noise and the like are in *units*, see the reference of kinds."""

    signal: str
    about: str = ""
    """What it measures, in a few words."""
    units: Annotated[str, Field(min_length=1)]
    span: Span
    resolution: Step
    period: Duration = 1.0
    tau: DurationOrZero = 0.0
    """The time constant of the sensor itself: how it lags behind the signal."""
    noise: PlainOrZero = 0.0
    noise_share: Ratio = 0.0
    flicker: PlainOrZero = 0.0
    offset: PlainOrZero = 0.0
    gain: Ratio = 0.0
    temperature: Plain = 0.0
    drift: PlainOrZero = 0.0
    """How far it wanders and comes back, in units (1 sigma)."""
    drift_tau: Duration = 60 * 86_400.0
    """The time constant of that; each sensor draws its own within a half of it."""
    walk: PlainOrZero = 0.0
    """How far it wanders without coming back, in units a square root of a day."""
    ageing: Ratio = 0.0
    """How far it creeps in a year at a steady rate, as a share of the span (1 sigma, drawn once a sensor)."""
    normal: Span | None = None
    """Between which readings a healthy machine at work has it, nearly always."""
    zones: Zones | None = None
    """Where the zones A, B and C of ISO 20816 end; only for a vibration."""
    deadband: PlainOrZero = 0.0
    """A reading is reported only when it has changed by more than this, in units; 0: every reading is."""
    heartbeat: Duration = 60.0
    """How often one is reported nevertheless."""


class Heating(Model):
    """What must be hot before the machine works: until then it is idle. Before a shift it is switched on in time."""

    node: str
    """The slow node that must have warmed up; its drive is one level in execute and idle."""
    within: Share = 0.03
    """How far below its level in execute it may be, as a share of that."""


class Door(Model):
    """Openings of a door: one in each stretch of *every* inside *hours*, at any time of it, lognormal lengths."""

    every: Duration
    lasts: Duration
    sigma: PlainOrZero = 0.6
    hours: DayHours = Hours(0, 86_400)


class Receiver(Model):
    """The air receiver of a compressor, which runs loaded and unloaded by turns as its line takes air.

    Its duty, the share of a turn in which it runs loaded, is the kind's ``level``; the place in the turn is ``phase``.
    """

    fill: Period
    """From one pressure to the other at full delivery while nothing is taken; or the parameter that is."""
    least: Share = 0.15
    """The duty when no machine of the line executes: leaks."""
    most: Share = 0.85
    """The duty when all of them do."""
    jitter: Ratio = 0.02


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
    faults: dict[Term, dict[Term, Names]] = Field(default_factory=dict)
    """Scripted machine faults it can have: what each role of the fault is here, a drive, node, signal or parameter."""
    drives: dict[Term, Drive] = Field(default_factory=dict)
    nodes: dict[Term, Node] = Field(default_factory=dict)
    signals: dict[Term, Signal] = Field(default_factory=dict)
    sensors: dict[Term, Sensor] = Field(default_factory=dict)
    jitter: Ratio = 0.01
    clock_error: DurationOrZero = 0.02
    sync_every: Duration = 600.0
    door: Door | None = None
    heating: Heating | None = None
    receiver: Receiver | None = None
    meter: Metered | None = None
    """``line``: it measures what the machines of its line take; ``level`` is that as a share of all they can."""
    always_on: Flag = False
    """Runs round the clock, whatever the shifts of its line."""
    electrical: str | None = None
    """The signal that is the electrical power it takes, kW: what the meter of its line counts."""

    @property
    def follows(self) -> bool:
        """Whether what it does follows from what the other machines of its line do."""
        return self.receiver is not None or self.meter is not None

    @property
    def base_period(self) -> float:
        """The controller's base period in seconds: the smallest of its sensors'; 1 without sensors."""
        return min((sensor.period for sensor in self.sensors.values()), default=1.0)

    def multiple(self, sensor: str) -> int:
        """Return how many base periods lie between two readings of *sensor*."""
        return round(self.sensors[sensor].period / self.base_period)


def deadband_faults(deadbands: Mapping[str, float]) -> list[tuple[Path, str]]:
    """Return what is wrong where too many sensors have one of *deadbands*."""
    found = sum(deadband > 0 for deadband in deadbands.values())
    if found <= DEADBANDS_MAX:
        return []
    return [(("sensors",), f"must have at most {DEADBANDS_MAX} sensors with a deadband, got {found}")]


def period_faults(periods: Mapping[str, float]) -> list[tuple[Path, str]]:
    """Return every one of *periods* that is no whole multiple of the smallest, the base period; and too many."""
    base = min(periods.values(), default=1.0)
    found: list[tuple[Path, str]] = []
    for name, period in periods.items():
        if period < BASE_PERIOD_MIN_S:
            words = f"must be at least {BASE_PERIOD_MIN_S:g} s, got {period:g} s"
            found.append((("sensors", name, "period"), words))
        elif abs(period / base - round(period / base)) > 1e-6:
            words = f"must be a whole multiple of the smallest period, {base:g} s, got {period:g} s"
            found.append((("sensors", name, "period"), words))
    different = len({round(period / base) for period in periods.values()}) if base > 0 else 0
    if not found and different > PERIODS_MAX:
        found.append((("sensors",), f"must have at most {PERIODS_MAX} different periods, got {different}"))
    return found

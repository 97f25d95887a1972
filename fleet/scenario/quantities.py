"""Quantities with units: ``22 A``, ``6 min``, ``500/s``, ``8 %`` to floats in canonical units.

Every dimension has one canonical unit, the one that sensors are written in: s, A, bar, degC
(K for differences), rpm, mm/s, m/s, kW, m3/h, V, kN, mm, ratio, 1/s, bytes, %RH.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from fleet.scenario.wording import did_you_mean, shown

NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*", re.ASCII | re.DOTALL)
TEXT_MAX = 200  # characters; nothing longer is a quantity


class Measure(NamedTuple):
    """A number in the canonical unit of its dimension."""

    value: float
    dimension: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """What is measured: its canonical unit, an example, and the factor of every unit it is written in."""

    name: str
    noun: str
    example: str
    unit: str
    units: Mapping[str, float]
    bare: bool = False  # whether a number without a unit will do


def _table(*dimensions: Dimension) -> dict[str, Dimension]:
    return {dimension.name: dimension for dimension in dimensions}


DURATION = Dimension(
    "duration",
    "a duration",
    "6 min",
    "s",
    {"s": 1, "us": 1e-6, "ms": 1e-3, "min": 60, "m": 60, "h": 3600, "d": 86400},
)
RATIO = Dimension("ratio", "a share", "8 %", "", {"%": 0.01, "ppm": 1e-6}, bare=True)
RATE = Dimension(
    "rate", "a rate", "10/s", "/s", {"/s": 1, "1/s": 1, "Hz": 1, "kHz": 1e3, "/min": 1 / 60, "/h": 1 / 3600}
)
BYTES = Dimension(
    "bytes",
    "a size",
    "1 GiB",
    "B",
    {
        "B": 1,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
    },
)
TEMPERATURE = Dimension("temperature", "a temperature", "22 degC", "degC", {"degC": 1, "°C": 1, "C": 1})
DIFFERENCE = Dimension("difference", "a temperature difference", "3 K", "K", {"K": 1, "mK": 1e-3})

DIMENSIONS = _table(
    DURATION,
    RATIO,
    RATE,
    BYTES,
    TEMPERATURE,
    DIFFERENCE,
    Dimension("current", "a current", "22 A", "A", {"A": 1, "mA": 1e-3, "kA": 1e3}),
    Dimension("pressure", "a pressure", "4 bar", "bar", {"bar": 1, "mbar": 1e-3, "kPa": 0.01, "MPa": 10, "Pa": 1e-5}),
    Dimension("rotation", "a speed of rotation", "2950 rpm", "rpm", {"rpm": 1, "1/min": 1}),
    Dimension("vibration", "a vibration velocity", "0.5 mm/s", "mm/s", {"mm/s": 1}),
    Dimension("speed", "a speed", "1.2 m/s", "m/s", {"m/s": 1, "m/min": 1 / 60}),
    Dimension("power", "a power", "12 kW", "kW", {"kW": 1, "W": 1e-3, "MW": 1e3}),
    Dimension("flow", "a flow", "30 m3/h", "m3/h", {"m3/h": 1, "m³/h": 1, "l/min": 0.06, "l/s": 3.6, "l/h": 1e-3}),
    Dimension("voltage", "a voltage", "400 V", "V", {"V": 1, "mV": 1e-3, "kV": 1e3}),
    Dimension("force", "a force", "5 kN", "kN", {"kN": 1, "N": 1e-3, "MN": 1e3}),
    Dimension("length", "a length", "80 mm", "mm", {"mm": 1, "um": 1e-3, "cm": 10, "m": 1e3}),
    Dimension("humidity", "a relative humidity", "45 %RH", "%RH", {"%RH": 1}),
)
# What a unit means where any dimension may stand. Lengths come after durations: there `m` is a metre.
UNITS: dict[str, Dimension] = {unit: dimension for dimension in DIMENSIONS.values() for unit in dimension.units}


def refused(text: str) -> PydanticCustomError:
    """Return the error that carries our own words through pydantic."""
    return PydanticCustomError("fleet", "{text}", {"text": text})


def split(value: object) -> tuple[float, str] | None:
    """Split *value* into its number and its unit; None for what is no finite quantity at all."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        number, unit = (math.inf if abs(value) > 1e300 else float(value)), ""
    elif isinstance(value, str) and len(value) <= TEXT_MAX and (match := NUMBER.fullmatch(value)):
        number, unit = float(match[1]), match[2]
    else:
        return None
    return (number, unit) if math.isfinite(number) else None


def quantity(value: object, dimension: Dimension) -> float:
    """Return *value* in the canonical unit of *dimension*; PydanticCustomError says what must hold."""
    found = split(value)
    if found is not None:
        number, unit = found
        if unit in dimension.units:
            return number * dimension.units[unit]
        if not unit and dimension.bare:
            return number
    raise refused(f"must be {dimension.noun} like '{dimension.example}', got {shown(value)}")


def measure(value: object) -> Measure:
    """Return *value* in the canonical unit of whatever dimension its unit has; bare numbers are ratios."""
    found = split(value)
    if found is None:
        raise refused(f"must be a number with its unit like '22 A', got {shown(value)}")
    number, unit = found
    if not unit:
        return Measure(number, RATIO.name)
    if unit not in UNITS:
        raise refused(f"unknown unit in {shown(value)}{did_you_mean(unit, UNITS)}")
    dimension = UNITS[unit]
    return Measure(number * dimension.units[unit], dimension.name)


def written(number: float, dimension: Dimension) -> str:
    """Write *number* with the canonical unit of *dimension*."""
    text = f"{number:g}"
    if not dimension.unit or dimension.unit.startswith("/"):
        return text + dimension.unit
    return f"{text} {dimension.unit}"


def bounded(
    dimension: Dimension,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Callable[[object], float]:
    """Return the check of a field: a quantity of *dimension*, *above* one bound or inside others."""

    def check(value: object) -> float:
        number = quantity(value, dimension)
        got = str(value).strip()
        if above is not None and number <= above:
            raise refused(f"must be above {_bound(above, dimension, got)}, got {got}")
        if least is not None and number < least:
            raise refused(f"must be at least {_bound(least, dimension, got)}, got {got}")
        if most is not None and number > most:
            raise refused(f"must be at most {_bound(most, dimension, got)}, got {got}")
        return number

    return check


def _bound(number: float, dimension: Dimension, got: str) -> str:
    """Write a bound as a share where one was given: ``at most 50 %`` beside ``120 %``."""
    return f"{100 * number:g} %" if got.endswith("%") and dimension is RATIO else written(number, dimension)


def _schema(dimension: Dimension) -> WithJsonSchema:
    form: dict[str, Any] = {"type": ["string", "number"] if dimension.bare else "string"}
    return WithJsonSchema({**form, "title": dimension.noun[2:].capitalize(), "examples": [dimension.example]})


YEARS_MAX = 100 * 365.25 * 86400.0  # s; longer spans would leave the int64 microseconds of the plant

Duration = Annotated[float, BeforeValidator(bounded(DURATION, above=0, most=YEARS_MAX)), _schema(DURATION)]
DurationOrZero = Annotated[float, BeforeValidator(bounded(DURATION, least=0, most=YEARS_MAX)), _schema(DURATION)]
Ratio = Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=1)), _schema(RATIO)]
Spread = Annotated[float, BeforeValidator(bounded(RATIO, least=0, most=2)), _schema(RATIO)]
Rate = Annotated[float, BeforeValidator(bounded(RATE, above=0, most=10_000)), _schema(RATE)]
Temperature = Annotated[float, BeforeValidator(bounded(TEMPERATURE, least=-90, most=2000)), _schema(TEMPERATURE)]
Difference = Annotated[float, BeforeValidator(bounded(DIFFERENCE, least=0, most=1000)), _schema(DIFFERENCE)]

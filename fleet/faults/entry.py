"""What a table of faults says of each: what it is, what may be set, how long it lasts if nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SIZED = "sensor"
"""The dimension of what is written in the sensor's own unit, in ``sigma`` of its noise, or in % of its span."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an incident may set; *dimension* is one of the scenario's quantities, or SIZED."""

    dimension: str
    default: str  # as a person writes it
    about: str
    least: float = 0.0
    most: float = 1e9


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault. *sources* say where its model and its defaults come from."""

    about: str
    signs: str  # by what it is known in the readings
    lasts: str  # how long it lasts if nobody says; "" until the end of the run
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    grows: str = ""  # how long it takes to become fully severe if nobody says; "" at once
    source: str = ""

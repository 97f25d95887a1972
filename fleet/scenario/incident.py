"""The model of an incident: what a user may write of a scripted cause."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from fleet.data import State
from fleet.faults.catalogue import DEPLOYED, STRIKING
from fleet.scenario.fields import Identifier, LineName, whole, whole_schema
from fleet.scenario.quantities import DURATION, RATIO, Duration, DurationOrZero, bounded, refused
from fleet.scenario.targets import Patterns, Targets
from fleet.scenario.wording import shown, unknown

TIMES_MAX = 10_000
"""Occurrences of one incident."""

ID = r"[A-Za-z0-9._-]+"
AFTER = re.compile(rf"\s*({ID})\s*(?:\+\s*(.+?)\s*)?", re.ASCII)
WHEN = re.compile(rf"\s*({ID})\s+is\s+([a-z]+)\s*", re.ASCII)
STATES = [state.name.lower() for state in State]


class After(NamedTuple):
    """So long after the onset of another incident."""

    incident: str
    later: float  # s


class When(NamedTuple):
    """As soon as a machine is in a state."""

    machine: str
    state: State


def _fault(value: object) -> str:
    if isinstance(value, str) and value in STRIKING:
        return value
    if isinstance(value, str) and value in DEPLOYED:
        raise refused(f"must strike something; '{value}' comes of a step in 'evolution' that has 'refused: true'")
    if isinstance(value, str):
        raise refused(unknown("fault", value, STRIKING))
    raise refused(f"must be a fault, as 'fleet faults' lists them, got {shown(value)}")


def _after(value: object) -> After:
    found = AFTER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refused(f"must be an incident and a time like 'worn-bearing + 10 min', got {shown(value)}")
    return After(found[1], bounded(DURATION, least=0)(found[2]) if found[2] else 0.0)


def _when(value: object) -> When:
    found = WHEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refused(f"must be a machine and a state like 'oven-2 is execute', got {shown(value)}")
    if found[2] not in STATES:
        raise refused(unknown("state", found[2], STATES))
    return When(found[1], State[found[2].upper()])


Fault = Annotated[str, BeforeValidator(_fault), WithJsonSchema({"type": "string", "enum": sorted(STRIKING)})]
Times = Annotated[int, BeforeValidator(whole("a number of times", least=1, most=TIMES_MAX)), whole_schema(1, TIMES_MAX)]
Part = Annotated[
    float, BeforeValidator(bounded(RATIO, above=0, most=1)), WithJsonSchema({"type": ["string", "number"]})
]


class Incident(Targets):
    """A scripted cause: a fault, what it strikes, and when. Further keys are the fault's own, see `fleet faults`."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": {"type": ["string", "number"]}})
    __pydantic_extra__: dict[str, Any]

    fault: Fault = Field(examples=["bearing_wear"])
    """What goes wrong, as `fleet faults` lists it."""
    id: Identifier | None = None
    """Its name, in labels and for `after`. Absent: incident-1 and so on, by its place."""
    at: DurationOrZero | None = None
    """When, from the start of the run; also of the first of several."""
    within: Duration | None = None
    """At random times within so long, one in each of *count* equal parts; each machine has times of its own."""
    count: Times | None = None
    """How many times within `within`; 1 when absent."""
    every: Duration | None = None
    """Again and again at this distance."""
    repeat: Times | None = None
    """How many times in all; with `every`. Absent: until the run ends."""
    after: Annotated[After | None, BeforeValidator(_after), WithJsonSchema({"type": "string"})] = Field(
        default=None, examples=["worn-bearing + 10 min"]
    )
    """So long after the onset of another incident."""
    when: Annotated[When | None, BeforeValidator(_when), WithJsonSchema({"type": "string"})] = Field(
        default=None, examples=["oven-2 is execute"]
    )
    """As soon as a machine is in a state, from `at` on. It makes the machine and the targets one island."""
    gateway: LineName | None = None
    """The gateway between a line and the network: it is named as the line."""
    share: Part = 1.0
    """A share of what the selectors name, drawn once by the seed."""
    sensor: Patterns | None = None
    """Sensors by name or pattern, for sensor faults."""
    over: DurationOrZero | None = None
    """How long it takes to become as severe as it gets. Absent: what is usual for the fault."""
    lasts: Duration | None = Field(default=None, alias="for")
    """How long it lasts from its onset. Absent: what is usual for the fault."""
    severity: Part = 1.0
    """How severe it gets; 1: fully."""
    noticed: Duration | None = None
    """So long after the onset the operator stops the machine and has it repaired, which ends the fault."""

    @property
    def own(self) -> dict[str, Any]:
        """What is set of the fault's own parameters, as it was read."""
        return self.__pydantic_extra__

"""The model of the evolution of a scenario's schema: which machines write which version from when on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from fleet.scenario.fields import flag
from fleet.scenario.quantities import DurationOrZero, refused
from fleet.scenario.streams import READINGS_LAYOUTS, Source
from fleet.scenario.targets import Targets
from fleet.scenario.wording import shown

VERSIONS = tuple(int(layout.removeprefix("v")) for layout in READINGS_LAYOUTS)
AVSC = ".avsc"


def _schema(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value in VERSIONS:
        return value
    if isinstance(value, str) and value.removesuffix(AVSC) != value and value != AVSC:
        return value
    versions = ", ".join(map(str, VERSIONS))
    raise refused(f"must be {versions} or a file like 'my.avsc', got {shown(value)}{_meant(value)}")


def _meant(value: object) -> str:
    """Say which version may have been meant: ``v2`` is 2, and 4 is the newest there is."""
    number = value.strip().lower().removeprefix("v") if isinstance(value, str) else str(value)
    if number.isdecimal() and not isinstance(value, bool):
        return f"; did you mean {min(max(int(number[:9]), VERSIONS[0]), VERSIONS[-1])}?"
    return f"; did you mean '{value}{AVSC}'?" if isinstance(value, str) and value else ""


Schema = Annotated[
    int | str,
    BeforeValidator(_schema),
    WithJsonSchema({"anyOf": [{"type": "integer", "enum": list(VERSIONS)}, {"type": "string"}]}),
]


class SchemaStep(Targets):
    """From an instant on, machines write their readings by another schema."""

    at: DurationOrZero
    """When, from the start of the run."""
    version: Schema = Field(alias="schema", examples=[2, "my-next.avsc"])
    """A version of MachineSensor, or the file of an Avro schema beside the scenario."""
    refused: Annotated[bool, BeforeValidator(flag)] = False
    """Whether it is incompatible and must be refused: these machines then go on in the version that they have."""
    fields: dict[str, Source] = Field(default_factory=dict, examples=[{"site": "=north"}])
    """What fills the fields of a file's schema: a source, or a constant behind `=`. Absent: namesakes and defaults."""

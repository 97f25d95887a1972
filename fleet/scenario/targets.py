"""The model of what an incident or a step of the evolution is for: selectors of machines."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from fleet.scenario.fields import LineName, Model, Name
from fleet.scenario.quantities import refused
from fleet.scenario.wording import shown


def _texts(value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise refused(f"must be a name, a pattern like 'filling-*', or a list of them, got {shown(value)}")
    if not listed:
        raise refused("must have at least one name, got an empty list")
    for each in listed:
        if not isinstance(each, str) or not each:
            raise refused(f"must be a list of names or patterns like 'filling-*', got {shown(each)} in it")
    return tuple(listed)


def _listed() -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "examples": ["filling-pump-003"]})


Patterns = Annotated[tuple[str, ...], BeforeValidator(_texts), _listed()]


class Targets(Model):
    """Selectors of machines. What several name must fit all of them; without any: all machines."""

    machine: Patterns | None = None
    """Machines by id or pattern. What several selectors name must fit all of them; without any: all machines."""
    line: LineName | None = None
    """All machines of a line, or of all lines that a template with `count` makes."""
    kind: Name | None = None
    """All machines of a kind."""
    hall: LineName | None = None
    """All machines in a hall."""

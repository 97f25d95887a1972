"""An Avro record schema as a scenario sees it: its fields, their types, and what may fill them.

Only its structure is looked at, without an Avro library: whether it is valid in depth is for who writes records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleet.errors import RequestError
from fleet.scenario.wording import shown, unknown

TEXT_SOURCES = ("machine", "sensor", "units", "line", "area", "site", "kind")
SOURCES = ("machine", "sensor", "units", "value", "timestamp", "seq", "quality", "line", "area", "site", "kind")
QUALITIES = ("GOOD", "UNCERTAIN", "BAD")
CONSTANT = "="  # begins a source that is a constant
DEFAULT = ""  # the source of a field that is written as its default

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NAMED = ("record", "enum", "fixed")
COMPLEX = (*NAMED, "array", "map")
STEPS_US = {"": 1, "timestamp-micros": 1, "local-timestamp-micros": 1, "timestamp-millis": 1000,
            "local-timestamp-millis": 1000, "timestamp-nanos": 1, "local-timestamp-nanos": 1}  # fmt: skip
"""What instants are rounded down to, by the logical type of a long; one without is microseconds."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
DEPTH_MAX = 32
FLOAT_MAX = 3.4e38
BOUNDS = {"int": 1 << 31, "long": 1 << 63}


class NotAvroError(RequestError):
    """A text is no Avro schema of records; the message says what must hold."""


class Form(NamedTuple):
    """A type without its names and documentation; *kind* is a primitive or complex type."""

    kind: str
    logical: str = ""
    symbols: tuple[str, ...] = ()
    size: int = 0
    scale: int = 0

    def __str__(self) -> str:
        if self.kind == "enum":
            return f"an enum of {', '.join(self.symbols[:5])}{', ...' if len(self.symbols) > 5 else ''}"
        return f"{self.kind} ({self.logical})" if self.logical else self.kind


class Branch(NamedTuple):
    """One type that a field may have; *place* is its place in a union, -1 where there is none."""

    place: int
    form: Form
    node: Any  # as it is written, a name in place of its definition


class AvscField(NamedTuple):
    """A field of the record; its *default* is only that where *has_default*."""

    name: str
    type: Any
    has_default: bool
    default: Any


@dataclass(frozen=True, slots=True, eq=False)
class Avsc:
    """A schema's fields in order, and the types in it that have names."""

    fields: tuple[AvscField, ...]
    named: Mapping[str, Any]

    def branches(self, field: AvscField) -> list[Branch]:
        """Give the types that a *field* may have."""
        if isinstance(field.type, list):
            return [Branch(index, self._form(node), node) for index, node in enumerate(field.type)]
        return [Branch(-1, self._form(field.type), field.type)]

    def branch(self, field: AvscField, source: str) -> Branch | None:
        """Give the first type of a *field* that *source* fits, or None."""
        return next((branch for branch in self.branches(field) if fits(branch.form, source)), None)

    def _form(self, node: Any) -> Form:
        node = self.named.get(node, node) if isinstance(node, str) else node
        if isinstance(node, str):
            return Form(node)
        logical, scale = node.get("logicalType", ""), node.get("scale", 0)
        return Form(
            node["type"],
            logical if isinstance(logical, str) else "",
            tuple(node.get("symbols", ())),
            node.get("size", 0),
            scale if isinstance(scale, int) else 0,
        )


def read_avsc(text: str) -> Avsc:
    """Read the schema in *text*; NotAvroError where it is none of a record."""
    try:
        node = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" in line {error.lineno}: {error.msg.lower()}" if isinstance(error, json.JSONDecodeError) else ""
        raise NotAvroError(f"must be JSON, is not{where}") from None
    if not isinstance(node, dict) or node.get("type") != "record":
        found = shown(node.get("type")) if isinstance(node, dict) else shown(node)
        raise NotAvroError(f"must be an Avro schema of type 'record', got {found}")
    reading = _Reading({})
    reading.type(node, "", 0)
    fields = tuple(
        AvscField(field["name"], field["type"], "default" in field, field.get("default")) for field in node["fields"]
    )
    if not fields:
        raise NotAvroError("must have at least one field, got none")
    return Avsc(fields, reading.named)


class _Reading:
    """Walks a schema and sees that it is built of what Avro has."""

    def __init__(self, named: dict[str, Any]) -> None:
        self.named = named

    def type(self, node: Any, space: str, depth: int) -> None:
        """See that *node*, in the namespace *space*, is a type."""
        if depth > DEPTH_MAX:
            raise NotAvroError(f"must be nested at most {DEPTH_MAX} deep")
        if isinstance(node, list):
            for branch in node:
                self.type(branch, space, depth + 1)
        elif isinstance(node, str):
            if node not in PRIMITIVES and node not in self.named:
                raise NotAvroError(unknown("Avro type", node, [*PRIMITIVES, *COMPLEX, *self.named]))
        elif not isinstance(node, dict) or not isinstance(node.get("type"), str):
            raise NotAvroError(f"must have a type like 'string' or {{\"type\": ...}} everywhere, got {shown(node)}")
        else:
            self._complex(node, space, depth)

    def _complex(self, node: dict[str, Any], space: str, depth: int) -> None:
        kind = node["type"]
        if kind in NAMED:
            space = self._name(node, space)
        if kind == "record":
            self._fields(node, space, depth)
        elif kind == "enum":
            symbols = node.get("symbols")
            if not isinstance(symbols, list) or not symbols or not all(isinstance(each, str) for each in symbols):
                raise NotAvroError(f"enum {shown(node['name'])} must have symbols, a list of texts")
        elif kind == "fixed":
            if not isinstance(node.get("size"), int) or node["size"] < 0:
                raise NotAvroError(f"fixed {shown(node['name'])} must have a size in bytes")
        elif kind in {"array", "map"}:
            self.type(node.get("items" if kind == "array" else "values"), space, depth + 1)
        else:
            self.type(kind, space, depth)

    def _name(self, node: dict[str, Any], space: str) -> str:
        """Remember a type's name, as others may use it; gives the namespace inside it."""
        name = node.get("name")
        if not isinstance(name, str) or not all(NAME.fullmatch(part) for part in name.split(".")):
            raise NotAvroError(f"every {node['type']} must have a name of letters, digits and '_', got {shown(name)}")
        given = node.get("namespace", space)
        inner = name.rpartition(".")[0] or (given if isinstance(given, str) else "")
        short = name.rpartition(".")[2]
        node |= {"name": short, "namespace": inner}  # so that it says its full name wherever it stands
        for each in (short, f"{inner}.{short}"):
            self.named.setdefault(each, node)
        return inner

    def _fields(self, node: dict[str, Any], space: str, depth: int) -> None:
        fields = node.get("fields")
        if not isinstance(fields, list):
            raise NotAvroError(f"record {shown(node['name'])} must have fields, a list")
        seen: set[str] = set()
        for field in fields:
            name = field.get("name") if isinstance(field, dict) else None
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise NotAvroError(f"every field must have a name of letters, digits and '_', got {shown(name)}")
            if name in seen:
                raise NotAvroError(f"must have every field once, {shown(name)} is there twice")
            seen.add(name)
            self.type(field.get("type"), space, depth + 1)


# ---------------------------------------------------------------- what fits


def fits(form: Form, source: str) -> bool:
    """Say whether a field of *form* can hold what *source* gives."""
    if source.startswith(CONSTANT):
        return constant(form, source) is not None
    if source in TEXT_SOURCES:
        return form.kind in {"string", "bytes"} and not form.logical
    if source == "value":
        return form.kind in {"float", "double"} or form.logical == "decimal"
    if source == "timestamp":
        return form.kind == "long" and form.logical in STEPS_US
    if source == "seq":
        return form.kind in {"int", "long"} and not form.logical
    return form.kind == "string" or (form.kind == "enum" and set(QUALITIES) <= set(form.symbols))


WANTED = {
    **dict.fromkeys(TEXT_SOURCES, "string or bytes"),
    "value": "double, float or decimal",
    "timestamp": "long",
    "seq": "long or int",
    "quality": f"string or an enum with {', '.join(QUALITIES)}",
}
"""What a field must be for a source to fit."""


def constant(form: Form, source: str) -> Any:
    """Give the datum of a *form* that the constant *source* says, None where it says none (or is null)."""
    text = source.removeprefix(CONSTANT)
    if form.kind == "string":
        return text
    if form.kind == "enum":
        return text if text in form.symbols else None
    if form.kind in {"bytes", "fixed"}:
        data = text.encode()
        if form.logical:
            return None  # a decimal, a duration: not the bytes of a text
        return data if form.kind == "bytes" or len(data) == form.size else None
    try:
        return _of_kind(json.loads(text), form.kind)
    except (ValueError, RecursionError):
        return None


EXAMPLES = {
    "string": "north",
    "bytes": "north",
    "int": "3",
    "long": "3",
    "float": "1.5",
    "double": "1.5",
    "boolean": "true",
}


def example_of(form: Form) -> str:
    """Give a constant that a field of *form* can be; empty where none is simple to write."""
    text = form.symbols[0] if form.kind == "enum" and form.symbols else EXAMPLES.get(form.kind, "")
    return f"{CONSTANT}{text}" if text and constant(form, f"{CONSTANT}{text}") is not None else ""


def _of_kind(value: Any, kind: str) -> Any:
    """Give a *value* that was read from JSON if it is one of *kind*."""
    if kind in {"float", "double"}:
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= FLOAT_MAX
        return float(value) if number else None
    if kind in BOUNDS:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole and -BOUNDS[kind] <= value < BOUNDS[kind] else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "array":
        return value if isinstance(value, list) else None
    return value if kind in {"map", "record"} and isinstance(value, dict) else None

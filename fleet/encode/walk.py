"""Walk an Avro record schema once: to the program of its records, or of the same fields as JSON text.

A default and a constant are bytes that never change, whatever their type, and the Avro library writes them once. What
neither the columns' encoders nor a number of bytes can say is left to it for every record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import fastavro

from fleet.encode.avro import parsed_type
from fleet.encode.program import (
    MACHINE_TEXTS,
    QUALITIES,
    Decimal,
    Digits,
    Fixed,
    Instant,
    Long,
    MachineText,
    Part,
    Program,
    Real,
    SensorText,
    Symbol,
    SymbolText,
    Written,
    bare,
    joined,
    quoted,
    text,
)
from fleet.encode.varint import varint
from fleet.scenario.avsc import CONSTANT, STEPS_US, Avsc, Branch, constant

QUALITY_INDEX_MAX = 63
"""An enum's index up to this is one byte."""

NANOS = ("timestamp-nanos", "local-timestamp-nanos")
"""They have nine bytes as a varint, which no word of the columns' encoders holds."""

Sources = Mapping[str, str]


def walk(avsc: Avsc, sources: Sources) -> Program:
    """Walk *avsc*, whose fields are filled by *sources* that fit: ``machine``, ``=text``, nothing for the default.

    ValueError where a default or a constant is none of its type.
    """
    parts: list[Part] = []
    for field in avsc.fields:
        source = sources[field.name]
        if not source:
            parts.append(Fixed(written_default(field.type, field.default, avsc.named)))
            continue
        branch = avsc.branch(field, source)
        assert branch is not None, "the loader sees that all sources fit"
        if branch.place >= 0:
            parts.append(Fixed(varint(branch.place)))
        if source.startswith(CONSTANT):
            datum = _datum(branch.node, constant(branch.form, source), avsc.named)
            parts.append(Fixed(written(branch.node, datum, avsc.named)))
            continue
        part = _part(branch, source)
        if part is None or any(_clash(part, other) for other in parts):
            schema = json.dumps(inlined(branch.node, avsc.named))
            part = Written(source, field.name, schema, branch.form.logical)
        parts.append(part)
    return joined(parts)


def _part(branch: Branch, source: str) -> Part | None:
    """Give the part that writes *source*, or None where the columns' encoders have none."""
    form = branch.form
    if source in MACHINE_TEXTS:
        return MachineText(source)
    if source in {"sensor", "units"}:
        return SensorText(source)
    if source == "value":
        return None if form.logical == "decimal" else Real(8 if form.kind == "double" else 4)
    if source == "seq":
        return Long("seq")
    if source == "timestamp":
        return None if form.logical in NANOS else Long("timestamp", STEPS_US[form.logical])
    if form.kind == "string":
        good, uncertain, bad = map(text, QUALITIES)
        return SymbolText((good, uncertain, bad))
    good_at, uncertain_at, bad_at = (form.symbols.index(quality) for quality in QUALITIES)
    last = max(good_at, uncertain_at, bad_at)
    return None if last > QUALITY_INDEX_MAX else Symbol((good_at << 1, uncertain_at << 1, bad_at << 1))


def _clash(part: Part, other: Part) -> bool:
    """Say whether rows, which know one kind of index and one unit of instants, cannot have both."""
    if isinstance(part, Symbol):
        return isinstance(other, Symbol) and other != part
    return isinstance(part, Long) and isinstance(other, Long) and part.source == other.source and part != other


def walk_json(avsc: Avsc, sources: Sources) -> Program:
    """Give the program of the same fields as JSON text: instants are RFC 3339 texts, all else is as in the schema."""
    parts: list[Part] = []
    for at, field in enumerate(avsc.fields):
        source = sources[field.name]
        parts.append(Fixed(f"{',' if at else '{'}{_json(field.name)}:".encode()))
        branch = avsc.branch(field, source) if source else None
        if branch is None:
            parts.append(Fixed(_json(field.default).encode()))
        elif source.startswith(CONSTANT):
            said = constant(branch.form, source)
            parts.append(Fixed(_json(source[1:] if isinstance(said, bytes) else said).encode()))
        else:
            parts += _json_parts(source, STEPS_US.get(branch.form.logical, 1))
    return joined([*parts, Fixed(b"}")])


def _json_parts(source: str, step_us: int) -> Sequence[Part]:
    quote = Fixed(b'"')
    if source in MACHINE_TEXTS:  # of letters, digits and '-', '.', '_': nothing to escape
        return quote, MachineText(source, prefix=bare), quote
    if source in {"sensor", "units"}:
        return (SensorText(source, quoted),)
    if source == "value":
        return (Decimal(),)
    if source == "seq":
        return (Digits(),)
    if source == "timestamp":
        return quote, Instant(step_us), Fixed(b'Z"')
    good, uncertain, bad = (_json(quality).encode() for quality in QUALITIES)
    return (SymbolText((good, uncertain, bad)),)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# ---------------------------------------------------------------- what never changes


def written_default(kind: Any, value: Any, named: Mapping[str, Any]) -> bytes:
    """Write the default *value*, as JSON has it, of a field of type *kind*: of a union the first branch it fits."""
    if not isinstance(kind, list):
        return written(kind, _datum(kind, value, named), named)
    for index, branch in enumerate(kind):
        try:
            return varint(index) + written(branch, _datum(branch, value, named), named)
        except ValueError:
            continue
    raise ValueError(f"{_json(value)} is of no type of the union")


def written(node: Any, datum: Any, named: Mapping[str, Any]) -> bytes:
    """Write a *datum* of the type *node* as the library does; ValueError where it is none."""
    schema = parsed_type(json.dumps(inlined(node, named)))
    if not fastavro.validate(datum, schema, raise_errors=False):
        raise ValueError(f"{datum!r} is not of its type")
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, datum)
    return out.getvalue()


def _datum(node: Any, value: Any, named: Mapping[str, Any]) -> Any:
    """Give what JSON says of a type as the library takes it: bytes are texts of their code points there."""
    node = named.get(node, node) if isinstance(node, str) else node
    kind = node if isinstance(node, str) else node["type"] if isinstance(node, dict) else "union"
    if kind in {"bytes", "fixed"} and isinstance(value, str):
        return value.encode("latin-1")
    if kind == "array" and isinstance(value, list):
        return [_datum(node["items"], each, named) for each in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _datum(node["values"], each, named) for key, each in value.items()}
    if kind == "record" and isinstance(value, dict):
        return {
            field["name"]: _datum(field["type"], value.get(field["name"], field.get("default")), named)
            for field in node["fields"]
        }
    return value


def inlined(node: Any, named: Mapping[str, Any]) -> Any:
    """Put definitions in place of names, so that *node* stands for itself."""
    return _Inlining(named).type(node)


class _Inlining:
    """Defines each name where it is first used."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._done: set[int] = set()  # by identity: a type has two names

    def type(self, node: Any) -> Any:
        """Give *node* with the names in it defined."""
        if isinstance(node, list):
            return [self.type(each) for each in node]
        definition = self._named.get(node) if isinstance(node, str) else node
        if definition is None or id(definition) in self._done:
            return node if isinstance(node, str) else f"{node['namespace']}.{node['name']}".lstrip(".")
        self._done.add(id(definition))
        found = {**definition}
        found |= {key: self.type(found[key]) for key in ("items", "values") if key in found}
        if "fields" in found:
            found["fields"] = [{**field, "type": self.type(field["type"])} for field in found["fields"]]
        return found

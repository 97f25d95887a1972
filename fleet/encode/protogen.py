"""Make the ``.proto`` files in ``schemas/`` from the ``.avsc`` beside them: ``python -m fleet.encode.protogen``.

A field has one number and one type in all versions of a schema, whatever was added when. Bytes of Protobuf say nothing
of a type's width, so a field that a version widened has the wide type from the first version on.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.encode.schemas import schema_folder, schema_text

LINES: Mapping[str, tuple[str, ...]] = {
    "machine-sensor": ("v1", "v2", "v3"),
    "machine-event": ("v1", "v2"),
    "fault-label": ("v1",),
}
"""Which schemas there are, and the versions of each in order. Runs are left out: Protobuf has no map of maps."""

SCALARS = {
    "string": "string",
    "bytes": "bytes",
    "boolean": "bool",
    "int": "sint32",
    "long": "sint64",  # the same bytes as Avro's: instants before 1970 and a seq of -1 stay short
    "float": "float",
    "double": "double",
}
WIDER = {("float", "double"): "double", ("sint32", "sint64"): "sint64"}
COLUMNS = 120
INDENT = "  "
NULL = "null"


def proto_files() -> dict[str, str]:
    """Give the text of every ``.proto`` file by its name."""
    found = {}
    for family, versions in LINES.items():
        schemas = [json.loads(schema_text(f"{family}.{version}.avsc")) for version in versions]
        shape = _Shape(schemas)
        for version, schema in zip(versions, schemas, strict=True):
            found[f"{family}.{version}.proto"] = "\n".join([*shape.file(schema, f"{family}.{version}.avsc"), ""])
    return found


class _Shape:
    """Numbers and types of fields, the same in all versions of a schema."""

    def __init__(self, versions: Sequence[Mapping[str, Any]]) -> None:
        self._numbers: dict[tuple[str, str], int] = {}  # by record and field
        self._types: dict[tuple[str, str], str] = {}
        for schema in versions:
            for record in _named(schema, "record"):
                self._learn(record)

    def _learn(self, record: Mapping[str, Any]) -> None:
        of = record["name"]
        for field in record["fields"]:
            place = of, field["name"]
            taken = sum(1 for other, _ in self._numbers if other == of)
            self._numbers.setdefault(place, taken + 1)
            kind = _type(field["type"])
            known = self._types.setdefault(place, kind)
            self._types[place] = kind if kind == known else _wider(known, kind, place)

    def file(self, schema: Mapping[str, Any], source: str) -> Iterator[str]:
        """Write the file of one version."""
        yield from _comment(f"Made from {source}: docs/contract.md says how. A published file never changes.", "")
        yield from ('syntax = "proto3";', "", f"package {schema['namespace']};", "")
        yield from self._message(schema, "", inner=list(_named(schema, "enum", "record"))[1:])

    def _message(
        self, record: Mapping[str, Any], indent: str, inner: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[str]:
        yield from _comment(record.get("doc", ""), indent)
        yield f"{indent}message {record['name']} {{"
        within = indent + INDENT
        for node in inner:
            yield from self._message(node, within) if node["type"] == "record" else _enum(node, within)
            yield ""
        for field in record["fields"]:
            place = record["name"], field["name"]
            yield from _comment(f"{field.get('doc', '')}{_absent(field)}", within)
            yield f"{within}{self._types[place]} {field['name']} = {self._numbers[place]};"
        yield f"{indent}}}"


def _absent(field: Mapping[str, Any]) -> str:
    """Say what an absent field stands for, where Avro says it by a default; lists are empty in either."""
    default = field.get("default", [])
    return "" if isinstance(default, list | dict) else f" Absent means {json.dumps(default)}."


def _wider(one: str, other: str, place: tuple[str, str]) -> str:
    """Give the wider of two types with their labels; ValueError where neither is."""
    label, _, a = one.partition(" ")
    also, _, b = other.partition(" ")
    wide = WIDER.get((a, b)) or WIDER.get((b, a))
    if wide is None or also != label:
        raise ValueError(f"{'.'.join(place)}: {one} became {other}; in Protobuf that is a field with another name")
    return f"{label} {wide}"


def _named(node: Any, *kinds: str) -> Iterator[Mapping[str, Any]]:
    """Give all definitions of *kinds* within *node*, itself among them, where they first occur."""
    if isinstance(node, list):
        for branch in node:
            yield from _named(branch, *kinds)
    elif isinstance(node, dict):
        if node["type"] in kinds:
            yield node
        inside = [node.get("items"), node.get("values"), *(field["type"] for field in node.get("fields", ()))]
        for part in inside:
            yield from _named(part, *kinds)


def _type(node: Any) -> str:
    """Give label and type of a field. All that can be absent is ``optional``: then 0 and "" are said, not left out."""
    if isinstance(node, dict) and node["type"] == "array":
        return f"repeated {_single(node['items'])}"
    if isinstance(node, dict) and node["type"] == "map":
        return f"map<string, {_single(node['values'])}>"
    return f"optional {_single(node)}"


def _single(node: Any) -> str:
    """Give the type of one value; ValueError where Protobuf has none."""
    if isinstance(node, list):
        there = [branch for branch in node if branch != NULL]
        if len(there) == 1:
            return _single(there[0])
        raise ValueError(f"{node}: only a union of null and one other type is a field of Protobuf")
    if isinstance(node, str):
        return SCALARS.get(node, node.rpartition(".")[2])
    if node["type"] in {"record", "enum"}:
        return str(node["name"])
    if node["type"] in {"array", "map", "fixed"}:
        raise ValueError(f"{node}: Protobuf has no such type inside another")
    return SCALARS[node["type"]]


def _enum(node: Mapping[str, Any], indent: str) -> Iterator[str]:
    yield from _comment(node.get("doc", ""), indent)
    yield f"{indent}enum {node['name']} {{"
    yield from (f"{indent}{INDENT}{symbol} = {index};" for index, symbol in enumerate(node["symbols"]))
    yield f"{indent}}}"


def _comment(text: str, indent: str) -> Iterator[str]:
    begin = f"{indent}// "
    yield from textwrap.wrap(text, COLUMNS, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)


def main() -> None:
    """Write the files; those that are published must come out as they are."""
    for name, text in proto_files().items():
        (schema_folder() / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

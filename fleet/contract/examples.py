"""Records of a schema: made up so that every branch and symbol occurs, and real ones fitted to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fleet.contract.texts import parsed_schema

PRIMITIVES: Mapping[str, Any] = {
    "null": None, "boolean": True, "int": 7, "long": 1 << 40, "float": 1.5, "double": 0.1, "bytes": b"\x00\xff",
    "string": "press-1",
}  # fmt: skip
RECORDS_MAX = 1000
DEPTH_MAX = 8
"""A type that holds itself is made up no deeper."""


def plain(text: str) -> Any:
    """Parse a schema without its logical types: instants are numbers then, and compared as such."""
    return parsed_schema(json.dumps(json.loads(text, object_hook=_without_logical_type)))


def _without_logical_type(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "logicalType"}


def made_up(text: str) -> list[Any]:
    """Make up records of the schema *text*: each symbol of its enums and each branch of its unions in one of them."""
    return list(all_made_up(text).records)


class MadeUp(NamedTuple):
    """Made-up records; *whole* where every symbol and branch is in one of them, and no bound has cut any off."""

    records: Sequence[Any]
    whole: bool


def all_made_up(text: str) -> MadeUp:
    """Make up records as `made_up` does, and say whether they are all that there is to see."""
    schema = json.loads(text, object_hook=_without_logical_type)
    made = _Making(schema)
    records = [made.datum(schema, 0)]
    while len(records) < min(made.turns, RECORDS_MAX):  # more turns may be found in what was not looked at before
        records.append(made.datum(schema, len(records)))
    return MadeUp(records, whole=made.turns <= RECORDS_MAX and not made.cut)


class _Making:
    """Makes values of types; *turns* is how many it takes until everything has occurred, but for what was *cut*."""

    def __init__(self, schema: Any) -> None:
        self.turns = 1
        self.cut = False
        self._named: dict[str, Any] = {}
        self._note(schema, "")

    def datum(self, node: Any, turn: int, depth: int = 0, *, of: int = 1) -> Any:
        """Make a value of the type *node*: of what may be one of several, the one whose *turn* it is.

        What a branch of a union holds has its turn when all branches have had theirs: *of* is how many there are.
        """
        if isinstance(node, list):
            self.turns = max(self.turns, of * len(node))
            branch = node[turn % len(node)]
            if depth > DEPTH_MAX and "null" in node:
                self.cut = True
                return None
            return self.datum(branch, turn // len(node), depth + 1, of=of * len(node))
        if isinstance(node, str):
            return PRIMITIVES[node] if node in PRIMITIVES else self.datum(self._named[node], turn, depth + 1, of=of)
        kind = node["type"]
        if kind in {"record", "error"}:
            return {field["name"]: self.datum(field["type"], turn, depth + 1, of=of) for field in node["fields"]}
        if kind == "enum":
            self.turns = max(self.turns, of * len(node["symbols"]))
            return node["symbols"][turn % len(node["symbols"])]
        if kind == "fixed":
            return bytes(node["size"])
        if kind in {"array", "map"} and depth > DEPTH_MAX:
            self.cut = True
            return [] if kind == "array" else {}
        if kind == "array":
            return [self.datum(node["items"], turn, depth + 1, of=of)]
        if kind == "map":
            return {"key": self.datum(node["values"], turn, depth + 1, of=of)}
        return self.datum(kind, turn, depth + 1, of=of)

    def _note(self, node: Any, space: str) -> None:
        """Remember the types that have names."""
        if isinstance(node, list):
            for each in node:
                self._note(each, space)
        if not isinstance(node, dict):
            return
        if isinstance(node.get("name"), str) and node.get("type") in {"record", "error", "enum", "fixed"}:
            given = node.get("namespace", space)
            name = node["name"]
            space = name.rpartition(".")[0] or given
            for each in (name, f"{space}.{name}", name.rpartition(".")[2]):
                self._named.setdefault(each.lstrip("."), node)
        for field in node.get("fields", ()):
            self._note(field.get("type"), space)
        for key in ("type", "items", "values"):
            self._note(node.get(key), space)


def fitted(text: str, real: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give *real* records as a writer of the schema *text* would write them; what they do not say is made up."""
    import fastavro

    schema = json.loads(text)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return []
    rest = made_up(text)
    parsed = plain(text)
    found = []
    for turn, record in enumerate(real):
        datum = dict(rest[turn % len(rest)])
        for name in datum.keys() & record.keys():
            tried = {**datum, name: record[name]}
            if fastavro.validate(tried, parsed, raise_errors=False):
                datum = tried
        found.append(datum)
    return found

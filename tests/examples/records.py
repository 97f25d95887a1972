"""Records of a schema with every symbol, every branch and the edges of every type, for those who read them."""

from __future__ import annotations

import json
import math
import struct
from io import BytesIO
from typing import Any

import fastavro

from fleet.contract.examples import made_up, plain

EDGES: dict[str, list[Any]] = {
    "string": ["", "Öl-Pumpe 3 \U0001f3ed", "a\0b", "x" * 5000],
    "int": [-(2**31), 2**31 - 1, 0, -1],
    "long": [-(2**63), 2**63 - 1, 0, -1, 2**53 + 1],
    "float": [math.nan, -0.0, math.inf, -math.inf, 2.0**-149, 3.4028234663852886e38],
    "double": [math.nan, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308],
}
TURNS = max(map(len, EDGES.values()))


def edged(text: str) -> list[Any]:
    """Make up records of the schema *text*, and as many again in which numbers and texts are at their edges."""
    schema, ordinary = plain(text), made_up(text)
    extreme = [_edge(schema, ordinary[turn % len(ordinary)], turn, {}) for turn in range(TURNS)]
    return ordinary + extreme


def _edge(node: Any, value: Any, turn: int, named: dict[str, Any]) -> Any:
    """Put the edge whose *turn* it is in the place of *value*; what is *named* was defined before."""
    if isinstance(node, list):
        return value if value is None else _edge(next(each for each in node if each != "null"), value, turn, named)
    if isinstance(node, str):
        return _edge(named[node], value, turn, named) if node in named else EDGES[node][turn % len(EDGES[node])]
    kind = node["type"]
    if kind == "record":
        named[node["name"]] = node
        return {
            field["name"]: _edge(field["type"], value[field["name"]], turn + place, named)
            for place, field in enumerate(node["fields"])
        }
    if kind == "array":
        return [_edge(node["items"], each, turn, named) for each in value for _ in range(turn)]
    if kind == "map":
        return {key: _edge(node["values"], each, turn, named) for key, each in value.items()}
    return value if kind == "enum" else _edge(kind, value, turn, named)


def plain_text(text: str) -> str:
    """Take the logical types out of the schema *text*: a datetime holds no instant before year 1 or after 9999."""
    schema = json.loads(
        text, object_hook=lambda node: {name: value for name, value in node.items() if name != "logicalType"}
    )
    return json.dumps(schema)


def encoded(text: str, record: Any) -> bytes:
    """Encode *record* by fastavro."""
    out = BytesIO()
    fastavro.schemaless_writer(out, plain(text), record)
    return out.getvalue()


def dump(value: Any) -> Any:
    """Make *value* plain, so that all languages can write it as JSON: numbers with a point are a double's bits."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value).hex()
    if isinstance(value, dict):
        return {key: dump(each) for key, each in value.items()}
    if isinstance(value, list):
        return [dump(each) for each in value]
    return value

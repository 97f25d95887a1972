"""Avro as JSON: a record in Avro's own JSON encoding, and the JSON Schema of records that fleet writes as JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any

from fleet.contract.examples import plain

FLOAT_DIGITS = 9
"""So many digits say any 32-bit float."""

INSTANTS = frozenset({"timestamp-micros", "timestamp-millis"})
TYPES: Mapping[str, dict[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "bytes": {"type": "string"},
}


def in_json(text: str, body: bytes) -> Any:
    """Give the Avro *body* of a record of the schema *text* in Avro's JSON encoding.

    Instants are numbers, as they are on the wire; 32-bit floats have no more digits than say them.
    """
    import fastavro

    schema = plain(text)
    datum: Any = fastavro.schemaless_reader(BytesIO(body), schema, None)
    for field in json.loads(text).get("fields", ()):
        if field["type"] == "float":
            datum[field["name"]] = _short(datum[field["name"]])
    written = StringIO()
    fastavro.json_writer(written, schema, [datum])
    return json.loads(written.getvalue())


def _short(value: float) -> float:
    """Give the float with the fewest digits that is the same in 32 bits."""
    single = struct.pack("<f", value)
    for digits in range(1, FLOAT_DIGITS + 1):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == single:
            return short
    return value


def json_schema(text: str) -> dict[str, Any]:
    """Give the JSON Schema of records that are written as JSON with the fields of the Avro schema *text*.

    Instants are RFC 3339 text there, and unions are not marked by their branch.
    """
    return _schema(json.loads(text))


def _schema(node: Any) -> dict[str, Any]:
    if isinstance(node, str):
        return dict(TYPES.get(node, {}))
    if isinstance(node, list):
        return {"oneOf": [_schema(branch) for branch in node]}
    if node.get("logicalType") in INSTANTS:
        return {"type": "string", "format": "date-time"}
    said = {"description": node["doc"]} if "doc" in node else {}
    kind = node["type"]
    if kind == "record":
        properties = {field["name"]: _field(field) for field in node["fields"]}
        return {"type": "object", **said, "required": list(properties), "properties": properties}
    if kind == "enum":
        return {"type": "string", **said, "enum": list(node["symbols"])}
    if kind == "array":
        return {"type": "array", **said, "items": _schema(node["items"])}
    if kind == "map":
        return {"type": "object", **said, "additionalProperties": _schema(node["values"])}
    return _schema(kind) | said


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    said = _schema(field["type"])
    written = [field["doc"]] if "doc" in field else []
    written += ["In JSON: RFC 3339 text."] if _has_instant(field["type"]) else []
    return said | ({"description": " ".join(written)} if written else {})


def _has_instant(node: Any) -> bool:
    branches = node if isinstance(node, list) else [node]
    return any(isinstance(each, dict) and each.get("logicalType") in INSTANTS for each in branches)

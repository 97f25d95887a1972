"""What differs between two schemas, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fleet.contract.protobuf import changes
from fleet.contract.versions import Schema
from fleet.scenario.proto import read_proto

ABSENT = object()


def differences(old: Schema, new: Schema) -> list[str]:
    """Say what *new* has that *old* has not (+), the other way round (-), and what is another (~)."""
    if old.is_proto != new.is_proto:
        return [f"~ {old.name} and {new.name}: one is Avro and the other Protobuf"]
    if old.is_proto:
        return list(changes(read_proto(old.text), read_proto(new.text)))
    return list(_record(old.said, new.said, ""))


def _record(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    for key in ("name", "namespace", "aliases", "doc"):
        yield from _changed(path or "record", key, old.get(key, ABSENT), new.get(key, ABSENT))
    before = {field["name"]: field for field in old.get("fields", ())}
    after = {field["name"]: field for field in new.get("fields", ())}
    yield from (f"- {path}{name}: {_type(field['type'])}" for name, field in before.items() if name not in after)
    for name, field in after.items():
        where = f"{path}{name}"
        if name not in before:
            more = f" = {json.dumps(field['default'])}" if "default" in field else ", without a default"
            alias = f", alias {', '.join(field['aliases'])}" if field.get("aliases") else ""
            yield f"+ {where}: {_type(field['type'])}{more}{alias}"
            continue
        yield from _field(before[name], field, where)
    shared = [name for name in before if name in after]
    if shared != [name for name in after if name in before]:
        yield f"~ {path or 'record'}: the fields stand in another order"


def _field(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[str]:
    one, other = old["type"], new["type"]
    if _named(one) and _named(other) and one["type"] == other["type"] == "record":
        yield from _record(one, other, f"{where}.")
    elif one != other:
        if _type(one) != _type(other):
            yield f"~ {where}: {_type(one)} -> {_type(other)}"
        else:
            yield f"~ {where}: the words of its type"
    for key in ("default", "aliases", "doc"):
        yield from _changed(where, key, old.get(key, ABSENT), new.get(key, ABSENT))


def _named(node: Any) -> bool:
    return isinstance(node, dict) and "fields" in node


def _changed(where: str, key: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if key == "doc":
        yield f"~ {where}: doc"
    else:
        yield f"~ {where}: {key} {_said(old)} -> {_said(new)}"


def _said(value: Any) -> str:
    return "none" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _type(node: Any) -> str:
    """Write a type in few words."""
    if isinstance(node, list):
        return " or ".join(map(_type, node))
    if not isinstance(node, dict):
        return str(node)
    kind = node["type"]
    if kind == "enum":
        return f"enum {node['name']} of {', '.join(node['symbols'])}"
    if kind in {"record", "error"}:
        return f"record {node['name']}"
    if kind == "fixed":
        return f"fixed {node['name']} of {node['size']} bytes"
    if kind in {"array", "map"}:
        return f"{kind} of {_type(node['items' if kind == 'array' else 'values'])}"
    logical = node.get("logicalType")
    return f"{_type(kind)} ({logical})" if logical else _type(kind)

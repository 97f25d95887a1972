"""Avro's types as Python's: annotations, defaults, and what becomes of a value on its way to Avro and back."""

from __future__ import annotations

import json
import keyword
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from fleet.contract.texts import parsed_schema
from fleet.errors import RequestError

PRIMITIVES = {
    "null": "None", "boolean": "bool", "int": "int", "long": "int", "float": "float", "double": "float",
    "bytes": "bytes", "string": "str",
}  # fmt: skip
NAMED = frozenset({"record", "error", "enum", "fixed"})
INSTANTS = {"timestamp-micros": "MICROSECOND", "timestamp-millis": "MILLISECOND"}
"""Logical types that become instants, and what they count; all others are the plain types that they are written as."""

IN_CLASSES = frozenset({
    "EPOCH", "MICROSECOND", "MILLISECOND", "Mapping", "classmethod", "datetime", "decode", "encode", "field",
    "from_avro", "mro", "to_avro", "tuple", *PRIMITIVES.values(),
})  # fmt: skip
"""Names that stand in a class already, or that it is written with."""

IN_MODULES = IN_CLASSES | {
    "Any", "BytesIO", "Enum", "FRAME_BYTES", "MAGIC", "SCHEMA", "UTC", "Exception", "ValueError", "dataclass", "dict",
    "fastavro", "isinstance", "json", "list", "lru_cache", "octets", "parsed", "plain", "schema_id", "since",
    "timedelta", "type",
}  # fmt: skip
"""Names that stand in a module already, or that it is written with."""


class Type(NamedTuple):
    """A type: its *annotation*, and what a value becomes, with ``?`` in its place."""

    annotation: str
    to_avro: str = "?"
    from_avro: str = "?"


def identifier(name: str, taken: Collection[str] = IN_CLASSES) -> str:
    """Give a *name* that Python takes where others are *taken*."""
    if name.startswith("__") or name[0] == name[-1] == "_":  # in classes the ones become others, in enums nothing
        name = f"_{name.strip('_')}"
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name


class Types:
    """The types of the Avro schema *text*; *named* has those with a name, the innermost first.

    RequestError, which begins with *where*, where one of them has no class here.
    """

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self.named: dict[str, Mapping[str, Any]] = {}
        self.root = parsed_schema(text)  # in it every name is a full one
        if not isinstance(self.root, dict) or self.root["type"] != "record":
            raise RequestError(f"{where}: must be a record to become a class")
        self._find(self.root)
        if twice := _twice(map(self.short, self.named)):
            raise RequestError(f"{where}: has two types of the name {twice}, which cannot both be that class")
        for name, node in self.named.items():
            parts = node.get("symbols", [field["name"] for field in node.get("fields", ())])
            if twice := _twice(map(identifier, parts)):
                raise RequestError(f"{where}: {name}: two names in it become {twice}, which Python can have only once")

    def short(self, full: str) -> str:
        """Name the class of the type with this *full* name."""
        return identifier(full.rpartition(".")[2], IN_MODULES)

    def of(self, node: Any) -> Type:
        """Give the type of a *node*."""
        if isinstance(node, list):
            return self._optional(node)
        if isinstance(node, str):
            return self._plain(node) if node in PRIMITIVES else self._class(self.named[node])
        kind = node["type"]
        if kind in NAMED:
            return self._class(node)
        if kind == "array":
            item = self.of(node["items"])
            to = "list(?)" if item.to_avro == "?" else f"[{_each(item.to_avro)} for each in ?]"
            back = "tuple(?)" if item.from_avro == "?" else f"tuple({_each(item.from_avro)} for each in ?)"
            return Type(f"tuple[{item.annotation}, ...]", to, back)
        if kind == "map":
            value = self.of(node["values"])
            to, back = (
                "dict(?)" if each == "?" else f"{{key: {_each(each)} for key, each in ?.items()}}"
                for each in (value.to_avro, value.from_avro)
            )
            return Type(f"Mapping[str, {value.annotation}]", to, back)
        if node.get("logicalType") in INSTANTS:
            unit = INSTANTS[node["logicalType"]]
            return Type("datetime", f"since(?) // {unit}", f"EPOCH + ? * {unit}")
        return self.of(kind)

    def default(self, node: Any, value: Any) -> str:
        """Write the default *value* of a field of the type *node*, as the right side of its line."""
        if isinstance(node, list):
            return self.default(node[0], value)
        if isinstance(node, str) and node not in PRIMITIVES:
            node = self.named[node]
        kind = node if isinstance(node, str) else node["type"]
        if kind in {"array", "map", "record", "error"}:
            if value or kind not in {"array", "map"}:
                raise RequestError(f"{self._where}: a default of {kind} must be empty to be written, got {value!r}")
            return "()" if kind == "array" else "field(default_factory=dict)"
        if kind == "enum":
            return f"{self.short(node['name'])}.{identifier(value)}"
        if kind in {"bytes", "fixed"}:
            quoted = repr(value.encode("latin-1"))
            return quoted if '"' in quoted else f'b"{quoted[2:-1]}"'
        if isinstance(node, dict) and node.get("logicalType") in INSTANTS:
            return "EPOCH" if value == 0 else f"EPOCH + {value} * {INSTANTS[node['logicalType']]}"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

    def _plain(self, name: str) -> Type:
        # A default of bytes comes out of fastavro as the text that JSON has for it.
        return Type("bytes", "?", "octets(?)") if name == "bytes" else Type(PRIMITIVES[name])

    def _optional(self, node: list[Any]) -> Type:
        """Give the type of a union: of one type, or none."""
        others = [each for each in node if each != "null"]
        if len(others) != 1 or len(node) != 2:
            raise RequestError(f"{self._where}: a union other than of null and one type has no class here")
        one = self.of(others[0])
        to, back = (each if each == "?" else f"None if ? is None else {each}" for each in (one.to_avro, one.from_avro))
        return Type(f"{one.annotation} | None", to, back)

    def _class(self, node: Mapping[str, Any]) -> Type:
        name = self.short(node["name"])
        if node["type"] == "fixed":
            return self._plain("bytes")
        if node["type"] == "enum":
            return Type(name, "?.value", f"{name}(?)")
        return Type(name, "?.to_avro()", f"{name}.from_avro(?)")

    def _find(self, node: Any) -> None:
        """Find the types that have names, the innermost first."""
        if isinstance(node, list):
            for each in node:
                self._find(each)
        elif isinstance(node, dict):
            for each in node.get("fields", ()):
                self._find(each["type"])
            for key in ("type", "items", "values"):
                self._find(node.get(key))
            if node["type"] in NAMED:
                self.named[node["name"]] = node


def _twice(names: Iterable[str]) -> str:
    """Give the first name that is there twice, nothing where none is."""
    return next((name for name, count in Counter(names).items() if count > 1), "")


def _each(conversion: str) -> str:
    return conversion.replace("?", "each")


def bare(node: Any) -> Any:
    """Give a schema's *node* without what changes no byte: words, and logical types."""
    if isinstance(node, list):
        return [bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    left_out = {"doc", "logicalType"}
    kept = {name: value for name, value in node.items() if name not in left_out and not name.startswith("__")}
    for name in ("type", "items", "values"):
        if name in kept:
            kept[name] = bare(kept[name])
    if "fields" in kept:
        kept["fields"] = [bare(each) for each in kept["fields"]]
    return kept

"""``fleet schema code --lang python``: an Avro schema as a module with frozen dataclasses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from textwrap import indent, wrap
from typing import Any

from fleet.contract.python_types import Types, bare, identifier
from fleet.contract.versions import Schema

WIDTH = 110
HEAD_CHARACTERS = 106  # of a docstring's first line
TAB = " " * 4

FRAMING = '''MAGIC = b"\\0"
FRAME_BYTES = 5


def plain(node: dict[str, Any]) -> dict[str, Any]:
    """Leave out logical types: what becomes of a number is said by the classes."""
    return {name: value for name, value in node.items() if name != "logicalType"}


@lru_cache(maxsize=1000)
def parsed(text: str) -> Any:
    """Parse the text of a schema, once."""
    return fastavro.parse_schema(json.loads(text, object_hook=plain))


def schema_id(value: bytes) -> int:
    """Give the id of the schema that a framed *value* was written with; ValueError where it is not framed."""
    if value[:1] != MAGIC or len(value) < FRAME_BYTES:
        raise ValueError("must be framed: 0x00, and the schema's id in four bytes")
    return int.from_bytes(value[1:FRAME_BYTES], "big")
'''

INSTANTS = '''

EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


def since(instant: datetime) -> timedelta:
    """Give the time from 1970 to an *instant*; ValueError where that has no time zone, and could be any of several."""
    if instant.tzinfo is None:
        raise ValueError(f"must have a time zone, as datetime.now(UTC) has one, got {instant!r}")
    return instant - EPOCH
'''

OCTETS = '''

def octets(value: bytes | str) -> bytes:
    """Give bytes, also of a default, which is text in a schema."""
    return value.encode("latin-1") if isinstance(value, str) else value
'''

TO_AVRO = '''
    def to_avro(self) -> dict[str, Any]:
        """Give its fields as fastavro takes them."""
        return {'''

FROM_AVRO = '''        }

    @classmethod
    def from_avro(cls, fields: Mapping[str, Any]) -> CLASS:
        """Make it of fields as fastavro gives them."""
        return cls('''

ENCODING = '''
    def encode(self, schema_id: int) -> bytes:
        """Write it framed, with the *schema_id* that the registry gave for this version of the schema."""
        out = BytesIO()
        out.write(MAGIC + schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, parsed(SCHEMA), self.to_avro())
        return out.getvalue()

    @classmethod
    def decode(cls, value: bytes, writer: str | None = None) -> CLASS:
        """Read a framed *value*, which was written with the schema *writer*, by default with this version.

        The registry has the writer's text by `schema_id`. What the writer does not know has its default. ValueError
        where the value is no record of the writer's schema, or this version cannot read it.
        """
        schema_id(value)
        body = BytesIO(value)
        body.seek(FRAME_BYTES)
        try:
            fields: Any = fastavro.schemaless_reader(body, parsed(writer or SCHEMA), parsed(SCHEMA))
            found = cls.from_avro(fields)
        except Exception as error:  # fastavro says what is wrong by any exception at all
            raise ValueError(f"not read as CLASS: {type(error).__name__}: {error}") from error
        if body.read(1):
            raise ValueError("not read as CLASS: bytes are left over behind the record")
        return found
'''


def python_code(schema: Schema) -> str:
    """Write the module of an Avro *schema*; RequestError where a type of it has no class here."""
    types = Types(schema.text, schema.name)
    classes = "".join(f"\n\n{text}" for text in map(_Writing(types).named, types.named.values()) if text)
    framing = FRAMING + "".join(part for part, used in ((INSTANTS, "EPOCH"), (OCTETS, "octets(")) if used in classes)
    about = f"Records of {types.root['name']}, as {schema.name} has them."
    made = f"Made by `fleet schema code {schema.name} --lang python`; it needs fastavro alone."
    text = json.dumps(bare(types.root), indent=2)
    said = f'"""What reads and writes {schema.name}; to be registered is the file, which says more."""'
    head = f'"""{about}\n\n{made}\n"""\n'
    parts = [head, _imports(classes + framing), framing, f'\nSCHEMA = r"""\n{text}\n"""\n{said}\n']
    return "\n".join(parts) + classes


class _Writing:
    """Writes the classes of the types with names."""

    def __init__(self, types: Types) -> None:
        self._types = types

    def named(self, node: Mapping[str, Any]) -> str:
        """Write the class of a *node*; nothing for bytes of a fixed size."""
        if node["type"] == "fixed":
            return ""
        return "\n".join(self._enum(node) if node["type"] == "enum" else self._record(node)) + "\n"

    def _enum(self, node: Mapping[str, Any]) -> Iterator[str]:
        yield f"class {self._types.short(node['name'])}(Enum):"
        yield indent(_docstring(node.get("doc", ""), f"Symbols of {node['name']}."), TAB) + "\n"
        for symbol in node["symbols"]:
            yield f'{TAB}{identifier(symbol)} = "{symbol}"'

    def _record(self, node: Mapping[str, Any]) -> Iterator[str]:
        name, fields = self._types.short(node["name"]), node["fields"]
        yield "@dataclass(frozen=True, slots=True, kw_only=True)"
        yield f"class {name}:"
        yield indent(_docstring(node.get("doc", ""), f"A record of {node['name']}."), TAB) + "\n"
        for each in fields:
            yield from self._field(each)
        yield TO_AVRO
        for each in fields:
            value = self._types.of(each["type"]).to_avro.replace("?", f"self.{identifier(each['name'])}")
            yield f'{TAB * 3}"{each["name"]}": {value},'
        yield FROM_AVRO.replace("CLASS", name)
        for each in fields:
            value = self._types.of(each["type"]).from_avro.replace("?", f'fields["{each["name"]}"]')
            yield f"{TAB * 3}{identifier(each['name'])}={value},"
        yield f"{TAB * 2})"
        if node is self._types.root:
            yield ENCODING.replace("CLASS", name).rstrip()

    def _field(self, field: Mapping[str, Any]) -> Iterator[str]:
        default = f" = {self._types.default(field['type'], field['default'])}" if "default" in field else ""
        yield f"{TAB}{identifier(field['name'])}: {self._types.of(field['type']).annotation}{default}"
        if field.get("doc"):
            yield indent(_paragraph(field["doc"]), TAB)


def _imports(code: str) -> str:
    """Write what *code* imports."""
    lines = [
        "from __future__ import annotations\n",
        "import json",
        "from collections.abc import Mapping",
        f"from dataclasses import dataclass{', field' if 'field(' in code else ''}",
        "from datetime import UTC, datetime, timedelta" if "EPOCH" in code else "",
        "from enum import Enum" if "(Enum):" in code else "",
        "from functools import lru_cache",
        "from io import BytesIO",
        "from typing import Any\n",
        "import fastavro",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _docstring(text: str, fallback: str) -> str:
    """Write *text* as a docstring: one line that is a sentence, and the rest behind it."""
    words = _sentence(" ".join(text.split()) or fallback)
    if len(words) <= HEAD_CHARACTERS:
        return f'{_raw(words)}"""{words}"""'
    head, rest = words, ""
    if ". " in words:
        head, _, rest = words.partition(". ")
        head += "."
    if len(head) > HEAD_CHARACTERS:
        head, rest = _sentence(fallback), words
    return "\n".join((f'{_raw(words)}"""{head}', "", *wrap(rest, WIDTH), '"""'))


def _paragraph(text: str) -> str:
    """Write *text* as a string behind a field."""
    words = _sentence(" ".join(text.split()))
    first, *more = wrap(words, WIDTH - 3)
    return "\n".join((f'{_raw(words)}"""{first}', *more, '"""')) if more else f'{_raw(words)}"""{first}"""'


def _sentence(words: str) -> str:
    """Give *words* with a full stop, and without what ends a string of three quotes."""
    return words.rstrip(".").replace('"""', "'''") + "."


def _raw(words: str) -> str:
    """Say before the quotes that a backslash is one."""
    return "r" if "\\" in words else ""

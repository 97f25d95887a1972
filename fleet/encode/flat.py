"""Records without nesting as columns: strings, numbers and enums of known schemas, all rows at once.

What is not certain to be read as the library reads it (a length that leads outside, an index that no symbol has) makes
a row unfit, and whoever needs it decodes it alone: so what is wrong with it is said in one place. Protobuf's are read
as its serializers write them, all fields there and in order; a row that is otherwise is unfit as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Ints
from fleet.encode.protobuf import FIRST_MESSAGE, tag
from fleet.encode.unpack import Buffer, farthest, octets, small_varints_at, varints_at, words_at
from fleet.scenario.proto import Message

TEXTS = frozenset({"string", "bytes"})
WHOLE = frozenset({"int", "long"})
CONTINUED = 0x80  # from here on a byte of a varint is not its last
PROTOBUF_KINDS = {"string": "string", "sint64": "long", "sint32": "int", "double": "double", "float": "float"}
FIXED_BYTES = {"float": 4, "double": 8, "boolean": 1}


class FlatField(NamedTuple):
    """One field of a record: *null* is the branch of a union with null that is null, else -1.

    In Protobuf there stand the bytes *before* in front of it, and counts (lengths, indices) have no sign.
    """

    name: str
    kind: str
    symbols: tuple[str, ...]
    null: int
    before: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of one field: numbers, booleans or indices of symbols; of texts where they are and how long.

    *absent* says where the field is null; None where it cannot be.
    """

    field: FlatField
    values: NDArray[Any]
    length: Ints | None = None  # of texts, whose *values* are their positions
    absent: Bools | None = None


def flat_fields(schema: Mapping[str, Any]) -> tuple[FlatField, ...] | None:
    """Give the fields of a record's parsed *schema*; None where it holds more than this module reads."""
    if schema.get("type") != "record":
        return None
    fields = [_flat_field(field["name"], field["type"]) for field in schema["fields"]]
    return tuple(field for field in fields if field is not None) if None not in fields else None


def _flat_field(name: str, kind: Any) -> FlatField | None:
    null = -1
    if isinstance(kind, list):
        if len(kind) != 2 or "null" not in kind:
            return None
        null = kind.index("null")
        kind = kind[1 - null]
    symbols: tuple[str, ...] = ()
    if isinstance(kind, Mapping):
        if "logicalType" in kind:
            return None
        symbols, kind = tuple(kind.get("symbols", ())), kind["type"]
    if kind not in {*TEXTS, *WHOLE, *FIXED_BYTES, "enum"}:
        return None
    return FlatField(name, kind, symbols, null)


def flat_message(message: Message) -> tuple[FlatField, ...] | None:
    """Give the fields of a Protobuf *message* behind its frame; None where it holds more than this module reads."""
    found: list[FlatField] = []
    for field in message.fields:
        symbols = message.enums.get(field.type, {})
        kind = "enum" if symbols else PROTOBUF_KINDS.get(field.type, "")
        if field.label != "optional" or not kind or sorted(symbols.values()) != list(range(len(symbols))):
            return None
        named = tuple(sorted(symbols, key=symbols.__getitem__))
        before = tag(message, field) if found else FIRST_MESSAGE + tag(message, field)
        found.append(FlatField(field.name, kind, named, -1, before))
    return tuple(found)


def read_flat(fields: tuple[FlatField, ...], data: Buffer, at: Ints, stop: Ints) -> tuple[dict[str, Column], Bools]:
    """Read records that lie in padded *data* from *at* to *stop*: columns by field name, and which rows are fit."""
    reading = _Reading(data, at)
    columns = {}
    for field in fields:
        absent = None if field.null < 0 else reading.is_null(field.null)
        columns[field.name] = reading.column(field, absent)
    return columns, reading.fit & (reading.at == stop)


class _Reading:
    """Where each row is, and whether it has been fit so far.

    All goes forward: a row that ends where it should has been inside all the way.
    """

    def __init__(self, data: Buffer, at: Ints) -> None:
        self._data = data
        self._far = farthest(data)
        self.at = np.minimum(at, self._far)
        self.fit: Bools = np.ones(len(at), np.bool_)

    def is_null(self, branch: int) -> Bools:
        """Read a union's branch, and say where it is that of null."""
        chosen = self._advanced(*small_varints_at(self._data, self.at))
        self.fit &= (chosen == 0) | (chosen == 1)
        null: Bools = chosen == branch
        return null

    def column(self, field: FlatField, absent: Bools | None) -> Column:
        """Read one field where it is not *absent*, and go behind it."""
        for byte in field.before:
            self.fit &= self._byte() == byte
        before, fit = self.at, self.fit
        self.fit = np.ones(len(before), np.bool_)
        values, length = self._read(field)
        if absent is not None:
            self.at = np.where(absent, before, self.at)
            self.fit |= absent
        self.fit &= fit
        return Column(field, values, length, absent)

    def _read(self, field: FlatField) -> tuple[NDArray[Any], Ints | None]:
        if field.kind in FIXED_BYTES:
            return self._fixed(field.kind), None
        if field.kind in TEXTS:
            return self._texts(self._count(field))
        if field.kind in WHOLE:
            return self._advanced(*varints_at(self._data, self.at)), None
        index = self._count(field)
        self.fit &= index.view(np.uint64) < len(field.symbols)
        return index, None

    def _fixed(self, kind: str) -> NDArray[Any]:
        word = words_at(self._data, self.at)
        self._go(self.at + FIXED_BYTES[kind])
        if kind == "boolean":
            truth: Bools = word & np.uint64(0xFF) != 0
            return truth
        return word.view(np.float64) if kind == "double" else word.astype(np.uint32).view(np.float32)

    def _count(self, field: FlatField) -> Ints:
        """Read a length or an index; of those without sign the short ones, which ours are."""
        if not field.before:
            return self._advanced(*small_varints_at(self._data, self.at))
        count = self._byte()
        self.fit &= count < CONTINUED
        return count

    def _byte(self) -> Ints:
        byte = octets(self._data)[self.at].astype(np.int64)
        self._go(self.at + 1)
        return byte

    def _texts(self, length: Ints) -> tuple[Ints, Ints]:
        at = self.at
        # As words without sign no length is below 0, and those that are too long lead to the end and no farther.
        inside = length.view(np.uint64) <= np.uint64(self._far)
        if not inside.all():
            self.fit &= inside
            length = np.where(inside, length, 0)
        self._go(at + length)
        return at, length

    def _advanced(self, values: Ints, at: Ints, sound: Bools | None) -> Ints:
        if sound is not None:
            self.fit &= sound
        self._go(at)
        return values

    def _go(self, at: Ints) -> None:
        self.at = np.minimum(at, self._far)

"""Avro records without nesting as columns: strings, numbers and enums of known schemas, all rows at once.

What is not certain to be read as fastavro reads it (a length that leads outside, an index that no symbol has) makes
a row unfit, and whoever needs it decodes it alone: so what is wrong with it is said in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Ints
from fleet.encode.unpack import Buffer, farthest, small_varints_at, varints_at, words_at

TEXTS = frozenset({"string", "bytes"})
WHOLE = frozenset({"int", "long"})
FIXED_BYTES = {"float": 4, "double": 8, "boolean": 1}


class FlatField(NamedTuple):
    """One field of a record: *null* is the branch of a union with null that is null, else -1."""

    name: str
    kind: str
    symbols: tuple[str, ...]
    null: int


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
            return self._texts()
        if field.kind in WHOLE:
            return self._advanced(*varints_at(self._data, self.at)), None
        index = self._advanced(*small_varints_at(self._data, self.at))
        self.fit &= index.view(np.uint64) < len(field.symbols)
        return index, None

    def _fixed(self, kind: str) -> NDArray[Any]:
        word = words_at(self._data, self.at)
        self._go(self.at + FIXED_BYTES[kind])
        if kind == "boolean":
            truth: Bools = word & np.uint64(0xFF) != 0
            return truth
        return word.view(np.float64) if kind == "double" else word.astype(np.uint32).view(np.float32)

    def _texts(self) -> tuple[Ints, Ints]:
        length = self._advanced(*small_varints_at(self._data, self.at))
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

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
from fleet.encode.unpack import Buffer, small_varints_at, varints_at, words_at

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
    reading = _Reading(data, at, stop)
    columns = {}
    for field in fields:
        absent = None if field.null < 0 else reading.is_null(field.null)
        columns[field.name] = reading.column(field, absent)
    return columns, reading.fit & (reading.at == stop)


class _Reading:
    """Where each row is, never behind its end, and whether it has been fit so far."""

    def __init__(self, data: Buffer, at: Ints, stop: Ints) -> None:
        self._data = data
        self._stop = stop
        self.at = at
        self.fit: Bools = np.ones(len(at), np.bool_)

    def is_null(self, branch: int) -> Bools:
        """Read a union's branch, and say where it is that of null."""
        chosen = self._advanced(*small_varints_at(self._data, self.at))
        self.fit &= (chosen == 0) | (chosen == 1)
        null: Bools = chosen == branch
        return null

    def column(self, field: FlatField, absent: Bools | None) -> Column:
        """Read one field where it is not *absent*, and go behind it."""
        before = self.at
        if field.kind in FIXED_BYTES:
            values, length = self._fixed(field.kind), None
        elif field.kind in TEXTS:
            values, length = self._texts(None if absent is None else ~absent)
        elif field.kind in WHOLE:
            values, length = self._advanced(*varints_at(self._data, self.at)), None
        else:
            values, length = self._advanced(*small_varints_at(self._data, self.at)), None
            known = (values >= 0) & (values < len(field.symbols))
            self.fit &= known if absent is None else known | absent
        if absent is not None:
            self.at = np.where(absent, before, self.at)
        return Column(field, values, length, absent)

    def _fixed(self, kind: str) -> NDArray[Any]:
        at = self.at
        self._go(at + FIXED_BYTES[kind])
        word = words_at(self._data, at)
        values: NDArray[Any]
        if kind == "boolean":
            values = word & np.uint64(0xFF) != 0
        else:
            values = word.view(np.float64) if kind == "double" else word.astype(np.uint32).view(np.float32)
        return values

    def _texts(self, present: Bools | None) -> tuple[Ints, Ints]:
        length = self._advanced(*small_varints_at(self._data, self.at))
        inside = (length >= 0) & (length <= self._stop - self.at)
        if not inside.all():
            self.fit &= inside if present is None else inside | ~present
            length = np.where(inside, length, 0)
        at = self.at
        self.at = at + length
        return at, length

    def _advanced(self, values: Ints, at: Ints, sound: Bools | None) -> Ints:
        if sound is not None:
            self.fit &= sound
        self._go(at)
        return values

    def _go(self, at: Ints) -> None:
        """Go on to *at*; who would go behind the end is unfit and stays there."""
        inside = at <= self._stop
        if inside.all():
            self.at = at
            return
        self.fit &= inside
        self.at = np.minimum(at, self._stop)

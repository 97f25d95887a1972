"""The headers of readings: each value is a program, so that whole columns of records get theirs at once.

A header's value must be as long in all records of a shape as rows are: parts of fixed width, or one text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple

from fleet.data import Ints, KindColumns
from fleet.encode.program import Fixed, MachineText, Part, Program, SensorText, joined, text, width_of
from fleet.encode.single import ProgramReadings
from fleet.encode.varint import varint

Pairs = tuple[tuple[str, bytes], ...]
"""The headers of one record."""


class Header(NamedTuple):
    """A header of every reading: its name, and what its value consists of."""

    name: str
    value: Program


Headers = tuple[Header, ...]


def constant(pairs: Iterable[tuple[str, bytes]]) -> Headers:
    """Give headers that are the same on all records."""
    return tuple(Header(name, (Fixed(value),)) for name, value in pairs)


def header_program(headers: Headers) -> Program:
    """Give the program of all *headers* as Kafka writes them: their count, then each name and value."""
    parts: list[Part] = [Fixed(varint(len(headers)))]
    for name, value in headers:
        parts += [Fixed(text(name)), *_with_length(value)]
    return joined(parts)


def _with_length(value: Program) -> Sequence[Part]:
    """Put the length in front of a header's *value*."""
    first = value[0]
    if isinstance(first, MachineText | SensorText):
        assert len(value) == 1, "of texts nothing but the text's own length is known"
        return (replace(first, prefix=varint) if isinstance(first, MachineText) else replace(first, write=text),)
    return (Fixed(varint(sum(map(width_of, value)))), *value)


class HeaderPairs:
    """Gives the headers of readings record by record."""

    def __init__(self, headers: Headers) -> None:
        self._changing = any(not isinstance(part, Fixed) for header in headers for part in header.value)
        self._same: Pairs = () if self._changing else tuple((name, _fixed(value)) for name, value in headers)
        self._each = [(name, ProgramReadings(value)) for name, value in headers]

    def of(self, columns: KindColumns, rows: Ints) -> Iterable[Pairs]:
        """Give those of every reading of the scans *rows*: scan after scan, sensor after sensor."""
        if not self._changing:
            return repeat(self._same)
        return zip(*(zip(repeat(name), each.values(columns, rows)) for name, each in self._each), strict=True)


def _fixed(value: Program) -> bytes:
    return b"".join(part.data for part in value if isinstance(part, Fixed))

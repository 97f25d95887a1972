"""Scans to record bytes, a row a scan: templates that are repeated and patched column by column.

All readings of a scan lie one behind the other, and in scans of the same shape (texts of the same lengths, varints
of the same lengths) everything stands at the same place. So a row is a template, made once, in which only a few
columns are patched: the machine's texts, the two deltas, and value, time, number and quality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Cohort, Ints, KindColumns
from fleet.encode.program import (
    Fixed,
    Long,
    MachineText,
    Number,
    Part,
    Program,
    Real,
    SensorText,
    Symbol,
    machine_name,
    most_bytes,
)
from fleet.encode.varint import Words, varint, words

TEMPLATES_MAX = 256
"""Shapes remembered for one set of sensors, about 1 kB each; beyond it all are forgotten and made again."""

RECORD_BYTES_MAX = 5 + 1 + 5 + 5 + 3 + 3
"""Most that a record takes beside key, value and headers: length, attributes, two deltas, two lengths."""

KEY = "machine"
"""The record's key is this text of the machine."""

Cells = NDArray[Any]


class Shape(NamedTuple):
    """What fixes the place of every byte in a row: lengths of varints, and the class of the machine's texts."""

    delta_ms: int  # bytes of the time delta
    offset: int  # bytes of the offset delta, the same in all records of the scan
    timestamp: int
    seq: int
    texts: int


@dataclass(frozen=True, slots=True)
class Patch:
    """*width* bytes that differ from row to row, at one of *places* for each record of the scan, in order."""

    what: str  # a key of _SOURCES
    width: int
    text: str  # which of the machine's texts, if it is one
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One row with holes, and what goes into them."""

    row: Bytes
    patches: tuple[Patch, ...]


class Rows:
    """Encodes scans of one set of due sensors of one cohort by templates."""

    def __init__(self, cohort: Cohort, sensors: Sequence[int], program: Program, headers: bytes) -> None:
        self.program, self.headers = program, headers
        self.sensors = [cohort.sensors[index] for index in sensors]
        self.sources = tuple(dict.fromkeys([KEY, *(p.source for p in program if isinstance(p, MachineText))]))
        names = [[machine_name(machine, source) for source in self.sources] for machine in cohort.machines]
        lengths = [tuple(map(len, texts)) for texts in names]
        classes = {length: place for place, length in enumerate(dict.fromkeys(lengths))}
        self.classes = list(classes)
        self.texts: Ints = np.array([classes[length] for length in lengths], np.int64)
        self._names = {source: padded([texts[at] for texts in names]) for at, source in enumerate(self.sources)}
        index = next((part.index for part in program if isinstance(part, Symbol)), (0, 0, 0))
        self.symbols: Bytes = np.array([place << 1 for place in index], np.uint8)
        self.step_us = next((p.step_us for p in program if isinstance(p, Long) and p.source == "timestamp"), 1)
        self._templates: dict[Shape, Template] = {}
        self.bound = self._bound()

    def text_length(self, source: str, texts: int) -> int:
        """Give the bytes of a machine's text in class *texts*."""
        return self.classes[texts][self.sources.index(source)]

    def text_table(self, source: str) -> tuple[Bytes, Ints]:
        """Give a text of every machine, padded with zeros, and its length; (machines, width) and (machines,)."""
        lengths = np.array([lengths[self.sources.index(source)] for lengths in self.classes], np.int64)
        return self._names[source], lengths[self.texts]

    def text_cells(self, source: str, width: int) -> Cells:
        """See the first *width* bytes of every machine's text as one cell; (machines,)."""
        table = self._names[source]
        return np.ndarray((len(table),), f"V{width}", buffer=table, strides=(table.shape[1],))

    @property
    def patched(self) -> bool:
        """Say whether templates can be made: every part of the program has a known length."""
        return not any(isinstance(part, Number) for part in self.program)

    def _bound(self) -> int:
        """Give an upper bound of the bytes of a scan."""
        texts = [KEY, *(part.source for part in self.program if isinstance(part, MachineText))]
        longest = sum(max(lengths[self.sources.index(source)] for lengths in self.classes) for source in texts)
        constant = RECORD_BYTES_MAX + len(self.headers) + longest
        return sum(constant + sum(most_bytes(part, sensor) for part in self.program) for sensor in self.sensors)

    def template(self, shape: Shape) -> Template:
        """Give the template of *shape*."""
        known = self._templates.get(shape)
        if known is None:
            if len(self._templates) >= TEMPLATES_MAX:
                self._templates.clear()
            known = self._templates[shape] = make_template(self, shape)
        return known

    def encode(self, columns: KindColumns, rows: Ints, shape: Shape, delta_ms: Ints, offset: Ints) -> NDArray[np.void]:
        """Encode the scans *rows* of *columns*, all of one *shape*: an item of void bytes a scan; (scans,).

        *delta_ms* and *offset* are the deltas of each scan's first record.
        """
        template = self.template(shape)
        width = len(template.row)
        out = np.empty((len(rows), width), np.uint8)
        out[:] = template.row
        scans = _Scans(self, columns, rows, shape, delta_ms, offset)
        for patch in template.patches:
            cells = _SOURCES[patch.what](scans, patch)
            many = cells if cells.ndim == 2 else repeat(cells)
            for place, column in zip(patch.places, many, strict=False):
                hole: Cells = np.ndarray((len(rows),), cells.dtype, buffer=out, offset=place, strides=(width,))
                hole[...] = column
        return out.view(f"V{width}")[:, 0]


def steps(times_us: Ints, step_us: int) -> Ints:
    """Count whole steps of *step_us* since 1970."""
    return times_us if step_us == 1 else times_us // step_us


def padded(texts: Sequence[bytes]) -> Bytes:
    """Stack *texts* as rows of equal width, zeros behind the shorter ones."""
    width = max(map(len, texts), default=1) or 1
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8).reshape(-1, width)


# ---- templates


class _Atom(NamedTuple):
    """A piece of a record: fixed *data*, or *width* bytes to be patched with *what*."""

    what: str
    data: bytes
    text: str = ""


def make_template(rows: Rows, shape: Shape) -> Template:
    """Lay out the records of a scan of *shape*, one behind the other."""
    out = bytearray()
    places: dict[tuple[str, int, str, int], list[int]] = {}
    for record in range(len(rows.sensors)):
        seen: Counter[str] = Counter()
        for atom in _record(rows, shape, record):
            if atom.what:
                name = f"{atom.what} {atom.text}"
                places.setdefault((atom.what, len(atom.data), atom.text, seen[name]), []).append(len(out))
                seen[name] += 1
            out += atom.data
    patches = tuple(Patch(what, width, text, tuple(at)) for (what, width, text, _), at in places.items())
    return Template(np.frombuffer(bytes(out), np.uint8), patches)


def _record(rows: Rows, shape: Shape, record: int) -> list[_Atom]:
    """Give the atoms of one record: its length, deltas, key, value and headers."""
    value = list(_value(rows, shape, record))
    size = sum(len(atom.data) for atom in value)
    key = rows.text_length(KEY, shape.texts)
    body = [
        _Atom("delta", bytes(shape.delta_ms + shape.offset)),
        _Atom("", varint(key)),
        _Atom("text", bytes(key), KEY),
        _Atom("", varint(size)),
        *value,
        _Atom("", rows.headers),
    ]
    length = 1 + sum(len(atom.data) for atom in body)  # 1: the attributes
    return [_Atom("", varint(length) + b"\0"), *body]


def _value(rows: Rows, shape: Shape, record: int) -> Iterator[_Atom]:
    """Give the atoms of a record's value; a number and the quality behind it are one atom."""
    parts = list(rows.program)
    while parts:
        part = parts.pop(0)
        if isinstance(part, Long) and part.source == "seq" and parts and isinstance(parts[0], Symbol):
            parts.pop(0)
            yield _Atom("seq_quality", bytes(shape.seq + 1))
        elif isinstance(part, MachineText):
            size = rows.text_length(part.source, shape.texts)
            yield _Atom("", varint(size) if part.framed else b"")
            yield _Atom("text", bytes(size), part.source)
        else:
            yield _atom(rows, shape, record, part)


def _atom(rows: Rows, shape: Shape, record: int, part: Part) -> _Atom:
    if isinstance(part, Fixed):
        return _Atom("", part.data)
    if isinstance(part, SensorText):
        return _Atom("", part.of(rows.sensors[record]))
    if isinstance(part, Long):
        return _Atom(part.source, bytes(shape.seq if part.source == "seq" else shape.timestamp))
    return _Atom("value", bytes(part.bytes)) if isinstance(part, Real) else _Atom("quality", bytes(1))


# ---- what is patched


class _Scans:
    """The scans of one call, and what is patched into their rows: computed once, for all records of the scans."""

    def __init__(
        self, owner: Rows, columns: KindColumns, rows: Ints, shape: Shape, delta_ms: Ints, offset: Ints
    ) -> None:
        self._owner, self._columns, self._rows, self._shape = owner, columns, rows, shape
        self._machine = columns.machine[rows]
        self._delta_ms, self._offset = delta_ms, offset
        self._record = np.arange(len(owner.sensors), dtype=np.int64)[:, None]

    def delta(self, patch: Patch) -> Cells:
        """Give time delta and offset delta, which stand side by side; (records, scans)."""
        word = words(self._offset + self._record, self._shape.offset, width=patch.width)
        word <<= word.dtype.type(8 * self._shape.delta_ms)
        word |= words(self._delta_ms, self._shape.delta_ms, width=patch.width)
        return _cells(word, patch.width)

    def text(self, patch: Patch) -> Cells:
        """Give a text of the machine; (scans,)."""
        cells: Cells = self._owner.text_cells(patch.text, patch.width)[self._machine]
        return cells

    def value(self, patch: Patch) -> Cells:
        """Give the values; (records, scans)."""
        value: Cells = self._columns.value.T.take(self._rows, axis=1)
        return value.astype("<f4" if patch.width == 4 else "<f8", copy=False)

    def timestamp(self, patch: Patch) -> Cells:
        """Give the payload's time stamp; (scans,)."""
        event = steps(self._columns.event_us[self._rows], self._owner.step_us)
        return _cells(words(event, patch.width), patch.width)

    def seq(self, patch: Patch) -> Cells:
        """Give the numbers; (records, scans)."""
        return _cells(self._numbers(patch.width, patch.width), patch.width)

    def quality(self, _: Patch) -> Cells:
        """Give the quality's byte; (records, scans)."""
        cells: Cells = self._owner.symbols[self._columns.quality.T.take(self._rows, axis=1)]
        return cells

    def seq_quality(self, patch: Patch) -> Cells:
        """Give the numbers, each with the quality's byte behind it; (records, scans)."""
        word = self._numbers(patch.width - 1, patch.width)
        kind = word.dtype.type
        word |= self.quality(patch).astype(kind) << kind(8 * (patch.width - 1))
        return _cells(word, patch.width)

    def _numbers(self, length: int, width: int) -> Words:
        return words(self._columns.seq[self._rows] + self._record, length, width=width)


_SOURCES: dict[str, Callable[[_Scans, Patch], Cells]] = {
    "delta": _Scans.delta,
    "text": _Scans.text,
    "value": _Scans.value,
    "timestamp": _Scans.timestamp,
    "seq": _Scans.seq,
    "quality": _Scans.quality,
    "seq_quality": _Scans.seq_quality,
}
_NATIVE = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}


def _cells(word: Words, width: int) -> Cells:
    """See the low *width* bytes of each word as one cell."""
    if width in _NATIVE:
        return word.astype(_NATIVE[width], copy=False)
    return np.ndarray(word.shape, f"V{width}", buffer=word, strides=word.strides)

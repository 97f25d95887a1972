"""Scans to record bytes, a row a scan: templates that are repeated and patched column by column.

All readings of a scan lie one behind the other, and in scans of the same shape (texts of the same lengths, varints
of the same lengths) everything stands at the same place. So a row is a template, made once, in which only a few
columns are patched: the two deltas, and value, time, number and quality. Where there are not too many machines each
has a row of its own; else the machine's texts are patched, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Cohort, Ints
from fleet.encode.program import (
    Fixed,
    Instant,
    Long,
    MachineText,
    Number,
    Part,
    Program,
    Real,
    SensorText,
    Serial,
    Symbol,
    machine_name,
    most_bytes,
    width_of,
)
from fleet.encode.varint import LENGTH_MAX, varint

MACHINES_BYTES_MAX = 256 * 1024
"""So large may a template be that has a row for every machine, with its texts: a larger one leaves the cache."""

TEMPLATES_BYTES_MAX = 16 * MACHINES_BYTES_MAX
"""Templates remembered for one set of sensors, rows of about 1 kB; beyond it all are forgotten and made again."""

RECORD_BYTES_MAX = 5 + 1 + 5 + 5 + 3 + 3
"""Most that a record takes beside key, value and headers: length, attributes, two deltas, two lengths."""

KEY = "machine"
"""The record's key is this text of the machine."""

Cells = NDArray[Any]


class Column(NamedTuple):
    """A number that differs from record to record, as so many bytes."""

    what: str  # a key of patching.COLUMNS
    width: int


class Form(NamedTuple):
    """What of a shape is known before a scan is in a batch."""

    timestamp: int
    seq: int
    texts: int


NO_FORM = Form(0, 0, 0)
"""That of scans in which a varint grows from one record to the next."""


class Shape(NamedTuple):
    """What fixes the place of every byte in a row: lengths of varints, and the class of the machine's texts."""

    delta_ms: int  # bytes of the time delta
    offset: int  # bytes of the offset delta, the same in all records of the scan; both together fit a word
    timestamp: int
    seq: int
    texts: int

    @property
    def deltas(self) -> tuple[Column, ...]:
        """The columns that a record begins with."""
        return Column("delta_ms", self.delta_ms), Column("offset", self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """What differs from row to row, in all records of a scan: two structures of the same fields.

    *source* has them as they are made, *target* where they belong in the row. numpy copies structures in one call,
    which costs the same for any width and hardly more for few rows than for many: so neighbouring *columns* are
    first put side by side. Without columns it is the machine's texts.
    """

    columns: tuple[Column, ...]
    source: np.dtype[np.void]
    target: np.dtype[np.void]

    def fill(self, rows: Cells, cells: Cells) -> None:
        """Put *cells* into *rows*, which have as many scans."""
        source: Cells = np.ndarray(len(rows), self.source, buffer=cells)
        target: Cells = np.ndarray(len(rows), self.target, buffer=rows)
        target[...] = source


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Rows with holes, and what goes into them: a row for every machine, which has its texts, or one for all."""

    rows: Cells  # (machines,) or (1,)
    patches: tuple[Patch, ...]

    @property
    def row_bytes(self) -> int:
        """Give the bytes of a row."""
        return int(self.rows.dtype.itemsize)

    def of_machines(self, machines: Ints) -> Cells:
        """Give a row for each of *machines*, without what is patched."""
        return self.rows[machines] if len(self.rows) > 1 else np.repeat(self.rows, len(machines))


class Texts:
    """The texts that a program takes of a cohort's machines, each padded to one width: the same for all its scans."""

    def __init__(self, cohort: Cohort, program: Program) -> None:
        self.sources = tuple(dict.fromkeys([KEY, *_sources(program)]))
        names = [[machine_name(machine, source) for source in self.sources] for machine in cohort.machines]
        lengths = [tuple(map(len, texts)) for texts in names]
        classes = {length: place for place, length in enumerate(dict.fromkeys(lengths))}
        self.classes = list(classes)
        self.of: Ints = np.array([classes[length] for length in lengths], np.int64)
        self._names = {source: padded([texts[at] for texts in names]) for at, source in enumerate(self.sources)}
        widths = [self._names[source].shape[1] for source in self.sources]
        self.at = dict(zip(self.sources, accumulate(widths, initial=0), strict=False))
        side_by_side = np.ascontiguousarray(np.concatenate([self._names[source] for source in self.sources], axis=1))
        self.cells: Cells = side_by_side.view(f"V{side_by_side.shape[1]}")[:, 0]

    def length(self, source: str, texts: int) -> int:
        """Give the bytes of a machine's text in class *texts*."""
        return self.classes[texts][self.sources.index(source)]

    def bytes(self, source: str, machines: Ints, size: int) -> Bytes:
        """Give the first *size* bytes of a text of *machines*; (machines, size)."""
        return self._names[source][machines, :size]

    def longest(self, program: Program) -> int:
        """Give the most bytes that the texts of one record take, the key's among them."""
        named = [self.sources.index(source) for source in (KEY, *_sources(program))]
        return sum(max(lengths[at] for lengths in self.classes) for at in named)


def _sources(program: Program) -> list[str]:
    return [part.source for part in program if isinstance(part, MachineText)]


class Rows:
    """What is known of one set of due sensors of one cohort: its machines' *texts*, and templates.

    *program* is that of the value, *headers* that of all that follows it.
    """

    def __init__(
        self, texts: Texts, cohort: Cohort, sensors: Sequence[int], program: Program, headers: Program
    ) -> None:
        self.texts, self.program, self.headers = texts, program, headers
        self._whole = (*program, *headers)
        self.sensors = [cohort.sensors[index] for index in sensors]
        codes = next((part.codes for part in program if isinstance(part, Symbol)), (0, 0, 0))
        self.symbols: Bytes = np.array(codes, np.uint8)
        self.step_us = next((part.step_us for part in self._whole if _says_time(part)), 1)  # type: ignore[union-attr]
        self._templates: dict[Shape, Template] = {}
        self.forms: list[Form] = [NO_FORM]
        self.bound = self._bound()

    @property
    def patched(self) -> bool:
        """Say whether templates can be made: every part of the program has a known length."""
        return not any(isinstance(part, Number) for part in self._whole)

    def _bound(self) -> int:
        """Give an upper bound of the bytes of a scan."""
        constant = RECORD_BYTES_MAX + self.texts.longest(self._whole)
        return sum(constant + sum(most_bytes(part, sensor) for part in self._whole) for sensor in self.sensors)

    def number_of(self, form: Form) -> int:
        """Give the number of a *form*, by which it stands in `forms`."""
        if form not in self.forms:
            self.forms.append(form)
        return self.forms.index(form)

    def template(self, shape: Shape) -> Template:
        """Give the template of *shape*."""
        known = self._templates.get(shape)
        if known is None:
            known = make_template(self, shape)
            if sum(each.rows.nbytes for each in self._templates.values()) + known.rows.nbytes > TEMPLATES_BYTES_MAX:
                self._templates.clear()
            self._templates[shape] = known
        return known


def _says_time(part: Part) -> bool:
    return isinstance(part, Instant) or (isinstance(part, Long) and part.source == "timestamp")


def steps(times_us: Ints, step_us: int) -> Ints:
    """Count whole steps of *step_us* since 1970."""
    return times_us if step_us == 1 else times_us // step_us


def padded(texts: Sequence[bytes]) -> Bytes:
    """Stack *texts* as rows of equal width, zeros behind the shorter ones."""
    width = max(map(len, texts), default=1) or 1
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8).reshape(-1, width)


class _Atom(NamedTuple):
    """A piece of a record: fixed *data*, or as many bytes for a *text* of the machine or for *columns*."""

    data: bytes
    text: str = ""
    columns: tuple[Column, ...] = ()


class _Field(NamedTuple):
    """Bytes of a row that are patched: where they are, and where in what is made for the scan they come from."""

    place: int
    width: int
    source: int


def make_template(rows: Rows, shape: Shape) -> Template:
    """Lay out the records of a scan of *shape*, one behind the other."""
    out = bytearray()
    fields: dict[tuple[Column, ...], list[_Field]] = {}
    for record in range(len(rows.sensors)):
        for atom in _record(rows, shape, record):
            if atom.text or atom.columns:
                source = rows.texts.at[atom.text] if atom.text else record * bytes_side_by_side(atom.columns)
                fields.setdefault(atom.columns, []).append(_Field(len(out), len(atom.data), source))
            out += atom.data
    patches = tuple(_patch(rows, columns, found, len(out)) for columns, found in fields.items())
    row: Cells = np.frombuffer(bytes(out), f"V{len(out)}")
    machines = len(rows.texts.cells)
    if machines * len(out) > MACHINES_BYTES_MAX:
        return Template(row, patches)
    every = np.repeat(row, machines)
    for patch in patches:
        if not patch.columns:
            patch.fill(every, rows.texts.cells)
    return Template(every, tuple(patch for patch in patches if patch.columns))


def _patch(rows: Rows, columns: tuple[Column, ...], fields: Sequence[_Field], row_bytes: int) -> Patch:
    """Make the structures of *fields*."""
    names, formats = [f"f{at}" for at in range(len(fields))], [f"V{field.width}" for field in fields]

    def structure(offsets: list[int], size: int) -> np.dtype[np.void]:
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})

    scan_bytes = len(rows.sensors) * bytes_side_by_side(columns) if columns else rows.texts.cells.itemsize
    source = structure([field.source for field in fields], scan_bytes)
    return Patch(columns, source, structure([field.place for field in fields], row_bytes))


def _record(rows: Rows, shape: Shape, record: int) -> list[_Atom]:
    """Give the atoms of one record: its length, deltas, key, value and headers."""
    value = list(_atoms(rows, shape, record, rows.program))
    size = sum(len(atom.data) for atom in value)
    key = rows.texts.length(KEY, shape.texts)
    body = [
        _columns(shape.deltas),
        _Atom(varint(key)),
        _Atom(bytes(key), KEY),
        _Atom(varint(size)),
        *value,
        *_atoms(rows, shape, record, rows.headers),
    ]
    length = 1 + sum(len(atom.data) for atom in body)  # 1: the attributes
    return [_Atom(varint(length) + b"\0"), *body]


def _atoms(rows: Rows, shape: Shape, record: int, program: Program) -> Iterator[_Atom]:
    """Give the atoms of what *program* writes of a record; neighbouring columns are one atom."""
    columns: list[Column] = []
    for part in program:
        if isinstance(part, Long):
            columns.append(Column(part.source, shape.seq if part.source == "seq" else shape.timestamp))
        elif isinstance(part, Real):
            columns.append(Column("double" if part.bytes == 8 else "single", part.bytes))
        elif isinstance(part, Symbol):
            columns.append(Column("quality", 1))
        elif isinstance(part, Instant | Serial):
            columns.append(Column("instant" if isinstance(part, Instant) else "serial", width_of(part)))
        else:
            if columns:
                yield _columns(columns)
            columns = []
            yield from _constant(rows, shape, record, part)
    if columns:
        yield _columns(columns)


def _constant(rows: Rows, shape: Shape, record: int, part: Part) -> Iterator[_Atom]:
    """Give the atoms of a part that is the same in all scans of a machine."""
    if isinstance(part, MachineText):
        size = rows.texts.length(part.source, shape.texts)
        yield _Atom(part.prefix(size))
        yield _Atom(bytes(size), part.source)
    elif isinstance(part, SensorText):
        yield _Atom(part.of(rows.sensors[record]))
    elif isinstance(part, Fixed):
        yield _Atom(part.data)


def _columns(columns: Sequence[Column]) -> _Atom:
    return _Atom(bytes(sum(column.width for column in columns)), columns=tuple(columns))


def bytes_side_by_side(columns: Sequence[Column]) -> int:
    """Give the room that *columns* side by side need: the last one's word may be longer than its bytes."""
    if columns[0].what == "delta_ms":
        return LENGTH_MAX
    return sum(column.width for column in columns) + LENGTH_MAX - 1

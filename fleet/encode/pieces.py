"""Scans to record bytes, a piece at a time: for the few scans whose records do not share a shape.

Where a varint grows in the middle of a scan, or too few scans share a shape for a template to pay, every piece of
every record (a length, a text, a number) is put where it belongs, the records of all kinds at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Ints, KindColumns, Sensor
from fleet.encode.digits import decimal_table, digit_table, instant_table, serial_table
from fleet.encode.program import (
    Decimal,
    Digits,
    Fixed,
    Instant,
    Long,
    MachineText,
    Part,
    Program,
    Real,
    SensorJson,
    SensorText,
    Serial,
    SymbolText,
)
from fleet.encode.rows import KEY, Rows, Texts, padded, steps
from fleet.encode.varint import byte_table

WORD = 8

Cells = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Rare:
    """Scans of one set of sensors to be cut to pieces; the deltas are those of each scan's first record."""

    rows: Rows
    columns: KindColumns
    scans: Ints  # rows of the columns
    where: Ints  # places in the release
    delta_ms: Ints
    offset: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One piece of every record: rows of a padded *table*, of which the first *length* bytes count.

    *index* (records,) says which row; None: one after the other.
    """

    table: Bytes  # (rows, width)
    length: Ints  # (rows,)
    index: Ints | None = None

    @property
    def lengths(self) -> Ints:
        """Give the length in every record."""
        return self.length if self.index is None else self.length[self.index]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Records cut to pieces, scan after scan; *where* are the scans' places in the release."""

    pieces: tuple[Piece, ...]
    length: Ints  # (records,)
    first: Ints  # (scans,) index of each scan's first record
    where: Ints

    @property
    def size(self) -> Ints:
        """Give the bytes of each scan."""
        return np.asarray(np.add.reduceat(self.length, self.first))

    def write(self, out: Bytes, start: Ints) -> None:
        """Put the records of each scan into *out*, from *start* (scans,) on."""
        before = np.cumsum(self.length) - self.length
        records = np.diff(self.first, append=len(self.length))
        at = before + np.repeat(start - before[self.first], records)
        for piece in self.pieces:
            lengths = piece.lengths
            _scatter(out, at, piece, lengths)
            at += lengths


def _scatter(out: Bytes, at: Ints, piece: Piece, lengths: Ints) -> None:
    """Copy a piece of every record to its place, those of one length at a time."""
    rows, stride = piece.table.shape
    sizes = np.flatnonzero(np.bincount(lengths)).tolist()
    for size in sizes:
        if not size:
            continue
        source: Cells = np.ndarray((rows,), f"V{size}", buffer=piece.table, strides=(stride,))
        target: Cells = np.ndarray((len(out) - size + 1,), f"V{size}", buffer=out, strides=(1,))
        if len(sizes) == 1:
            target[at] = source if piece.index is None else source[piece.index]
            continue
        here = np.flatnonzero(lengths == size)
        target[at[here]] = source[here if piece.index is None else piece.index[here]]


class Cutter:
    """Cuts scans of any kinds to pieces; remembers what is constant for the sensors and machines it has seen."""

    def __init__(self, program: Program, headers: Program) -> None:
        self._known: dict[int, tuple[Rows, int]] = {}  # by id(): a set of sensors, and the number of its first one
        self._machines: dict[int, tuple[Texts, int]] = {}  # likewise a cohort's machines
        self._key = _Constants(_Run("machine", [MachineText(KEY)]))
        self._value, self._headers = _cuts(program), _cuts(headers)
        self._constants = [self._key, *(p for p in (*self._value, *self._headers) if isinstance(p, _Constants))]

    def cut(self, rare: Sequence[Rare]) -> Pieces:
        """Cut the scans of all *rare* sets of sensors."""
        for some in rare:
            self._learn(some.rows)
        columns = _Columns.of(rare)
        index = {
            "sensor": np.concatenate([self._sensors_of(some) for some in rare]),
            "machine": np.concatenate([_each(self._machines_of(some), some) for some in rare]),
            "": np.zeros(len(columns.seq), np.int64),
        }  # fmt: skip
        symbols = rare[0].rows.symbols
        value, headers = (
            [part.piece(index) if isinstance(part, _Constants) else columns.piece(part, symbols) for part in cuts]
            for cuts in (self._value, self._headers)
        )
        deltas = _beside(_varints(columns.delta_ms), _varints(columns.offset))
        body = [*deltas, self._key.piece(index), _varints(_total(value)), *value, *headers]
        length = _varints(_total(body) + 1)  # 1: the attributes, of which there are none; a zero follows in the table
        pieces = (Piece(length.table, length.length + 1), *body)
        records = np.concatenate([np.full(len(some.scans), len(some.rows.sensors)) for some in rare])
        where = np.concatenate([some.where for some in rare])
        return Pieces(pieces, _total(pieces), np.cumsum(records) - records, where)

    def _learn(self, rows: Rows) -> None:
        """Take a set of sensors into the tables, and its machines if no other set had them."""
        if id(rows) in self._known:
            return
        self._known[id(rows)] = rows, sum(len(known.sensors) for known, _ in self._known.values())
        for part in self._constants:
            part.learn_sensors(rows.sensors)
        if id(rows.texts) in self._machines:
            return
        self._machines[id(rows.texts)] = rows.texts, sum(len(known.of) for known, _ in self._machines.values())
        for part in self._constants:
            part.learn_machines(rows.texts)

    def _machines_of(self, some: Rare) -> Ints:
        return self._machines[id(some.rows.texts)][1] + some.columns.machine[some.scans]

    def _sensors_of(self, some: Rare) -> Ints:
        sensors = len(some.rows.sensors)
        return self._known[id(some.rows)][1] + np.tile(np.arange(sensors, dtype=np.int64), len(some.scans))


Depends = Literal["", "sensor", "machine", "column"]


@dataclass(slots=True)
class _Run:
    """Neighbouring parts that depend on nothing but the sensor, or the machine, or nothing at all; or one column."""

    depends: Depends
    parts: list[Part]


def _runs(program: Program) -> list[_Run]:
    """Join the neighbours in *program* that are constant for the same thing: a piece each costs more than its bytes."""
    runs: list[_Run] = []
    for part in program:
        depends = _depends(part)
        last = runs[-1] if runs else None
        if (
            last
            and "column" not in (depends, last.depends)
            and (depends == last.depends or not (depends and last.depends))
        ):
            last.depends = last.depends or depends
            last.parts.append(part)
        else:
            runs.append(_Run(depends, [part]))
    return runs


def _cuts(program: Program) -> list[_Constants | Part]:
    """Cut what *program* writes into what is constant for something, and columns."""
    return [run.parts[0] if run.depends == "column" else _Constants(run) for run in _runs(program)]


def _depends(part: Part) -> Depends:
    if isinstance(part, Fixed):
        return ""
    if isinstance(part, SensorText | SensorJson):
        return "sensor"
    return "machine" if isinstance(part, MachineText) else "column"


class _Constants:
    """The bytes of one run, for every sensor or machine that was seen."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._tables: list[tuple[Bytes, Ints]] = []
        self._joined: tuple[Bytes, Ints] | None = None
        if not run.depends:
            self._add(_table([b"".join(part.data for part in run.parts if isinstance(part, Fixed))]))

    def learn_sensors(self, sensors: Sequence[Sensor]) -> None:
        """Add *sensors*, if the run says anything of them."""
        if self._run.depends == "sensor":
            self._add(_sensor_table(sensors, self._run.parts))

    def learn_machines(self, texts: Texts) -> None:
        """Add the machines of *texts*, if the run says anything of them."""
        if self._run.depends == "machine":
            self._add(_machine_table(texts, self._run.parts))

    def _add(self, table: tuple[Bytes, Ints]) -> None:
        self._tables.append(table)
        self._joined = None

    def piece(self, index: Mapping[str, Ints]) -> Piece:
        """Give the piece, by the number of each record's sensor or machine."""
        if self._joined is None:
            width = max(table.shape[1] for table, _ in self._tables)
            padded_tables = [np.pad(table, ((0, 0), (0, width - table.shape[1]))) for table, _ in self._tables]
            self._joined = np.concatenate(padded_tables), np.concatenate([length for _, length in self._tables])
        return Piece(*self._joined, index[self._run.depends])


def _sensor_table(sensors: Sequence[Sensor], parts: Sequence[Part]) -> tuple[Bytes, Ints]:
    """Write the *parts* for every sensor."""
    return _table([
        b"".join(
            part.data if isinstance(part, Fixed) else part.of(sensor)
            for part in parts
            if isinstance(part, Fixed | SensorText | SensorJson)
        )
        for sensor in sensors
    ])  # fmt: skip


def _machine_table(texts: Texts, parts: Sequence[Part]) -> tuple[Bytes, Ints]:
    """Write the *parts* for every machine, those with texts of the same lengths at once."""
    tables: list[Bytes] = []
    order: list[Ints] = []
    for number in range(len(texts.classes)):
        members = np.flatnonzero(texts.of == number)
        columns: list[Bytes] = []
        for part in parts:
            if isinstance(part, MachineText):
                size = texts.length(part.source, number)
                columns += [
                    _repeated(part.prefix(size), members),
                    texts.bytes(part.source, members, size),
                ]
            elif isinstance(part, Fixed):
                columns.append(_repeated(part.data, members))
        tables.append(np.concatenate(columns, axis=1))
        order.append(members)
    out = np.zeros((len(texts.of), max(table.shape[1] for table in tables)), np.uint8)
    length = np.zeros(len(texts.of), np.int64)
    for members, table in zip(order, tables, strict=True):
        out[members, : table.shape[1]] = table
        length[members] = table.shape[1]
    return out, length


def _repeated(data: bytes, members: Ints) -> Bytes:
    return np.broadcast_to(np.frombuffer(data, np.uint8), (len(members), len(data)))


def _each(of_scan: Ints, some: Rare) -> Ints:
    """Repeat what a scan has for each of its records."""
    return np.repeat(of_scan, len(some.rows.sensors))


def _varints(values: Ints) -> Piece:
    return Piece(*byte_table(values))


def _table(data: Sequence[bytes]) -> tuple[Bytes, Ints]:
    return padded(data), np.array([len(each) for each in data], np.int64)


def _beside(first: Piece, second: Piece) -> list[Piece]:
    """Make one piece of two columns of varints, where both fit a word."""
    if int(first.length.max()) + int(second.length.max()) > WORD:
        return [first, second]
    low, high = (piece.table.view("<u8")[:, 0] for piece in (first, second))
    word = low | high << (first.length.astype(np.uint64) * np.uint64(8))
    return [Piece(word.view(np.uint8).reshape(-1, WORD), first.length + second.length)]


def _total(pieces: Sequence[Piece]) -> Ints:
    total = pieces[0].lengths.copy()
    for piece in pieces[1:]:
        total += piece.lengths
    return total


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The columns of all records; (records,)."""

    delta_ms: Ints
    offset: Ints
    scan: Ints  # index of the record's scan
    scan_timestamp: Ints  # (scans,)
    seq: Ints
    value: NDArray[np.float64]
    quality: Bytes

    @classmethod
    def of(cls, rare: Sequence[Rare]) -> _Columns:
        """Join the columns of all *rare* scans, a reading a record."""

        def numbered(some: Rare, first: Ints) -> Ints:
            return (first[:, None] + np.arange(len(some.rows.sensors))).ravel()

        return cls(
            delta_ms=np.concatenate([_each(some.delta_ms, some) for some in rare]),
            offset=np.concatenate([numbered(some, some.offset) for some in rare]),
            scan=np.repeat(
                np.arange(sum(len(some.scans) for some in rare)),
                np.concatenate([np.full(len(some.scans), len(some.rows.sensors)) for some in rare]),
            ),
            scan_timestamp=np.concatenate([some.columns.event_us[some.scans] for some in rare]),
            seq=np.concatenate([(s.columns.seq[s.scans][:, None] + s.columns.within).ravel() for s in rare]),
            value=np.concatenate([some.columns.value[some.scans].ravel() for some in rare]),
            quality=np.concatenate([some.columns.quality[some.scans].ravel() for some in rare]),
        )

    def piece(self, part: Part, symbols: Bytes) -> Piece:
        """Give the piece that is a column."""
        if isinstance(part, Long):
            if part.source == "seq":
                return _varints(self.seq)
            return Piece(*byte_table(steps(self.scan_timestamp, part.step_us)), self.scan)
        if isinstance(part, Decimal):
            return Piece(*decimal_table(self.value))
        if isinstance(part, Digits):
            return Piece(*digit_table(self.seq))
        if isinstance(part, Instant):
            table = instant_table(steps(self.scan_timestamp, part.step_us) * part.step_us)
            return Piece(table, np.full(len(table), table.shape[1]), self.scan)
        if isinstance(part, Serial):
            table = serial_table(self.seq)
            return Piece(table, np.full(len(table), table.shape[1]))
        if isinstance(part, SymbolText):
            return Piece(*_table(part.texts), self.quality.astype(np.int64))
        if isinstance(part, Real):
            table = self.value.astype("<f4" if part.bytes == 4 else "<f8").view(np.uint8).reshape(-1, part.bytes)
            return Piece(table, np.full(len(table), part.bytes, np.int64))
        return Piece(symbols[self.quality][:, None], np.ones(len(self.quality), np.int64))

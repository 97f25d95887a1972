"""Scans to record bytes, a piece at a time: for the few scans whose records do not share a shape.

Where a varint grows in the middle of a scan, or too few scans share a shape for a template to pay, every piece of
every record (a length, a text, a number) is put where it belongs, the records of all kinds at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Ints, KindColumns
from fleet.encode.digits import decimal_table, digit_table, instant_table
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
    SymbolText,
)
from fleet.encode.rows import KEY, Rows, padded, steps
from fleet.encode.varint import byte_table

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

    def __init__(self, program: Program, headers: bytes) -> None:
        self._program, self._headers = program, headers
        self._known: list[Rows] = []
        self._sensor_base: dict[int, int] = {}
        self._machine_base: dict[int, int] = {}
        self._fixed: dict[Part, Piece] = {}
        self._texts: dict[str, Piece] = {}

    def cut(self, rare: Sequence[Rare]) -> Pieces:
        """Cut the scans of all *rare* sets of sensors."""
        for some in rare:
            self._learn(some.rows)
        sensor = np.concatenate([self._sensors_of(some) for some in rare])
        machine = np.concatenate([_each(self._machine_base[id(s.rows)] + s.columns.machine[s.scans], s) for s in rare])
        columns = _Columns.of(rare)
        value = [piece for part in self._program for piece in self._part(part, columns, sensor, machine)]
        key = self._text(KEY, machine)
        body = [
            _varints(columns.delta_ms),
            _varints(columns.offset),
            _varints(key.lengths),
            key,
            _varints(_total(value)),
            *value,
            _same(self._headers, len(sensor)),
        ]
        length = _total(body) + 1  # 1: the attributes
        pieces = (_varints(length), _same(b"\0", len(sensor)), *body)
        records = np.concatenate([np.full(len(some.scans), len(some.rows.sensors)) for some in rare])
        where = np.concatenate([some.where for some in rare])
        return Pieces(pieces, _total(pieces), np.cumsum(records) - records, where)

    def _learn(self, rows: Rows) -> None:
        """Take a set of sensors and its machines into the tables."""
        if id(rows) in self._sensor_base:
            return
        self._sensor_base[id(rows)] = sum(len(known.sensors) for known in self._known)
        self._machine_base[id(rows)] = sum(len(known.texts) for known in self._known)
        self._known.append(rows)
        self._fixed.clear()
        self._texts.clear()

    def _sensors_of(self, some: Rare) -> Ints:
        sensors = len(some.rows.sensors)
        return self._sensor_base[id(some.rows)] + np.tile(np.arange(sensors, dtype=np.int64), len(some.scans))

    def _part(self, part: Part, columns: _Columns, sensor: Ints, machine: Ints) -> list[Piece]:
        """Give the pieces of one part of the value."""
        if isinstance(part, Fixed):
            return [_same(part.data, len(sensor))]
        if isinstance(part, SensorText | SensorJson):
            known = self._fixed.get(part)
            if known is None:
                known = self._fixed[part] = _table([part.of(one) for rows in self._known for one in rows.sensors])
            return [Piece(known.table, known.length, sensor)]
        if isinstance(part, MachineText):
            text = self._text(part.source, machine)
            return [_varints(text.lengths), text] if part.framed else [text]
        return [columns.piece(part, self._known[0].symbols)]

    def _text(self, source: str, machine: Ints) -> Piece:
        """Give a text of the machine, without its length."""
        known = self._texts.get(source)
        if known is None:
            tables = [rows.text_table(source) for rows in self._known]
            width = max(table.shape[1] for table, _ in tables)
            padded_tables = [np.pad(table, ((0, 0), (0, width - table.shape[1]))) for table, _ in tables]
            known = Piece(np.concatenate(padded_tables), np.concatenate([length for _, length in tables]))
            self._texts[source] = known
        return Piece(known.table, known.length, machine)


def _each(of_scan: Ints, some: Rare) -> Ints:
    """Repeat what a scan has for each of its records."""
    return np.repeat(of_scan, len(some.rows.sensors))


def _varints(values: Ints) -> Piece:
    return Piece(*byte_table(values))


def _table(data: Sequence[bytes]) -> Piece:
    return Piece(padded(data), np.array([len(each) for each in data], np.int64))


def _same(data: bytes, records: int) -> Piece:
    """Give a piece that is the same in every record."""
    return Piece(np.frombuffer(data, np.uint8)[None, :], np.array([len(data)]), np.zeros(records, np.int64))


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
            seq=np.concatenate([numbered(some, some.columns.seq[some.scans]) for some in rare]),
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
            return Piece(table, np.full(len(table), 26), self.scan)
        if isinstance(part, SymbolText):
            known = _table(part.texts)
            return Piece(known.table, known.length, self.quality.astype(np.int64))
        if isinstance(part, Real):
            table = self.value.astype("<f4" if part.bytes == 4 else "<f8").view(np.uint8).reshape(-1, part.bytes)
            return Piece(table, np.full(len(table), part.bytes, np.int64))
        return Piece(symbols[self.quality][:, None], np.ones(len(self.quality), np.int64))

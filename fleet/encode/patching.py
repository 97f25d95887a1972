"""What differs from scan to scan, put into rows: a column is made once for all scans that are due together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Ints, KindColumns
from fleet.encode.digits import instant_table, serial_table
from fleet.encode.rows import Cells, Column, Rows, Shape, Template, bytes_side_by_side, steps
from fleet.encode.varint import numbers, varints

TILE_BYTES = 1024 * 1024
"""Rows that are made at once, and put where they belong while they are in the cache."""

Cell = TypeVar("Cell", bound=np.generic)


class Scans:
    """Scans of one set of sensors, and what is patched into their rows: scan after scan, record after record.

    A column is made once for all of them, of whatever shape; scans of one shape, next to each other, take their part.
    *rows* are the scans' places in *columns*; *delta_ms* and *offset* are the deltas of each scan's first record.
    """

    def __init__(self, owner: Rows, columns: KindColumns, rows: Ints, delta_ms: Ints, offset: Ints) -> None:
        self._owner, self._columns, self._rows = owner, columns, rows
        self._delta_ms, self._offset = delta_ms, offset
        self._made: dict[str, Cells] = {}

    def write(self, span: slice, shape: Shape, out: Bytes, start: Ints) -> None:
        """Encode the scans of *span*, which have one *shape*, and put them into *out*, each at its *start*."""
        template = self._owner.template(shape)
        target: Cells = np.ndarray(len(out) - template.row_bytes + 1, template.rows.dtype, buffer=out, strides=(1,))
        tile = max(1, TILE_BYTES // template.row_bytes)
        for begin in range(span.start, span.stop, tile):
            part = slice(begin, min(begin + tile, span.stop))
            target[start[part]] = self._encode(part, shape, template)

    def _encode(self, span: slice, shape: Shape, template: Template) -> Cells:
        """Encode the scans of *span*: an item of void bytes a scan; (scans,)."""
        rows = template.of_machines(self._column("machine")[span])
        for patch in template.patches:
            patch.fill(rows, self._cells(patch.columns, span, shape))
        return rows

    def _cells(self, columns: Sequence[Column], span: slice, shape: Shape) -> Cells:
        """Give what a patch copies into the rows of *span*."""
        if not columns:
            return self._column("texts")[span]
        sensors = len(self._owner.sensors)
        records = slice(span.start * sensors, span.stop * sensors)
        if columns == shape.deltas:
            return self._deltas(span, records, shape)
        return self._side_by_side(columns, records)

    def _deltas(self, span: slice, records: slice, shape: Shape) -> Cells:
        """Put both deltas into one word; (records,)."""
        deltas: Cells = self._column("offset")[records] << np.uint64(8 * shape.delta_ms)
        deltas |= self._each(self._column("delta_ms")[span])
        return deltas

    def _side_by_side(self, columns: Sequence[Column], records: slice) -> Bytes:
        """Put *columns* of some *records* side by side; (records, bytes).

        Whole words are copied, from left to right: what is too long of one is overwritten by the next.
        """
        many = records.stop - records.start
        out = np.empty((many, bytes_side_by_side(columns)), np.uint8)
        at = 0
        for column in columns:
            cells = self._column(column.what)
            hole: Cells = np.ndarray(many, cells.dtype, buffer=out, offset=at, strides=out.strides[:1])
            hole[...] = cells[records]
            at += column.width
        return out

    def _column(self, what: str) -> Cells:
        """Give a column, made when it is first asked for."""
        known = self._made.get(what)
        if known is None:
            known = self._made[what] = COLUMNS[what](self)
        return known

    def machine(self) -> Cells:
        """Give the machine's number; (scans,)."""
        return self._columns.machine[self._rows]

    def texts(self) -> Cells:
        """Give all texts of the machine; (scans,)."""
        cells: Cells = self._owner.texts.cells.take(self._column("machine"))
        return cells

    def delta_ms(self) -> Cells:
        """Give the time deltas; (scans,)."""
        return varints(self._delta_ms)

    def offset(self) -> Cells:
        """Give the offset deltas; (records,)."""
        return numbers(self._offset, np.arange(len(self._owner.sensors)))

    def double(self) -> Cells:
        """Give the values; (records,)."""
        value: Cells = self._columns.value.take(self._rows, axis=0)
        return value.ravel()

    def single(self) -> Cells:
        """Give the values, rounded; (records,)."""
        return self.double().astype("<f4")

    def timestamp(self) -> Cells:
        """Give the payload's time stamps; (records,)."""
        return self._each(varints(steps(self._columns.event_us[self._rows], self._owner.step_us)))

    def seq(self) -> Cells:
        """Give the numbers; (records,)."""
        return numbers(self._columns.seq[self._rows], self._columns.within)

    def quality(self) -> Cells:
        """Give the quality's byte; (records,)."""
        symbols, quality = self._owner.symbols, self._columns.quality
        if not quality.max():  # all good, as nearly always: nothing to look up
            return np.broadcast_to(symbols[0], len(self._rows) * len(self._owner.sensors))
        cells: Cells = symbols[quality.take(self._rows, axis=0)]
        return cells.ravel()

    def instant(self) -> Cells:
        """Give the payload's time stamps as texts; (records,)."""
        table = instant_table(steps(self._columns.event_us[self._rows], self._owner.step_us) * self._owner.step_us)
        return self._each(table.view(f"V{table.shape[1]}")[:, 0])

    def serial(self) -> Cells:
        """Give the numbers as texts of one length; (records,)."""
        table = serial_table((self._columns.seq[self._rows][:, None] + self._columns.within).ravel())
        cells: Cells = table.view(f"V{table.shape[1]}")[:, 0]
        return cells

    def _each(self, of_scan: NDArray[Cell]) -> NDArray[Cell]:
        """Repeat what a scan has for each of its records."""
        return np.repeat(of_scan, len(self._owner.sensors))


COLUMNS: dict[str, Callable[[Scans], Cells]] = {
    "machine": Scans.machine,
    "texts": Scans.texts,
    "delta_ms": Scans.delta_ms,
    "offset": Scans.offset,
    "double": Scans.double,
    "single": Scans.single,
    "timestamp": Scans.timestamp,
    "seq": Scans.seq,
    "quality": Scans.quality,
    "instant": Scans.instant,
    "serial": Scans.serial,
}

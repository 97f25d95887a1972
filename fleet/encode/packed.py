"""Scans of all kinds to record batches as bytes: one buffer a release, partition after partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fleet.data import HEADER_BYTES, Block, Bytes, Cohort, Ints, KindColumns, PackedBatch
from fleet.encode.order import Merged, Place, order_of
from fleet.encode.pieces import Cutter, Pieces, Rare
from fleet.encode.program import Program
from fleet.encode.rows import Lengths, Rows, Scans, Shape, Texts, steps
from fleet.encode.varint import lengths, varint
from fleet.errors import RequestError

ROWS_MIN = 24
"""Scans of one shape for which a template pays; fewer are put together piece by piece."""

Headers = tuple[tuple[str, bytes], ...]


def header_bytes(headers: Headers) -> bytes:
    """Write the headers of a record: their count, then each name and value."""
    out = varint(len(headers))
    for name, value in headers:
        out += varint(len(name.encode())) + name.encode() + varint(len(value)) + value
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Deltas:
    """What a scan's records owe to the batch they are in; (scans,) but for the batches' own."""

    first: Ints  # (batches,) index of each batch's first scan
    batch: Ints  # number of the batch
    stamp_ms: Ints
    delta_ms: Ints
    offset: Ints  # of the scan's first record


class Packer:
    """Packs readings of one layout; remembers templates by cohort and set of sensors."""

    def __init__(self, program: Program, headers: Headers, *, batch_bytes: int) -> None:
        self._program, self._headers, self._limit = program, header_bytes(headers), batch_bytes
        self._cutter = Cutter(program, self._headers)
        self._rows: dict[tuple[int, tuple[int, ...]], Rows] = {}
        self._texts: dict[int, tuple[Cohort, Texts]] = {}  # the cohort is held, so that its id() stays its own

    def rows_of(self, columns: KindColumns) -> Rows:
        """Look up the templates of a kind's set of sensors."""
        name = (id(columns.cohort), columns.sensors)
        known = self._rows.get(name)
        if known is None:
            known = self._rows[name] = self._rows_for(columns.cohort, columns.sensors)
        return known

    def _rows_for(self, cohort: Cohort, sensors: Sequence[int]) -> Rows:
        """Begin the templates of a set of sensors; the machines' texts are those of every other set."""
        known = self._texts.get(id(cohort))
        if known is None:
            known = self._texts[id(cohort)] = cohort, Texts(cohort, self._program)
        return Rows(known[1], cohort, sensors, self._program, self._headers)

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that a batch holds at least one scan of each of *cohorts*; RequestError says what it would take."""
        for cohort in cohorts:
            rows = self._rows_for(cohort, range(len(cohort.sensors)))
            if rows.bound + HEADER_BYTES > self._limit:
                raise RequestError(
                    f"a batch of at most {self._limit} bytes is too small: one scan of a {cohort.kind} with its "
                    f"{len(cohort.sensors)} readings needs up to {rows.bound + HEADER_BYTES}; raise --batch-size, "
                    "and the topic's max.message.bytes if that is smaller"
                )

    def form(self, columns: KindColumns) -> Ints:
        """Give what of each scan's shape is known before its batch is: bytes of time stamp and number, texts.

        0 where the number grows by a byte from one record of the scan to the next.
        """
        rows = self.rows_of(columns)
        if not rows.patched:
            return np.zeros(len(columns.machine), np.int64)
        within = columns.within
        seq_bytes = lengths(columns.seq + within[0])
        even = seq_bytes == lengths(columns.seq + within[-1])
        event_bytes = lengths(steps(columns.event_us, rows.step_us))
        form: Ints = even * (event_bytes | seq_bytes << _SEQ | rows.texts.of[columns.machine] << _TEXTS)
        return form

    def pack(self, block: Block, chosen: Merged, places: Sequence[Place], stamp_ms: Ints) -> list[PackedBatch]:
        """Pack the scans *chosen* of *block*, partition after partition, with these record stamps."""
        deltas = self._deltas(block, chosen, stamp_ms)
        parts: list[_Part | Pieces] = []
        rare: list[Ints] = []
        for source, order, code in _by_source(chosen, deltas):
            first = np.flatnonzero(np.diff(code, prepend=-2)).tolist()
            scans = self._scans(block, source, chosen, deltas, order, code) if source >= 0 else None
            for start, stop in pairwise([*first, len(code)]):
                if scans is None or stop - start < ROWS_MIN:
                    rare.append(order[start:stop])
                else:
                    encoded = scans.encode(slice(start, stop), _shape(int(code[start])))
                    parts.append(_Part(order[start:stop], encoded))
        if rare:
            parts.append(self._cutter.cut(self._rare(block, chosen, deltas, np.concatenate(rare))))
        size = np.empty(len(chosen.row), np.int64)
        for part in parts:
            size[part.where] = part.size
        end = np.cumsum(size) + HEADER_BYTES * (deltas.batch + 1)
        out = np.empty(int(end[-1]), np.uint8)
        for part in parts:
            part.write(out, end[part.where] - part.size)
        return _batches(chosen, deltas, places, memoryview(out.data), end)

    def _scans(self, block: Block, source: int, chosen: Merged, deltas: _Deltas, order: Ints, code: Ints) -> Scans:
        """Take the scans *order* of one kind, whose shapes *code* says."""
        columns = block.kinds[source]
        lengths = Lengths(code >> _DELTA & 15, code >> _OFFSET & 15, code & 15, code >> _SEQ & 15)
        return Scans(
            self.rows_of(columns), columns, chosen.row[order], lengths, deltas.delta_ms[order], deltas.offset[order]
        )

    def _deltas(self, block: Block, chosen: Merged, stamp_ms: Ints) -> _Deltas:
        """Cut the scans into batches below the limit, and number records and stamps within each."""
        bounds = np.array([self.rows_of(columns).bound for columns in block.kinds], np.int64)
        bound = bounds[chosen.source]
        before = np.cumsum(bound) - bound
        opens = np.flatnonzero(np.diff(chosen.group, prepend=-1))
        base = np.repeat(before[opens], np.diff(opens, append=len(bound)))
        part = (before - base) // max(1, self._limit - HEADER_BYTES - int(bounds.max()))
        first = np.flatnonzero(np.diff(chosen.group, prepend=-1) | np.diff(part, prepend=-1))
        many = np.diff(first, append=len(bound))
        number = np.cumsum(chosen.readings) - chosen.readings
        return _Deltas(
            first=first,
            batch=np.repeat(np.arange(len(first)), many),
            stamp_ms=stamp_ms,
            delta_ms=stamp_ms - np.repeat(stamp_ms[first], many),
            offset=number - np.repeat(number[first], many),
        )

    def _rare(self, block: Block, chosen: Merged, deltas: _Deltas, members: Ints) -> list[Rare]:
        """Sort scans that get no template by kind."""
        source = chosen.source[members]
        found = []
        for k in np.flatnonzero(np.bincount(source)).tolist():
            here = members[source == k]
            rows = self.rows_of(block.kinds[k])
            found.append(Rare(rows, block.kinds[k], chosen.row[here], here, deltas.delta_ms[here], deltas.offset[here]))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Encoded scans of one shape and where they belong."""

    where: Ints
    encoded: NDArray[np.void]

    @property
    def size(self) -> int:
        """Give the bytes of each scan."""
        return int(self.encoded.dtype.itemsize)

    def write(self, out: Bytes, start: Ints) -> None:
        """Put the scans into *out*, each at its *start*."""
        target = np.ndarray((len(out) - self.size + 1,), self.encoded.dtype, buffer=out, strides=(1,))
        target[start] = self.encoded


# A scan's shape as one number: bytes of time stamp, number, time delta and offset delta, texts, kind.
_SEQ, _DELTA, _OFFSET, _TEXTS, _SOURCE = 4, 8, 12, 16, 40


def _by_source(chosen: Merged, deltas: _Deltas) -> Iterator[tuple[int, Ints, Ints]]:
    """Sort scans by kind and shape: for each kind which scans, and their shapes.

    Those in which a varint grows from one record to the next have no shape; they come first, as kind -1.
    """
    offset_bytes = lengths(deltas.offset)
    even = (offset_bytes == lengths(deltas.offset + chosen.readings - 1)) & (chosen.form != 0)
    code = chosen.form | lengths(deltas.delta_ms) << _DELTA | offset_bytes << _OFFSET | chosen.source << _SOURCE
    code[~even] = -1
    order = order_of(code)
    ordered = code[order]
    source = ordered >> _SOURCE
    first = np.flatnonzero(np.diff(source, prepend=-2)).tolist()
    for start, stop in pairwise([*first, len(order)]):
        yield int(source[start]), order[start:stop], ordered[start:stop]


def _shape(code: int) -> Shape:
    return Shape(
        delta_ms=code >> _DELTA & 15,
        offset=code >> _OFFSET & 15,
        timestamp=code & 15,
        seq=code >> _SEQ & 15,
        texts=code >> _TEXTS & 0xFFFFFF,
    )


def _batches(
    chosen: Merged, deltas: _Deltas, places: Sequence[Place], data: memoryview, end: Ints
) -> list[PackedBatch]:
    """Cut the buffer into its batches."""
    first = deltas.first
    last = np.append(first[1:], len(chosen.row)) - 1
    stops = end[last].tolist()
    columns = (
        chosen.group[first].tolist(),
        (deltas.offset[last] + chosen.readings[last]).tolist(),
        [0, *stops[:-1]],
        stops,
        deltas.stamp_ms[first].tolist(),
        np.maximum.reduceat(deltas.stamp_ms, first).tolist(),
        chosen.due_us[last].tolist(),
    )
    made = [
        PackedBatch("readings", places[group].topic, places[group].partition, count, data[start:stop], stamp, top, due)
        for group, count, start, stop, stamp, top, due in zip(*columns, strict=True)
    ]
    # Everyone's first batch, then everyone's second: a request to a broker has one batch a partition.
    opens = np.flatnonzero(np.diff(chosen.group[first], prepend=-1))
    turn = np.arange(len(first)) - np.repeat(opens, np.diff(opens, append=len(first)))
    return [made[at] for at in np.argsort(turn, kind="stable").tolist()]

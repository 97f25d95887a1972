"""Scans of all kinds to record batches as bytes: one buffer a release, partition after partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from fleet.data import HEADER_BYTES, Block, Bytes, Cohort, Ints, KindColumns, PackedBatch
from fleet.encode.headers import Headers, header_program
from fleet.encode.order import Merged, Place, order_of
from fleet.encode.patching import Scans
from fleet.encode.pieces import Cutter, Rare
from fleet.encode.program import Program
from fleet.encode.rows import Form, Rows, Shape, Texts, steps
from fleet.encode.varint import LENGTH_MAX, lengths
from fleet.errors import RequestError

ROWS_MIN = 24
"""Scans of one shape for which a template pays; fewer are put together piece by piece."""


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
        self._program, self._headers, self._limit = program, header_program(headers), batch_bytes
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
            known = self._texts[id(cohort)] = cohort, Texts(cohort, (*self._program, *self._headers))
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
        """Give the number of each scan's form: what of its shape is known before its batch is.

        0 where the number grows by a byte from one record of the scan to the next.
        """
        rows = self.rows_of(columns)
        if not rows.patched or not len(columns.machine):
            return np.zeros(len(columns.machine), np.int64)
        within = columns.within
        seq_bytes = lengths(columns.seq + within[0])
        even = seq_bytes == lengths(columns.seq + within[-1])
        event_bytes = lengths(steps(columns.event_us, rows.step_us))
        said = even * (event_bytes | seq_bytes << 4 | rows.texts.of[columns.machine] << 8)
        found = np.flatnonzero(np.bincount(said)).tolist()
        numbers: Ints = np.zeros(found[-1] + 1, np.int64)
        numbers[found] = [rows.number_of(Form(one & 15, one >> 4 & 15, one >> 8)) for one in found]
        form: Ints = numbers[said]
        return form

    def pack(self, block: Block, chosen: Merged, places: Sequence[Place], stamp_ms: Ints) -> list[PackedBatch]:
        """Pack the scans *chosen* of *block*, partition after partition, with these record stamps."""
        deltas = self._deltas(block, chosen, stamp_ms)
        order, runs = self._runs(block, chosen, deltas)
        rare = np.concatenate([order[:0], *(order[run.start : run.stop] for run in runs if run.shape is None)])
        pieces = self._cutter.cut(self._rare(block, chosen, deltas, rare)) if len(rare) else None
        size = np.empty(len(order), np.int64)
        size[order] = np.repeat([run.size for run in runs], [run.stop - run.start for run in runs])
        if pieces is not None:
            size[pieces.where] = pieces.size
        end = np.cumsum(size) + HEADER_BYTES * (deltas.batch + 1)
        start = end - size
        out = np.empty(int(end[-1]), np.uint8)
        columns = _Columns(*(each[order] for each in (chosen.row, deltas.delta_ms, deltas.offset, start)))
        for source, of_kind in groupby(runs, key=lambda run: run.source):
            self._write(block.kinds[source], list(of_kind), columns, out)
        if pieces is not None:
            pieces.write(out, start[pieces.where])
        return _batches(chosen, deltas, places, memoryview(out.data), end)

    def _runs(self, block: Block, chosen: Merged, deltas: _Deltas) -> tuple[Ints, list[_Run]]:
        """Sort scans by kind and shape: their order, and the runs of one shape in it."""
        rows = [self.rows_of(columns) for columns in block.kinds]
        forms = max(len(each.forms) for each in rows)
        delta_bytes, offset_bytes = lengths(deltas.delta_ms), lengths(deltas.offset)
        even = offset_bytes == lengths(deltas.offset + (chosen.readings - 1))
        even &= delta_bytes + offset_bytes <= LENGTH_MAX
        code = (chosen.source * forms << 6) + even * (chosen.form << 6 | delta_bytes << 3 | offset_bytes)
        order = order_of(code)
        code = code[order]
        first = np.flatnonzero(np.diff(code, prepend=-1))
        runs = []
        for one, (start, stop) in zip(code[first].tolist(), pairwise([*first.tolist(), len(code)]), strict=True):
            source, form = divmod(one >> 6, forms)
            if form and stop - start >= ROWS_MIN:
                shape = Shape(one >> 3 & 7, one & 7, *rows[source].forms[form])
                runs.append(_Run(source, start, stop, shape, rows[source].template(shape).row_bytes))
            else:
                runs.append(_Run(source, start, stop, None, 0))
        return order, runs

    def _write(self, kind: KindColumns, runs: Sequence[_Run], columns: _Columns, out: Bytes) -> None:
        """Write the *runs* of one *kind* into *out*, but for what is in pieces."""
        before = runs[0].start
        row, delta_ms, offset, start = (each[before : runs[-1].stop] for each in columns)
        scans = Scans(self.rows_of(kind), kind, row, delta_ms, offset)
        for run in runs:
            if run.shape is not None:
                scans.write(slice(run.start - before, run.stop - before), run.shape, out, start)

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


class _Run(NamedTuple):
    """Scans of one kind and shape, next to each other: of *size* bytes each; without a shape they are put in pieces."""

    source: int
    start: int
    stop: int
    shape: Shape | None
    size: int


class _Columns(NamedTuple):
    """What of the scans goes into their rows, and where these go; (scans,) in order of their shapes."""

    row: Ints
    delta_ms: Ints
    offset: Ints
    start: Ints


def _dues(chosen: Merged, deltas: _Deltas) -> Sequence[Ints | None]:
    """Give when each record of every batch is due, where the stamps do not say it; else nothing."""
    if np.array_equal(chosen.due_us // 1000, deltas.stamp_ms):
        return [None] * len(deltas.first)
    spans = pairwise([*deltas.first.tolist(), len(chosen.row)])
    return [np.repeat(chosen.due_us[first:stop], chosen.readings[first:stop]) for first, stop in spans]


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
        PackedBatch(
            "readings", places[group].topic, places[group].partition, count, data[start:stop], stamp, top, due, dues
        )
        for group, count, start, stop, stamp, top, due, dues in zip(*columns, _dues(chosen, deltas), strict=True)
    ]
    # Everyone's first batch, then everyone's second: a request to a broker has one batch a partition.
    opens = np.flatnonzero(np.diff(chosen.group[first], prepend=-1))
    turn = np.arange(len(first)) - np.repeat(opens, np.diff(opens, append=len(first)))
    return [made[at] for at in np.argsort(turn, kind="stable").tolist()]

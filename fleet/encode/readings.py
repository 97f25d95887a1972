"""The stream of readings: merged in log order, digested, released."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleet.data import Batch, Block, Cohort, Ints, KindColumns, Words
from fleet.encode.digest import MachineDigest
from fleet.encode.evolving import Evolving
from fleet.encode.order import CohortPlaces, Merged, Places, cohort_places, merged, order_of, places_in_log
from fleet.encode.scan_digest import ScanDigest
from fleet.encode.writers import RecordTime, Writer

DIGEST_TILE = 32_768
"""Readings that are digested at once: a few columns of their words stay in a cache of 1 MB."""


@dataclass(slots=True, eq=False)
class Scans:
    """A block's scans in log order."""

    order: Merged
    at: int = 0  # how many were released or skipped


class Readings:
    """The readings of one run, or their truth: knows how far each machine's log is, and its digest."""

    def __init__(
        self, writer: Writer, evolving: Evolving, places: Places, record_time: RecordTime, *, stream: str = "readings"
    ) -> None:
        self._writer, self._evolving = writer, evolving
        self._scan_digests = [ScanDigest(layout, stamped=record_time == "scan") for layout in evolving.layouts]
        self._places, self._stream = places, stream
        self._cohorts: dict[int, CohortPlaces] = {}
        self._skipped = False
        self._released = np.zeros(0, np.int64)  # by machine: readings in its log
        self._digests = np.zeros(0, np.uint64)
        self._copies = np.zeros(0, np.int64)  # by machine: of these, second copies
        self._next_seq = np.zeros(0, np.int64)  # by machine whose numbers may have holes: behind its log's last one

    def cohort(self, cohort: Cohort) -> CohortPlaces:
        """Look up a *cohort*, once."""
        known = self._cohorts.get(id(cohort))
        if known is None:
            known = self._cohorts[id(cohort)] = cohort_places(cohort, self._places)
        return known

    def _grow(self) -> None:
        """Make room for machines that blocks made ahead have brought; only whoever releases touches these arrays."""
        more = len(self._places.names) - len(self._released)
        if more:
            self._released = np.pad(self._released, (0, more))
            self._digests = np.pad(self._digests, (0, more))
            self._copies = np.pad(self._copies, (0, more))
            self._next_seq = np.pad(self._next_seq, (0, more))

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that readings of *cohorts* can be written; RequestError says why not."""
        self._writer.check(cohorts)

    def prepare(self, block: Block) -> Scans:
        """Merge a *block*'s scans, and digest them: a reading's number is its place in its machine's log.

        Not so for cohorts that have gaps, which are digested when it is known what stands before them.
        """
        assert all(columns.cohort.gaps for columns in block.kinds if columns.copy), "copies shift what comes behind"
        return Scans(merged(block, self.cohort, self._writer.form, self._digest_ahead))

    def skip(self, scans: Scans, stop: int) -> None:
        """Pass over the scans before *stop*."""
        self._skipped |= stop > scans.at
        scans.at = max(scans.at, stop)

    def release(self, block: Block, scans: Scans, stop: int, wall_ms: int) -> Sequence[Batch]:
        """Encode the scans from where *scans* is to *stop*."""
        self._grow()
        span = slice(scans.at, stop)
        scans.at = stop
        due = scans.order.at(span)
        digest = due.digest
        kinds = block.kinds if self._skipped else [columns for columns in block.kinds if columns.cohort.gaps]
        if kinds:  # places in the log are not the readings' numbers
            places = places_in_log(due.number, due.readings, self._released)
            digest = self._digest(block, due, places, digest, kinds)
        np.add.at(self._digests, due.number, digest)
        np.add.at(self._released, due.number, due.readings)
        by_place = order_of(due.group)
        batches = self._writer.write(block, due.at(by_place), self._places.places, wall_ms)
        return batches if self._stream == "readings" else [replace(batch, stream=self._stream) for batch in batches]

    def _digest(self, block: Block, order: Merged, n: Ints, known: Words, kinds: Collection[KindColumns]) -> Words:
        """Give what each scan of *order* adds to its machine's digest, as record *n* and following of its log.

        It is *known* already but for scans of *kinds*.
        """
        adds = known.copy()
        again = {id(columns) for columns in kinds}
        for k, columns in enumerate(block.kinds):
            if id(columns) not in again:
                continue
            where = np.flatnonzero(order.source == k)
            rows = order.row[where]
            adds[where] = self._adds(columns, rows, n[where])
            if columns.copy:
                np.add.at(self._copies, order.number[where], len(columns.sensors))
            np.maximum.at(self._next_seq, order.number[where], columns.seq[rows] + (columns.within[-1] + 1))
        return adds

    def _digest_all(self, columns: KindColumns) -> Words:
        """Digest all scans of *columns*, in their own order, a tile of them at a time."""
        scans = len(columns.machine)
        adds = np.empty(scans, np.uint64)
        tile = max(1, DIGEST_TILE // len(columns.sensors))
        for begin in range(0, scans, tile):
            rows = slice(begin, begin + tile)
            adds[rows] = self._adds(columns, rows)
        return adds

    def _digest_ahead(self, columns: KindColumns) -> Words:
        """Digest what is sure to have its number as its place in the log; the rest is digested at its release."""
        if columns.cohort.gaps:
            return np.zeros(len(columns.machine), np.uint64)
        return self._digest_all(columns)

    def _adds(self, columns: KindColumns, rows: Ints | slice, n: Ints | None = None) -> Words:
        """Give what each of the scans *rows* adds to its machine's digest, as record *n* and following.

        None where the readings' numbers are their places in the log.
        """
        at, parts = self.cohort(columns.cohort), self._evolving.parts(columns, rows)
        if len(parts) == 1:
            return self._scan_digests[parts[0][0]].adds(columns, at, rows, n)
        number = np.arange(len(columns.machine))[rows]
        adds = np.empty(len(number), np.uint64)
        for version, where in parts:
            adds[where] = self._scan_digests[version].adds(columns, at, number[where], None if n is None else n[where])
        return adds

    @property
    def holes(self) -> int:
        """How many numbers were passed over before the last one of each machine's log."""
        return int(np.maximum(self._next_seq - (self._released - self._copies), 0).sum())

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        self._grow()
        places, group = self._places.places, self._places.group_of
        return {
            name: MachineDigest(*places[group[number]], digest, count)
            for number, (name, digest, count) in enumerate(
                zip(self._places.names, self._digests.tolist(), self._released.tolist(), strict=True)
            )
        }

"""Layouts that change in mid-run: which one a scan is written in, and batches that are cut where it changes.

Which one it is depends on the machine and on the instant of the scan alone: so it is the same wherever blocks are cut,
whoever computes them, and when the run is computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fleet.data import Batch, Block, Bools, Cohort, Ints, KindColumns
from fleet.encode.layouts import Layout
from fleet.encode.order import Merged, Place, order_of
from fleet.encode.writers import Writer


class Change(NamedTuple):
    """From so long after the start of the run on these *machines* (by id) write another *layout*."""

    at_us: int
    layout: Layout
    machines: frozenset[str]


class Evolving:
    """Says of scans in which layout they are written: that of the last of *changes* before them that names the machine.

    The *layouts*, in order of when they are first written, have numbers: their versions.
    """

    def __init__(self, first: Layout, changes: Sequence[Change] = (), *, start_us: int = 0) -> None:
        self.layouts = tuple(dict.fromkeys((first, *(change.layout for change in changes))))
        self._changes = [
            (start_us + change.at_us, self.layouts.index(change.layout), change.machines) for change in changes
        ]
        self._named: dict[int, tuple[Cohort, list[Bools]]] = {}  # the cohort is held, so that its id() stays its own

    def versions(self, columns: KindColumns, rows: Ints | slice = slice(None)) -> Ints:
        """Give the version in which each of the scans *rows* is written."""
        scan_us, machine = columns.scan_us[rows], columns.machine[rows]
        version = np.zeros(len(scan_us), np.int64)
        for (from_us, number, _), named in zip(self._changes, self._named_of(columns.cohort), strict=True):
            version[(scan_us >= from_us) & named[machine]] = number
        return version

    def parts(self, columns: KindColumns, rows: Ints | slice) -> list[tuple[int, Ints | slice]]:
        """Cut the scans *rows* by version: each with the places in *rows* of its scans."""
        if not self._changes:
            return [(0, slice(None))]
        version = self.versions(columns, rows)
        return [(number, np.flatnonzero(version == number)) for number in _some(version)]

    def _named_of(self, cohort: Cohort) -> list[Bools]:
        """Say for each change which machines of a *cohort* it names; (machines,)."""
        known = self._named.get(id(cohort))
        if known is None:
            ids = [machine.id for machine in cohort.machines]
            named = [np.array([name in machines for name in ids], np.bool_) for _, _, machines in self._changes]
            known = self._named[id(cohort)] = cohort, named
        return known[1]


class EvolvingWriter:
    """Writes each scan by the writer of its version.

    A release has the batches of one version after those of another. Nobody's records change places: where a machine
    goes back to an older version, or what the network held back comes after newer records, the batches begin anew.
    """

    def __init__(self, writers: Sequence[Writer], evolving: Evolving) -> None:
        self._writers, self._evolving = writers, evolving

    def check(self, cohorts: Iterable[Cohort]) -> None:
        """See that scans of *cohorts* can be written by all writers."""
        listed = list(cohorts)
        for writer in self._writers:
            writer.check(listed)

    def form(self, columns: KindColumns) -> Ints:
        """Give what the writer of each scan's version wants to know of it, and with it the version."""
        version = self._evolving.versions(columns)
        form = np.zeros(len(version), np.int64)
        for number in _some(version):
            here = version == number
            form[here] = self._writers[number].form(columns)[here]
        return form * len(self._writers) + version

    def write(self, block: Block, chosen: Merged, places: Sequence[Place], wall_ms: int) -> Sequence[Batch]:
        """Write the scans *chosen*, version after version."""
        count = len(self._writers)
        version = chosen.form % count
        chosen = replace(chosen, form=chosen.form // count)
        turn = version + count * _relapses(chosen.number, version)
        found: list[Batch] = []
        for each in _some(turn):
            found += self._writers[each % count].write(block, chosen.at(np.flatnonzero(turn == each)), places, wall_ms)
        return found


def _relapses(machine: Ints, version: Ints) -> Ints:
    """Count for each scan how often its machine's version was smaller than the one before, up to it."""
    order = order_of(machine)
    sorted_machine, sorted_version = machine[order], version[order]
    same = sorted_machine[1:] == sorted_machine[:-1]
    relapses = np.append(0, np.cumsum(same & (sorted_version[1:] < sorted_version[:-1])))
    begins = np.flatnonzero(np.append(True, ~same))
    relapses -= np.repeat(relapses[begins], np.diff(np.append(begins, len(machine))))
    found = np.empty_like(relapses)
    found[order] = relapses
    return found


def _some(numbers: Ints) -> list[int]:
    """Give the different *numbers*, in order."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found

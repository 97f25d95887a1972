"""A piece of a partition's log against what is known of its machines, all at once.

Most records are as they should be: the next number, a stamp that is not smaller, the right partition. Machines of
which that holds for all records of the piece are done with here; the others are for who looks at them one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fleet.data import Bools, Ints, Words
from fleet.encode.digest import placed
from fleet.verify.machine import MachineLogs


class Numbers(NamedTuple):
    """What records in log order say: the numbers of their logs, ``seq`` where *numbered*, and their stamps."""

    log: Ints
    seq: Ints
    numbered: Bools
    stamp_ms: Ints


class _Runs(NamedTuple):
    """Records of one log that follow one another directly: a scan, mostly. All but *order* are in log order."""

    first: Ints  # row
    length: Ints
    order: Ints  # sorts the runs by log, those of one log as they came
    log: Ints  # in that order, as the following
    begins: Bools  # whether it is the log's first run
    ends: Bools  # whether it is the last


def _runs(log: Ints) -> _Runs:
    first = np.append(0, np.flatnonzero(log[1:] != log[:-1]) + 1)
    length = np.diff(np.append(first, len(log)))
    order = np.argsort(log[first], kind="stable")
    logs = log[first][order]
    change = logs[1:] != logs[:-1]
    return _Runs(first, length, order, logs, np.append(True, change), np.append(change, True))


def passing(logs: MachineLogs, numbers: Numbers, contents: Words, *, partition: int, stamped: bool) -> Bools:
    """Add records to the digests of their logs, and take them as the next ones of these where they can be.

    Gives which rows are still to be looked at, and why is for the caller to find: those of all logs of which any
    record is not as it should be.
    """
    runs = _runs(numbers.log)
    _digest(logs, runs, contents)
    doubtful = logs.home[runs.log] != partition
    last = runs.first + runs.length - 1
    inner = np.ones(max(len(numbers.log) - 1, 0), np.bool_)  # whether a row and its next one are in one run
    inner[last[:-1]] = False
    strange = np.zeros(len(inner), np.bool_)
    counted = bool(numbers.numbered.any())
    if counted:
        seq = numbers.seq
        strange |= inner & (seq[1:] != seq[:-1] + 1)
        doubtful |= seq[runs.first][runs.order] != _expected(runs, logs.next_seq, seq[last] + 1)
        doubtful |= not numbers.numbered.all()
    if stamped:
        stamp_ms = numbers.stamp_ms
        strange |= inner & (stamp_ms[1:] < stamp_ms[:-1])
        doubtful |= stamp_ms[runs.first][runs.order] < _expected(runs, logs.stamp_ms, stamp_ms[last])
    out = np.zeros(logs.size, np.bool_)
    out[runs.log[doubtful]] = True
    out[numbers.log[:-1][strange]] = True
    done = runs.ends & ~out[runs.log]
    rows = last[runs.order][done]
    if counted:
        logs.next_seq[runs.log[done]] = numbers.seq[rows] + 1
    if stamped:
        logs.stamp_ms[runs.log[done]] = numbers.stamp_ms[rows]
    return out[numbers.log]


def _expected(runs: _Runs, known: Ints, after: Ints) -> Ints:
    """Give for each run, by log, what the run before leaves: for a log's first one that is what is *known*."""
    before = np.roll(after[runs.order], 1)
    return np.where(runs.begins, known[runs.log], before)


def _digest(logs: MachineLogs, runs: _Runs, contents: Words) -> None:
    """Add records, given by their *contents*, each as the n-th of its log."""
    length = runs.length[runs.order]
    before = np.cumsum(length) - length
    before -= np.repeat(before[runs.begins], np.diff(np.append(np.flatnonzero(runs.begins), len(length))))
    base = np.empty(len(length), np.int64)
    base[runs.order] = logs.count[runs.log] + before
    n = np.arange(len(contents)) - np.repeat(runs.first - base, runs.length)
    sums = np.add.reduceat(placed(contents, n.view(np.uint64)), runs.first)
    np.add.at(logs.digest, runs.log, sums[runs.order])
    np.add.at(logs.count, runs.log, length)

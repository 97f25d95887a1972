"""Records that were read, as batches again: keys, values and headers as they are, places in the batch anew.

A record begins with its length, its stamp and its offset, both relative to the batch's; behind these it is copied,
all records of one length in one go.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fleet.data import HEADER_BYTES, Bytes, Ints, PackedBatch
from fleet.encode.columns import RecordColumns
from fleet.encode.varint import byte_table, lengths

PREFIX_MAX = 24  # bytes before the key: length, attributes, two numbers


def repacked(
    columns: RecordColumns, *, stream: str, topic: str, partition: int, batch_bytes: int, shift_ms: int = 0,
    dues_us: Ints | None = None,
) -> list[PackedBatch]:  # fmt: skip
    """Pack the records of *columns* in their order, in batches of at most *batch_bytes*, stamps *shift_ms* later.

    They are due at *dues_us* (records,); where that is None, at their stamps.

    A record that is larger by itself is a batch by itself: the broker says what it thinks of it.
    """
    if not len(columns):
        return []
    tail_at = columns.key_at - lengths(columns.key_length)
    tail = columns.stop - tail_at
    batch = _batches(tail + PREFIX_MAX, batch_bytes - HEADER_BYTES)
    first = np.flatnonzero(np.diff(batch, prepend=-1))
    many = np.diff(first, append=len(batch))
    nth = np.arange(len(batch)) - np.repeat(first, many)
    stamp = columns.stamp_ms + shift_ms
    fields = [byte_table(stamp - np.repeat(stamp[first], many)), byte_table(nth)]
    body = 1 + fields[0][1] + fields[1][1] + tail
    head = byte_table(body)
    size = head[1] + body
    end = np.cumsum(size) + HEADER_BYTES * (batch + 1)
    out = np.zeros(int(end[-1]), np.uint8)
    at = end - size
    for table, length in (head, *fields):
        _put(out, at, table, length)
        at = at + length + (1 if table is head[0] else 0)  # the attributes, 0, stand behind the length
    _copy(out, at, np.frombuffer(columns.data, np.uint8), tail_at, tail)
    dues = np.maximum.accumulate(stamp) * 1000 if dues_us is None else dues_us
    last = np.append(first[1:], len(end)) - 1
    each: list[Ints | None] = [None] * len(first) if dues_us is None else [*np.split(dues_us, first[1:])]
    view, stops = memoryview(out.data), end[last].tolist()
    rows = zip(
        many.tolist(), [0, *stops[:-1]], stops, stamp[first].tolist(), np.maximum.reduceat(stamp, first).tolist(),
        dues[last].tolist(), each, strict=True,
    )  # fmt: skip
    return [
        PackedBatch(stream, topic, partition, n, view[start:stop], low, high, due, of_each)
        for n, start, stop, low, high, due, of_each in rows
    ]


def _batches(bound: Ints, limit: int) -> Ints:
    """Give the number of the batch each record of at most *bound* bytes goes into."""
    return (
        np.fromiter(_numbered(bound.tolist(), limit), np.int64, len(bound))
        if bound.max() > limit // 8
        else _evenly(bound, limit)
    )


def _evenly(bound: Ints, limit: int) -> Ints:
    """Cut small records by what stands before them: the largest of them is taken off the limit."""
    part: Ints = (np.cumsum(bound) - bound) // max(1, limit - int(bound.max()))
    return part


def _numbered(bounds: list[int], limit: int) -> Iterator[int]:
    """Cut records that may be large, one by one."""
    number = room = 0
    for at, bound in enumerate(bounds):
        if bound > room and at:
            number += 1
        room = (limit if bound > room or not at else room) - bound
        yield number


def _put(out: Bytes, at: Ints, table: Bytes, length: Ints) -> None:
    """Put the first *length* bytes of each row of *table* into *out*, *at* their places."""
    for k in range(int(length.max())):
        rows = slice(None) if k == 0 else length > k
        out[at[rows] + k] = table[rows, k]


def _copy(out: Bytes, to: Ints, data: Bytes, at: Ints, length: Ints) -> None:
    """Copy *length* bytes from *at* in *data* to *to* in *out*, all of one length in one go."""
    order = np.argsort(length, kind="stable")
    sizes, first = np.unique(length[order], return_index=True)
    for size, rows in zip(sizes.tolist(), np.split(order, first[1:]), strict=True):
        if size:
            _every(out, size)[to[rows]] = _every(data, size)[at[rows]]


def _every(data: Bytes, size: int) -> NDArray[np.void]:
    """See the *size* bytes at every position of *data* as one item."""
    return np.ndarray((len(data) - size + 1,), np.dtype(f"V{size}"), data, 0, (1,))

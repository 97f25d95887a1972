"""Zigzag varints of whole columns: their lengths, and their bytes as little-endian words."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bytes, Ints, Words

LENGTH_MAX = 8
"""Longest varint handled here: values below 2**55, which are microseconds until the year 3111."""

_SPREAD = (
    (4, 15, 0x00FF_FFFF_F000_0000),
    (2, 3, 0x0FFF_C000_0FFF_C000),
    (1, 1, 0x3F80_3F80_3F80_3F80),
)
"""How groups of seven bits are moved apart, by halves: varints longer than so many bytes add so many times these bits.

The upper 28 bits move up by four places (they are added another 2**4 - 1 times), then the upper 14 of each half by
two, then the upper 7 of each quarter by one.
"""

_MORE: Words = np.array([sum(0x80 << (8 * place) for place in range(n - 1)) for n in range(LENGTH_MAX + 1)], np.uint64)
"""The bits that say that another byte follows, by the length of the varint."""


def zigzag(value: int) -> int:
    """Fold the sign of *value* into its last bit."""
    return (value << 1) ^ (value >> 63)


def varint(value: int) -> bytes:
    """Write one *value*."""
    return unsigned(zigzag(value))


def unsigned(value: int) -> bytes:
    """Write one *value*, which is not negative, without the zigzag: as lengths are in Protobuf."""
    rest, out = value, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def lengths(values: Ints) -> Ints:
    """Give the number of bytes of each varint; same shape."""
    return _lengths(_folded(values))


def varints(values: Ints) -> Words:
    """Write *values* into the low bytes of a word each; same shape."""
    folded = _folded(values)
    return _words(folded, _lengths(folded))


COUNTED = 1 << 16
"""So many numbers, from 0 on, whose varints are remembered: a scan's numbers follow one another."""


@cache
def _counted() -> Words:
    return varints(np.arange(COUNTED))


def numbers(first: Ints, within: Ints) -> Words:
    """Write the numbers *within*, which ascend, beyond each *first*, which is not negative; one behind the other."""
    low, high = int(first.min()), int(first.max()) + int(within[-1]) + 1
    if high <= COUNTED:
        low, table = 0, _counted()
    elif high - low <= len(first) * len(within):
        table = varints(np.arange(low, high))
    else:
        return varints((first[:, None] + within).ravel())
    if int(within[-1]) + 1 > len(within):
        return table.take((first[:, None] + (within - low)).ravel())
    windows: NDArray[Any] = np.ndarray(  # at every number, those that follow it
        len(table) - len(within) + 1, f"V{table.itemsize * len(within)}", buffer=table, strides=(table.itemsize,)
    )
    return windows[first - low].view(np.uint64)


def byte_table(values: Ints) -> tuple[Bytes, Ints]:
    """Write varints of any lengths: (values, 8) bytes of which the first *lengths* count, and the lengths."""
    folded = _folded(values)
    length = _lengths(folded)
    return _words(folded, length).astype("<u8", copy=False).view(np.uint8).reshape(-1, LENGTH_MAX), length


def _folded(values: Ints) -> Words:
    """Fold each sign into the last bit."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def _lengths(folded: Words) -> Ints:
    if not folded.size:
        return np.ones(folded.shape, np.int64)
    shortest, longest = _bytes_of(int(folded.min())), _bytes_of(int(folded.max()))
    length = np.full(folded.shape, shortest)
    for bytes_ in range(shortest, longest):
        length += folded >= np.uint64(1 << 7 * bytes_)
    return length


def _bytes_of(folded: int) -> int:
    return max(1, -(-folded.bit_length() // 7))


def _words(folded: Words, length: Ints) -> Words:
    """Write varints of these *lengths*; overwrites *folded*."""
    low, high = (int(length.min()), int(length.max())) if length.size else (1, 1)
    assert high <= LENGTH_MAX, "a word has eight bytes"
    for above, factor, groups in _SPREAD:
        if high > above:
            folded += (folded & np.uint64(groups)) * np.uint64(factor)
    folded |= _MORE[low] if low == high else _MORE.take(length)
    return folded

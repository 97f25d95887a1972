"""Zigzag varints of whole columns: their lengths, and their bytes as little-endian words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.data import Ints

Words = NDArray[Any]
"""Unsigned words of four or eight bytes."""

LENGTH_MAX = 8
"""Longest varint handled here: values below 2**55, which are microseconds until the year 3111."""


def zigzag(value: int) -> int:
    """Fold the sign of *value* into its last bit."""
    return (value << 1) ^ (value >> 63)


def varint(value: int) -> bytes:
    """Write one *value*."""
    rest, out = zigzag(value), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def lengths(values: Ints) -> Ints:
    """Give the number of bytes of each varint; same shape."""
    folded = (values << 1) ^ (values >> 63)
    length = np.ones(values.shape, np.int64)
    top = int(folded.max(initial=0))
    bound = 1 << 7
    while bound <= top:
        length += folded >= bound
        bound <<= 7
    return length


def words(values: Ints, length: int, *, width: int = LENGTH_MAX) -> Words:
    """Write each of *values*, whose varints have exactly *length* bytes, into the low bytes of a word; same shape.

    Words have four bytes where *width*, what is to be put into them, is at most four, else eight.
    """
    assert length <= LENGTH_MAX, "a word has eight bytes"
    folded = (values << 1) ^ (values >> 63)
    kind: type[np.unsignedinteger[Any]] = np.uint32 if width <= 4 else np.uint64
    rest: Words = folded.astype(kind)
    if length == 1:
        return rest
    out: Words = rest & kind(0x7F)
    for place in range(1, length):
        out |= kind(0x80 << (8 * place - 8))
        out |= ((rest >> kind(7 * place)) & kind(0x7F)) << kind(8 * place)
    return out


def byte_table(values: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Write varints of any lengths: (values, 8) bytes of which the first *lengths* count, and the lengths."""
    length = lengths(values)
    out = np.empty(len(values), np.uint64)
    sizes = np.flatnonzero(np.bincount(length)).tolist()
    for size in sizes:
        here = slice(None) if len(sizes) == 1 else length == size
        out[here] = words(values[here], size)
    return out.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8), length

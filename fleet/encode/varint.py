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


_SPREAD = (
    (4, 15, 0x00FF_FFFF_F000_0000),
    (2, 3, 0x0FFF_C000_0FFF_C000),
    (1, 1, 0x3F80_3F80_3F80_3F80),
)
"""How groups of seven bits are moved apart, by halves: varints longer than so many bytes add so many times these bits.

The upper 28 bits move up by four places (they are added another 2**4 - 1 times), then the upper 14 of each half by
two, then the upper 7 of each quarter by one.
"""

_ALL: dict[type, int] = {np.uint32: 0xFFFF_FFFF, np.uint64: 0xFFFF_FFFF_FFFF_FFFF}
_MORE = [sum(0x80 << (8 * place) for place in range(length - 1)) for length in range(LENGTH_MAX + 1)]
"""The bits that say that another byte follows, by the length of the varint."""
_MORE_OF: dict[type, Words] = {kind: np.array([more & _ALL[kind] for more in _MORE], kind) for kind in _ALL}


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


def word_bytes(width: int) -> int:
    """Give the size of the words that *width* bytes are made in."""
    return 4 if width <= 4 else LENGTH_MAX


def words(values: Ints | Words, length: int | Ints, *, width: int = LENGTH_MAX) -> Words:
    """Write *values*, whose varints have exactly *length* bytes, into the low bytes of a word each; same shape.

    Words are of the size that *width*, the bytes to be put into them, asks for. Unsigned values need no sign.
    """
    longest = length if isinstance(length, int) else int(length.max(initial=1))
    assert longest <= LENGTH_MAX, "a word has eight bytes"
    kind: type[np.unsignedinteger[Any]] = np.uint32 if word_bytes(width) == 4 else np.uint64
    if values.dtype.kind == "u":
        rest: Words = values.astype(kind)
        rest <<= kind(1)
    else:
        rest = ((values << 1) ^ (values >> 63)).astype(kind)
    for above, factor, groups in _SPREAD:
        if longest > above:
            rest += (rest & kind(groups & _ALL[kind])) * kind(factor)
    rest |= kind(_MORE[length]) if isinstance(length, int) else _MORE_OF[kind].take(length)
    return rest


def byte_table(values: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Write varints of any lengths: (values, 8) bytes of which the first *lengths* count, and the lengths."""
    length = lengths(values)
    return words(values, length).astype("<u8", copy=False).view(np.uint8).reshape(-1, 8), length

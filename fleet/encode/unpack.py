"""Columns out of bytes: words, varints and texts at any positions of a buffer, all at once.

All functions take the buffer's *data* with `PAD` free bytes behind it and positions that are inside what is before
those, so that nothing has to be cut at the end. What is read there is nonsense where the data are; that is for the
caller to see, by its positions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fleet.data import Bools, Bytes, Ints, Words
from fleet.encode.digest import C, G, mix

WORD_BYTES = 8
WORDS_MAX = 8  # of a text that is handled here; longer ones are rare
TEXT_MAX = WORD_BYTES * WORDS_MAX
PAD = TEXT_MAX + WORD_BYTES

CONTINUED = np.uint64(0x8080808080808080)
ONE = np.uint64(1)
SPREAD = np.arange(1, 2 * WORDS_MAX, 2, dtype=np.uint64) * C  # odd numbers, one a word
KEEP = np.array([(1 << 8 * k) - 1 for k in range(WORD_BYTES + 1)], np.uint64)  # the first k bytes of a word
KEEP_TEXT = KEEP[np.clip(np.arange(TEXT_MAX + 1) - WORD_BYTES * np.arange(WORDS_MAX)[:, None], 0, WORD_BYTES)]
"""What to keep of the words of a text, by the word's place and the text's length."""

Buffer = bytes | memoryview


def padded(pieces: Iterable[Buffer]) -> bytes:
    """Put *pieces* together, with the free bytes behind them."""
    return b"".join([*pieces, bytes(PAD)])


def octets(data: Buffer) -> Bytes:
    """See *data* as a column of bytes."""
    return np.frombuffer(data, np.uint8)


def pairs_of(data: Buffer) -> NDArray[np.uint16]:
    """See the two bytes at every position of *data* as a number, little-endian."""
    return np.ndarray((len(data) - 1,), np.dtype("<u2"), data, 0, (1,))


def words_at(data: Buffer, at: Ints) -> Words:
    """Give the eight bytes at each of the positions *at*, little-endian."""
    # A word at every byte: numpy reads unaligned ones in one gather.
    everywhere: Words = np.ndarray((len(data) - WORD_BYTES + 1,), np.dtype("<u8"), data, 0, (1,))
    return everywhere[at]


def varints_at(data: Buffer, at: Ints) -> tuple[Ints, Ints, Bools | None]:
    """Read the zigzag varints *at*: their values, where they end, and which are sound (None: all of them)."""
    word = words_at(data, at)
    ends = ~word & CONTINUED
    below = (ends & (~ends + ONE)) - ONE  # all bits below the first byte's top bit that ends a varint
    size = (np.bitwise_count(below).astype(np.int64) + 1) >> 3
    word &= below
    sound = None
    if not ends.all():
        word, size, sound = _long(data, at, word, size, ends)
    else:
        word = _squeezed(word)
    return _unfolded(word), at + size, sound


def two_varints_at(data: Buffer, at: Ints) -> tuple[Ints, Ints, Ints, Bools | None]:
    """Read two varints that follow one another: both values, where the second ends, and which are sound."""
    word = words_at(data, at)
    ends = ~word & CONTINUED
    second = ends & (ends - ONE)
    if not second.all():  # somewhere both have more than eight bytes together
        one, at, sound = varints_at(data, at)
        two, at, also = varints_at(data, np.minimum(at, farthest(data)))
        return one, two, at, sound if also is None else also if sound is None else sound & also
    below = ((ends ^ second) - ONE, (second & (~second + ONE)) - ONE)
    size, both = ((np.bitwise_count(bits) + np.uint8(1)) & np.uint8(0xF8) for bits in below)  # in bits
    one = _unfolded(_squeezed(word & below[0]))
    two = _unfolded(_squeezed((word & below[1]) >> size))
    return one, two, at + (both >> np.uint8(3)), None


def farthest(data: Buffer) -> int:
    """Give the farthest position that may be read from: one behind the data, where nothing ends rightly."""
    return len(data) - PAD + 1


def _squeezed(word: Words) -> Words:
    """Take the eighth bit of each byte out."""
    word = word & np.uint64(0x7F7F7F7F7F7F7F7F)
    word = (word & np.uint64(0x007F007F007F007F)) | ((word & np.uint64(0x7F007F007F007F00)) >> ONE)
    word = (word & np.uint64(0x00003FFF00003FFF)) | ((word & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2))
    return (word & np.uint64(0x000000000FFFFFFF)) | ((word & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4))


def _unfolded(word: Words) -> Ints:
    """Undo the zigzag."""
    return ((word >> ONE) ^ (~(word & ONE) + ONE)).view(np.int64)


def _long(data: Buffer, at: Ints, word: Words, size: Ints, ends: Words) -> tuple[Words, Ints, Bools]:
    """Read on where a varint has more than eight bytes: it may have ten, and the last holds one bit."""
    word = _squeezed(word)
    long = ends == 0
    ninth, tenth = (octets(data)[at[long] + k].astype(np.uint64) for k in (8, 9))
    more = ninth > 0x7F
    word[long] |= ((ninth & np.uint64(0x7F)) << np.uint64(56)) | np.where(more, tenth << np.uint64(63), np.uint64(0))
    size[long] = np.where(more, 10, 9)
    sound = np.ones(len(at), np.bool_)
    sound[long] = ~more | (tenth <= 1)
    return word, size, sound


def small_varints_at(data: Buffer, at: Ints) -> tuple[Ints, Ints, Bools | None]:
    """Read zigzag varints as `varints_at` does, faster where all have one byte: lengths, and indices."""
    first = octets(data)[at]
    if (first < 0x80).all():
        value = first.astype(np.int64)
        return (value >> 1) ^ -(value & 1), at + 1, None
    return varints_at(data, at)


def text_words(data: Buffer, at: Ints, length: Ints) -> list[Words]:
    """Give the texts *at* as columns: their first words, second, ..., zeros behind their ends.

    None may be longer than `TEXT_MAX`.
    """
    columns = max(-(-int(length.max(initial=1)) // WORD_BYTES), 1)
    rows = _rows(data, at, columns)
    return [rows[:, k] & KEEP_TEXT[k].take(length) for k in range(columns)]


def equal_texts(data: Buffer, at: Ints, words: list[Words], length: Ints) -> Bools | None:
    """Say where texts, given by their *words* and *length*, stand *at* other places as well; None if all do."""
    rows = _rows(data, at, len(words))
    other = np.zeros(len(at), np.uint64)
    for k, word in enumerate(words):
        other |= (rows[:, k] ^ word) & KEEP_TEXT[k].take(length)
    return other == 0 if other.any() else None


def _rows(data: Buffer, at: Ints, columns: int) -> Words:
    width = columns * WORD_BYTES
    everywhere = np.ndarray((len(data) - width + 1,), np.dtype(f"V{width}"), data, 0, (1,))
    rows: Words = everywhere[at].view("<u8").reshape(len(at), columns)
    return rows


def hashes(words: list[Words], length: Ints) -> Words:
    """Hash texts, given by their *words* and *length*, to 64 bits: equal ones are taken to be equal texts.

    Words of zeros behind the end add nothing, so a text has the same hash whatever stands beside it. Each word is
    mixed by itself before it is added: a sum of products alone would be the same for texts that differ in the last
    letters of two words, as machines' ids do.
    """
    total = length.view(np.uint64) * G
    for word, spread in zip(words, SPREAD, strict=False):
        total += mix(word * spread)
    return mix(total)

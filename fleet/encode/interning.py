"""Numbers for texts: the same text has the same number, found for whole columns at once by a hash."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fleet.data import Ints, Words
from fleet.encode.digest import word_of

SLOTS_MIN = 1 << 10
FILLED_MAX = 4  # one slot in so many is taken at most: most texts are then found at the first look
UNKNOWN = -1


class Interner:
    """Texts and their numbers 0, 1, 2, ... in order of first sight; *words* are their words in digests.

    Columns are looked up by 64-bit hashes of their texts: two texts with the same hash would be taken for one, which
    among a hundred thousand happens once in some billion logs. What a text is, is asked only for a hash not seen yet.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.words: Words = np.zeros(SLOTS_MIN, np.uint64)
        self._numbers: dict[str, int] = {}
        self._hashes = np.zeros(SLOTS_MIN, np.uint64)
        self._slots = np.full(SLOTS_MIN, UNKNOWN)
        self._filled = 0

    def number(self, text: str) -> int:
        """Give the number of one *text*."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            if number == len(self.words):
                self.words = np.concatenate([self.words, np.zeros_like(self.words)])
            self.words[number] = word_of(text.encode())
            self.texts.append(text)
        return number

    def find(self, text: str) -> int:
        """Give the number of *text*, or -1 where it has none yet."""
        return self._numbers.get(text, UNKNOWN)

    def numbers(self, hashes: Words, text: Callable[[int], bytes]) -> Ints:
        """Give the numbers of the texts with these *hashes*; *text* gives that of a row; -1 where it is not UTF-8."""
        mask = len(self._slots) - 1
        slot = (hashes & np.uint64(mask)).view(np.int64)
        found = self._slots[slot]
        others = np.flatnonzero((self._hashes[slot] != hashes) & (found != UNKNOWN))
        while others.size:  # another hash is there: the next slot may be its
            slot[others] = (slot[others] + 1) & mask
            found[others] = self._slots[slot[others]]
            others = others[(self._hashes[slot[others]] != hashes[others]) & (found[others] != UNKNOWN)]
        new = np.flatnonzero(found == UNKNOWN)
        if new.size:
            found[new] = self._added(hashes[new], new, text)
        return found

    def _added(self, hashes: Words, rows: Ints, text: Callable[[int], bytes]) -> Ints:
        """Take in hashes that were not seen before."""
        distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        numbers = np.full(len(distinct), UNKNOWN)
        # In order of first sight, so that numbers do not depend on hashes.
        for index in np.argsort(first).tolist():
            numbers[index] = self._one(distinct[index], rows[first[index]], text)
        return numbers[inverse]

    def _one(self, hashed: np.uint64, row: int, text: Callable[[int], bytes]) -> int:
        slot = self._slot(int(hashed))
        if self._slots[slot] != UNKNOWN:
            return int(self._slots[slot])
        try:
            number = self.number(text(row).decode())
        except UnicodeDecodeError:
            return UNKNOWN
        self._hashes[slot], self._slots[slot] = hashed, number
        self._filled += 1
        if self._filled * FILLED_MAX > len(self._slots):
            self._grow()
        return number

    def _slot(self, hashed: int) -> int:
        """Find the slot that has the hash, or the free one it belongs into."""
        mask = len(self._slots) - 1
        slot = hashed & mask
        while self._slots[slot] != UNKNOWN and self._hashes[slot] != hashed:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        taken = self._slots != UNKNOWN
        hashes, numbers = self._hashes[taken], self._slots[taken]
        self._hashes = np.zeros(4 * len(self._slots), np.uint64)
        self._slots = np.full(len(self._hashes), UNKNOWN)
        for hashed, number in zip(hashes.tolist(), numbers.tolist(), strict=True):
            slot = self._slot(hashed)
            self._hashes[slot], self._slots[slot] = hashed, number

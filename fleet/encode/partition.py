"""Choose a record's partition exactly as Kafka's Java client does: murmur2 of the key."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fleet.data import Ints

MURMUR2_SEED = 0x9747B28C  # Kafka's own, in org.apache.kafka.common.utils.Utils
MURMUR2_M = 0x5BD1E995
MASK = 0xFFFFFFFF
CACHED_KEYS = 1 << 18  # 3 us a key in pure Python: worth remembering, within bounds


def murmur2(key: bytes) -> int:
    """Hash *key* to 32 bits, unsigned (Austin Appleby's MurmurHash2, little-endian words)."""
    length = len(key)
    whole = length & ~3
    h = (MURMUR2_SEED ^ length) & MASK
    for (word,) in struct.iter_unpack("<I", key[:whole]):
        k = (word * MURMUR2_M) & MASK
        k ^= k >> 24
        h = ((h * MURMUR2_M) & MASK) ^ ((k * MURMUR2_M) & MASK)
    if whole < length:
        h ^= int.from_bytes(key[whole:], "little")
        h = (h * MURMUR2_M) & MASK
    h ^= h >> 13
    h = (h * MURMUR2_M) & MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=CACHED_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """Give the partition of *key* in a topic of *partitions*; the sign bit is dropped, as Java does."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> Ints:
    """Give the partition of every one of *keys*, as `partition_of` does; (keys,).

    Keys of equal length are hashed together: a large plant has a hundred thousand, of two or three lengths.
    """
    lengths = np.array([len(key) for key in keys], np.int64)
    hashes = np.zeros(len(keys), np.uint32)
    for length in np.unique(lengths).tolist():
        here = np.flatnonzero(lengths == length)
        cells = np.frombuffer(b"".join([keys[at] for at in here.tolist()]), np.uint8).reshape(len(here), length)
        hashes[here] = _murmur2_together(cells)
    found: Ints = (hashes & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
    return found


def _murmur2_together(cells: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Hash the rows of *cells* (keys, bytes), as `murmur2` does one key."""
    length = cells.shape[1]
    m = np.uint32(MURMUR2_M)
    words = np.zeros((-(-length // 4), len(cells)), np.uint32)  # the last one may be of fewer bytes
    for at in range(length):
        words[at // 4] |= cells[:, at].astype(np.uint32) << np.uint32(8 * (at % 4))
    h = np.full(len(cells), (MURMUR2_SEED ^ length) & MASK, np.uint32)
    for word in words[: length // 4]:
        k = word * m
        k ^= k >> np.uint32(24)
        h = h * m ^ k * m
    if length % 4:
        h = (h ^ words[-1]) * m
    h ^= h >> np.uint32(13)
    h *= m
    h ^= h >> np.uint32(15)
    return h

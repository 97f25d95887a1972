"""Choose a record's partition exactly as Kafka's Java client does: murmur2 of the key."""

from __future__ import annotations

import struct
from functools import lru_cache

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

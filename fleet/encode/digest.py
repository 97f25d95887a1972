"""The digest of a machine's log: the same from columns that are sent and from records read back.

For each machine and stream it is the sum modulo 2^64, over its records in log order n = 0, 1, 2, ..., of

    mix(content ^ (n * G + C))

with splitmix64's finaliser ``mix``. All arithmetic is on unsigned 64-bit words. For a reading

    scan    = mix(mix(machine + partition * C + layout) ^ stamp_ms * G)
    scan    = mix(scan ^ (timestamp_us * G + C))                      where the layout has these fields
    content = scan + mix(value ^ sensor) + seq * G + quality * C          (seq and quality likewise)

where *machine* is the word of the machine's id, *layout* that of its fields' names, joined by commas (0 for versions 1
and 2 of ours), *sensor* the word of ``name NUL units``, *value* the bits of
the float64 (rounded to float32 first where the layout is narrow) and the word of a text the first eight
bytes of its BLAKE2b, little-endian. A layout of a user's own may have no sensor or units (then they are empty) or no
value (then it is 0); its machine may be only the record's key. Its instants are rounded down to its unit, and the
value of a decimal is the whole number of its last digits. What else it has is the machine's or never changes.
For all other streams the content is the word of

    partition (4 bytes) stamp_ms (8 bytes) key length (4 bytes) key value         (numbers big-endian)

Where the record's stamp is not part of the run (``--record-time wall``, files) 0 stands for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Floats, Quality, Words
from fleet.encode.layouts import READINGS_V1, READINGS_V2, Layout

G = np.uint64(0x9E3779B97F4A7C15)
C = np.uint64(0xD1B54A32D192ED03)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
MASK = (1 << 64) - 1
CACHED_NAMES = 1 << 18
CACHED_LAYOUTS = 64


class MachineDigest(NamedTuple):
    """The digest of one machine's log in one stream, and where that log is."""

    topic: str
    partition: int
    digest: int
    records: int


def mix(words: Words) -> Words:
    """Spread every bit of *words* over all 64 (splitmix64's finaliser)."""
    shifted = words >> np.uint64(30)
    words = words ^ shifted
    words *= MIX_1
    np.right_shift(words, np.uint64(27), out=shifted)
    words ^= shifted
    words *= MIX_2
    np.right_shift(words, np.uint64(31), out=shifted)
    words ^= shifted
    return words


@lru_cache(maxsize=CACHED_NAMES)
def word_of(text: bytes) -> int:
    """Give the 64-bit word of *text*."""
    return int.from_bytes(blake2b(text).digest()[:8], "little")


def words_of_texts(texts: Iterable[bytes]) -> Words:
    """Give the words of many *texts*, as `word_of` does, and remember none."""
    return np.frombuffer(b"".join([blake2b(text).digest()[:8] for text in texts]), "<u8").astype(np.uint64)


def sensor_word(name: str, units: str) -> int:
    """Give the word of a sensor."""
    return word_of(f"{name}\0{units}".encode())


def words_of(column: NDArray[Any]) -> Words:
    """See *column* (integers of any sign) as words."""
    return np.asarray(column).astype(np.int64).view(np.uint64)


def value_words(value: Floats, layout: Layout) -> Words:
    """Give the bits of *value* as the *layout* writes it."""
    if layout.scale is not None:
        return words_of(np.rint(value * 10.0**layout.scale))
    wide = value.astype(np.float32).astype(np.float64) if layout.narrow else value
    return np.ascontiguousarray(wide, dtype=np.float64).view(np.uint64)


@lru_cache(maxsize=CACHED_LAYOUTS)
def layout_word(layout: Layout) -> np.uint64:
    """Give the word of a *layout*'s fields; 0 for versions 1 and 2, of which each tells itself from all others."""
    return np.uint64(0 if layout in {READINGS_V1, READINGS_V2} else word_of(",".join(layout.fields).encode()))


def scan_words(layout: Layout, machine: Words, partition: Words, stamp_ms: Words, timestamp_us: Words | None) -> Words:
    """Mix what all readings of a scan share; *timestamp_us* is None where the layout has none."""
    scan = mix(mix(machine + partition * C + layout_word(layout)) ^ (stamp_ms * G))
    return scan if timestamp_us is None else mix(scan ^ (timestamp_us * G + C))


def reading_contents(scan: Words, sensor: Words, value: Words, numbers: tuple[Words, Words] | None = None) -> Words:
    """Mix the contents of readings; *numbers* is (seq, quality) where the layout has them. They broadcast."""
    content: Words = mix(value ^ sensor)
    content += scan
    if numbers is not None:
        content += numbers[0] * G
        content += numbers[1] * C
    return content


def placed(contents: Words, n: Words) -> Words:
    """Give what records with these *contents* add to the digest as the *n*-th of their machine."""
    return mix(contents ^ (n * G + C))


def scans_add(scan: Words, sensor: Words, value: Words, seq: Words, n: Words) -> Words:
    """Give what whole scans add: the sums of `placed` over their readings, in as few passes as it takes.

    *scan* (scans,) has their words, *value* those of all readings, one scan behind the other. Of each scan's readings
    *seq* and *n* have what `numbered` gives; *seq* may have more added to it, as `reading_contents` says.
    """
    content = mix(value ^ np.tile(sensor, len(scan)))
    content += np.repeat(scan, len(sensor))
    content += seq
    content ^= n + C
    adds: Words = np.add.reduceat(mix(content), np.arange(0, len(content), len(sensor)))
    return adds


def numbered(first: Words, within: Words) -> Words:
    """Give ``number * G`` of all readings whose numbers are those *within* beyond the *first* of each scan."""
    numbers: Words = np.repeat(first * G, len(within))
    numbers += np.tile(within * G, len(first))
    return numbers


def word_of_record(partition: int, stamp_ms: int, key: bytes, value: bytes) -> int:
    """Give the content of a record that is not a reading."""
    head = struct.pack(">iqi", partition, stamp_ms, len(key))
    return int.from_bytes(blake2b(head + key + value).digest()[:8], "little")


def decoded_contents(
    fields: Sequence[Mapping[str, Any]], layout: Layout, *, partition: int, stamps_ms: Sequence[int]
) -> Words:
    """Mix the contents of readings that were read back from one *partition*, in *layout*."""
    scan = scan_words(
        layout,
        np.array([word_of(row["machine"].encode()) for row in fields], np.uint64),
        words_of(np.full(len(fields), partition)),
        words_of(np.array(stamps_ms, np.int64)),
        words_of(np.array([row["timestamp"] for row in fields], np.int64)) if layout.carries("timestamp") else None,
    )
    return reading_contents(
        scan,
        np.array([sensor_word(row["sensor"], row["units"]) for row in fields], np.uint64),
        value_words(np.array([row["value"] for row in fields], np.float64), layout),
        numbers_of(
            layout,
            lambda: np.array([row["seq"] for row in fields], np.int64),
            lambda: np.array([Quality[row["quality"]] for row in fields], np.int64),
        ),
    )


def numbers_of(
    layout: Layout, seq: Callable[[], NDArray[Any]], quality: Callable[[], NDArray[Any]]
) -> tuple[Words, Words] | None:
    """Give the words of number and quality, as far as the *layout* has them; None where it has neither."""
    none = np.zeros(1, np.uint64)
    if not layout.carries("seq") and not layout.carries("quality"):
        return None
    return (
        words_of(seq()) if layout.carries("seq") else none,
        words_of(quality()) if layout.carries("quality") else none,
    )


def fold(digests: Iterable[MachineDigest]) -> dict[tuple[str, int], int]:
    """Sum the machines' *digests* by (topic, partition), modulo 2^64: shards add."""
    total: dict[tuple[str, int], int] = {}
    for machine in digests:
        place = (machine.topic, machine.partition)
        total[place] = (total.get(place, 0) + machine.digest) & MASK
    return total

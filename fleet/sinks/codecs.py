"""Compression of packed batches: our own, because aiokafka's is slow and Kafka refuses some of what libraries make."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from fleet.data import HEADER_BYTES
from fleet.errors import RequestError


class Codec(NamedTuple):
    """A codec and its level, as a batch's attributes name it."""

    name: str
    attributes: int
    compress: Callable[[memoryview], bytes] | None


def _gzip(level: int) -> Callable[[memoryview], bytes]:
    import cramjam

    return lambda data: bytes(cramjam.gzip.compress(data, level=level))


def _snappy(_: int) -> Callable[[memoryview], bytes]:
    import cramjam

    return lambda data: bytes(cramjam.snappy.compress_raw(data))


def _lz4(level: int) -> Callable[[memoryview], bytes]:
    import cramjam

    def compress(data: memoryview) -> bytes:
        # Kafka refuses frames with linked blocks, without a word in its log.
        frame = cramjam.lz4.Compressor(level=level, content_checksum=False, block_linked=False)
        frame.compress(bytes(data))  # a view is not taken
        return bytes(frame.finish())

    return compress


def _zstd(level: int) -> Callable[[memoryview], bytes]:
    import cramjam

    return lambda data: bytes(cramjam.zstd.compress(data, level=level))


class _Row(NamedTuple):
    attributes: int
    levels: range
    default: int
    make: Callable[[int], Callable[[memoryview], bytes]]


CODECS: dict[str, _Row] = {
    "gzip": _Row(1, range(1, 10), 1, _gzip),
    "snappy": _Row(2, range(1), 0, _snappy),
    "lz4": _Row(3, range(1, 13), 1, _lz4),
    "zstd": _Row(4, range(1, 23), 1, _zstd),
}
"""Codecs by the name Kafka has for them: attribute bits, levels, the default level, and how to make one."""

NONE = Codec("none", 0, None)


def codec(text: str) -> Codec:
    """Read ``none``, ``lz4`` or ``zstd:3``; RequestError where there is no such codec, level or library."""
    name, colon, level = text.partition(":")
    if name == "none" and not colon:
        return NONE
    row = CODECS.get(name)
    if colon and (name == "none" or (row is not None and len(row.levels) == 1)):
        raise RequestError(f"compression: must be '{name}' alone, it has no levels, got {text!r}")
    if row is None:
        close = get_close_matches(name, [*CODECS, "none"], n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise RequestError(f"compression: must be none, {', '.join(CODECS)}, got {text!r}{meant}")
    chosen = row.default if not colon else int(level) if level.isdecimal() else -1
    if chosen not in row.levels:
        raise RequestError(f"compression: {name} has levels {row.levels[0]} to {row.levels[-1]}, got {text!r}")
    try:
        return Codec(f"{name}:{chosen}" if len(row.levels) > 1 else name, row.attributes, row.make(chosen))
    except ImportError:
        raise RequestError(f"compression: {name} needs the package cramjam; install it or use none") from None


def compressed(chosen: Codec, data: memoryview) -> memoryview:
    """Compress the records of a packed batch, leaving the room in front for its header."""
    if chosen.compress is None:
        return data
    body = chosen.compress(data[HEADER_BYTES:])
    return memoryview(bytearray(HEADER_BYTES) + body)

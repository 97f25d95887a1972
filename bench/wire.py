"""The little of Kafka's protocol that the discard server speaks: fields in and out, no flexible versions but one."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum


class Api(IntEnum):
    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    API_VERSIONS = 18
    INIT_PRODUCER_ID = 22


class Error(IntEnum):
    NONE = 0
    CORRUPT_MESSAGE = 2
    UNSUPPORTED_VERSION = 35
    OUT_OF_ORDER_SEQUENCE = 45


VERSIONS = {
    # The last versions before the flexible ones: every client goes down to them. librdkafka sends batches of
    # format 2 only where it sees Fetch, which nobody asks us for.
    Api.PRODUCE: (3, 8),
    Api.FETCH: (4, 4),
    Api.LIST_OFFSETS: (1, 3),
    Api.METADATA: (1, 8),
    Api.API_VERSIONS: (0, 4),
    Api.INIT_PRODUCER_ID: (0, 1),
}
FIRST_FLEXIBLE = 3  # of ApiVersions


class Fields:
    """Reads a request's fields, one after the other."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        """Read one number of *form*, as `struct` names it."""
        (value,) = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(f">{form}")
        return int(value)

    def text(self) -> str | None:
        """Read a string, or None."""
        length = self.number("h")
        return None if length < 0 else str(self._take(length), "utf-8")

    def blob(self) -> memoryview:
        """Read bytes; none are empty."""
        return self._take(max(0, self.number("i")))

    def array(self) -> Iterator[int] | None:
        """Count through an array, whose fields the caller reads; None where there is none."""
        length = self.number("i")
        return None if length < 0 else iter(range(length))

    def _take(self, length: int) -> memoryview:
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken


def text(value: str | None) -> bytes:
    """Write a string, or none."""
    if value is None:
        return struct.pack(">h", -1)
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def array(parts: Iterable[bytes]) -> bytes:
    """Write an array of what is written already."""
    rows = list(parts)
    return struct.pack(">i", len(rows)) + b"".join(rows)


def api_versions(version: int) -> bytes:
    """Answer ApiVersions; who asks in a version that we do not know is told the others in the first one."""
    known = version <= VERSIONS[Api.API_VERSIONS][1]
    rows = [struct.pack(">hhh", api, *span) for api, span in VERSIONS.items()]
    error = struct.pack(">h", Error.NONE if known else Error.UNSUPPORTED_VERSION)
    throttle = struct.pack(">i", 0)
    if known and version >= FIRST_FLEXIBLE:
        return error + bytes([len(rows) + 1]) + b"".join(row + b"\0" for row in rows) + throttle + b"\0"
    return error + array(rows) + (throttle if known and version > 0 else b"")


def metadata(version: int, address: tuple[str, int], topics: Iterable[str], partitions: int) -> bytes:
    """Answer Metadata: one broker at *address*, which leads *partitions* of each of *topics*."""
    since: Callable[[int, bytes], bytes] = lambda first, field: field if version >= first else b""  # noqa: E731
    one = array([struct.pack(">i", NODE)])
    rows = [
        struct.pack(">hii", Error.NONE, number, NODE) + since(7, struct.pack(">i", 0)) + one + one + since(5, array([]))
        for number in range(partitions)
    ]
    return b"".join(
        (
            since(3, struct.pack(">i", 0)),
            array([struct.pack(">i", NODE) + text(address[0]) + struct.pack(">i", address[1]) + text(None)]),
            since(2, text("discard")),
            struct.pack(">i", NODE),
            array(
                struct.pack(">h", Error.NONE) + text(name) + b"\0" + array(rows) + since(8, NO_OPERATIONS)
                for name in topics
            ),
            since(8, NO_OPERATIONS),
        )
    )


NODE = 1
NO_OPERATIONS = struct.pack(">i", -(1 << 31))

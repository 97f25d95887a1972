"""Print the readings that kcat hands on as ``-f '%p %o %R%s'``: partition, offset, length (-1: no value), value."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from typing import BinaryIO

# Of the consumer in Python, which is beside this one.
from readings import Readings, RegistryError
from tally import Tally

LENGTH_BYTES = 4


def records(stream: BinaryIO) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield partition, offset and value of each record until the stream ends."""
    while partition := _word(stream):
        offset = _word(stream)
        length = int.from_bytes(stream.read(LENGTH_BYTES), "big", signed=True)
        yield int(partition), int(offset), None if length < 0 else stream.read(length)


def _word(stream: BinaryIO) -> bytes:
    """Read up to the next space."""
    return b"".join(iter(lambda: stream.read(1).strip(), b""))


async def main() -> None:
    """Read until kcat ends."""
    async with Readings(os.environ.get("SCHEMA_REGISTRY") or "http://localhost:8081") as readings:
        tally = Tally(readings)
        for partition, offset, value in records(sys.stdin.buffer):
            await tally.add(partition, offset, value)
        if tally.seen:  # else kcat has failed, and says why
            tally.end()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # kcat ends at Ctrl-C, and we when it has
    try:
        asyncio.run(main())
    except RegistryError as error:
        sys.exit(str(error))

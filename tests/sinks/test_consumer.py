"""A reader that is given up leaves nothing open behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

from fleet.broker.process import EmbeddedBroker
from fleet.sinks.connection import Connection
from fleet.sinks.consumer import consuming

AWAY_S = 0.02


@contextlib.asynccontextmanager
async def far_away(bootstrap: str) -> AsyncIterator[str]:
    """Give another address of a broker, over which every answer takes AWAY_S longer."""
    host, _, port = bootstrap.rpartition(":")
    ends: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        ends.append(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await asyncio.sleep(delay_s)
                writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, back, 0.0), carry(there, writer, AWAY_S))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for end in ends:
            end.close()


async def given_up(connection: Connection, after_s: float) -> None:
    """Begin to read, and give it up."""

    async def read() -> None:
        async with consuming(connection):
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.wait({task})


async def test_a_reader_given_up_while_it_starts_leaves_no_connection_open() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    with EmbeddedBroker() as embedded:
        embedded.start({"topic": 1})
        async with far_away(embedded.bootstrap) as bootstrap:
            for answers in range(3):
                await given_up(Connection(bootstrap), (answers + 0.5) * AWAY_S)
                gc.collect()

    assert said == []

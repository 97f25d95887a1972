"""A reader or a writer that is given up while it starts leaves nothing open behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.sinks.connection import Connection
from fleet.sinks.consumer import consuming
from fleet.sinks.lanes import start_lanes
from fleet.sinks.settings import ProducerSettings

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


async def read(connection: Connection) -> None:
    """Read until somebody else ends it."""
    async with consuming(connection):
        await asyncio.sleep(60)


async def write(connection: Connection) -> None:
    """Have three producers until somebody else ends it; they are given up in the meantime at the latest."""
    await start_lanes(connection, {}, settings=ProducerSettings(), lanes=3, deadline_s=5.0)
    raise AssertionError("it started before it was given up")


@pytest.mark.parametrize("doing", [read, write])
async def test_what_is_given_up_while_it_starts_leaves_no_connection_open(
    doing: Callable[[Connection], Coroutine[Any, Any, None]],
) -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    with EmbeddedBroker() as embedded:
        embedded.start({"topic": 1})
        async with far_away(embedded.bootstrap) as bootstrap:
            for answers in range(4):
                task = asyncio.create_task(doing(Connection(bootstrap)))
                await asyncio.sleep((answers + 0.5) * AWAY_S)
                task.cancel()
                await asyncio.wait({task})
                gc.collect()
                assert task.cancelled()

    assert said == []

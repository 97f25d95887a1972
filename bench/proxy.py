"""A TCP proxy that is far away: ``python -m bench.proxy --port N --to PORT --delay-ms 10``.

Bytes leave it *delay* after they came, in each direction: a round trip takes twice the delay. The rate is not limited.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket

HOST = "127.0.0.1"
READ_BYTES = 1 << 18
WAITING_MAX = 1024  # reads under way in one direction: 256 MB at most, 10 ms of 25 GB/s


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Carry one direction until it ends."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_MAX)

    async def arrive() -> None:
        while True:
            due_s, data = await under_way.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if not data:
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    with contextlib.suppress(ConnectionError):
        data = b"-"
        while data and not arriving.done():
            data = await reader.read(READ_BYTES)
            await under_way.put((loop.time() + delay_s, data))
        await arriving
    arriving.cancel()
    writer.close()


async def relay(port: int, to: int, delay_s: float) -> None:
    """Take connections at *port* and carry them to port *to*, for ever."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, to, limit=READ_BYTES)
        except ConnectionError:
            writer.close()
            return
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(carry(reader, far_writer, delay_s), carry(far_reader, writer, delay_s))

    server = await asyncio.start_server(connected, HOST, port, limit=READ_BYTES)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True, help="the port behind it")
    parser.add_argument("--delay-ms", type=float, default=10.0, help="each way (default 10)")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(relay(arguments.port, arguments.to, arguments.delay_ms / 1000))


if __name__ == "__main__":
    main()

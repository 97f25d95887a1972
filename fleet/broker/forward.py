"""A chosen port: a forwarder in front of the mock cluster, which picks its own.

The mock can be told which address to give to its clients, but not where to listen. So when a port
was asked for, this thread listens there and passes the bytes on. It costs a copy in Python each
way, which is why it is not there otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Final

from fleet.errors import RequestError

CONNECTIONS_MAX: Final = 512
BACKLOG: Final = 64
CHUNK_BYTES: Final = 256 * 1024


def forward(port: int, *, to: str) -> None:
    """Listen on *port* of the loopback interface and pass every connection on to *to*.

    Returns once it listens; the thread lives as long as the process. Raise RequestError when the
    port cannot be had.
    """
    host, _, target = to.rpartition(":")
    if not 1 <= port <= 65_535:
        raise RequestError(f"--port: must be 1 to 65535, got {port}")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a broker just ended leaves TIME_WAIT behind
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as refused:
        listener.close()
        why = "another program listens there" if refused.errno == errno.EADDRINUSE else str(refused.strerror)
        raise RequestError(f"--port: cannot listen on {host}:{port}: {why}") from refused
    passer = _Forwarder(host, int(target))
    threading.Thread(target=lambda: asyncio.run(passer.serve(listener)), name="forward", daemon=True).start()


class _Forwarder:
    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._open = 0

    async def serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._connect, sock=listener, limit=CHUNK_BYTES)
        await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS_MAX:
            writer.close()
            return
        self._open += 1
        try:
            # A side that breaks off ends its connection, nothing else.
            with contextlib.suppress(OSError):
                onward = await asyncio.open_connection(self._host, self._port, limit=CHUNK_BYTES)
                await asyncio.gather(_pass(reader, onward[1]), _pass(onward[0], writer))
        finally:
            self._open -= 1
            writer.close()


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until *source* ends; closing *sink* then ends the other direction too."""
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()

"""Produce requests written to the socket from where their batches lie: never joined, never copied.

aiokafka joins a request of megabytes out of its batches in eight copies, and asyncio's transport keeps what the socket
did not take in one buffer, whose front it removes at every further send by moving the rest. Both together cost more
than making the records. Here a request is a list of buffers, which the kernel gathers.

What aiokafka does not say in public is reached into here, and nowhere else; a contract test pins it. Over TLS, where
the bytes have to be encrypted anyway, a request is joined once and goes the ordinary way.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import String

COUNT = struct.Struct(">i")
ROW = struct.Struct(">ii")  # partition, bytes of its batch
TEXT = String("utf-8")
BUFFERS_MAX = 512  # at once to the kernel; Linux takes 1024

Buffer = bytes | bytearray | memoryview


def write_unjoined(producer: Any) -> None:
    """Have the started *producer* write its produce requests without joining them."""
    client = producer.client
    client.send = partial(_send, client, client.send)


async def _send(
    client: Any, ordinary: Any, node_id: Any, request: Any, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
) -> Any:
    """Do what ``AIOKafkaClient.send`` does, which is *ordinary*."""
    if not isinstance(request, ProduceRequest):
        return await ordinary(node_id, request, group=group)
    if not await client.ready(node_id, group=group):
        raise kafka_errors.NodeNotReadyError(f"node {node_id} is not ready")
    conn = client._conns[node_id, group]
    try:
        async with asyncio.timeout(conn._request_timeout):
            return await _written(conn, request)
    except TimeoutError as error:
        conn.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise kafka_errors.RequestTimedOutError from error


def _written(conn: Any, request: ProduceRequest) -> asyncio.Future[Any]:
    """Write a *request* to a connection; give its answer. This is ``AIOKafkaConnection.send`` with pieces."""
    chosen = request.prepare(conn._versions)
    number = conn._next_correlation_id()
    head = chosen.build_request_header(correlation_id=number, client_id=conn._client_id).encode()
    body = pieces(chosen)
    size = len(head) + sum(map(len, body))
    if isinstance(conn._writer, asyncio.StreamWriter) and _takes_pieces(conn._writer.transport):
        conn._writer = PieceWriter(conn._writer)
    conn._writer.writelines([COUNT.pack(size) + head, *body])
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    conn._requests.append((number, chosen, answer))
    return answer


def pieces(request: Any) -> list[Buffer]:
    """Encode a produce *request* of any version: what ``encode`` gives, in pieces."""
    schema = request.SCHEMA
    assert schema.names[-1] == "topics", "the batches come last"
    before = zip(schema.names[:-1], schema.fields[:-1], strict=True)
    small = b"".join(field.encode(request.get_item(name)) for name, field in before)
    topics = request.get_item("topics")
    small += COUNT.pack(len(topics))
    found: list[Buffer] = []
    for topic, rows in topics:
        small += TEXT.encode(topic) + COUNT.pack(len(rows))
        for partition, batch in rows:
            found += (small + ROW.pack(partition, len(batch)), batch)
            small = b""
    return found


def _takes_pieces(transport: asyncio.WriteTransport) -> bool:
    """Whether the bytes go to a socket as they are, with nothing before them."""
    return transport.get_extra_info("ssl_object") is None and not transport.get_write_buffer_size()


class PieceWriter:
    """Writes buffers to a socket from where they lie, in the place of asyncio's writer for a connection.

    The connection's transport goes on to read, and to close. As it watches its own descriptor, the writer has one
    of its own for the same socket.
    """

    def __init__(self, stream: asyncio.StreamWriter) -> None:
        self._stream = stream  # one that is forgotten closes its transport
        self._loop = asyncio.get_running_loop()
        self._socket = stream.get_extra_info("socket").dup()
        self._waiting: deque[memoryview] = deque()
        self._watching = False

    def write(self, data: Buffer) -> None:
        """Write *data* behind what waits."""
        self.writelines([data])

    def writelines(self, buffers: Iterable[Buffer]) -> None:
        """Write *buffers*, which may not change until they are answered."""
        self._waiting.extend(memoryview(buffer) for buffer in buffers if buffer)
        if not self._watching:
            self._go_on()

    def _go_on(self) -> None:
        """Hand over as much as the socket takes, and wait until it takes more."""
        try:
            while self._waiting:
                self._drop(self._socket.sendmsg(islice(self._waiting, BUFFERS_MAX)))
        except BlockingIOError:
            self._watch()
        except OSError:  # whoever reads learns of it too, and fails what waits for an answer
            self._forget()
            self._stream.transport.abort()
        else:
            self._unwatch()

    def _drop(self, sent: int) -> None:
        """Forget the first *sent* bytes."""
        while sent:
            first = self._waiting[0]
            if sent < len(first):
                self._waiting[0] = first[sent:]
                return
            sent -= len(first)
            self._waiting.popleft()

    def _watch(self) -> None:
        if not self._watching:
            self._loop.add_writer(self._socket.fileno(), self._go_on)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._loop.remove_writer(self._socket.fileno())
            self._watching = False

    def _forget(self) -> None:
        self._unwatch()
        self._waiting.clear()

    def close(self) -> None:
        """Close the socket; what it did not take by now is for nobody any more."""
        self._forget()
        self._socket.close()
        self._stream.close()

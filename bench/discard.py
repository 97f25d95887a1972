"""A broker that keeps nothing: ``python -m bench.discard --port N``.

It takes batches of format 2 from any producer, idempotent or not, checks them (`bench.ledger`), answers at once
and forgets them. Every topic exists, with the same number of partitions. On SIGTERM or Ctrl-C it prints what it
counted, as one line of JSON. One thread a connection, blocking: fewest system calls, and little to go wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable

from bench import wire
from bench.ledger import Ledger
from bench.wire import Api, Error, Fields

HOST = "127.0.0.1"
REQUEST_BYTES_MAX = 256 << 20
CONNECTIONS_MAX = 64
FIRST_PRODUCER = 1000


class Discard:
    """Answers requests; *partitions* is how many each topic has."""

    def __init__(self, address: tuple[str, int], partitions: int) -> None:
        self.ledger = Ledger()
        self._address = address
        self._partitions = partitions
        self._producers = itertools.count(FIRST_PRODUCER)
        self._answers: dict[int, Callable[[int, Fields], bytes | None]] = {
            Api.PRODUCE: self._produce,
            Api.LIST_OFFSETS: self._list_offsets,
            Api.METADATA: self._metadata,
            Api.API_VERSIONS: lambda version, _: wire.api_versions(version),
            Api.INIT_PRODUCER_ID: self._init_producer_id,
        }

    def answer(self, request: memoryview) -> bytes | None:
        """Answer one *request*, both without their lengths; None where none is wanted."""
        fields = Fields(request)
        api, version, correlation = fields.number("h"), fields.number("h"), fields.number("i")
        fields.text()  # the client's name
        body = self._answers[api](version, fields)
        return None if body is None else struct.pack(">i", correlation) + body

    def _produce(self, version: int, fields: Fields) -> bytes | None:
        fields.text()  # the transaction
        acks = fields.number("h")
        fields.number("i")  # the timeout
        topics = []
        for _ in fields.array() or ():
            topic = fields.text() or ""
            rows = []
            for _ in fields.array() or ():
                partition = fields.number("i")
                error, offset = self.ledger.add(topic, partition, fields.blob())
                rows.append(struct.pack(">ihqq", partition, error, offset, -1) + _produce_tail(version))
            topics.append(wire.text(topic) + wire.array(rows))
        return wire.array(topics) + struct.pack(">i", 0) if acks else None

    def _list_offsets(self, version: int, fields: Fields) -> bytes:
        fields.number("i")  # a replica
        if version >= 2:
            fields.number("b")  # isolation
        topics = []
        for _ in fields.array() or ():
            topic = fields.text() or ""
            rows = []
            for _ in fields.array() or ():
                partition, _ = fields.number("i"), fields.number("q")
                offset = self.ledger.end(topic, partition)  # also of the beginning: nothing is left to be fetched
                rows.append(struct.pack(">ihqq", partition, Error.NONE, -1, offset))
            topics.append(wire.text(topic) + wire.array(rows))
        return (struct.pack(">i", 0) if version >= 2 else b"") + wire.array(topics)

    def _metadata(self, version: int, fields: Fields) -> bytes:
        asked = fields.array()
        names = self.ledger.topics() if asked is None else [fields.text() or "" for _ in asked]
        for name in names:
            self.ledger.know(name)
        return wire.metadata(version, self._address, names, self._partitions)

    def _init_producer_id(self, _: int, __: Fields) -> bytes:
        return struct.pack(">ihqh", 0, Error.NONE, next(self._producers), 0)


def _produce_tail(version: int) -> bytes:
    tail = struct.pack(">q", 0) if version >= 5 else b""
    return tail + (wire.array([]) + wire.text(None) if version >= 8 else b"")


def serve(connection: socket.socket, server: Discard) -> None:
    """Answer one connection until it ends; what is no request ends it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room = bytearray(1 << 20)
    with connection, contextlib.suppress(ConnectionError):
        while (head := connection.recv(4, socket.MSG_WAITALL)) and len(head) == 4:
            (length,) = struct.unpack(">i", head)
            if not 0 < length <= REQUEST_BYTES_MAX:
                return
            if length > len(room):
                room = bytearray(2 * length)
            with memoryview(room) as view:
                if not _filled(connection, view[:length]):
                    return
                answer = server.answer(view[:length])
            if answer is not None:
                connection.sendall(struct.pack(">i", len(answer)) + answer)


def _filled(connection: socket.socket, view: memoryview) -> bool:
    at = 0
    while at < len(view):
        got = connection.recv_into(view[at:], 0, socket.MSG_WAITALL)
        if not got:
            return False
        at += got
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.discard", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--advertise", type=int, help="the port that clients are sent to, if another")
    parser.add_argument("--partitions", type=int, default=12, help="of every topic (default 12)")
    arguments = parser.parse_args()
    with socket.create_server((HOST, arguments.port), backlog=CONNECTIONS_MAX) as listener:
        port = listener.getsockname()[1]
        server = Discard((HOST, arguments.advertise or port), arguments.partitions)

        def end(_signal: int, _frame: object) -> None:
            print(json.dumps(server.ledger.as_json()), flush=True)
            sys.exit(0)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        print(f"bootstrap={HOST}:{port}", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, server), daemon=True).start()


if __name__ == "__main__":
    main()

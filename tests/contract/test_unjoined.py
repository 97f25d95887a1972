"""The members of aiokafka that writing produce requests unjoined relies on; they are not public."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import conn as aiokafka_conn
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.produce import ProduceRequest

from fleet.broker.process import EmbeddedBroker
from fleet.sinks.connection import Connection
from fleet.sinks.prebuilt import PrebuiltBatch
from fleet.sinks.producer import start_producer, stop_producer
from fleet.sinks.settings import ProducerSettings
from fleet.sinks.unjoined import PieceWriter, pieces, write_unjoined
from tests.contract.test_prebuilt import packed

SAYS = "aiokafka has changed: fleet/sinks/unjoined.py has to be made to fit before the pinned version may move: "
KEPT = {"_versions", "_requests", "_request_timeout", "_client_id", "_writer"}


@pytest.mark.parametrize(
    ("owner", "member", "parameters"),
    [
        (AIOKafkaClient, "send", ["self", "node_id", "request", "group"]),
        (AIOKafkaClient, "ready", ["self", "node_id", "group"]),
        (AIOKafkaConnection, "_next_correlation_id", ["self"]),
        (AIOKafkaConnection, "close", ["self", "reason", "exc"]),
        (RequestStruct, "build_request_header", ["self", "correlation_id", "client_id"]),
        (ProduceRequest, "prepare", ["self", "versions"]),
    ],
)
def test_a_member_is_there_and_takes_what_we_give(owner: type, member: str, parameters: list[str]) -> None:
    function = getattr(owner, member, None)

    assert function is not None, f"{SAYS}{owner.__name__}.{member} is gone"
    taken = list(inspect.signature(function).parameters)
    assert taken == parameters, f"{SAYS}{owner.__name__}.{member} takes {taken}"


def test_a_connection_keeps_what_we_look_at() -> None:
    source = inspect.getsource(AIOKafkaConnection.__init__)

    missing = {name for name in KEPT if f"self.{name} =" not in source and f"= self.{name} =" not in source}
    assert not missing, f"{SAYS}AIOKafkaConnection has no {sorted(missing)}"
    assert "self._conns" in inspect.getsource(AIOKafkaClient.__init__), f"{SAYS}AIOKafkaClient._conns is gone"
    send = inspect.getsource(AIOKafkaConnection.send)
    assert "(correlation_id, request_struct, fut)" in send, f"{SAYS}AIOKafkaConnection._requests holds something else"


def test_our_writer_has_what_a_connection_asks_its_own_for() -> None:
    asked = set(re.findall(r"_writer\.(\w+)", inspect.getsource(aiokafka_conn)))

    # It drains behind requests that get no answer; there are none once it is connected, as acks are never 0.
    unknown = {name for name in asked - {"drain"} if not hasattr(PieceWriter, name)}
    assert not unknown, f"{SAYS}a connection asks its writer for {sorted(unknown)}"


def test_a_produce_request_goes_through_the_clients_send() -> None:
    source = inspect.getsource(SendProduceReqHandler.do)

    assert "self._client.send(node_id, request)" in source, f"{SAYS}SendProduceReqHandler.do sends another way"


@pytest.mark.parametrize("chosen", ProduceRequest._CLASSES)
def test_the_pieces_of_a_request_are_the_bytes_that_aiokafka_makes_of_it(chosen: type[Any]) -> None:
    topics = [("readings", [(0, b"first"), (7, bytearray(b"second"))]), ("events", [(3, memoryview(b"third"))])]
    request = ProduceRequest(None, -1, 30_000, topics).build(chosen)  # type: ignore[arg-type]

    assert b"".join(pieces(request)) == request.encode(), f"{SAYS}{chosen.__name__} has another form"


@asynccontextmanager
async def producing(broker: EmbeddedBroker) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True, acks="all")
    await producer.start()
    write_unjoined(producer)
    try:
        yield producer
    finally:
        await producer.stop()


async def test_requests_of_every_kind_share_a_connection_in_order() -> None:
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"t": 2})
        large = [b"x" * 8_000] * 20
        async with producing(broker) as producer:
            for turn in range(20):
                sent = [
                    await producer.send_batch(PrebuiltBatch(packed([b"%d" % turn, *large]), 0), "t", partition=p)
                    for p in range(2)
                ]
                await asyncio.gather(*sent, producer.client.force_metadata_update())
            await producer.send_and_wait("t", b"single", partition=0)
            writers = [conn._writer for conn in producer.client._conns.values()]
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition("t", 1)])
        read = [(await consumer.getone()).value for _ in range(20 * 21)]
        await consumer.stop()

    assert any(isinstance(writer, PieceWriter) for writer in writers), f"{SAYS}requests still go the ordinary way"
    assert read[::21] == [b"%d" % turn for turn in range(20)]


async def test_a_connection_that_breaks_fails_what_waits_and_is_made_anew() -> None:
    with EmbeddedBroker() as broker:
        broker.start({"t": 1})
        async with producing(broker) as producer:
            await (await producer.send_batch(PrebuiltBatch(packed([b"a"]), 0), "t", partition=0))
            for conn in producer.client._conns.values():
                if isinstance(conn._writer, PieceWriter):
                    conn._writer._socket.shutdown(socket.SHUT_WR)
            again = await (await producer.send_batch(PrebuiltBatch(packed([b"b"]), 0), "t", partition=0))

    assert again.offset == 1


async def test_what_a_socket_does_not_take_at_once_is_written_later_and_in_order() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    reader, other = await asyncio.open_connection(sock=theirs)
    stream = (await asyncio.open_connection(sock=ours))[1]
    buffers = [bytes([n % 251]) * (n * 37 % 5_000) for n in range(2_000)]

    writer = PieceWriter(stream)
    writer.writelines(buffers[:1_000])
    writer.write(b"between")
    writer.writelines(buffers[1_000:])
    whole = b"".join([*buffers[:1_000], b"between", *buffers[1_000:]])
    read = await reader.readexactly(len(whole))
    writer.close()

    assert read == whole
    assert await reader.read() == b"", "closed, as the other side sees it"
    other.close()


async def test_no_answer_within_the_time_closes_the_connection_and_the_batch_is_sent_again() -> None:
    with EmbeddedBroker() as broker:
        broker.start({"t": 1})
        async with producing(broker) as producer:
            (conn,) = [conn for node, conn in await connections(producer) if node != "bootstrap"]
            conn._request_timeout = 0.0

            sent = await (await producer.send_batch(PrebuiltBatch(packed([b"a"]), 0), "t", partition=0))

            assert not conn.connected()
    assert sent.offset >= 0


async def connections(producer: Any) -> list[tuple[Any, Any]]:
    """Give the connections of a *producer* that knows its topic, by node."""
    await producer.partitions_for("t")
    return [(node, conn) for (node, _), conn in producer.client._conns.items()]


async def test_the_partitions_of_a_topic_are_looked_up_where_the_producer_asks_for_them() -> None:
    with EmbeddedBroker() as broker:
        producer = await start_producer(Connection(broker.start({"readings": 5})), ProducerSettings())

        known = await producer.partitions_for("readings")
        missing = producer.client.cluster.partitions_for_topic("nowhere")
        await stop_producer(producer, timeout_s=5.0)

    assert (set(known), missing) == (set(range(5)), None), f"{SAYS}its cluster keeps partitions differently"
    assert producer._metadata is producer.client.cluster, f"{SAYS}its producer looks partitions up elsewhere"

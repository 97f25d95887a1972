"""The wrong client: bounded, never an error of ours, and every record of it accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.data import INJECTED, Delivery, Record, RecordBatch, TopicSeen
from fleet.sinks import wrong_client
from fleet.sinks.connection import Connection
from fleet.sinks.sink import Books
from fleet.sinks.wrong_client import WrongClient

TOPIC = "factory.readings"
SEEN = {TOPIC: TopicSeen(1, (0,))}


@pytest.fixture(scope="module")
def broker() -> Iterator[Connection]:
    with EmbeddedBroker() as embedded:
        yield Connection(embedded.start({TOPIC: 1}))


def batch(count: int, size: int = 40) -> RecordBatch:
    return RecordBatch(INJECTED, TOPIC, 0, [Record(b"k", bytes(size), 1_772_431_200_000 + at) for at in range(count)])


async def test_more_than_it_holds_waits_and_all_of_it_is_sent(
    broker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_client, "HELD_MAX", 10)
    books = Books()
    client, most = WrongClient(broker, SEEN, books), 0

    for _ in range(50):
        await client.send(batch(7))
        most = max(most, books.delivery[INJECTED].pending)
    await client.close(timeout_s=20)

    assert books.delivery[INJECTED] == Delivery(acknowledged=350)
    assert most <= 10


async def test_what_is_too_large_where_nobody_tells_a_limit_is_refused_by_itself(broker: Connection) -> None:
    books = Books()
    client = WrongClient(broker, SEEN, books)

    await client.send(batch(3, size=2 << 20))
    await client.send(batch(2))
    await client.close(timeout_s=20)

    assert books.delivery[INJECTED] == Delivery(acknowledged=2, failed=3)


async def test_a_broker_that_is_not_there_refuses_everything_and_raises_nothing() -> None:
    books = Books()
    client = WrongClient(Connection("127.0.0.1:1"), SEEN, books)

    await client.send(batch(5))
    await client.close(timeout_s=20)

    assert books.delivery[INJECTED] == Delivery(failed=5)
    assert len(books.notices) == 1


async def test_a_client_that_takes_nothing_keeps_nobody_waiting_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_client, "HELD_MAX", 4)
    monkeypatch.setattr(wrong_client, "ROOM_S", 0.05)
    over = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    books = Books()
    client = WrongClient(Connection(f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"), SEEN, books)

    await client.send(batch(20))
    await client.send(batch(20))

    assert (books.delivery[INJECTED].pending, books.delivery[INJECTED].failed) == (4, 36)
    assert sum("takes nothing any more" in notice for notice in books.notices) == 1
    await client.close(timeout_s=0.1)
    over.set()
    silent.close()
    assert books.delivery[INJECTED] == Delivery(failed=40)

"""Raw batches from a real Kafka and from the embedded broker: in every codec, as other clients write them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from fleet.broker.process import EmbeddedBroker
from fleet.data import RawBatches
from fleet.encode.columns import record_columns
from fleet.sinks.connection import Connection
from fleet.sinks.fetch import fetch
from fleet.sinks.reader import Trimmed, read
from fleet.sinks.topics import end_offsets
from tests.properties.batches import plain
from tests.services.kafka import Kafka

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 3000
PARTITIONS = 3


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Make a topic of this test's own."""
    name = f"fetch-{uuid.uuid4().hex[:8]}"
    kafka.tool(
        "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", kafka.bootstrap, "--create", "--topic", name,
        "--partitions", str(PARTITIONS), "--replication-factor", "1",
    )  # fmt: skip
    return name


def record(n: int) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    key = None if n % 5 == 0 else b"machine-%03d" % (n % 40)
    value = None if n % 97 == 1 and key else b"value %d " % n * (n % 13)
    return key, value, [("run", b"r%d" % n)] if n % 11 == 0 else []


async def fetched(
    connection: Connection, topic: str, spans: Mapping[int, tuple[int, int | None]]
) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {p: [] for p in spans}
    at = {p: start for p, (start, _) in spans.items()}
    async for piece in fetch(connection, topic, spans):
        assert isinstance(piece, RawBatches), piece
        assert piece.start == at[piece.partition]
        at[piece.partition] = piece.stop
        columns = record_columns(piece)
        assert columns.damaged == ()
        found[piece.partition] += plain(columns)
    assert at == {p: stop for p, (_, stop) in spans.items()}
    return found


async def consumed(
    connection: Connection, topic: str, spans: Mapping[int, tuple[int, int | None]]
) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {p: [] for p in spans}
    async for piece in read(connection, topic, spans):
        assert not isinstance(piece, Trimmed)
        found[piece[0]] += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in piece[1]]
    return found


async def spans_of(connection: Connection, topic: str) -> dict[int, tuple[int, int | None]]:
    ends = (await end_offsets(connection, {topic: PARTITIONS}))[topic]
    return {p: (2, end - 1) for p, end in enumerate(ends)}


async def send_with_aiokafka(bootstrap: str, topic: str, codec: str) -> None:
    kind = None if codec == "none" else codec
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=kind, linger_ms=20) as producer:
        for n in range(RECORDS):
            key, value, headers = record(n)
            await producer.send(topic, value, key, n % PARTITIONS, headers=headers)


def send_with_librdkafka(bootstrap: str, topic: str, codec: str, **options: str) -> Producer:
    producer = Producer({"bootstrap.servers": bootstrap, "compression.codec": codec, "linger.ms": 20, **options})
    if options:
        producer.init_transactions(30)
        producer.begin_transaction()
    for n in range(RECORDS):
        key, value, headers = record(n)
        producer.produce(topic, value, key, n % PARTITIONS, headers=headers)
        producer.poll(0)
    return producer


@pytest.mark.parametrize("codec", CODECS)
async def test_what_aiokafka_writes_is_read_as_its_consumer_reads_it(kafka: Kafka, topic: str, codec: str) -> None:
    await send_with_aiokafka(kafka.bootstrap, topic, codec)
    connection = Connection(kafka.bootstrap)
    spans = await spans_of(connection, topic)

    assert await fetched(connection, topic, spans) == await consumed(connection, topic, spans)


@pytest.mark.parametrize("codec", CODECS)
async def test_what_librdkafka_writes_is_read_as_aiokafkas_consumer_reads_it(
    kafka: Kafka, topic: str, codec: str
) -> None:
    send_with_librdkafka(kafka.bootstrap, topic, codec).flush(30)
    connection = Connection(kafka.bootstrap)
    spans = await spans_of(connection, topic)

    assert await fetched(connection, topic, spans) == await consumed(connection, topic, spans)


async def test_the_markers_of_transactions_are_no_records(kafka: Kafka, topic: str) -> None:
    producer = send_with_librdkafka(kafka.bootstrap, topic, "none", **{"transactional.id": topic})
    producer.commit_transaction(30)
    connection = Connection(kafka.bootstrap)
    ends: tuple[int, ...] = ()
    while sum(ends) < RECORDS + PARTITIONS:  # the broker writes its markers after it has answered
        ends = tuple((await end_offsets(connection, {topic: PARTITIONS}))[topic])

    found = await fetched(connection, topic, {p: (0, end) for p, end in enumerate(ends)})

    assert [len(found[p]) for p in range(PARTITIONS)] == [end - 1 for end in ends]


@pytest.mark.parametrize("codec", CODECS)
async def test_the_embedded_broker_gives_raw_batches_as_well(codec: str) -> None:
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"t": PARTITIONS})
        await send_with_aiokafka(bootstrap, "t", codec)
        connection = Connection(bootstrap)
        spans = await spans_of(connection, "t")

        assert await fetched(connection, "t", spans) == await consumed(connection, "t", spans)


async def test_what_a_broker_no_longer_has_is_trimmed() -> None:
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"t": PARTITIONS})
        await send_with_aiokafka(bootstrap, "t", "none")

        pieces = [piece async for piece in fetch(Connection(bootstrap), "t", {0: (990, 1010)})]

    assert pieces[0] == Trimmed(0, 1000, 1010)
    assert [n for piece in pieces[1:] for n in record_columns(piece).offset] == list(range(990, 1000))

"""The members of a batch that aiokafka uses: those of PrebuiltBatch, and no others."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from fleet.broker.process import EmbeddedBroker
from fleet.data import HEADER_BYTES, PackedBatch
from fleet.sinks.prebuilt import PrebuiltBatch

USED = {"record_count", "_set_producer_state", "_build", "closed", "close", "append", "size"}


def packed(values: list[bytes]) -> PackedBatch:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, value in enumerate(values):
        builder.append(offset, 1_000 + offset, b"key", value, [])
    data = memoryview(bytearray(builder.build()))
    return PackedBatch("readings", "t", 0, len(values), data, 1_000, 1_000 + len(values) - 1)


class Spy:
    """Passes everything on to a prebuilt batch and notes what was asked for."""

    def __init__(self, batch: PrebuiltBatch, asked: set[str]) -> None:
        self._batch, self._asked = batch, asked

    def __getattribute__(self, name: str) -> Any:
        if name in {"__class__", "__dict__"}:
            return object.__getattribute__(self, name)
        object.__getattribute__(self, "_asked").add(name)
        return getattr(object.__getattribute__(self, "_batch"), name)


async def test_aiokafka_asks_a_batch_for_nothing_but_what_a_prebuilt_one_has() -> None:
    asked: set[str] = set()
    with EmbeddedBroker() as broker:
        producer = AIOKafkaProducer(bootstrap_servers=broker.start({"t": 1}), enable_idempotence=True, acks="all")
        await producer.start()
        batch = packed([b"one", b"two"])
        spy: Any = Spy(PrebuiltBatch(batch, 0), asked)

        await (await producer.send_batch(spy, "t", partition=0))
        await producer.send_and_wait("t", b"three", partition=0)
        await producer.stop()

    unknown = asked - USED
    assert not unknown, (
        f"aiokafka {version('aiokafka')} asks a batch for {sorted(unknown)}: "
        "give fleet.sinks.prebuilt.PrebuiltBatch these members, then add them here"
    )


async def test_prebuilt_batches_are_read_back_in_order_behind_one_another() -> None:
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"t": 1})
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
        await producer.start()
        for values in ([b"a", b"b"], [b"c"], [b"d", b"e", b"f"]):
            batch = packed(values)
            await (await producer.send_batch(PrebuiltBatch(batch, 0), "t", partition=0))
        await producer.stop()
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition("t", 0)])

        read = [(await consumer.getone()).value for _ in range(6)]
        await consumer.stop()

    assert read == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_a_batch_is_the_same_bytes_at_every_try() -> None:
    batch = packed([b"one", b"two"])
    prebuilt = PrebuiltBatch(batch, 0)
    prebuilt._set_producer_state(7, 1, 40)

    first, second = bytes(prebuilt._build()), bytes(prebuilt._build())

    builder = DefaultRecordBatchBuilder(2, 0, 0, 7, 1, 40, 1 << 20)
    for offset, value in enumerate([b"one", b"two"]):
        builder.append(offset, 1_000 + offset, b"key", value, [])
    assert first == second == bytes(builder.build())
    assert len(first) > HEADER_BYTES

"""aiokafka's send() with fastavro: ``python -m bench.peers.aiokafka_send BOOTSTRAP TOPIC RECORDS FILE``."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from aiokafka import AIOKafkaProducer

from bench.clients import Client, Job
from bench.corpus import read
from bench.peers.avro import encoder, fields_of
from bench.peers.settings import BATCH_BYTES, LINGER_MS


async def send(bootstrap: str, topic: str, count: int, path: Path) -> None:
    """Send *count* of the records in the file *path*, whose fields are there but must be encoded."""
    encode, fields = encoder(), [(partition, key, fields_of(value)) for partition, key, value in read(path)]
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES,
        compression_type=None,
    )
    await producer.start()
    try:
        for partition, key, reading in itertools.islice(itertools.cycle(fields), count):
            await producer.send(topic, encode(reading), key, partition)
        await producer.flush()
    finally:
        await producer.stop()


def command(job: Job) -> list[str]:
    """Give the command."""
    arguments = (job.bootstrap, job.topic, str(job.records), str(job.corpus.records))
    return [sys.executable, "-m", "bench.peers.aiokafka_send", *arguments]


SEND = Client(
    "aiokafka send + fastavro",
    10_000,
    110_000,
    command,
    f"fastavro; enable_idempotence, acks=all, linger_ms={LINGER_MS}, max_batch_size={BATCH_BYTES}",
)

if __name__ == "__main__":
    asyncio.run(send(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))

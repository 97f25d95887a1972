"""Print the machine readings of a topic, whichever version of the schema they were written in."""

import asyncio
import itertools
import os
import signal
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from readings import Readings, RegistryError
from tally import Tally

BATCH = 1_000
WAIT_MS = 1_000


async def read(consumer: AIOKafkaConsumer, tally: Tally, limit: int, stop: asyncio.Event) -> None:
    """Print readings until there were *limit* records, or until *stop* is set."""
    while tally.seen < limit and not stop.is_set():
        batches = await consumer.getmany(timeout_ms=WAIT_MS, max_records=min(BATCH, limit - tally.seen))
        for record in itertools.chain.from_iterable(batches.values()):
            await tally.add(record.partition, record.offset, record.value)
        await consumer.commit()  # what has been printed is not read again by this group


async def main() -> None:
    """Read as the environment says until done or interrupted."""
    limit = int(setting("RECORDS", str(sys.maxsize)))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    consumer = AIOKafkaConsumer(
        setting("TOPIC", "factory.readings"),
        bootstrap_servers=setting("KAFKA_BOOTSTRAP", "localhost:9092"),
        group_id=setting("GROUP", "fleet-example-python"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with Readings(setting("SCHEMA_REGISTRY", "http://localhost:8081")) as readings, consumer:
        tally = Tally(readings)
        await read(consumer, tally, limit, stop)
        tally.end()


def setting(name: str, otherwise: str) -> str:
    """Return what the environment says, if it says anything."""
    return os.environ.get(name) or otherwise


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KafkaError, RegistryError, ValueError) as error:
        sys.exit(str(error))

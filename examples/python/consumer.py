"""Print the machine readings of a topic, whichever version of the schema they were written in."""

import asyncio
import hashlib
import itertools
import os
import signal
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError
from readings import Readings, RegistryError, UnreadableError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = 1_000
WAIT_MS = 1_000


def number(reading: dict[str, Any]) -> int:
    """Return what a reading adds to the digest; sums do not depend on the order of partitions."""
    bits = struct.pack(">d", reading["value"]).hex()
    words = [*(reading[name] for name in ("machine", "sensor", "units")), bits]
    words += [reading[name] for name in ("timestamp", "seq", "quality", "machine_id")]
    return int.from_bytes(hashlib.sha256("|".join(map(str, words)).encode()).digest()[:8], "big")


def instant(us: int) -> str:
    """Return microseconds since 1970 as text; 1970 is where the writer did not say."""
    try:
        return (EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:  # a clock gone wild, after the year 9999
        return f"{us} us"


async def show(record: ConsumerRecord, readings: Readings) -> int:
    """Print the reading of a record, and return what it adds to the digest; raise UnreadableError."""
    reading = await readings.decode(record.value)
    print(reading["machine"], reading["sensor"], reading["value"], reading["units"], instant(reading["timestamp"]))
    return number(reading)


async def read(consumer: AIOKafkaConsumer, readings: Readings, limit: int, stop: asyncio.Event) -> None:
    """Print readings until there were *limit* records, or until *stop* is set."""
    records = skipped = digest = 0
    while records + skipped < limit and not stop.is_set():
        batches = await consumer.getmany(timeout_ms=WAIT_MS, max_records=min(BATCH, limit - records - skipped))
        for record in itertools.chain.from_iterable(batches.values()):
            try:
                digest += await show(record, readings)
                records += 1
            except UnreadableError as error:
                print(f"partition {record.partition}, offset {record.offset}: {error}", file=sys.stderr)
                skipped += 1
        await consumer.commit()  # what has been printed is not read again by this group
    if skipped:
        print(f"unreadable={skipped}", file=sys.stderr)
    print(f"records={records} digest={digest % 2**64:016x}")


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
        await read(consumer, readings, limit, stop)


def setting(name: str, otherwise: str) -> str:
    """Return what the environment says, if it says anything."""
    return os.environ.get(name) or otherwise


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KafkaError, RegistryError, ValueError) as error:
        sys.exit(str(error))

"""confluent-kafka from Python: ``python -m bench.peers.confluent HOW BOOTSTRAP TOPIC RECORDS FILE``.

HOW is ``encoded`` (produce() with what the file holds), ``fastavro`` (produce() with fields that fastavro encodes,
one record after the other) or ``batch`` (produce_batch() with what the file holds). No callbacks: what arrived is
counted at the broker.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench.clients import Client, Job
from bench.corpus import Encoded, read
from bench.peers.avro import encoder, fields_of
from bench.peers.settings import LIBRDKAFKA, said

POLL_EVERY = 10_000
BATCH_RECORDS = 10_000
FLUSH_TIMEOUT_S = 60.0
FULL_WAIT_S = 0.05


def encoded(producer: Any, topic: str, records: list[Encoded], count: int) -> None:
    """Send *count* of *records* as they are."""
    for number, (partition, key, value) in enumerate(itertools.islice(itertools.cycle(records), count)):
        _produce(producer, topic, value, key, partition)
        if number % POLL_EVERY == 0:
            producer.poll(0)


def fastavro(producer: Any, topic: str, records: list[Encoded], count: int) -> None:
    """Send *count* of *records*, whose fields are there but must be encoded."""
    encode, fields = encoder(), [(partition, key, fields_of(value)) for partition, key, value in records]
    for number, (partition, key, reading) in enumerate(itertools.islice(itertools.cycle(fields), count)):
        _produce(producer, topic, encode(reading), key, partition)
        if number % POLL_EVERY == 0:
            producer.poll(0)


def batch(producer: Any, topic: str, records: list[Encoded], count: int) -> None:
    """Send *count* of *records* as they are, many a call."""
    messages = [{"partition": partition, "key": key, "value": value} for partition, key, value in records]
    at = itertools.cycle(range(0, len(messages), BATCH_RECORDS))
    while count:
        start = next(at)
        waiting = messages[start : start + min(BATCH_RECORDS, count)]
        count -= len(waiting)
        while waiting:
            producer.produce_batch(topic, waiting)
            # What did not fit the queue is marked.
            waiting = [message for message in waiting if message.pop("_error", None) is not None]
            producer.poll(FULL_WAIT_S if waiting else 0)


def _produce(producer: Any, topic: str, value: bytes, key: bytes, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition)
        except BufferError:
            producer.poll(FULL_WAIT_S)
        else:
            return


def await_first(producer: Any, topic: str) -> None:
    """Send one record: librdkafka takes a second to get its producer id, in which queues fill for nothing."""
    producer.produce(topic, b"first")
    producer.flush(FLUSH_TIMEOUT_S)


HOW: dict[str, Callable[[Any, str, list[Encoded], int], None]] = {
    "encoded": encoded,
    "fastavro": fastavro,
    "batch": batch,
}


def _command(how: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        arguments = (how, job.bootstrap, job.topic, str(job.records), str(job.corpus.records))
        return [sys.executable, "-m", "bench.peers.confluent", *arguments]

    return command


FASTAVRO = Client(
    "confluent-kafka produce + fastavro", 20_000, 420_000, _command("fastavro"), f"fastavro; {said(LIBRDKAFKA)}"
)
ENCODED = Client(
    "confluent-kafka produce, encoded", 50_000, 1_050_000, _command("encoded"), f"pre-encoded; {said(LIBRDKAFKA)}"
)
BATCH = Client(
    "confluent-kafka produce_batch, encoded", 50_000, 1_550_000, _command("batch"), f"pre-encoded; {said(LIBRDKAFKA)}"
)


def main() -> None:
    how, bootstrap, topic, count, path = sys.argv[1:]
    producer = Producer({"bootstrap.servers": bootstrap, **LIBRDKAFKA})
    await_first(producer, topic)
    HOW[how](producer, topic, read(Path(path)), int(count))
    if left := producer.flush(FLUSH_TIMEOUT_S):
        sys.exit(f"{left} records left after {FLUSH_TIMEOUT_S:.0f} s")


if __name__ == "__main__":
    main()

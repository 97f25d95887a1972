"""Read records back as they are: from a Kafka exactly the offsets asked for, without a group; from files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import TopicPartition

from fleet.errors import RequestError, RunError
from fleet.sinks.connect import reach
from fleet.sinks.connection import Connection
from fleet.sinks.consumer import consuming
from fleet.sinks.files import reason
from fleet.sinks.topics import beginning_offsets, end_offsets, partitions_of

__all__ = ["Trimmed", "partitions_of", "read", "read_lines"]

POLL_MS = 500
SILENCE_S = 60.0  # without any record although there must be some


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The broker does not have the offsets from *start* to *stop*: deleted by age or size, or never written."""

    partition: int
    start: int
    stop: int


async def read(
    connection: Connection, topic: str, offsets: Mapping[int, tuple[int, int | None]]
) -> AsyncIterator[tuple[int, list[Any]] | Trimmed]:
    """Read, for each partition, the *offsets* from a start to a stop (None: for ever).

    Gives (partition, aiokafka's ConsumerRecords) as they come, in order of offset within a partition, and
    `Trimmed` for offsets the broker does not have. RunError when it falls silent before the stop.
    """
    await reach(connection)
    trimmed, spans = await settled(connection, topic, offsets)
    for gone in trimmed:
        yield gone
    starts = {TopicPartition(topic, p): start for p, (start, _) in spans.items()}
    stops = {TopicPartition(topic, p): stop for p, (_, stop) in spans.items()}
    if not stops:
        return
    async with consuming(connection) as consumer:
        consumer.assign(list(stops))
        for place, start in starts.items():
            consumer.seek(place, start)
        async for found in _records(consumer, stops):
            yield found


async def settled(
    connection: Connection, topic: str, offsets: Mapping[int, tuple[int, int | None]]
) -> tuple[list[Trimmed], dict[int, tuple[int, int | None]]]:
    """Hold the *offsets* asked for against those the broker has: what is gone, and what is to be read."""
    count = max(offsets, default=-1) + 1
    begins = (await beginning_offsets(connection, {topic: count}))[topic]
    ends = (await end_offsets(connection, {topic: count}))[topic]
    trimmed: list[Trimmed] = []
    spans: dict[int, tuple[int, int | None]] = {}
    for p, (start, stop) in offsets.items():
        first, last = max(start, begins[p]), stop if stop is None else min(stop, ends[p])
        if first > start:
            trimmed.append(Trimmed(p, start, first if stop is None else min(first, stop)))
        if stop is not None and last is not None and max(last, first) < stop:
            trimmed.append(Trimmed(p, max(last, first), stop))
        if last is None or first < last:
            spans[p] = (first, last)
    return trimmed, spans


async def _records(
    consumer: Any, spans: dict[TopicPartition, int | None]
) -> AsyncIterator[tuple[int, list[Any]] | Trimmed]:
    """Poll until every place is at its stop."""
    silent_s = 0.0
    while spans:
        try:
            polled = await consumer.getmany(*spans, timeout_ms=POLL_MS)
        except kafka_errors.OffsetOutOfRangeError as error:
            for found in await _skipped(consumer, error.args[0]):
                yield found
            continue
        silent_s = 0.0 if polled else silent_s + POLL_MS / 1000
        if silent_s > SILENCE_S and any(stop is not None for stop in spans.values()):
            raise RunError(f"kafka: {', '.join(map(_named, spans))} fell silent before the end")
        for place, records in polled.items():
            stop = spans[place]
            wanted = records if stop is None else [record for record in records if record.offset < stop]
            if wanted:
                yield place.partition, wanted
        # The position, not the last record: control records and compaction leave holes at the end.
        for place, stop in list(spans.items()):
            if stop is not None and await consumer.position(place) >= stop:
                consumer.pause(place)
                del spans[place]


def _named(place: TopicPartition) -> str:
    return f"{place.topic}-{place.partition}"


async def _skipped(consumer: Any, places: Mapping[TopicPartition, int]) -> list[Trimmed]:
    """Go on at the first offset there is, where the broker deleted while we read."""
    begins = await consumer.beginning_offsets(list(places))
    for place, first in begins.items():
        consumer.seek(place, first)
    return [Trimmed(place.partition, places[place], first) for place, first in begins.items()]


def read_lines(path: Path) -> Iterator[bytes]:
    """Read the values in a file of JSON lines; RequestError where it cannot be read."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield line.rstrip(b"\r\n")
    except OSError as error:
        raise RequestError(f"file: cannot read {str(path)!r}: {reason(error)}") from error

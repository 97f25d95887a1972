"""Readings as any user of the factory gets them: from Kafka in a consumer group, or from a file of JSON lines.

Nothing of `fleet` is imported: a detector knows the records and their schema, and no more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

SCHEMAS = Path(__file__).parents[2] / "schemas"
MINUTE_S = 60


class Reading(NamedTuple):
    """What a sensor reported; *time_s* is its time stamp in seconds since 1970."""

    machine: str
    sensor: str
    units: str
    value: float
    time_s: float


class Minute(NamedTuple):
    """The readings of a machine in one minute: of each sensor the mean and the root of the mean square."""

    machine: str
    end_s: float
    units: dict[str, str]
    mean: dict[str, float]
    rms: dict[str, float]


def arguments(about: str) -> argparse.ArgumentParser:
    """Begin the command line of a detector."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("file", nargs="?", help="readings as JSON lines, - for standard input; without it: Kafka")
    parser.add_argument("--topic", default="factory.readings", help="the readings' topic")
    parser.add_argument("--group", default=None, help="the consumer group; where it stood before, it goes on")
    parser.add_argument("--idle", type=float, default=math.inf, metavar="S", help="end after so long without a record")
    return parser


# ---------------------------------------------------------------- where readings come from


async def readings(options: argparse.Namespace, *, group: str) -> AsyncIterator[Reading]:
    """Give the readings that *options* name, good ones and no others."""
    if options.file is None:
        async for each in _from_kafka(options, options.group or group):
            yield each
        return
    for each in _from_file(options.file):
        yield each


def _from_file(name: str) -> Iterator[Reading]:
    with sys.stdin.buffer if name == "-" else Path(name).open("rb") as lines:
        for line in lines:
            if (each := _reading(json.loads(line))) is not None:
                yield each


async def _from_kafka(options: argparse.Namespace, group: str) -> AsyncIterator[Reading]:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        options.topic,
        bootstrap_servers=os.environ["FLEET_KAFKA_BOOTSTRAP"].removeprefix("kafka://"),
        group_id=group,
        auto_offset_reset="earliest",  # a detector that is started late has not missed anything
        enable_auto_commit=True,
    )
    await consumer.start()
    try:
        decode = _Decoder()
        wait_s = min(options.idle, 3600.0)
        while not consumer.assignment():  # noqa: ASYNC110 - the group settles who reads what: that is no silence
            await asyncio.sleep(0.1)
        while True:
            found = await consumer.getmany(timeout_ms=round(wait_s * 1000))
            if not found and math.isfinite(options.idle):
                return
            for records in found.values():
                for record in records:
                    if (each := _reading(decode(record.value))) is not None:
                        yield each
    finally:
        await consumer.stop()


class _Decoder:
    """Decodes what stands in the topic: JSON, or Avro in the registry's frame (0x00, four bytes of schema id)."""

    def __init__(self) -> None:
        ids = json.loads((SCHEMAS / "ids.json").read_text())  # with a registry, ask it instead
        self._files = {number: SCHEMAS / name for name, number in ids.items()}
        self._schemas: dict[int, Any] = {}

    def __call__(self, value: bytes | None) -> dict[str, Any]:
        """Give the fields of a record; none of what is no reading, or is broken: others write there as well."""
        try:
            return self._fields(value)
        except Exception:  # noqa: BLE001 - a body that was cut off ends in any exception at all
            return {}

    def _fields(self, value: bytes | None) -> dict[str, Any]:
        import fastavro

        if not value or value[:1] not in {b"\0", b"{"}:
            return {}
        if value[:1] == b"{":
            return dict(json.loads(value))
        number = int.from_bytes(value[1:5], "big")
        if number not in self._files:
            return {}
        if number not in self._schemas:
            self._schemas[number] = fastavro.parse_schema(json.loads(self._files[number].read_text()))
        return dict(fastavro.schemaless_reader(BytesIO(value[5:]), self._schemas[number], None))  # type: ignore[arg-type]


def _reading(fields: dict[str, Any]) -> Reading | None:
    """Give a reading that may be trusted."""
    if fields.get("quality") != "GOOD" or fields.get("value") is None or not math.isfinite(fields["value"]):
        return None
    stamp = fields["timestamp"]
    instant = stamp if isinstance(stamp, datetime) else datetime.fromisoformat(stamp)
    return Reading(fields["machine"], fields["sensor"], fields["units"], fields["value"], instant.timestamp())


# ---------------------------------------------------------------- minutes


@dataclass
class _Open:
    """A minute that is not over."""

    number: int
    units: dict[str, str] = field(default_factory=dict)
    sums: dict[str, list[float]] = field(default_factory=dict)  # count, sum, sum of squares

    def closed(self, machine: str) -> Minute:
        mean = {sensor: total / count for sensor, (count, total, _) in self.sums.items()}
        rms = {sensor: math.sqrt(squares / count) for sensor, (count, _, squares) in self.sums.items()}
        return Minute(machine, (self.number + 1) * MINUTE_S, self.units, mean, rms)


class Minutes:
    """Puts readings together to minutes, each machine for itself; what comes late for its minute is left out."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def take(self, reading: Reading) -> Iterator[Minute]:
        """Take a *reading*; give the minute that is over because of it, if any."""
        number = int(reading.time_s // MINUTE_S)
        minute = self._open.get(reading.machine)
        if minute is None or number > minute.number:
            if minute is not None:
                yield minute.closed(reading.machine)
            minute = self._open[reading.machine] = _Open(number)
        if number == minute.number:
            sums = minute.sums.setdefault(reading.sensor, [0.0, 0.0, 0.0])
            sums[0] += 1
            sums[1] += reading.value
            sums[2] += reading.value**2
            minute.units[reading.sensor] = reading.units


# ---------------------------------------------------------------- alerts


class Alerts:
    """Writes alerts as JSON lines: when a score reaches 1, again when it has grown by half, and each hour it lasts."""

    GROWN, AGAIN_S = 1.5, 3600.0

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[float, float]] = {}

    def score(self, machine: str, sensor: str, time_s: float, score: float) -> None:
        """Take the *score* of a sensor of a machine at an instant; 1 and more is an alert."""
        key = machine, sensor
        if score < 1:
            if score < 0.8:  # what falls a little below and rises again is the same alarm
                self._last.pop(key, None)
            return
        last_s, last = self._last.get(key, (-math.inf, 0.0))
        if score < self.GROWN * last and time_s < last_s + self.AGAIN_S:
            return
        self._last[key] = time_s, max(score, last)
        time = datetime.fromtimestamp(time_s, UTC).isoformat()
        print(json.dumps({"machine": machine, "time": time, "sensor": sensor, "score": round(score, 4)}), flush=True)


def run(main: Any) -> None:
    """Run a detector until its readings end, or Ctrl-C."""
    try:
        asyncio.run(main)
    except KeyboardInterrupt:
        sys.exit(130)

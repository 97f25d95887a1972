"""Print readings and count them, with the digest that all example consumers print."""

import hashlib
import struct
import sys

from machine_sensor import MachineSensor
from readings import Readings, UnreadableError


class Tally:
    """What was read so far; *seen* counts all records, read or not."""

    def __init__(self, readings: Readings) -> None:
        self.seen = 0
        self._readings = readings
        self._read = 0
        self._digest = 0

    async def add(self, partition: int, offset: int, value: bytes | None) -> None:
        """Print the reading of a record, or say on standard error why it has none."""
        self.seen += 1
        try:
            reading = await self._readings.decode(value)
        except UnreadableError as error:
            print(f"partition {partition}, offset {offset}: {error}", file=sys.stderr)
            return
        self._read += 1
        self._digest += number(reading)
        # 1970 is where the writer did not say.
        time = reading.timestamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
        print(reading.machine, reading.sensor, reading.value, reading.units, time)

    def end(self) -> None:
        """Print the last line."""
        if self.seen > self._read:
            print(f"unreadable={self.seen - self._read}", file=sys.stderr)
        print(f"records={self._read} digest={self._digest % 2**64:016x}")


def number(reading: MachineSensor) -> int:
    """Return what a reading adds to the digest; sums do not depend on the order of partitions."""
    fields = reading.to_avro()
    fields["value"] = struct.pack(">d", reading.value).hex()
    names = ("machine", "sensor", "units", "value", "timestamp", "seq", "quality", "machine_id")
    text = "|".join(str(fields[name]) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

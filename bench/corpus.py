"""Records for the peers: real ones of the benchmark plant, encoded by fleet, in files that each peer reads first.

The files keep a peer from paying for physics or encoding that it does not do: what is measured begins behind it.
"""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import plant
from bench.brokers import PARTITIONS
from fleet.encode.encoder import Encoder, StreamPlan

MACHINES = 1_000
RECORDS = 50_000
"""In the file; a peer sends them over and over. More would measure its memory, fewer its cache."""

RELEASE_US = 100_000
HEAD = struct.Struct("<iii")  # partition, length of key, length of value


class Encoded(NamedTuple):
    """A record as a peer sends it."""

    partition: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Corpus:
    """The file of records, and what a peer that makes up its own needs to know of them."""

    records: Path
    lines: Path  # text of the same lengths, for who reads lines: key, tab, value
    key_bytes: int
    value_bytes: int  # on average

    @property
    def record_bytes(self) -> int:
        """Give the average of key and value together."""
        return self.key_bytes + self.value_bytes


@contextmanager
def corpus() -> Iterator[Corpus]:
    """Write the files; they are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        records = list(itertools.islice(encoded(), RECORDS))
        path, lines = Path(folder) / "records", Path(folder) / "lines"
        path.write_bytes(b"".join(HEAD.pack(p, len(key), len(value)) + key + value for p, key, value in records))
        lines.write_bytes(b"".join(key + b"\t" + b"v" * len(value) + b"\n" for _, key, value in records))
        key_bytes = round(sum(len(record.key) for record in records) / len(records))
        value_bytes = round(sum(len(record.value) for record in records) / len(records))
        yield Corpus(path, lines, key_bytes, value_bytes)


def encoded() -> Iterator[Encoded]:
    """Encode the plant's readings, for ever, as a run at full speed hands them over."""
    simulation = plant.simulation(MACHINES)
    encoder = Encoder({"readings": StreamPlan("readings")}, {"readings": PARTITIONS})
    while True:
        block = simulation.advance(simulation.now_us + simulation.span_us())
        prepared = encoder.prepare(block)
        for until_us in (*range(block.start_us, block.stop_us, RELEASE_US), block.stop_us):
            for batch in prepared.release(until_us):
                for record in batch.records:
                    yield Encoded(batch.partition, record.key, record.value)


def read(path: Path) -> list[Encoded]:
    """Read the file of records."""
    data, at, records = path.read_bytes(), 0, []
    while at < len(data):
        partition, key_length, value_length = HEAD.unpack_from(data, at)
        key_at = at + HEAD.size
        value_at = key_at + key_length
        at = value_at + value_length
        records.append(Encoded(partition, data[key_at:value_at], data[value_at:at]))
    return records

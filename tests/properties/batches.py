"""Batches as aiokafka builds them, from any records, and what its own reader finds in them."""

from __future__ import annotations

from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import strategies as st

from fleet.data import RawBatches
from fleet.encode.columns import RecordColumns
from fleet.sinks.batches import headers, pieces

NO_CODEC, GZIP, SNAPPY, LZ4, ZSTD = range(5)
TIME_MS = 1_772_431_200_000


class Plain(NamedTuple):
    """A record, to be compared."""

    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def built(records: list[Plain], *, codec: int = NO_CODEC, first_offset: int = 0) -> bytes:
    """Build one batch."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, 7, 0, 0, 1 << 30)
    for delta, record in enumerate(records):
        builder.append(delta, record.stamp_ms, record.key, record.value, record.headers)
    return first_offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def read_by_aiokafka(batches: bytes) -> list[Plain]:
    found = []
    records = MemoryRecords(batches)
    while records.has_next():
        found += [
            Plain(record.offset, record.timestamp, record.key, record.value, list(record.headers))
            for record in records.next_batch()
        ]
    return found


def raw(batches: bytes, *, start: int = 0, stop: int = 1 << 60) -> list[RawBatches]:
    found = headers(batches, place="t-0")
    return list(pieces(batches, found, partition=0, start=start, stop=stop)) if found else []


def plain(columns: RecordColumns) -> list[Plain]:
    return [
        Plain(
            int(columns.offset[row]),
            int(columns.stamp_ms[row]),
            columns.key(row),
            columns.value(row),
            columns.header_pairs(row),
        )
        for row in range(len(columns))
    ]


_texts = st.none() | st.binary(max_size=9) | st.binary(min_size=60, max_size=140)
_headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=70)), max_size=2)


@st.composite
def records(draw: st.DrawFn, *, most: int = 30) -> list[Plain]:
    """Draw records: some of few kinds that come again and again, as ours do, so that there are many."""
    kinds = draw(
        st.lists(
            st.tuples(st.integers(-(10**12), 10**12), _texts, _texts, st.just([]) | _headers), min_size=1, max_size=4
        )
    )
    order = draw(st.lists(st.integers(0, len(kinds) - 1), min_size=1, max_size=most))
    again = draw(st.sampled_from([1, 1, 40]))
    return [
        Plain(offset, max(TIME_MS + kinds[kind][0], 0), *kinds[kind][1:]) for offset, kind in enumerate(order * again)
    ]

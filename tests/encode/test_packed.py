"""Packed batches are byte for byte what fastavro and aiokafka's own builder make."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import (
    HEADER_BYTES,
    Batch,
    Block,
    Cohort,
    Equipment,
    KindColumns,
    PackedBatch,
    Record,
    RecordBatch,
    Sensor,
)
from fleet.encode import rows
from fleet.encode.cloudevents import CloudEvents
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.packed import Packer
from fleet.encode.program import MachineText, Real, SensorText
from fleet.encode.varint import COUNTED, byte_table, lengths, numbers, varint
from tests.encode.blocks import columns

START_US = 1_772_431_200_000_000
GROWING = (0, 50, 60, 8_150, 8_185, 1_048_500, 134_217_700)
"""Numbers near which a varint gets longer."""


def reference(batch: PackedBatch, records: list[Record]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 26)
    for offset, record in enumerate(records):
        assert builder.append(offset, record.timestamp_ms, record.key, record.value, list(record.headers))
    return bytes(builder.build())


def records_by_place(batches: list[Batch]) -> dict[tuple[str, int], list[Record]]:
    found: dict[tuple[str, int], list[Record]] = {}
    for batch in batches:
        assert isinstance(batch, RecordBatch)
        found.setdefault((batch.topic, batch.partition), []).extend(batch.records)
    return found


def a_block(rng: np.random.Generator, *, cohorts: int, machines: int, scans: int, first_seq: int, late: bool) -> Block:
    """Make scans of several cohorts with all lengths of ids, several sets of due sensors, and any time stamps."""
    kinds = []
    for cohort in range(cohorts):
        names = [f"{'m' * int(rng.integers(1, 90))}{cohort}-{index}" for index in range(machines)]
        equipment = tuple(Equipment(name, f"kind-{cohort}", "line", "area", "site") for name in names)
        sensors = tuple(Sensor(f"sensor{'s' * index}", "mm/s", 1) for index in range(int(rng.integers(1, 12))))
        of = Cohort(f"kind-{cohort}", equipment, sensors, 1_000_000, np.zeros(machines, np.int64))
        for due in range(2):
            chosen = tuple(range(0, len(sensors), due + 1))
            n = int(rng.integers(1, scans + 1))
            scan_us = START_US + rng.choice(30_000_000, n, replace=False).astype(np.int64)
            wander = rng.integers(-9_000_000, 9_000_000, n) if late else np.zeros(n, np.int64)
            kinds.append(
                KindColumns(
                    cohort=of,
                    sensors=chosen,
                    machine=rng.integers(0, machines, n),
                    tick=np.arange(n),
                    scan_us=scan_us + wander,
                    event_us=scan_us + rng.integers(-20_000, 20_000, n),
                    due_us=scan_us,
                    seq=first_seq + rng.integers(0, 40, n),
                    value=rng.normal(50, 30, (len(chosen), n)).round(2).T,
                    quality=rng.integers(0, 3, (len(chosen), n)).astype(np.uint8).T,
                    places=withheld_between(rng, len(chosen)) if rng.integers(2) else (),
                )
            )
    return Block(START_US, START_US + 30_000_000, tuple(kinds), ())


def withheld_between(rng: np.random.Generator, sensors: int) -> tuple[int, ...]:
    """Give the places of readings of which some between them are withheld."""
    return tuple(np.sort(rng.choice(2 * sensors, sensors, replace=False)).tolist())


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32),
    written=st.sampled_from([(form, layout) for form in ("avro", "json", "protobuf") for layout in ("v1", "v2", "v3")]),
    first_seq=st.sampled_from(GROWING),
    scans=st.sampled_from([1, 5, 60, 400]),
    late=st.booleans(),
    limit=st.sampled_from([8_000, 60_000, 1 << 20]),
    cuts=st.lists(st.integers(1, 29), max_size=3, unique=True),
    header=st.booleans(),
    cloudevents=st.booleans(),
)
def test_packed_batches_are_the_bytes_of_the_reference_libraries(
    seed: int,
    written: tuple[str, str],
    first_seq: int,
    scans: int,
    late: bool,
    limit: int,
    cuts: list[int],
    header: bool,
    cloudevents: bool,
) -> None:
    block = a_block(np.random.default_rng(seed), cohorts=2, machines=4, scans=scans, first_seq=first_seq, late=late)
    streams = {"readings": StreamPlan("t.{kind}", *written)}
    partitions = {"t.kind-0": 3, "t.kind-1": 1}
    headers = (("fleet-run", b"20260302T060000-abc"),) if header else ()
    events = CloudEvents("a", seed, START_US, "http://localhost:8081") if cloudevents else None
    plain = Encoder(streams, partitions, headers=headers, cloudevents=events).prepare(block)
    packed = Encoder(streams, partitions, headers=headers, cloudevents=events, batch_bytes=limit).prepare(block)

    for _, second in pairwise([0, *sorted(cuts), 30]):
        stop_us = START_US + second * 1_000_000
        wanted = records_by_place(plain.release(stop_us))
        for batch in packed.release(stop_us):
            assert isinstance(batch, PackedBatch)
            records = wanted[batch.topic, batch.partition][: batch.count]
            del wanted[batch.topic, batch.partition][: batch.count]

            assert bytes(batch.data[HEADER_BYTES:]) == reference(batch, records)[HEADER_BYTES:]
            assert len(batch.data) <= limit
            assert batch.first_ms == records[0].timestamp_ms
            assert batch.max_ms == max(record.timestamp_ms for record in records)
        assert not any(wanted.values())


@pytest.mark.parametrize("bound", ["MACHINES_BYTES_MAX", "TEMPLATES_BYTES_MAX"])
def test_bytes_do_not_depend_on_which_templates_are_remembered(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block = a_block(np.random.default_rng(3), cohorts=2, machines=3, scans=2_000, first_seq=8_150, late=True)

    def written() -> list[bytes]:
        encoder = Encoder({"readings": StreamPlan("t")}, {"t": 1}, batch_bytes=60_000)
        batches = encoder.prepare(block).release(block.stop_us)
        return [bytes(batch.data) for batch in batches if isinstance(batch, PackedBatch)]

    remembered = written()
    monkeypatch.setattr(rows, bound, 0)

    assert [each[HEADER_BYTES:] for each in written()] == [each[HEADER_BYTES:] for each in remembered]


def test_sets_of_sensors_share_the_texts_of_their_machines() -> None:
    machines = tuple(Equipment(f"m{index}", "kind", "line", "area", "site") for index in range(5))
    sensors = tuple(Sensor(name, "bar", 1) for name in "abc")
    of = Cohort("kind", machines, sensors, 1_000_000, np.zeros(5, np.int64), gaps=True)
    packer = Packer((MachineText("machine"), SensorText("sensor"), Real(8)), (), batch_bytes=1 << 20)

    sets = [packer.rows_of(columns(of, sensors=chosen)) for chosen in ((0,), (1, 2), (0, 1, 2))]

    assert len({id(one) for one in sets}) == 3
    assert len({id(one.texts) for one in sets}) == 1  # there are up to 2^8 sets, and machines by the thousand


def test_digests_do_not_depend_on_how_readings_are_written() -> None:
    block = a_block(np.random.default_rng(1), cohorts=2, machines=4, scans=60, first_seq=0, late=False)
    streams, partitions = {"readings": StreamPlan("t")}, {"t": 3}
    encoders = [Encoder(streams, partitions), Encoder(streams, partitions, batch_bytes=1 << 20)]

    for encoder in encoders:
        encoder.prepare(block).release(block.stop_us)

    assert encoders[0].digests == encoders[1].digests


@given(st.lists(st.integers(-(2**54), 2**54 - 1), min_size=1, max_size=50))
def test_columns_of_varints_are_the_varints_of_their_values(values: list[int]) -> None:
    column = np.array(values, np.int64)

    table, length = byte_table(column)

    assert [bytes(row[:size]) for row, size in zip(table, length, strict=True)] == [varint(value) for value in values]
    assert lengths(column).tolist() == length.tolist()


@given(
    first=st.lists(st.integers(0, 2**17), min_size=1, max_size=30),
    beyond=st.sampled_from([0, 60, 8_190, COUNTED - 40, 2**20, 2**40]),
    within=st.lists(st.integers(0, 12), min_size=1, max_size=8, unique=True),
)
def test_numbers_that_follow_one_another_are_the_varints_of_each(
    first: list[int], beyond: int, within: list[int]
) -> None:
    ascending = sorted(within)

    words = numbers(np.array(first, np.int64) + beyond, np.array(ascending))

    expected = [varint(beyond + one + more) for one in first for more in ascending]
    assert words.tolist() == [int.from_bytes(each, "little") for each in expected]

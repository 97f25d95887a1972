"""Layouts that change in mid-run: each record is in the layout of its machine and instant, each machine's in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.data import HEADER_BYTES, Batch, Block, PackedBatch, RawBatches, Record
from fleet.encode.columns import record_columns
from fleet.encode.digest import MachineDigest
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.evolving import Change
from fleet.encode.layouts import READINGS_V1, READINGS_V2, READINGS_V3, Layout
from fleet.encode.own import own_layout
from fleet.scenario.avsc import read_avsc
from fleet.scenario.own import sources_of
from tests.encode.test_packed import START_US, a_block
from tests.run.evolution import NEXT, next_version

TOPIC, PARTITIONS, SPAN_MS = "readings", 3, 30_000
OWN = own_layout(NEXT, next_version(), sources_of(read_avsc(next_version()), {"machine_id": "machine"}))
LAYOUTS = (READINGS_V1, READINGS_V2, READINGS_V3, OWN)

Logs = dict[bytes, list[Record]]


def records_of(batch: Batch) -> Sequence[Record]:
    if not isinstance(batch, PackedBatch):
        return batch.records
    raw = RawBatches(
        batch.partition, 0, batch.count, (bytes(batch.data[HEADER_BYTES:]),), np.array([0]),
        np.array([batch.first_ms]), np.array([batch.count]), np.array([False]),
    )  # fmt: skip
    columns = record_columns(raw)
    return [Record(columns.key(k), columns.value(k), int(columns.stamp_ms[k])) for k in range(len(columns))]


def logs_of(
    block: Block, plan: StreamPlan, *, cuts: Sequence[int] = (), packed: bool = False
) -> tuple[Logs, dict[str, MachineDigest]]:
    """Encode *block*, released up to each of *cuts* (s) and to its end; give every machine's log and digest."""
    encoder = Encoder(
        {"readings": plan}, {TOPIC: PARTITIONS}, start_us=START_US, batch_bytes=20_000 if packed else None
    )
    encoder.check([columns.cohort for columns in block.kinds])
    prepared, found = encoder.prepare(block), defaultdict(list)
    for stop_us in [*(START_US + 1_000_000 * cut for cut in sorted(cuts)), block.stop_us]:
        for batch in prepared.release(stop_us):
            assert isinstance(batch, PackedBatch) is packed
            for record in records_of(batch):
                found[record.key or b""].append(record)
    return dict(found), encoder.digests["readings"]


def version_at(changes: Sequence[Change], machine: bytes, stamp_ms: int) -> Layout | None:
    """Say by a loop over all *changes* which layout a scan at an instant has; None for the first one."""
    found = None
    for change in changes:
        if machine.decode() in change.machines and stamp_ms >= START_US // 1000 + change.at_us // 1000:
            found = change.layout
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    form=st.sampled_from(["avro", "avro", "json"]),
    first=st.sampled_from(LAYOUTS[:3]),
    steps=st.lists(
        st.tuples(st.integers(0, SPAN_MS), st.sampled_from(LAYOUTS), st.integers(0, 7)),
        max_size=5, unique_by=lambda step: step[0],
    ),
    scans=st.sampled_from([5, 60, 300]),
    late=st.booleans(),
    cuts=st.lists(st.integers(1, 29), max_size=3, unique=True),
    packed=st.booleans(),
)  # fmt: skip
def test_each_record_is_in_the_layout_of_its_machine_and_instant_and_stands_where_it_would_without_changes(
    seed: int,
    form: str,
    first: Layout,
    steps: list[tuple[int, Layout, int]],
    scans: int,
    late: bool,
    cuts: list[int],
    packed: bool,
) -> None:
    block = a_block(np.random.default_rng(seed), cohorts=2, machines=4, scans=scans, first_seq=0, late=late)
    names = [machine.id for columns in block.kinds for machine in columns.cohort.machines]
    changes = tuple(
        Change(at_ms * 1000, layout, frozenset(name for at, name in enumerate(names) if at % 8 != but))
        for at_ms, layout, but in sorted(steps, key=lambda step: step[0])
    )
    alone = {layout: logs_of(block, _plan(form, layout))[0] for layout in LAYOUTS}

    logs, digests = logs_of(block, _plan(form, first, changes), cuts=cuts, packed=packed)

    for machine, log in alone[first].items():
        expected = [
            alone[version_at(changes, machine, record.timestamp_ms) or first][machine][at]
            for at, record in enumerate(log)
        ]
        assert logs[machine] == expected
    assert logs.keys() == alone[first].keys()
    assert digests == logs_of(block, _plan(form, first, changes))[1]


def _plan(form: str, layout: Layout, changes: tuple[Change, ...] = ()) -> StreamPlan:
    # Ids have to be the same whether or not the own layout is among them.
    return StreamPlan(TOPIC, form, layout.name, layout if layout.own else None, changes)


def test_versions_of_a_release_are_batched_by_version_and_not_scan_by_scan() -> None:
    block = a_block(np.random.default_rng(1), cohorts=1, machines=8, scans=400, first_seq=0, late=False)
    some = frozenset(machine.id for machine in block.kinds[0].cohort.machines[:3])
    encoder = Encoder(
        {"readings": _plan("avro", READINGS_V1, (Change(10_000_000, READINGS_V2, some),))},
        {TOPIC: 1}, start_us=START_US, batch_bytes=1 << 20,
    )  # fmt: skip

    batches = encoder.prepare(block).release(block.stop_us)

    first = [bytes(records_of(batch)[0].value or b"")[4] for batch in batches]
    assert len(batches) == 2
    assert first == [1, 2]

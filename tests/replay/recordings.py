"""Recordings of small runs, and what anybody can say of the records in them."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from fleet.data import Batch, PackedBatch, RawBatches, Record, RecordBatch
from fleet.encode.columns import record_columns
from fleet.replay.execute import Replayed, execute
from fleet.replay.plan import ReplayPlan, ReplayRequest, make_plan
from fleet.replay.recordings import RecordingSource
from fleet.run.clock import Clock
from fleet.sinks.memory import MemorySink
from tests.run.runs import carried_out, planned, scenario
from tests.run.sinks import FakeClock

import numpy as np  # isort: skip

Log = list[tuple[bytes | None, bytes | None, int, tuple[tuple[str, bytes | None], ...]]]
"""Key, value, stamp and headers of the records of a partition, in order."""


def recorded(path: Path, name: str = "quickstart", *, length_s: float = 20, **request: object) -> dict[str, Log]:
    """Record a run at *path* and give what the same run writes to a sink that remembers."""
    plan = planned(f"record:{path}", "memory:", of=scenario(name), length_s=length_s, **request)  # type: ignore[arg-type]
    result = carried_out(plan)
    assert result.exit_code == 0
    sink = result.targets[1].sink
    assert isinstance(sink, MemorySink)
    return by_machine(sink.batches)


def by_machine(batches: Iterable[Batch]) -> dict[str, Log]:
    """Give the log of every machine and stream, without what the run says of itself."""
    logs: dict[str, Log] = defaultdict(list)
    for batch in batches:
        if batch.stream != "runs":
            for record in records_of(batch):
                key = record[0]
                logs[f"{batch.stream} {batch.topic} {(key or b'').decode()}"].append(record)
    return dict(logs)


def by_place(batches: Iterable[Batch]) -> dict[tuple[str, int], Log]:
    """Give the log of every partition."""
    logs: dict[tuple[str, int], Log] = defaultdict(list)
    for batch in batches:
        logs[batch.topic, batch.partition] += records_of(batch)
    return dict(logs)


def records_of(batch: Batch) -> Log:
    """Give the records of a batch, packed or not."""
    if isinstance(batch, RecordBatch):
        return [(record.key, record.value, record.timestamp_ms, record.headers) for record in batch.records]
    columns = record_columns(raw_of(batch))
    assert not columns.damaged
    return [
        (columns.key(row), columns.value(row), int(columns.stamp_ms[row]), tuple(columns.header_pairs(row)))
        for row in range(len(columns))
    ]


def raw_of(batch: PackedBatch) -> RawBatches:
    """See a packed batch as one that was read."""
    return RawBatches(
        partition=batch.partition, start=0, stop=len(batch), data=(bytes(batch.data[61:]),),
        first_offset=np.zeros(1, np.int64), first_ms=np.array([batch.first_ms]), count=np.array([len(batch)]),
        appended=np.zeros(1, np.bool_),
    )  # fmt: skip


def replayed(path: Path, target: str = "memory:", *, clock: Clock | None = None, **request: object) -> Replayed:
    """Replay the recording at *path* to its end."""
    fields = {"speed": math.inf} | request
    with RecordingSource(path) as source:
        plan = make_plan(ReplayRequest(str(path), target, **fields), source, wall_us=FakeClock().wall_us())  # type: ignore[arg-type]
        return carry_out(plan, source, clock=clock)


def carry_out(plan: ReplayPlan, source: object, *, clock: Clock | None = None) -> Replayed:
    """Carry out *plan*."""
    run = getattr(source, "run", None)
    return asyncio.run(
        execute(plan, clock=clock or FakeClock(), broker=None, run=run, proof=None, watch=lambda *_: None)
    )


def remembered(result: Replayed) -> list[Batch]:
    """Give what a replay to memory has sent."""
    assert isinstance(result.sink, MemorySink)
    return result.sink.batches


def plain(key: bytes | None, value: bytes | None, stamp_ms: int, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """Make a record that may lack key or value."""
    return Record(key, value, stamp_ms, headers)  # type: ignore[arg-type]

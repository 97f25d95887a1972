"""What a run has sent, as a test wants it: decoded records, events, labels, and columns of NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Ints, Record, RecordBatch
from fleet.encode.decode import Decoder, known_schemas
from fleet.encode.encoder import ids_of
from fleet.run.execute import Result
from fleet.run.report import as_json
from fleet.run.targets import Target
from fleet.sinks.memory import MemorySink

NO_SEQ = -1


class Columns(NamedTuple):
    """Readings as columns shaped (readings,), in log order within a machine.

    ``pandas.DataFrame(columns._asdict())`` makes a table of them.
    """

    time: NDArray[np.datetime64]  # us: what the controller's clock said; the record's stamp where a layout has no time
    machine: NDArray[np.str_]
    sensor: NDArray[np.str_]
    value: NDArray[np.float64]
    quality: NDArray[np.str_]  # GOOD, UNCERTAIN or BAD
    seq: Ints  # -1 where a layout has none

    def of(self, machine: str) -> Columns:
        """Give the readings of one *machine*."""
        return self.chosen(self.machine == machine)

    def chosen(self, rows: NDArray[Any]) -> Columns:
        """Give the readings that *rows*, a mask or indices, chooses."""
        return Columns(*(column[rows] for column in self))


class Ran:
    """A run that has ended. What is decoded is decoded when it is first asked for."""

    def __init__(self, result: Result, bootstrap: str | None) -> None:
        self._result = result
        self.bootstrap = bootstrap
        """``HOST:PORT`` of the embedded broker, None for a run in memory."""
        memory = next(target for target in result.targets if isinstance(target.sink, MemorySink))
        self._decoder = _decoder(memory)
        self._kept: dict[str, list[Record]] = {}
        assert isinstance(memory.sink, MemorySink), "it was looked for"
        for batch in memory.sink.batches:
            assert isinstance(batch, RecordBatch), "memory takes no packed batches"
            self._kept.setdefault(batch.stream, []).extend(batch.records)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(kept):,} {stream}" for stream, kept in self._kept.items() if stream != "runs")
        return f"<run {self.run_id} of {self._result.plan.request.scenario.name}: {counts}>"

    @property
    def run_id(self) -> str:
        """The id of the run, as ``factory.runs`` and labels carry it."""
        return self._result.plan.run_id

    @property
    def streams(self) -> Mapping[str, list[Record]]:
        """Keys, values, stamps and headers as they were sent, by stream, in the order in which they were due."""
        return self._kept

    @cached_property
    def report(self) -> dict[str, Any]:
        """What ``fleet run --json`` prints: the account of every record, seed, start, the proof on a broker."""
        return as_json(self._result)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The readings, decoded; ``timestamp`` is in us since 1970."""
        return self.decoded("readings")

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """State changes, failures and repairs, and doors, decoded."""
        return self.decoded("events") + self.decoded("doors")

    @cached_property
    def labels(self) -> list[dict[str, Any]]:
        """The truth about every fault, decoded: an *open* record at the onset and one with all of it at the end."""
        return self.decoded("labels")

    def decoded(self, stream: str) -> list[dict[str, Any]]:
        """Decode the records of a *stream*; none where the run has no such stream."""
        return [self._decoder.decode(record.value, record.key) for record in self._kept.get(stream, ())]

    @cached_property
    def readings(self) -> Columns:
        """All readings as columns."""
        return _columns(self.records, self._kept.get("readings", []))

    @cached_property
    def columns(self) -> Mapping[str, Columns]:
        """The readings of each sensor as columns: ``run.columns["vibration"].value``."""
        return dict(_by_sensor(self.readings))


def _decoder(target: Target) -> Decoder:
    """Make a decoder of all schemas the run's records may have."""
    plans = target.plan.streams
    owns, ids = plans["readings"].owns, ids_of(plans)
    return Decoder(known_schemas() | {ids[own.schema]: own.text for own in owns}, owns=owns)


def _columns(records: list[dict[str, Any]], sent: list[Record]) -> Columns:
    stamps = (one.get("timestamp", record.timestamp_ms * 1000) for one, record in zip(records, sent, strict=True))
    return Columns(
        time=np.fromiter(stamps, np.int64, len(records)).astype("datetime64[us]"),
        machine=np.array([one["machine"] for one in records], np.str_),
        sensor=np.array([one["sensor"] for one in records], np.str_),
        value=np.array([one["value"] for one in records], np.float64),
        quality=np.array([one.get("quality", "GOOD") for one in records], np.str_),
        seq=np.array([one.get("seq", NO_SEQ) for one in records], np.int64),
    )


def _by_sensor(readings: Columns) -> Iterator[tuple[str, Columns]]:
    names, of = np.unique(readings.sensor, return_inverse=True)
    for number, name in enumerate(names.tolist()):
        yield name, readings.chosen(of == number)

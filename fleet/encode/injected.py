"""What a wrong client sends, as records: valid readings by the run's own encoder, damaged by the fault's function.

They go into the readings' topics, each with a header that says whose it is, so that a reader can set them aside before
it looks at anything else. Files and standard output keep neither keys nor what is no reading: for them each record is
described in a line of JSON, and the sink puts these where they are in nobody's way.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import overload

import numpy as np

from fleet.data import INJECTED, Event, Injection, Ints, KindColumns, Record, RecordBatch
from fleet.encode.formats import EventFormat, ReadingFormat
from fleet.encode.headers import Pairs
from fleet.encode.order import topics_for
from fleet.encode.partition import partitions_of
from fleet.encode.writers import RecordTime
from fleet.faults.producer import PRODUCER_FAULTS, ClientAt

HEADER = "fleet-injected"
"""The header of every record that was injected: the id of the label that says so."""

CHUNK = 256
"""Records that are encoded at once; damaged they are one by one, for they may be very large."""


class Injecting:
    """Writes what wrong clients send into the topics that *template* makes of *partitions* each.

    *reading* and *event* are the run's own encoders. Every record has the *headers* of the run and one more.
    """

    def __init__(
        self,
        template: str,
        partitions: Mapping[str, int],
        reading: ReadingFormat,
        event: EventFormat,
        record_time: RecordTime,
        headers: Pairs,
    ) -> None:
        self._template, self._partitions = template, partitions
        self._reading, self._event = reading, event
        self._record_time, self._headers = record_time, headers

    def batches(self, injection: Injection, first: int, stop: int, wall_ms: int) -> list[RecordBatch]:
        """Write the records of *injection* from *first* to *stop*: a batch for each partition."""
        if first >= stop:
            return []
        (topic,) = topics_for(self._template, injection.cohort.machines)
        count, rows = self._partitions[topic], np.arange(first, stop)
        key = _key(injection)
        partition = injection.number[rows] % count if key is None else np.repeat(partitions_of([key], count), len(rows))
        found = []
        for number in np.unique(partition).tolist():
            mine = rows[partition == number]
            make = partial(self._records, injection, wall_ms=wall_ms, place=(topic, number))
            due_us = injection.due_us[mine]
            found.append(
                RecordBatch(
                    INJECTED, topic, number, Lazy(make, mine), int(due_us[-1]), due_us if len(mine) > 1 else None
                )
            )
        return found

    def _records(self, injection: Injection, rows: Ints, *, wall_ms: int, place: tuple[str, int]) -> Iterator[Record]:
        """Make the records of some *rows* of *injection*, one after the other."""
        function = PRODUCER_FAULTS[injection.fault][0]
        headers = (*self._headers, (HEADER, injection.label.encode()))
        (machine,) = injection.cohort.machines
        key = machine.id.encode()
        for at in range(0, len(rows), CHUNK):
            some = rows[at : at + CHUNK]
            for row, value in zip(some.tolist(), self._values(injection, some), strict=True):
                due_us, number = int(injection.due_us[row]), int(injection.number[row])
                event = Event(machine, number, due_us, "state", "execute", "", number)
                at_row = ClientAt(injection.set, float(injection.chance[row]), lambda of=event: self._event(of)[1])  # type: ignore[misc]
                stamp_ms = wall_ms if self._record_time == "wall" else due_us // 1000
                (record,) = function(Record(key, value, stamp_ms, headers), at_row)
                yield described(record, injection.label, *place) if self._record_time == "none" else record

    def _values(self, injection: Injection, rows: Ints) -> list[bytes]:
        """Encode the readings of some *rows*, those of one sensor together."""
        values: dict[int, bytes] = {}
        for sensor in np.unique(injection.sensor[rows]).tolist():
            mine = rows[injection.sensor[rows] == sensor]
            due_us = injection.due_us[mine]
            columns = KindColumns(
                cohort=injection.cohort,
                sensors=(sensor,),
                machine=np.zeros(len(mine), np.int64),
                tick=injection.number[mine],
                scan_us=due_us,
                event_us=due_us,
                due_us=due_us,
                seq=injection.number[mine],
                value=injection.value[mine][:, None],
                quality=np.zeros((len(mine), 1), np.uint8),
            )
            encoded = self._reading.values(columns, np.arange(len(mine)))
            values.update(zip(mine.tolist(), encoded, strict=True))
        return [values[row] for row in rows.tolist()]


def _key(injection: Injection) -> bytes | None:
    """Give the key that all records of *injection* have."""
    key = injection.cohort.machines[0].id.encode()
    nothing = ClientAt(dict.fromkeys(injection.set, 0.0), 0.5, bytes)
    (record,) = PRODUCER_FAULTS[injection.fault][0](Record(key, b"\0", 0), nothing)
    return record.key


class Lazy(Sequence[Record]):
    """Records that are made when they are asked for, each time anew: many of them may be larger than one holds."""

    def __init__(self, make: Callable[[Ints], Iterator[Record]], rows: Ints) -> None:
        self._make, self._rows = make, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return self._make(self._rows)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        if isinstance(at, slice):
            return Lazy(self._make, self._rows[at])
        return next(self._make(self._rows[[at]]))


def described(record: Record, label: str, topic: str, partition: int) -> Record:
    """Say of a *record* in a line of JSON what would go where; key as text, value in base 64, as both may be null."""
    fields = {
        "label": label,
        "topic": topic,
        "partition": partition,
        "key": None if record.key is None else record.key.decode(),
        "value": None if record.value is None else base64.b64encode(record.value).decode(),
        "timestamp": record.timestamp_ms,
    }
    return record._replace(key=None, value=json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode())

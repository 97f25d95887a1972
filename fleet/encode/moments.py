"""The streams of what happens at an instant, each made record by record: events, doors, labels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from fleet.data import Equipment, Event, Ints, Label, Record, RecordBatch, Words
from fleet.encode.cloudevents import StreamEvents
from fleet.encode.digest import MachineDigest, placed, word_of_record, words_of
from fleet.encode.formats import DOOR_FORMATS, EVENT_FORMATS, LABEL_FORMATS, FieldsFormat, SchemaIds, made
from fleet.encode.headers import Pairs
from fleet.encode.labels import label_fields, without_run
from fleet.encode.order import Places, places_in_log
from fleet.encode.writers import RecordTime


class Moment(Protocol):
    """What happens to a machine at an instant."""

    @property
    def machine(self) -> Equipment:
        """The machine it happens to."""
        ...

    @property
    def time_us(self) -> int:
        """When it is due."""
        ...


Of = TypeVar("Of", bound=Moment)


class Written(NamedTuple):
    """What one record of a moment is, and what of its value the digest is of."""

    key: bytes
    value: bytes
    digested: bytes
    headers: Pairs = ()


Encode = Callable[[Of], Sequence[Written]]
"""Writes one record, or several."""


class Moments(Generic[Of]):
    """One such stream; knows how far each machine's log is, and its digest.

    *number* gives the number that a machine's records have; without it they have none.
    """

    def __init__(
        self,
        stream: str,
        places: Places,
        encode: Encode[Of],
        record_time: RecordTime,
        *,
        number: Callable[[Of], int] | None = None,
    ) -> None:
        self._stream, self._places, self._encode, self._record_time = stream, places, encode, record_time
        self._number = number
        self._digests = np.zeros(0, np.uint64)  # by machine: of its log
        self._released = np.zeros(0, np.int64)  # by machine: records in its log
        self._next_seq = np.zeros(0, np.int64)  # by machine: behind its log's last number

    def release(self, moments: Sequence[Of], wall_ms: int) -> list[RecordBatch]:
        """Encode *moments*, which are in order of time."""
        if not moments:
            return []
        numbers = self._places.numbers([moment.machine for moment in moments])
        places, group_of = self._places.places, self._places.group_of
        records: dict[int, list[Record]] = {}
        due: dict[int, int] = {}
        of: list[int] = []
        contents: list[int] = []
        for number, moment in zip(numbers, moments, strict=True):
            group = group_of[number]
            stamp = wall_ms if self._record_time == "wall" else moment.time_us // 1000
            kept = stamp if self._record_time == "scan" else 0
            due[group] = moment.time_us
            for key, value, digested, headers in self._encode(moment):
                records.setdefault(group, []).append(Record(key, value, stamp, headers))
                of.append(number)
                contents.append(word_of_record(places[group].partition, kept, key, digested))
        self._count(np.array(of, np.int64), np.array(contents, np.uint64))
        if self._number is not None:
            seq = np.array([self._number(moment) for moment in moments], np.int64)
            np.maximum.at(self._next_seq, np.array(numbers, np.int64), seq + 1)
        return [RecordBatch(self._stream, *places[group], rows, due[group]) for group, rows in records.items()]

    def _count(self, number: Ints, contents: Words) -> None:
        """Add records with these *contents* to the logs of machines with these numbers."""
        more = len(self._places.names) - len(self._released)
        self._digests, self._released = np.pad(self._digests, (0, more)), np.pad(self._released, (0, more))
        self._next_seq = np.pad(self._next_seq, (0, more))
        one = np.ones(len(number), np.int64)
        n = places_in_log(number, one, self._released)
        np.add.at(self._digests, number, placed(contents, words_of(n)))
        np.add.at(self._released, number, one)

    @property
    def holes(self) -> int:
        """How many numbers were passed over before the last one of each machine's log."""
        return 0 if self._number is None else int((self._next_seq - self._released).sum())

    def digests(self) -> dict[str, MachineDigest]:
        """Give every machine's digest and count."""
        places, group = self._places.places, self._places.group_of
        logs = zip(self._places.names, self._digests.tolist(), self._released.tolist(), strict=True)
        return {
            name: MachineDigest(*places[group[number]], digest, count)
            for number, (name, digest, count) in enumerate(logs)
        }


def events_of(
    stream: str,
    form: tuple[str, str],
    places: Places,
    record_time: RecordTime,
    ids: SchemaIds,
    about: StreamEvents | None = None,
) -> Moments[Event]:
    """Make the *stream* of events, or of doors, in a *form* (format, layout); with *about* as CloudEvents."""
    encode = made(DOOR_FORMATS if stream == "doors" else EVENT_FORMATS, form, stream=stream, ids=ids)

    def record(event: Event) -> Sequence[Written]:
        key, value = encode(event)
        return (Written(key, value, value, () if about is None else about.of_event(event)),)

    return Moments(stream, places, record, record_time, number=lambda event: event.seq)


def labels_of(
    form: tuple[str, str],
    places: Places,
    record_time: RecordTime,
    ids: SchemaIds,
    *,
    run: str,
    about: StreamEvents | None = None,
) -> Moments[Label]:
    """Make the stream of labels of a *run*, in a *form* (format, layout); with *about* as CloudEvents."""
    encode: FieldsFormat = made(LABEL_FORMATS, form, stream="labels", ids=ids)

    def records(label: Label) -> Sequence[Written]:
        key = label.machine.id.encode()
        values = map(encode, label_fields(label, run=run))
        return [
            Written(key, value, without_run(value, run), () if about is None else about.of_label(label, part))
            for part, value in enumerate(values, 1)
        ]

    return Moments("labels", places, records, record_time)


def picked(stream: str, events: Sequence[Event], streams: Mapping[str, object]) -> list[Event]:
    """Pick the *events* of a *stream*, given which *streams* there are: doors without one of their own are events."""
    if stream == "doors":
        return [event for event in events if event.type == "door"]
    return [event for event in events if event.type != "door" or "doors" not in streams]


def due_before(moments: Sequence[Moment], stop_us: int) -> int:
    """Count the *moments*, which are in order of time, before *stop_us*."""
    return bisect_left(moments, stop_us, key=lambda moment: moment.time_us)

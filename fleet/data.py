"""The values that pass between the stages: columns of readings, events, records, deliveries.

Simulated time is whole microseconds since 1970 (int64, ``_us``); Kafka's stamps are ``_ms``.
Spans are half open. Nothing here knows a scenario, a clock or a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

SCHEMA_ID_MAX = (1 << 31) - 1
"""The largest id that a registry gives: its clients read the four bytes in front of a record as a signed number."""


class State(IntEnum):
    """What a machine does: a subset of PackML's states."""

    STOPPED = 0  # switched off by the plan: no shift
    IDLE = 1  # on, nothing asked of it
    EXECUTE = 2  # producing
    HELD = 3  # paused for a cause of its own: micro-stop, tool change
    SUSPENDED = 4  # paused for a cause outside: starved or blocked
    ABORTED = 5  # failed; waits for the crew or is being repaired


class Quality(IntEnum):
    """How far a reading may be trusted (OPC UA's three classes)."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Equipment(NamedTuple):
    """Where a machine stands in the plant (ISA-95 levels) and what it is."""

    id: str
    kind: str
    line: str
    area: str
    site: str


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor as the wire sees it: its name, units and how many base periods lie between readings."""

    name: str
    units: str
    multiple: int


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """The machines of one kind that share sensors and periods.

    *stagger* (machines,) shifts each machine's slow sensors by whole ticks: a sensor is due at
    the ticks where ``(tick + stagger) % multiple == 0``. *gaps* says whether readings may stand at another place in
    their machine's log than their numbers say: where a report policy withholds some, or a fault loses, doubles or
    delays them.
    """

    kind: str
    machines: tuple[Equipment, ...]
    sensors: tuple[Sensor, ...]
    base_period_us: int
    stagger: Ints
    gaps: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class KindColumns:
    """The scans of one cohort in one block that report the same set of sensors.

    Rows are scans, machine by machine in order of ticks.
    ``value`` and ``quality`` are shaped (scans, sensors), scan after scan in memory, all else
    (scans,); ``sensors`` gives the indices into ``cohort.sensors`` of the value columns,
    ascending. Reading ``j`` of a scan has the number ``seq + within[j]``: of a scan's readings some may be withheld
    by the sensors' report policies, and ``places`` has those of the others among all; empty where none is withheld.
    """

    cohort: Cohort
    sensors: tuple[int, ...]
    machine: Ints  # index into cohort.machines
    tick: Ints
    scan_us: Ints  # when it truly happens
    event_us: Ints  # what the controller's clock says: the payload's timestamp
    due_us: Ints  # when it leaves the gateway by the plan
    seq: Ints
    value: Floats
    quality: Bytes
    truth: Floats | None = None  # the signal before the sensor, (scans, sensors); only when asked for
    places: tuple[int, ...] = ()
    scheduled: int = 0  # readings by the plan in each of these scans; 0: as many as there are
    copy: bool = False  # whether these are second copies of readings that other columns have: beside the plan

    @property
    def kind(self) -> str:
        """The machines' kind."""
        return self.cohort.kind

    @property
    def readings(self) -> int:
        """How many readings these scans hold."""
        return int(self.value.size)

    @property
    def within(self) -> Ints:
        """What each reading of a scan has as its number beyond the scan's; (sensors,)."""
        return np.array(self.places, np.int64) if self.places else np.arange(len(self.sensors))

    @property
    def withheld(self) -> int:
        """How many readings of each scan were withheld by report policy."""
        return max(0, self.scheduled - len(self.sensors))


def truth_of(block: Block) -> Block:
    """Give *block* with the signals before the sensors in place of what these report, of which nothing is doubted."""
    kinds = []
    for columns in block.kinds:
        assert columns.truth is not None, "the simulation was not asked for it"
        kinds.append(replace(columns, value=columns.truth, quality=np.zeros_like(columns.quality)))
    return replace(block, kinds=tuple(kinds))


@dataclass(frozen=True, slots=True, eq=False)
class SilentScans:
    """Scans of which every reading was withheld by report policy; each had *scheduled* of them."""

    due_us: Ints
    scheduled: int


@dataclass(frozen=True, slots=True, eq=False)
class LostScans:
    """Scans of which some readings have no record because of the fault with the id *label*.

    Both columns are shaped (scans,): when each would have been due, in order, and how many of its readings are lost;
    those are numbers in the label's *lost* spans. A reading that two faults would lose is said of one of them only.
    """

    label: str
    due_us: Ints
    readings: Ints


class Event(NamedTuple):
    """Something that happened to a machine: a change of state, or a door that opened.

    *seq* numbers the events of its machine 0, 1, 2, ... *parts* count what it made since the start of the run,
    *scrap* the bad ones among them; *product* and *lot* are what it makes, "" and 0 where the line names none.
    """

    machine: Equipment
    seq: int
    time_us: int
    type: str  # "state" or "door"
    state: str  # a PackML state in lower case; "open" or "closed" for a door
    cause: str  # why: "micro_stop", "starved", "bearing", ...; "" where the plan says so
    parts: int
    scrap: int = 0
    product: str = ""
    lot: int = 0


@dataclass(frozen=True, slots=True)
class SeqSpan:
    """Numbers of readings: *count* of them from *first* on, each *step* after the one before."""

    first: int
    count: int
    step: int = 1


class Knot(NamedTuple):
    """How severe a fault is at an instant; linear between knots."""

    time_us: int
    severity: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about one fault of one machine: *open* at its onset, once more when it has ended.

    *id* is the same in both and unique within a run; readers take the last one. *incident* is its id in the scenario,
    "" where wear brought it; *sensor* is "" where it is no single sensor's. *stop_us* is None while it lasts,
    *failure_us* the moment the machine's function ended, if it did. What became of readings is said exactly, in numbers
    of the machine's log: those without a record (*lost*), those with two (*doubled*), those behind a later one because
    they waited (*late*) or were swapped (*reordered*). *injected* counts records beside the plan.
    """

    id: str
    machine: Equipment
    incident: str
    family: str  # "machine", "sensor", "network" or "producer"
    fault: str
    sensor: str
    time_us: int  # when this record is due
    onset_us: int
    stop_us: int | None = None
    failure_us: int | None = None
    severity: tuple[Knot, ...] = ()
    lost: tuple[SeqSpan, ...] = ()
    doubled: tuple[SeqSpan, ...] = ()
    late: tuple[SeqSpan, ...] = ()
    reordered: tuple[SeqSpan, ...] = ()
    injected: int = 0
    parameters: tuple[tuple[str, str], ...] = ()  # as a person writes them, with units

    @property
    def is_open(self) -> bool:
        """Whether the fault had not ended when this was written."""
        return self.stop_us is None


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """All scans, events and labels that are due in one span, of all kinds in this worker."""

    start_us: int
    stop_us: int
    kinds: tuple[KindColumns, ...]
    events: tuple[Event, ...]  # in order of time
    silent: tuple[SilentScans, ...] = ()
    labels: tuple[Label, ...] = ()  # in order of time
    lost: tuple[LostScans, ...] = ()
    injected: tuple[Injection, ...] = ()

    @property
    def readings(self) -> int:
        """How many readings the block holds."""
        return sum(columns.readings for columns in self.kinds)


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """Records beside the plan that a wrong client sends because of a fault, as the valid readings that they are not.

    Each is a reading of *sensor* (index into the sensors of *cohort*, whose one machine it is said to be of) with a
    *number* of its own, counted from the fault's onset. Arrays are (records,), in order of *due_us*; *chance* is in
    (0, 1), each record's own.
    """

    label: str  # the id of the fault's label
    fault: str
    set: Mapping[str, float]  # the fault's parameters
    cohort: Cohort
    number: Ints
    due_us: Ints
    sensor: Ints
    value: Floats
    chance: Floats


class Record(NamedTuple):
    """One Kafka record before it is in a batch; only a wrong client's lacks key or value."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """Records of one stream for one partition, in log order.

    *stream* is "readings", "truth", "events", "doors", "labels" or "runs": what the account books them under; or
    INJECTED, for those of a wrong client.
    *due_us* is the due time of the last record, for lateness; *dues_us* (records,) has that of each, where their stamps
    do not say it because they waited in the network.
    """

    stream: str
    topic: str
    partition: int
    records: Sequence[Record]
    due_us: int = 0
    dues_us: Ints | None = None

    def __len__(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class Delivery:
    """What became of the records of one stream that were handed to a sink.

    ``acknowledged + failed + in_doubt + pending`` is what was handed over.
    """

    acknowledged: int = 0
    failed: int = 0  # refused for good
    in_doubt: int = 0  # tried, no answer within the deadline
    pending: int = 0  # accepted by the sink, not settled yet


@dataclass(frozen=True, slots=True, eq=False)
class RawBatches:
    """Record batches of one partition, checked and decompressed, their records not yet told apart.

    Of the records only those with offsets from *start* to *stop* were asked for. ``data`` has one piece a batch;
    the other columns are shaped (batches,). *damaged* has what cannot be read: (first offset, records, why).
    """

    partition: int
    start: int
    stop: int
    data: tuple[bytes | memoryview, ...]
    first_offset: Ints
    first_ms: Ints  # what the records' stamps are relative to
    count: Ints  # of records, as the header says
    appended: Bools  # whether all records have first_ms as their stamp: the broker's clock put it there
    damaged: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic the run writes to and the settings it is made with when it is missing."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicSeen:
    """What a topic is like before a run's first record; *settings* is empty where the broker did not say."""

    partitions: int
    start_offsets: tuple[int, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PackedBatch:
    """Records of one stream for one partition, already in Kafka's record format, in log order.

    *data* has HEADER_BYTES free bytes in front, where whoever sends it puts the batch's header; *first_ms* is
    what the records' time deltas are relative to, *max_ms* the largest stamp.
    """

    stream: str
    topic: str
    partition: int
    count: int
    data: memoryview
    first_ms: int
    max_ms: int
    due_us: int = 0
    dues_us: Ints | None = None  # of each record, where their stamps do not say it

    def __len__(self) -> int:
        return self.count


INJECTED = "injected"
"""The stream of what a wrong client sends: into the readings' topics, and booked by itself."""

HEADER_BYTES = 61
"""Bytes of the header of a record batch, version 2."""

Batch = RecordBatch | PackedBatch

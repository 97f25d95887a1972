"""The order of records: all scans of a block merged by due time, and the place of each machine's records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.data import Block, Cohort, Equipment, Ints, KindColumns, Words
from fleet.encode.digest import sensor_word, words_of_texts
from fleet.encode.partition import partitions_of
from fleet.errors import RequestError

TOPIC_FIELDS = ("site", "area", "line", "kind")
TOPIC_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
TOPIC_LENGTH_MAX = 249


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


def topic_of(template: str, machine: Equipment) -> str:
    """Fill in a topic's *template* for a *machine*; RequestError where the name cannot be one of Kafka's."""
    if "{" not in template:
        name = template
    else:
        try:
            asked = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
            unknown = sorted(asked - set(TOPIC_FIELDS))
            name = template if unknown else template.format_map(
                {field: getattr(machine, field) for field in TOPIC_FIELDS}
            )  # fmt: skip
        except ValueError as error:
            raise RequestError(f"topic {template!r}: not a template: {error}") from error
        if unknown:
            fields = ", ".join(f"{{{field}}}" for field in TOPIC_FIELDS)
            raise RequestError(f"topic {template!r}: may contain {fields}, found {{{unknown[0]}}}")
    if not (0 < len(name) <= TOPIC_LENGTH_MAX and set(name) <= TOPIC_CHARACTERS and name not in {".", ".."}):
        raise RequestError(f"topic {name!r}: must be 1 to {TOPIC_LENGTH_MAX} letters, digits, '.', '_' or '-'")
    return name


def topics_for(template: str, machines: Sequence[Equipment]) -> list[str]:
    """Fill in a topic's *template* for each of *machines*, once for all that stand in one place."""
    if "{" not in template:
        return [topic_of(template, machine) for machine in machines[:1]] * len(machines)
    known: dict[tuple[str, ...], str] = {}
    for machine in machines:
        if machine[1:] not in known:
            known[machine[1:]] = topic_of(template, machine)
    return [known[machine[1:]] for machine in machines]


class Places:
    """Numbers machines and the partitions they write to, and remembers both for one stream.

    A machine's number is an index into *names* and into *group_of*, which gives its place's number.
    """

    def __init__(self, template: str, partitions: Mapping[str, int]) -> None:
        self._template = template
        self._partitions = partitions
        self._numbers: dict[str, int] = {}
        self._place_numbers: dict[tuple[str, int], int] = {}
        self.names: list[str] = []
        self.group_of: list[int] = []
        self.places: list[Place] = []

    def numbers(self, machines: Sequence[Equipment]) -> list[int]:
        """Give the numbers of *machines*: those that were not seen before are hashed together."""
        known = self._numbers
        new = list({machine.id: machine for machine in machines if machine.id not in known}.values())
        if new:
            self._add(new)
        return [known[machine.id] for machine in machines]

    def _add(self, machines: Sequence[Equipment]) -> None:
        """Give numbers to *machines* that were not seen before, and to their places."""
        ids = [machine.id for machine in machines]
        keys = [name.encode() for name in ids]
        topics = topics_for(self._template, machines)
        partition = np.zeros(len(ids), np.int64)
        for topic in set(topics):
            assert topic in self._partitions, f"nobody said how many partitions {topic!r} has"
            here = [at for at, name in enumerate(topics) if name == topic]
            partition[here] = partitions_of([keys[at] for at in here], self._partitions[topic])
        numbers = self._place_numbers
        for place in dict.fromkeys(zip(topics, partition.tolist(), strict=True)):
            if place not in numbers:
                numbers[place] = len(self.places)
                self.places.append(Place(*place))
        self._numbers.update(zip(ids, range(len(self.names), len(self.names) + len(ids)), strict=True))
        self.names += ids
        self.group_of += [numbers[place] for place in zip(topics, partition.tolist(), strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class CohortPlaces:
    """What is constant for a cohort's machines (one element each), and for its sensors."""

    cohort: Cohort  # held, so that its id() stays its own
    number: Ints
    group: Ints
    partition: Ints
    keys: list[bytes]
    machine_words: Words
    sensor_words: Words


def cohort_places(cohort: Cohort, places: Places) -> CohortPlaces:
    """Look up all machines of a *cohort*."""
    numbers = places.numbers(cohort.machines)
    group = np.array([places.group_of[number] for number in numbers], np.int64)
    keys = [machine.id.encode() for machine in cohort.machines]
    return CohortPlaces(
        cohort=cohort,
        number=np.array(numbers, np.int64),
        group=group,
        partition=np.array([place.partition for place in places.places], np.int64)[group],
        keys=keys,
        machine_words=words_of_texts(keys),
        sensor_words=np.array([sensor_word(s.name, s.units) for s in cohort.sensors], np.uint64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The scans of all kinds of a block in log order, as columns."""

    due_us: Ints
    scan_us: Ints
    source: Ints  # index into the block's kinds
    row: Ints  # index into that kind's columns
    number: Ints  # of the machine
    group: Ints  # of the place
    readings: Ints  # how many the scan has
    form: Ints  # what a writer wants to know of the scan before it is released
    digest: Words  # what the scan adds to its machine's digest, if nothing before it was skipped

    def at(self, span: slice | Ints) -> Merged:
        """Give a part, or another order."""
        return Merged(**{name: getattr(self, name)[span] for name in self.__slots__})


def merged(
    block: Block,
    lookup: Callable[[Cohort], CohortPlaces],
    form: Callable[[KindColumns], Ints],
    digest: Callable[[KindColumns], Words],
) -> Merged:
    """Merge all scans of a *block* by due time; *form* and *digest* give columns of their own."""
    kinds = block.kinds
    of = [lookup(columns.cohort) for columns in kinds]
    due = _joined([columns.due_us for columns in kinds])
    scan = _joined([columns.scan_us for columns in kinds])
    if np.array_equal(due, scan):
        order = order_of(due)  # a machine's scans are never made at the same instant
    else:  # but those that something held back may be due at the same one
        made = order_of(scan)
        order = made[order_of(due[made])]

    def sorted_column(parts: list[Ints]) -> Ints:
        column: Ints = _joined(parts)[order]
        return column

    return Merged(
        due_us=due[order],
        scan_us=scan[order],
        source=sorted_column([np.full(len(columns.due_us), k) for k, columns in enumerate(kinds)]),
        row=sorted_column([np.arange(len(columns.due_us)) for columns in kinds]),
        number=sorted_column([at.number[c.machine] for at, c in zip(of, kinds, strict=True)]),
        group=sorted_column([at.group[c.machine] for at, c in zip(of, kinds, strict=True)]),
        readings=sorted_column([np.full(len(columns.due_us), len(columns.sensors)) for columns in kinds]),
        form=sorted_column([form(columns) for columns in kinds]),
        digest=_joined([digest(columns).view(np.int64) for columns in kinds])[order].view(np.uint64),
    )


def order_of(values: Ints) -> Ints:
    """Sort *values*: give the places of the smallest one and so on, equal ones in the order they have.

    Sixteen bits at a time, for which numpy has a sort in one pass; several of those beat one of whole words.
    """
    if not len(values):
        return np.zeros(0, np.int64)
    rest = (values - values.min()).view(np.uint64)
    top = int(rest.max())
    order: Ints = np.argsort(rest.astype(np.uint16), kind="stable")
    for bits in range(16, top.bit_length(), 16):
        digit = (rest >> np.uint64(bits)).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def places_in_log(machine: Ints, count: Ints, before: Ints) -> Ints:
    """Count records within their machine's log.

    Element i has *count[i]* records of *machine[i]*, which has *before[machine]* already; the answer is the
    number of each element's first record.
    """
    order: NDArray[np.int64] = np.argsort(machine, kind="stable")
    sorted_count, sorted_machine = count[order], machine[order]
    running = np.cumsum(sorted_count) - sorted_count
    first = np.searchsorted(sorted_machine, sorted_machine, side="left")
    numbers = np.empty_like(running)
    numbers[order] = running - running[first] + before[sorted_machine]
    return numbers

"""Records as columns of what is checked: from columns of bytes at once, from decoded fields one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fleet.data import Bools, Ints, Quality, Words
from fleet.encode.avro import frame
from fleet.encode.columns import RecordColumns
from fleet.encode.decode import FRAME_BYTES, reading_layout, stream_of
from fleet.encode.digest import (
    decoded_contents,
    mix,
    numbers_of,
    reading_contents,
    scan_words,
    value_words,
    word_of_record,
    words_of,
)
from fleet.encode.flat import TEXTS, WHOLE, Column, FlatField, read_flat
from fleet.encode.interning import UNKNOWN, Interner
from fleet.encode.labels import without_run
from fleet.encode.layouts import SECOND_NAME, Layout
from fleet.encode.own import microseconds_of
from fleet.encode.unpack import KEEP, TEXT_MAX, equal_texts, hashes, text_words, words_at
from fleet.verify.passing import Numbers

TOP_BITS = np.uint64(0x8080808080808080)


class Row(NamedTuple):
    """A decoded record; *key* is None where the log keeps none. *own* is its layout where that is a user's own."""

    offset: int
    stamp_ms: int
    key: bytes | None
    value: bytes
    fields: Mapping[str, Any]
    own: Layout | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Records of one stream in a piece of a partition's log; all columns are shaped (records,).

    *place* is where each stands in the piece. *machine* is the number of its text. *wrong_keys* has the keys that
    are not their record's machine, by place in these columns.
    """

    stream: str
    place: Ints
    offset: Ints
    machine: Ints
    numbers: Numbers  # *log* is not settled yet
    contents: Words
    wrong_keys: Mapping[int, bytes] = field(default_factory=dict)

    def chosen(self, rows: Bools | Ints) -> Entries:
        """Give those of some *rows*, of which no key is wrong."""
        numbers = Numbers(*(column[rows] for column in self.numbers))  # type: ignore[arg-type]
        return Entries(
            self.stream, self.place[rows], self.offset[rows], self.machine[rows], numbers, self.contents[rows]
        )


def joined(parts: Sequence[Entries]) -> Entries:
    """Put *parts* of one stream together, in the order in which they stand in the piece."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.place for part in parts]), kind="stable")
    back = np.argsort(order)
    wrong, begin = {}, 0
    for part in parts:
        wrong.update({int(back[begin + row]): key for row, key in part.wrong_keys.items()})
        begin += len(part.place)
    columns = [
        np.concatenate(column)[order]
        for column in zip(
            *((part.place, part.offset, part.machine, *part.numbers, part.contents) for part in parts), strict=True
        )
    ]
    place, offset, machine, *numbers, contents = columns
    return Entries(parts[0].stream, place, offset, machine, Numbers(*numbers), contents, wrong)


class Entering:
    """Makes entries; the machines' texts have numbers that stay. *flat* are the fields of schemas that are, by id.

    *stamped* says whether the records' own stamps are part of the run; else 0 stands for them in digests. *owns* are
    the layouts of readings that are none of ours.
    """

    def __init__(
        self, flat: Mapping[int, tuple[FlatField, ...] | None], *, stamped: bool, owns: Sequence[Layout] = ()
    ) -> None:
        self.machines = Interner()
        self._sensors = Interner()
        self._stamped = stamped
        self._owns = owns
        self._shapes: dict[int, _Shape] = {}
        for number, fields in flat.items():
            self.learn(number, fields)

    def learn(self, number: int, fields: tuple[FlatField, ...] | None) -> None:
        """Take note of one schema more, that with the id *number*; without *fields* it is not flat."""
        shape = None if fields is None else _shape(fields, self._owns)
        if shape is not None:
            self._shapes[number] = shape

    # ------------------------------------------------------------ from columns

    def of_columns(self, records: RecordColumns, partition: int) -> tuple[list[Entries], Ints]:
        """Make entries of what is known and flat; gives also which rows are left to be decoded one by one."""
        begin = words_at(records.data, records.value_at) & KEEP[FRAME_BYTES]
        left = np.ones(len(records), np.bool_)
        found = []
        for number, shape in self._shapes.items():
            framed = (begin == int.from_bytes(frame(number), "little")) & (records.value_length >= FRAME_BYTES)
            if not framed.any():
                continue
            rows = np.flatnonzero(framed)
            entries, fit = self._shaped(shape, records if framed.all() else records.chosen(rows), rows, partition)
            left[rows[fit]] = False
            found.append(entries)
        return found, np.flatnonzero(left)

    def _shaped(self, shape: _Shape, records: RecordColumns, place: Ints, partition: int) -> tuple[Entries, Bools]:
        """Make entries of records of one schema, and say which rows they have."""
        at, stop = records.value_at + FRAME_BYTES, records.value_at + records.value_length
        columns, fit = read_flat(shape.fields, records.data, at, stop)
        for name in shape.needed:
            absent = columns[name].absent
            if absent is not None:
                fit &= ~absent
        texts = {
            name: _Texts(records.data, column, fit) for name, column in columns.items() if column.length is not None
        }
        if (second := texts.get(SECOND_NAME)) is not None:
            fit &= second.hashes == texts["machine"].hashes
        machine = self.machines.numbers(texts["machine"].hashes, texts["machine"].text)
        contents = np.zeros(len(records), np.uint64)
        stamp_ms = records.stamp_ms if self._stamped else np.zeros(len(records), np.int64)
        fit &= machine != UNKNOWN
        if shape.stream == "readings":
            sensor = self._sensor(texts["sensor"], texts["units"])
            fit &= sensor != UNKNOWN
            words = self.machines.words[machine], self._sensors.words[sensor]
            contents = _reading_contents(shape.layout, columns, words, partition, stamp_ms)
        wrong = _wrong_keys(records, texts["machine"])
        for name in shape.plain:
            fit &= texts[name].ascii
        if shape.stream != "readings":
            contents[fit] = [
                word_of_record(partition, int(stamp_ms[row]), records.key(row) or b"", records.value(row) or b"")
                for row in np.flatnonzero(fit).tolist()
            ]
        seq = columns["seq"].values if "seq" in columns else np.zeros(len(records), np.int64)
        numbers = Numbers(machine, seq, np.full(len(records), "seq" in columns), records.stamp_ms)
        entries = Entries(shape.stream, place, records.offset, machine, numbers, contents)
        if not fit.all():
            entries = entries.chosen(fit)
        if wrong is None:
            return entries, fit
        into = np.cumsum(fit) - 1
        wrong_keys = {int(into[row]): records.key(row) or b"" for row in np.flatnonzero(wrong & fit).tolist()}
        return _with_keys(entries, wrong_keys), fit

    def _sensor(self, sensor: _Texts, units: _Texts) -> Ints:
        """Give numbers to the pairs of texts, whose words digests know as that of both with a NUL between."""
        pair = mix(sensor.hashes + mix(units.hashes))
        return self._sensors.numbers(pair, lambda row: sensor.text(row) + b"\0" + units.text(row))

    # ------------------------------------------------------------ from decoded fields

    def of_rows(self, stream: str, rows: Sequence[tuple[int, Row]], partition: int) -> list[Entries]:
        """Make entries of decoded records of one *stream*, each with its place in the piece; one for each layout."""
        parts: dict[Layout, list[tuple[int, Row]]] = {}
        for place, row in rows:
            parts.setdefault(row.own or reading_layout(row.fields), []).append((place, row))
        return [self._decoded(stream, layout, part, partition) for layout, part in parts.items()]

    def _decoded(self, stream: str, layout: Layout, rows: Sequence[tuple[int, Row]], partition: int) -> Entries:
        names: list[str] = [row.fields["location" if stream == "doors" else "machine"] for _, row in rows]
        stamps = np.array([row.stamp_ms for _, row in rows], np.int64)
        stamps_in = stamps.tolist() if self._stamped else [0] * len(rows)
        if stream == "readings":
            fields = [row.fields for _, row in rows]
            contents = decoded_contents(fields, layout, partition=partition, stamps_ms=stamps_in)
        else:
            # Files keep no key, but it is the machine.
            keys = [name.encode() if row.key is None else row.key for name, (_, row) in zip(names, rows, strict=True)]
            contents = np.array(
                [
                    word_of_record(partition, stamp, key, _digested(stream, row))
                    for stamp, key, (_, row) in zip(stamps_in, keys, rows, strict=True)
                ],
                np.uint64,
            )
        machine = np.array([self.machines.number(name) for name in names], np.int64)
        seq = np.array([row.fields.get("seq", 0) for _, row in rows], np.int64)
        return Entries(
            stream,
            np.array([place for place, _ in rows], np.int64),
            np.array([row.offset for _, row in rows], np.int64),
            machine,
            Numbers(machine, seq, np.full(len(rows), layout.numbered), stamps),
            contents,
            {
                at: row.key
                for at, (name, (_, row)) in enumerate(zip(names, rows, strict=True))
                if row.key is not None and row.key != name.encode()
            },
        )


def _digested(stream: str, row: Row) -> bytes:
    """Give what of a record's value the digest is of."""
    return without_run(row.value, row.fields["run"]) if stream == "labels" else row.value


def _with_keys(entries: Entries, wrong_keys: Mapping[int, bytes]) -> Entries:
    return Entries(
        entries.stream, entries.place, entries.offset, entries.machine, entries.numbers, entries.contents, wrong_keys
    )


# ---------------------------------------------------------------- shapes


class _Shape(NamedTuple):
    """What the records of a schema are to us, its fields under our names.

    *needed* are those that say something; *plain* are texts of which nothing but their being UTF-8 is asked.
    """

    fields: tuple[FlatField, ...]
    stream: str
    layout: Layout
    needed: tuple[str, ...]
    plain: tuple[str, ...]


NEEDED = {"machine": TEXTS, "sensor": TEXTS, "units": TEXTS, "value": frozenset({"float", "double"})}
NEEDED_NUMBERED = {"seq": WHOLE, "timestamp": WHOLE, "quality": frozenset({"enum"})}


def _shape(fields: tuple[FlatField, ...], owns: Sequence[Layout]) -> _Shape | None:
    """See what records of *fields* are; None where they have to be decoded one by one."""
    own = next((own for own in owns if tuple(one.name for one in fields) == own.fields), None)
    if own is not None:
        return _own_shape(fields, own)
    kinds = {one.name: one.kind if one.null < 0 else "" for one in fields}
    stream = stream_of(kinds)
    if stream not in {"readings", "events"}:
        return None
    needed = NEEDED if stream == "readings" else {"machine": TEXTS, "seq": WHOLE}
    layout = reading_layout(kinds)
    if stream == "readings" and layout.numbered:
        needed = NEEDED | NEEDED_NUMBERED
    symbols = next((one.symbols for one in fields if one.name == "quality"), ())
    if any(kinds.get(name) not in allowed for name, allowed in needed.items()):
        return None
    if not set(symbols) <= Quality.__members__.keys():
        return None
    return _Shape(fields, stream, layout, tuple(needed), _plain(fields, needed))


def _own_shape(fields: tuple[FlatField, ...], own: Layout) -> _Shape | None:
    """See records of a layout of a user's own as readings; None where that does not say all of a sensor."""
    needed = NEEDED | {name: kinds for name, kinds in NEEDED_NUMBERED.items() if own.carries(name)}
    ours = {name: source for source, name in own.names.items() if source in needed}
    fields = tuple(one._replace(name=ours.get(one.name, f"field {one.name}")) for one in fields)
    by_name = {one.name: one for one in fields}
    if any(name not in by_name or by_name[name].kind not in kinds for name, kinds in needed.items()):
        return None
    if own.carries("quality") and not set(by_name["quality"].symbols) <= Quality.__members__.keys():
        return None
    return _Shape(fields, "readings", own, tuple(needed), _plain(fields, needed))


def _plain(fields: tuple[FlatField, ...], needed: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(one.name for one in fields if one.kind == "string" and one.name not in needed)


def _reading_contents(
    layout: Layout, columns: Mapping[str, Column], words: tuple[Words, Words], partition: int, stamp_ms: Ints
) -> Words:
    """Mix the contents of readings as digests want them, from the *words* of machines and sensors."""
    machine, sensor = words
    place = words_of(np.array([partition]))
    value = value_words(columns["value"].values, layout)
    timestamp = None
    if layout.carries("timestamp"):
        timestamp = words_of(microseconds_of(layout, columns["timestamp"].values))
    scan = scan_words(layout, machine, place, words_of(stamp_ms), timestamp)
    numbers = numbers_of(layout, lambda: columns["seq"].values, lambda: _qualities(columns["quality"]))
    return reading_contents(scan, sensor, value, numbers)


def _qualities(column: Column) -> Ints:
    known = np.array([Quality[name] for name in column.field.symbols], np.int64)
    return known.take(column.values, mode="clip")


# ---------------------------------------------------------------- texts


class _Texts:
    """A column of texts, as words; those that are too long for that make their rows unfit."""

    def __init__(self, data: Any, column: Column, fit: Bools) -> None:
        assert column.length is not None
        self._data, self.at, self.length = data, column.values, column.length
        long = self.length > TEXT_MAX
        if long.any():
            fit &= ~long
            self.length = np.where(long, 0, self.length)
        self.words = text_words(data, self.at, self.length)
        self.hashes = hashes(self.words, self.length)

    @property
    def ascii(self) -> Bools:
        """Which are ASCII, and so UTF-8 for certain."""
        plain: Bools = np.bitwise_or.reduce(self.words) & TOP_BITS == 0
        return plain

    def text(self, row: int) -> bytes:
        """Give one of them."""
        at = int(self.at[row])
        return bytes(self._data[at : at + int(self.length[row])])


def _wrong_keys(records: RecordColumns, machine: _Texts) -> Bools | None:
    """Say which keys are not the record's machine; None where all are."""
    wrong = records.key_length != machine.length
    if wrong.any():
        wrong &= (records.key_length >= 0) | (machine.length > 0)  # no key is as good as an empty one
    same = equal_texts(records.data, records.key_at, machine.words, machine.length)
    if same is not None:
        wrong |= ~same
    return wrong if wrong.any() else None

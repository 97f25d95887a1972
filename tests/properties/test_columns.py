"""What is read by columns is what others read record by record, whatever the bytes are."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.encode.avro import frame, parsed
from fleet.encode.boundaries import LANE_RECORDS
from fleet.encode.columns import RecordColumns, record_columns
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.flat import flat_fields, flat_message, read_flat
from fleet.encode.interning import Interner
from fleet.encode.unpack import TEXT_MAX, hashes, padded, text_words, varints_at
from fleet.encode.varint import zigzag
from fleet.scenario.proto import read_proto
from fleet.verify.findings import Findings
from fleet.verify.log import LogChecker
from tests.contract.protoc import compiled_text
from tests.properties.batches import (
    GZIP,
    LZ4,
    NO_CODEC,
    SNAPPY,
    ZSTD,
    Plain,
    built,
    plain,
    raw,
    read_by_aiokafka,
    records,
)

CODECS = {"none": NO_CODEC, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
HEADER_BYTES = 61


def columns_of(batches: bytes, **span: int) -> RecordColumns:
    (piece,) = raw(batches, **span)
    return record_columns(piece)


@given(data=st.data(), codec=st.sampled_from(sorted(CODECS)))
def test_any_batches_have_the_records_that_aiokafka_finds(data: st.DataObject, codec: str) -> None:
    batches, offset = b"", data.draw(st.integers(0, 2**40))
    for part in data.draw(st.lists(records(), min_size=1, max_size=4)):
        batches += built(part, codec=CODECS[codec], first_offset=offset)
        offset += len(part)

    columns = columns_of(batches)

    assert plain(columns) == read_by_aiokafka(batches)
    assert columns.damaged == ()


@given(part=records(), start=st.integers(0, 40), stop=st.integers(0, 40))
def test_only_the_offsets_asked_for_are_given(part: list[Plain], start: int, stop: int) -> None:
    found = [record_columns(piece) for piece in raw(built(part), start=start, stop=stop)]

    assert [n for columns in found for n in columns.offset.tolist()] == list(range(start, min(stop, len(part))))


@given(part=records(), cut=st.integers(1, 80))
def test_a_batch_that_is_cut_off_waits_for_the_next_fetch(part: list[Plain], cut: int) -> None:
    whole = built(part)

    columns = columns_of(whole + built(part, first_offset=len(part))[:-cut])

    assert plain(columns) == read_by_aiokafka(whole)


@pytest.mark.parametrize("size", [1, 60, 130, 9000, 70_000])
def test_records_of_very_different_sizes_are_told_apart(size: int) -> None:
    rng = np.random.default_rng(1)
    part = [
        Plain(n, n, b"k", bytes(rng.integers(0, 3, size if n % 7 == 0 else n % 50, dtype=np.uint8)), [])
        for n in range(10 * LANE_RECORDS)
    ]
    batch = built(part)

    assert plain(columns_of(batch)) == read_by_aiokafka(batch)


@given(part=records(), at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), data=st.data())
def test_garbled_records_are_located_and_never_crash(
    part: list[Plain], at: float, byte: int, data: st.DataObject
) -> None:
    batch = bytearray(built(part))
    for place in (int(at * (len(batch) - HEADER_BYTES)), data.draw(st.integers(0, len(batch) - HEADER_BYTES - 1))):
        batch[HEADER_BYTES + place] = byte
    (piece,) = raw(built(part) + built(part, first_offset=len(part)))
    piece = type(piece)(
        **{
            **{name: getattr(piece, name) for name in piece.__slots__},
            "data": (bytes(batch[HEADER_BYTES:]), piece.data[1]),
        }
    )
    checker = LogChecker("t", streams=("readings",), partitions=1, findings=Findings())

    columns = record_columns(piece)
    checker.feed(0, columns)

    lost = sum(count for _, count, _ in columns.damaged)
    assert len(columns) + lost >= len(part)
    assert [p.offset for p in plain(columns)][-len(part) :] == list(range(len(part), 2 * len(part)))
    assert all(offset == 0 for offset, _, _ in columns.damaged)


def test_a_batch_that_does_not_fit_its_crc_is_damaged_and_the_next_one_is_read() -> None:
    part = [Plain(n, n, b"k", b"value", []) for n in range(5)]
    batch = bytearray(built(part))
    batch[-3] ^= 1

    columns = columns_of(bytes(batch) + built(part, first_offset=5))

    assert columns.damaged == ((0, 5, "a batch of 5 records: its CRC-32C does not fit its bytes"),)
    assert columns.offset.tolist() == [5, 6, 7, 8, 9]


def test_what_is_damaged_is_a_finding_with_its_place() -> None:
    part = [Plain(n, n, b"k", b"value", []) for n in range(5)]
    batch = bytearray(built(part, first_offset=7))
    batch[-3] ^= 1
    findings = Findings()
    checker = LogChecker("t", streams=("readings",), partitions=1, findings=findings)

    checker.feed(0, columns_of(bytes(batch)))

    assert findings.lines == ["t[0]@7: a batch of 5 records: its CRC-32C does not fit its bytes: undecodable"]
    assert len(findings) == 5


# ---------------------------------------------------------------- numbers and texts


def _varint(folded: int) -> bytes:
    out = bytearray()
    while folded > 0x7F:
        out.append(folded & 0x7F | 0x80)
        folded >>= 7
    return bytes([*out, folded])


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_varints_of_all_lengths_are_read(values: list[int]) -> None:
    pieces = [_varint(zigzag(value) & (2**64 - 1)) for value in values]
    ends = np.cumsum([len(piece) for piece in pieces])

    found, after, sound = varints_at(padded(pieces), np.append(0, ends[:-1]))

    assert found.tolist() == values
    assert after.tolist() == ends.tolist()
    assert sound is None or sound.all()


@given(texts=st.lists(st.text(max_size=TEXT_MAX // 4), min_size=1))
def test_equal_texts_have_equal_numbers_and_others_others(texts: list[str]) -> None:
    coded = [text.encode() for text in texts]
    length = np.array([len(text) for text in coded])
    words = text_words(padded(coded), np.cumsum(length) - length, length)
    interner = Interner()

    numbers = interner.numbers(hashes(words, length), lambda row: coded[row])

    assert [interner.texts[number] for number in numbers] == texts
    assert [interner.number(text) for text in texts] == numbers.tolist()


def test_ids_that_differ_in_the_last_letters_of_words_have_numbers_of_their_own() -> None:
    texts = [f"line-{a:03d}-cnc-spindle-{b:03d}".encode() for a in range(100) for b in range(100)]
    length = np.full(len(texts), len(texts[0]))
    interner = Interner()

    words = text_words(padded(texts), np.cumsum(length) - length, length)
    numbers = interner.numbers(hashes(words, length), lambda row: texts[row])

    assert numbers.tolist() == list(range(len(texts)))


# ---------------------------------------------------------------- Avro

KINDS: dict[str, Any] = {
    "text": "string",
    "raw": "bytes",
    "whole": "long",
    "small": "int",
    "wide": "double",
    "narrow": "float",
    "truth": "boolean",
    "kind": {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]},
    "perhaps": ["null", "string"],
    "perhaps_last": ["long", "null"],
    "perhaps_kind": ["null", {"type": "enum", "name": "Other", "symbols": ["X"]}],
    "perhaps_wide": ["double", "null"],
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=80),
    "raw": st.binary(max_size=80),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "small": st.integers(-(2**31), 2**31 - 1),
    "wide": st.floats(allow_nan=False),
    "narrow": st.floats(width=32, allow_nan=False),
    "truth": st.booleans(),
    "kind": st.sampled_from("ABC"),
    "perhaps": st.none() | st.text(max_size=9),
    "perhaps_last": st.none() | st.integers(-(2**63), 2**63 - 1),
    "perhaps_kind": st.none() | st.just("X"),
    "perhaps_wide": st.none() | st.floats(allow_nan=False),
}


@given(data=st.data(), names=st.permutations(sorted(KINDS)), garble=st.booleans())
def test_flat_avro_is_read_as_the_decoder_reads_it_or_left_to_it(
    data: st.DataObject, names: list[str], garble: bool
) -> None:
    import json

    text = json.dumps({"type": "record", "name": "R", "fields": [{"name": n, "type": KINDS[n]} for n in names]})
    schema = parsed(text)
    rows = data.draw(st.lists(st.fixed_dictionaries({name: VALUES[name] for name in names}), min_size=1, max_size=6))
    bodies = [_written(schema, row) for row in rows]
    if garble:
        row = data.draw(st.integers(0, len(bodies) - 1))
        place = data.draw(st.integers(0, len(bodies[row]) - 1))
        bodies[row] = bodies[row][:place] + bytes([data.draw(st.integers(0, 255))]) + bodies[row][place + 1 :]
    fields = flat_fields(schema)
    assert fields is not None
    stop = np.cumsum([len(body) for body in bodies])
    buffer = padded(bodies)

    columns, fit = read_flat(fields, buffer, np.append(0, stop[:-1]), stop)

    assert garble or fit.all()
    decoder = Decoder({1: text})
    for row in np.flatnonzero(fit).tolist():
        found = {name: _value(buffer, column, row) for name, column in columns.items()}
        try:
            want = decoder.decode(frame(1) + bodies[row])
        except UndecodableError as error:
            # Whether texts are UTF-8 is asked by who uses them.
            assert "UnicodeDecodeError" in str(error)  # noqa: PT017
            continue
        assert repr(found) == repr(want)


PROTO_FIELDS = """
syntax = "proto3";
message R {
  enum Kind { A = 0; B = 1; C = 2; }
  optional string text = 1; optional sint64 number = 2; optional double wide = 3; optional Kind kind = 4;
  optional float narrow = 5; optional string last = 9;
}
"""
PROTO_VALUES = {
    "text": st.text(max_size=9) | st.text(min_size=100, max_size=200),
    "number": st.integers(-(2**63), 2**63 - 1),
    "wide": st.floats(allow_nan=False),
    "kind": st.sampled_from("ABC"),
    "narrow": st.floats(width=32, allow_nan=False),
    "last": st.text(max_size=9),
}


@given(
    rows=st.lists(
        st.fixed_dictionaries(PROTO_VALUES) | st.fixed_dictionaries({}, optional=PROTO_VALUES), min_size=1, max_size=6
    ),
    garble=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 255), st.integers(0, 255)),
)
def test_flat_protobuf_is_read_as_the_decoder_reads_it_or_left_to_it(
    rows: list[dict[str, Any]], garble: tuple[int, int, int] | None
) -> None:
    theirs = compiled_text(PROTO_FIELDS)
    bodies = [b"\0" + theirs(**row).SerializeToString() for row in rows]
    if garble is not None:
        row, place, byte = garble[0] % len(rows), garble[1] % len(bodies[garble[0] % len(rows)]), garble[2]
        bodies[row] = bodies[row][:place] + bytes([byte]) + bodies[row][place + 1 :]
    fields = flat_message(read_proto(PROTO_FIELDS))
    assert fields is not None
    stop = np.cumsum([len(body) for body in bodies])
    buffer = padded(bodies)

    columns, fit = read_flat(fields, buffer, np.append(0, stop[:-1]), stop)

    whole = [len(row) == len(PROTO_VALUES) and len(row["text"].encode()) < 0x80 for row in rows]
    assert garble is not None or fit.tolist() == whole
    for row in np.flatnonzero(fit).tolist():
        found = {name: _value(buffer, column, row) for name, column in columns.items()}
        try:
            want = Decoder({1: PROTO_FIELDS}).decode(frame(1) + bodies[row])
        except UndecodableError:
            assert any("\ufffd" in found[name] for name in ("text", "last")), "who uses a text asks for UTF-8"
            continue
        assert repr(found) == repr(want)


def _written(schema: Any, row: dict[str, Any]) -> bytes:
    from io import BytesIO

    import fastavro

    out = BytesIO()
    fastavro.schemaless_writer(out, schema, row)
    return out.getvalue()


def _value(data: bytes, column: Any, row: int) -> Any:
    if column.absent is not None and column.absent[row]:
        return None
    value = column.values[row].item()
    if column.length is not None:
        text = data[value : value + int(column.length[row])]
        return text.decode(errors="replace") if column.field.kind == "string" else text
    return column.field.symbols[value] if column.field.kind == "enum" else value


@pytest.mark.parametrize(
    "kind", [["null", "string", "long"], {"type": "array", "items": "long"}, {"type": "fixed", "name": "F", "size": 4}]
)
def test_what_is_not_flat_is_left_to_the_decoder(kind: Any) -> None:
    import json

    text = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]})

    assert flat_fields(parsed(text)) is None


def test_the_header_of_a_batch_is_as_long_as_this_test_believes() -> None:
    assert struct.calcsize(">qiibIhiqqqhii") == HEADER_BYTES

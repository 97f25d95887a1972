"""What cannot be decoded says why, in one line."""

from __future__ import annotations

import pytest

from fleet.encode.decode import Decoder, UndecodableError, stream_of
from fleet.encode.layouts import LAYOUTS


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "the value is empty"),
        (b"", "the value is empty"),
        (b"hello", "neither framed Avro .* nor a JSON object: it begins with 68 65 6c 6c 6f"),
        (b"\0\0\0", "needs 5 bytes before the body, got 3"),
        (b"\0\0\0\0\x63", "no schema has the id 99; known are 1, 2, 3, 4"),
        (b"\0\0\0\0\x02\x06", "not a record of schema 2"),
        (b"\0\0\0\0\x01\0\0\0\0\0\0\0xx", "a record of schema 1 with 2 bytes left over"),
        (b'{"a": ', "not JSON as fleet writes it"),
        (b'{"timestamp": 7}', "an instant is text that ends in Z, got 7"),
        (b'{"timestamp": "yesterdayZ"}', "not JSON as fleet writes it"),
        (b"{\xff}", "not JSON as fleet writes it"),
    ],
)
def test_a_value_that_is_none_of_ours_is_refused_with_the_reason(value: bytes | None, says: str) -> None:
    with pytest.raises(UndecodableError, match=says):
        Decoder().decode(value)


def test_an_instant_in_json_is_microseconds_when_decoded() -> None:
    fields = Decoder().decode(b'{"timestamp":"2026-03-02T06:00:00.000001Z"}')

    assert fields == {"timestamp": 1_772_431_200_000_001}


@pytest.mark.parametrize(("stream", "layout"), list(LAYOUTS))
def test_a_stream_is_known_by_its_fields_and_truth_looks_like_readings(stream: str, layout: str) -> None:
    known = "readings" if stream == "truth" else stream

    assert stream_of(dict.fromkeys(LAYOUTS[stream, layout].fields)) == known


def test_fields_of_somebody_else_are_of_no_stream() -> None:
    assert not stream_of({"temperature": 7})

"""Texts of Protobuf schemas: what is read of them, and what is refused with the reason."""

from __future__ import annotations

import pytest

from fleet.scenario.proto import Message, NotProtoError, ProtoField, is_proto, read_proto


def test_fields_come_in_order_of_their_numbers_whatever_the_order_in_the_text() -> None:
    message = read_proto('syntax = "proto3"; message M { string b = 2; optional M2 a = 1; message M2 {} }')

    assert message.fields == (ProtoField("a", 1, "M2", "optional"), ProtoField("b", 2, "string"))
    assert message.messages == {"M2": Message("M2")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must have a message, has none"),
        ("message M { string a = 1;", "must be whole, ends in the middle"),
        ('syntax = "proto2"; message M {}', "must be of syntax proto3, is"),
        ("message M { Other a = 1; }", "field 'M.a' must be of a type in the file, is Other"),
        ("message M { string a = 1; string b = 1; }", "must have a number of its own, has 1"),
        ("message M { string a = 0; }", "must have a number from 1 to"),
        ("message M { string a = x; }", "must have a number after '=', has 'x'"),
        ("message M { map<int32, string> a = 1; }", "must have keys of type string, has int32"),
        ("message M { string a 1; }", "must have '=' after 'a', has '1'"),
        ("message M {} message N {}", "has 'message' beside it"),
        ("message M { message N { message N {} } }", "must have one type of the name 'N', has several"),
        ("message M { oneof x { string a = 1; } }", "must have '=' after"),
        ("message M {" * 40, "must be nested at most 32 deep"),
    ],
)
def test_what_is_no_schema_of_records_is_refused(text: str, told: str) -> None:
    with pytest.raises(NotProtoError, match=told):
        read_proto(text)


def test_a_text_is_of_protobuf_where_it_is_no_json() -> None:
    assert not any(map(is_proto, ('{"type": "int"}', ' "int"', '["null"]')))
    assert all(map(is_proto, ('syntax = "proto3";', "// words\n", "/* words */", "message M {}")))

"""What a schema's text is: Avro's or Protobuf's, of which record, and whether two say the same."""

from __future__ import annotations

import json
from typing import Any

from fleet.scenario.proto import NotProtoError, is_proto, read_proto


def parsed_schema(text: str) -> Any:
    """Parse the *text* of an Avro schema; ValueError where it is none."""
    import fastavro

    try:
        return fastavro.parse_schema(json.loads(text))
    except Exception as error:  # fastavro says what is wrong by any exception at all
        raise ValueError(str(error) or type(error).__name__) from error


def see_schema(text: str, *, proto: bool) -> None:
    """See that *text* is a schema, of Protobuf or of Avro; ValueError says why it is none."""
    if not proto:
        parsed_schema(text)
        return
    try:
        read_proto(text)
    except NotProtoError as error:
        raise ValueError(str(error)) from error


def record_name(text: str) -> str:
    """Give the full name of the record, empty for a schema of something else."""
    if is_proto(text):
        return read_proto(text).full_name
    said = json.loads(text)
    said = said if isinstance(said, dict) else {}
    return ".".join(part for part in (said.get("namespace", ""), said.get("name", "")) if part)


def content(text: str) -> object:
    """Give what *text* says, however it is laid out; one of Protobuf beyond what we read is nothing but itself."""
    if not is_proto(text):
        return json.loads(text)
    try:
        return read_proto(text)
    except NotProtoError:
        return text


def same(one: str, other: str) -> bool:
    """Say whether two texts are the same schema to a reader.

    Avro: by its parsing canonical form. Protobuf: by names, numbers and types; white space, comments, options and the
    order of fields in the text are the registry's to change.
    """
    if is_proto(one) or is_proto(other):
        return content(one) == content(other)
    import fastavro

    forms = [fastavro.schema.to_parsing_canonical_form(parsed_schema(text)) for text in (one, other)]
    return forms[0] == forms[1]


def laid_out(text: str) -> str:
    """Give *text* as a person reads it."""
    return text.rstrip() if is_proto(text) else json.dumps(json.loads(text), indent=2, ensure_ascii=False)

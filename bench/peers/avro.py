"""What a peer that encodes does for each record: fields to Avro by fastavro, behind the registry's frame."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro

from fleet.encode.avro import frame, parsed
from fleet.encode.decode import Decoder
from fleet.encode.layouts import READINGS_V2
from fleet.encode.schemas import schema_ids, schema_text

Fields = dict[str, Any]
fields_of = Decoder().decode
"""Decodes a value to the fields that `encoder` takes."""


def encoder() -> Callable[[Fields], bytes]:
    """Make the function that encodes fields."""
    schema, head = parsed(schema_text(READINGS_V2.schema)), frame(schema_ids()[READINGS_V2.schema])
    write = fastavro.schemaless_writer

    def encode(fields: Fields) -> bytes:
        out = BytesIO()
        out.write(head)
        write(out, schema, fields)
        return out.getvalue()

    return encode

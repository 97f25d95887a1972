"""Records of runs, as ``factory.runs`` has them, outside of the run itself: one written, others read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.data import Record
from fleet.encode.avro import MAGIC, frame
from fleet.encode.decode import FRAME_BYTES, Decoder
from fleet.encode.formats import RUN_FORMATS, made
from fleet.encode.layouts import RUNS_V1
from fleet.encode.schemas import schema_ids


def run_fields(decoder: Decoder, value: bytes | None) -> dict[str, Any]:
    """Decode a *value* of ``factory.runs``, whatever id a registry gave its schema; UndecodableError says why not.

    Which ids the other records have is said here: so this one must be known without any.
    """
    if value is not None and value[:1] == MAGIC and len(value) > FRAME_BYTES:
        value = frame(schema_ids()[RUNS_V1.schema]) + value[FRAME_BYTES:]
    return decoder.decode(value)


def run_record(fields: Mapping[str, Any], number: int | None = None) -> Record:
    """Encode *fields*, which are those of ``run-record.v1.avsc``, as Avro, framed with the id *number*, or our own."""
    ids = schema_ids() if number is None else {RUNS_V1.schema: number}
    write = made(RUN_FORMATS, ("avro", "v1"), stream="runs", ids=ids)
    return Record(fields["run"].encode(), write(fields), fields["timestamp"] // 1000)

"""A record of a run, as ``factory.runs`` has it, outside of the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.data import Record
from fleet.encode.formats import RUN_FORMATS, made
from fleet.encode.schemas import schema_ids


def run_record(fields: Mapping[str, Any]) -> Record:
    """Encode *fields*, which are those of ``run-record.v1.avsc``, as framed Avro."""
    write = made(RUN_FORMATS, ("avro", "v1"), stream="runs", ids=schema_ids())
    return Record(fields["run"].encode(), write(fields), fields["timestamp"] // 1000)

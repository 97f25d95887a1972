"""The table of formats: how the records of a stream become bytes, by format and layout.

To add one, write a module beside this one and a row here; the contract tests then run on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from fleet.data import Event, Ints, KindColumns
from fleet.encode.avro import AvroReadings, avro_event, avro_fields
from fleet.encode.json import JsonReadings, json_door, json_event, json_label, json_run
from fleet.encode.layouts import EVENTS_V1, EVENTS_V2, LABELS_V1, READINGS_V1, READINGS_V2, READINGS_V3, RUNS_V1
from fleet.encode.protobuf import protobuf_event, protobuf_fields, protobuf_program
from fleet.encode.single import ProgramReadings
from fleet.errors import RequestError

SchemaIds = Mapping[str, int]


class ReadingFormat(Protocol):
    """Encodes the scans of one kind's columns."""

    def values(self, columns: KindColumns, rows: Ints) -> list[bytes]:
        """Encode the scans *rows*: one value a reading, scan after scan, sensor after sensor."""
        ...


EventFormat = Callable[[Event], tuple[bytes, bytes]]  # to key and value
FieldsFormat = Callable[[Mapping[str, Any]], bytes]
Made = TypeVar("Made")

READING_FORMATS: dict[tuple[str, str], Callable[[SchemaIds], ReadingFormat]] = {
    ("avro", "v1"): lambda ids: AvroReadings(READINGS_V1, ids[READINGS_V1.schema]),
    ("avro", "v2"): lambda ids: AvroReadings(READINGS_V2, ids[READINGS_V2.schema]),
    ("avro", "v3"): lambda ids: AvroReadings(READINGS_V3, ids[READINGS_V3.schema]),
    ("json", "v1"): lambda _: JsonReadings(READINGS_V1),
    ("json", "v2"): lambda _: JsonReadings(READINGS_V2),
    ("json", "v3"): lambda _: JsonReadings(READINGS_V3),
    ("protobuf", "v1"): lambda ids: ProgramReadings(protobuf_program(READINGS_V1, ids)),
    ("protobuf", "v2"): lambda ids: ProgramReadings(protobuf_program(READINGS_V2, ids)),
    ("protobuf", "v3"): lambda ids: ProgramReadings(protobuf_program(READINGS_V3, ids)),
}
EVENT_FORMATS: dict[tuple[str, str], Callable[[SchemaIds], EventFormat]] = {
    ("avro", "v1"): lambda ids: avro_event(EVENTS_V1, ids[EVENTS_V1.schema]),
    ("avro", "v2"): lambda ids: avro_event(EVENTS_V2, ids[EVENTS_V2.schema]),
    ("json", "v1"): lambda _: json_event(EVENTS_V1),
    ("json", "v2"): lambda _: json_event(EVENTS_V2),
    ("protobuf", "v1"): lambda ids: protobuf_event(EVENTS_V1, ids),
    ("protobuf", "v2"): lambda ids: protobuf_event(EVENTS_V2, ids),
}
DOOR_FORMATS: dict[tuple[str, str], Callable[[SchemaIds], EventFormat]] = {
    ("json", "v1"): lambda _: json_door,
}
LABEL_FORMATS: dict[tuple[str, str], Callable[[SchemaIds], FieldsFormat]] = {
    ("avro", "v1"): lambda ids: avro_fields(LABELS_V1, ids[LABELS_V1.schema]),
    ("json", "v1"): lambda _: json_label,
    ("protobuf", "v1"): lambda ids: protobuf_fields(LABELS_V1, ids),
}
RUN_FORMATS: dict[tuple[str, str], Callable[[SchemaIds], FieldsFormat]] = {
    ("avro", "v1"): lambda ids: avro_fields(RUNS_V1, ids[RUNS_V1.schema]),
    ("json", "v1"): lambda _: json_run,
}


def made(
    table: Mapping[tuple[str, str], Callable[[SchemaIds], Made]],
    row: tuple[str, str],
    *,
    stream: str,
    ids: SchemaIds,
) -> Made:
    """Make the encoder in a *row* (format, layout) of a *table*; RequestError where there is none."""
    if row in table:
        return table[row](ids)
    asked = " ".join(row)
    there = [" ".join(known) for known in table]
    raise RequestError(f"{stream}: no format {asked!r}; there is {_listed(there)}{_meant(asked, there)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _meant(asked: str, names: list[str]) -> str:
    close = get_close_matches(asked, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

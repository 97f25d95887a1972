"""Values as JSON text: fields in the schema's order, instants as RFC 3339 text, numbers as short decimals.

Values are rounded to the sensor's resolution before they come here, so Python's shortest text that
reads back to the same float is the short decimal. ``timestamp`` is UTC with six digits and a ``Z``, because
a JSON reader has no logical types and people read it; `decode` turns it into microseconds again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import numpy as np

from fleet.data import Event, Ints, KindColumns, Quality
from fleet.encode.avro import event_fields
from fleet.encode.layouts import LABEL_INSTANTS, LABELS_V1, RUNS_V1, SECOND_NAME, TELLING_LABELS, TIMESTAMPS, Layout
from fleet.encode.schemas import schema_text

EPOCH = datetime(1970, 1, 1)
QUALITY_TEXTS = tuple(f',"quality":"{quality.name}"' for quality in Quality)


def instants(times_us: Ints) -> list[str]:
    """Write *times_us* as RFC 3339 text in UTC."""
    texts: list[str] = np.datetime_as_string(times_us.astype("datetime64[us]")).tolist()
    return [text + "Z" for text in texts]


def instant(time_us: int) -> str:
    """Write one *time_us* as RFC 3339 text in UTC."""
    try:
        return (EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds") + "Z"
    except OverflowError:  # before the year 1 or after 9999: numpy knows those
        return instants(np.array([time_us], np.int64))[0]


def text_of(fields: Mapping[str, Any]) -> str:
    """Write decoded *fields* as one line of JSON, as the encoders here do."""
    said: dict[str, Any] = {name: _instant(value) if name in TIMESTAMPS else value for name, value in fields.items()}
    if said.keys() >= TELLING_LABELS:
        said |= {name: _instant(said[name]) for name in LABEL_INSTANTS}
        said["severity"] = [{**knot, "time": _instant(knot["time"])} for knot in said["severity"]]
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)


def _instant(time_us: int | None) -> str | None:
    """Write an instant; where there is none, none."""
    return None if time_us is None else instant(time_us)


class JsonReadings:
    """Encodes scans to JSON texts in a layout of readings."""

    def __init__(self, layout: Layout) -> None:
        self._numbered = layout.numbered
        self._renamed = SECOND_NAME in layout.fields

    def values(self, columns: KindColumns, rows: Ints) -> list[bytes]:
        """Encode the scans *rows* of *columns*: one text a reading, scan after scan, sensor after sensor."""
        machines = columns.cohort.machines
        sensors = [columns.cohort.sensors[index] for index in columns.sensors]
        heads = [
            f',"sensor":{json.dumps(sensor.name, ensure_ascii=False)}'
            f',"units":{json.dumps(sensor.units, ensure_ascii=False)},"value":'
            for sensor in sensors
        ]
        names = {
            index: json.dumps(machines[index].id, ensure_ascii=False) for index in set(columns.machine[rows].tolist())
        }
        quoted = {index: f'{{"machine":{name}' for index, name in names.items()}
        last = {index: f',"{SECOND_NAME}":{name}}}' if self._renamed else "}" for index, name in names.items()}
        return [
            f"{quoted[machine]}{head}{value}{end}{last[machine]}".encode()
            for machine, scan, ends in zip(
                columns.machine[rows].tolist(),
                columns.value[rows].tolist(),
                self._ends(columns, rows),
                strict=True,
            )
            for head, value, end in zip(heads, map(number, scan), ends, strict=True)
        ]

    def _ends(self, columns: KindColumns, rows: Ints) -> list[list[str]]:
        """Write what follows the value, for each scan of *rows*, up to what the machine ends it with."""
        if not self._numbered:
            return [[""] * len(columns.sensors)] * len(rows)
        times, seqs = instants(columns.event_us[rows]), columns.seq[rows].tolist()
        within = columns.within.tolist()
        return [
            [f',"timestamp":"{time}","seq":{seq + j}{QUALITY_TEXTS[q]}' for j, q in zip(within, qualities, strict=True)]
            for time, seq, qualities in zip(times, seqs, columns.quality[rows].tolist(), strict=True)
        ]


def number(value: float) -> str:
    """Write *value*; what is no number is null, because JSON has no name for it."""
    return repr(value) if isfinite(value) else "null"


def json_event(layout: Layout) -> Callable[[Event], tuple[bytes, bytes]]:
    """Make the encoder of events in a *layout* of ours to key and text."""

    def encode(event: Event) -> tuple[bytes, bytes]:
        said = event_fields(event)
        return event.machine.id.encode(), text_of({name: said[name] for name in layout.fields}).encode()

    return encode


def json_door(event: Event) -> tuple[bytes, bytes]:
    """Encode a door's *event* as the story does: its location is the key."""
    location = event.machine.id
    return location.encode(), text_of({"location": location, "state": event.state}).encode()


def json_label(record: Mapping[str, Any]) -> bytes:
    """Encode the fields of a record of a label."""
    return text_of({name: record[name] for name in LABELS_V1.fields}).encode()


def json_run(record: Mapping[str, Any]) -> bytes:
    """Encode a run *record*; fields that are not given take the schema's defaults."""
    schema = json.loads(schema_text(RUNS_V1.schema))
    defaults = {field["name"]: field["default"] for field in schema["fields"] if "default" in field}
    whole = {**defaults, **record}
    return text_of({name: whole[name] for name in RUNS_V1.fields}).encode()

"""Readings one by one by a program: for sinks that take records, and for types that only the Avro library writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as DecimalNumber
from functools import cache
from io import BytesIO
from itertools import repeat
from typing import Any

import fastavro
import numpy as np

from fleet.data import Ints, KindColumns
from fleet.encode.program import (
    QUALITIES,
    Decimal,
    Digits,
    Fixed,
    Instant,
    Long,
    MachineText,
    Part,
    Program,
    Real,
    SensorJson,
    SensorText,
    Serial,
    Symbol,
    SymbolText,
    Written,
    machine_name,
    serial,
)
from fleet.encode.varint import varint
from fleet.errors import RunError
from fleet.scenario.avsc import STEPS_US

Cells = list[bytes]


class ProgramReadings:
    """Encodes scans by a *program*."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def values(self, columns: KindColumns, rows: Ints) -> list[bytes]:
        """Encode the scans *rows* of *columns*: one value a reading, scan after scan, sensor after sensor."""
        if not len(rows):
            return []
        scans = _Scans(columns, rows)
        return list(map(b"".join, zip(*(_CELLS[type(part)](scans, part) for part in self._program), strict=True)))


class _Scans:
    """The scans of one call, from which each part of a program takes what it writes: (scans * sensors,)."""

    def __init__(self, columns: KindColumns, rows: Ints) -> None:
        self.sensors = [columns.cohort.sensors[index] for index in columns.sensors]
        self.machines = [columns.cohort.machines[index] for index in columns.machine[rows].tolist()]
        self.event_us = columns.event_us[rows]
        self.value = columns.value[rows].ravel()
        self.seq: list[int] = (columns.seq[rows][:, None] + columns.within).ravel().tolist()
        self.quality: list[int] = columns.quality[rows].ravel().tolist()

    def fixed(self, part: Fixed) -> Cells:
        """Give the same bytes for every reading."""
        return list(repeat(part.data, len(self.seq)))

    def sensor(self, part: SensorText | SensorJson) -> Cells:
        """Give the sensors' texts."""
        return [part.of(sensor) for sensor in self.sensors] * len(self.machines)

    def machine(self, part: MachineText) -> Cells:
        """Give the machines' texts."""
        names = [machine_name(machine, part.source) for machine in self.machines]
        return self._each([part.prefix(len(name)) + name for name in names])

    def long(self, part: Long) -> Cells:
        """Give numbers or instants as varints."""
        if part.source == "seq":
            return [varint(number) for number in self.seq]
        return self._each([varint(step) for step in (self.event_us // part.step_us).tolist()])

    def real(self, part: Real) -> Cells:
        """Give the values as floats."""
        data = self.value.astype("<f4" if part.bytes == 4 else "<f8").tobytes()
        return [data[at : at + part.bytes] for at in range(0, len(data), part.bytes)]

    def symbol(self, part: Symbol) -> Cells:
        """Give the qualities as indices."""
        codes = [bytes([code]) for code in part.codes]
        return [codes[quality] for quality in self.quality]

    def symbol_text(self, part: SymbolText) -> Cells:
        """Give the qualities as texts."""
        return [part.texts[quality] for quality in self.quality]

    def decimal(self, _: Decimal) -> Cells:
        """Give the values as decimal texts; what is no number is null, because JSON has no name for it."""
        return [(repr(value) if np.isfinite(value) else "null").encode() for value in self.value.tolist()]

    def digits(self, _: Digits) -> Cells:
        """Give the numbers as decimal texts."""
        return [str(number).encode() for number in self.seq]

    def serial(self, _: Serial) -> Cells:
        """Give the numbers as decimal texts of one length."""
        return [serial(number).encode() for number in self.seq]

    def instant(self, part: Instant) -> Cells:
        """Give the time stamps as texts."""
        times = (self.event_us // part.step_us * part.step_us).astype("datetime64[us]")
        return self._each([said.encode() for said in np.datetime_as_string(times).tolist()])

    def written(self, part: Written) -> Cells:
        """Let the Avro library write each; RunError where a value is none of the field's type."""
        schema = _schema(part.schema)
        found = []
        for datum in self._data(part, schema):
            out = BytesIO()
            try:
                fastavro.schemaless_writer(out, schema, datum)
            except (ValueError, OverflowError) as error:
                raise RunError(f"records.readings: field {part.field!r} cannot hold {datum}: {error}") from error
            found.append(out.getvalue())
        return found

    def _data(self, part: Written, schema: Any) -> list[Any]:
        if part.source == "value":
            scale = schema.get("scale", 0)
            return [DecimalNumber(step).scaleb(-scale) for step in unscaled(self.value, scale).tolist()]
        if part.source == "quality":
            return [QUALITIES[quality] for quality in self.quality]
        nanos = part.unit.endswith("nanos")
        steps = self.event_us * 1000 if nanos else self.event_us // STEPS_US[part.unit]
        return self._each(steps.tolist())

    def _each(self, of_scan: list[Any]) -> list[Any]:
        """Repeat what a scan has for each of its readings."""
        return [each for each in of_scan for _ in self.sensors]


@cache
def _schema(text: str) -> Any:
    """Parse a type; its logical type stays, because it says how decimals are written."""
    return fastavro.parse_schema(json.loads(text))


def unscaled(value: Any, scale: int) -> Any:
    """Give values as whole numbers of their last decimal digit."""
    return np.rint(np.asarray(value) * 10.0**scale).astype(np.int64)


_CELLS: dict[type[Part], Callable[[_Scans, Any], Cells]] = {
    Fixed: _Scans.fixed,
    SensorText: _Scans.sensor,
    SensorJson: _Scans.sensor,
    MachineText: _Scans.machine,
    Long: _Scans.long,
    Real: _Scans.real,
    Symbol: _Scans.symbol,
    SymbolText: _Scans.symbol_text,
    Decimal: _Scans.decimal,
    Digits: _Scans.digits,
    Serial: _Scans.serial,
    Instant: _Scans.instant,
    Written: _Scans.written,
}

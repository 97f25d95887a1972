"""A user's own layout of readings, from the schema's text and what fills its fields; and back from its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from fleet.data import Quality
from fleet.encode.avro import parsed
from fleet.encode.layouts import Layout
from fleet.encode.program import Program, Written
from fleet.encode.walk import walk, walk_json
from fleet.errors import RequestError
from fleet.scenario.avsc import Avsc, Branch, read_avsc

EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)
LONG_MAX = (1 << 63) - 1
FACTORS = {"millis": (1000, 1), "micros": (1, 1), "nanos": (1, 1000)}
"""What to multiply by, and to divide by, to have microseconds; by the end of a logical type."""

AVSC_KEPT = 16


@lru_cache(maxsize=AVSC_KEPT)
def _read(text: str) -> Avsc:
    return read_avsc(text)


def own_layout(file: str, text: str, sources: Mapping[str, str]) -> Layout:
    """Make the layout of the schema *text* in *file*; RequestError where the Avro library does not take it.

    *sources* says of every field what fills it, and fits.
    """
    try:
        parsed(text)
        avsc = _read(text)
        walk(avsc, sources)
        value, timestamp = (_first(avsc, sources, source) for source in ("value", "timestamp"))
    except Exception as error:  # fastavro says what is wrong by any exception at all
        raise RequestError(f"{file}: no valid Avro schema: {str(error) or type(error).__name__}") from error
    return Layout(
        name=file,
        fields=tuple(field.name for field in avsc.fields),
        schema=file,
        text=text,
        sources=tuple((field.name, sources[field.name]) for field in avsc.fields),
        narrow=value is not None and value.form.kind == "float",
        unit=(timestamp.form.logical if timestamp is not None else "") or "timestamp-micros",
        scale=value.form.scale if value is not None and value.form.logical == "decimal" else None,
    )


def _first(avsc: Avsc, sources: Mapping[str, str], source: str) -> Branch | None:
    """Give the type of the first field that *source* fills."""
    field = next((field for field in avsc.fields if sources[field.name] == source), None)
    return None if field is None else avsc.branch(field, source)


def said_of(layout: Layout) -> dict[str, Any]:
    """Give what a run says of its own *layout*, so that whoever reads it knows it."""
    return {"schema": layout.schema, "text": layout.text, "fields": dict(layout.sources)}


def said_layout(said: Any) -> Layout | None:
    """Make the layout that a run has *said* of its records; None where it has none, or none that holds."""
    if not isinstance(said, dict) or not isinstance(said.get("fields"), dict):
        return None
    file, text, sources = said.get("schema"), said.get("text"), said["fields"]
    if not (isinstance(file, str) and isinstance(text, str)):
        return None
    if not all(isinstance(source, str) for source in sources.values()):
        return None
    try:
        return own_layout(file, text, sources)
    except RequestError:
        return None


def own_program(layout: Layout, *, form: str) -> Program:
    """Give what a value in an own *layout* consists of, as ``avro`` (without its frame) or ``json``."""
    make = walk_json if form == "json" else walk
    return make(_read(layout.text), dict(layout.sources))


def slow_notices(layout: Layout) -> list[str]:
    """Say which fields of an own *layout* keep its records from being packed."""
    avsc, sources = _read(layout.text), dict(layout.sources)
    by_hand = {part.field for part in own_program(layout, form="avro") if isinstance(part, Written)}
    found = []
    for field in avsc.fields:
        branch = avsc.branch(field, sources[field.name]) if field.name in by_hand else None
        if branch is not None:
            of = f"schema {layout.name} has field '{field.name}' of type {branch.form}"
            found.append(f"records.readings: {of}: written record by record, slower")
    return found


# ---------------------------------------------------------------- back


def reading_of(layout: Layout, fields: Mapping[str, Any], key: bytes | None = None) -> dict[str, Any]:
    """Give decoded *fields* in an own *layout* under our names, as far as a digest asks; ValueError where one is odd.

    The machine may come from the record's *key*. What a reading needs and the layout does not say is empty.
    """
    found: dict[str, Any] = {"sensor": "", "units": "", "value": 0.0}
    if not layout.carries("machine") and key is not None:
        found["machine"] = key.decode()
    for source, name in layout.names.items():
        if source in _BACK:
            if name not in fields:
                raise ValueError(f"it has no field {name!r}")
            try:
                found[source] = _BACK[source](fields[name], layout)
            except (TypeError, OverflowError, ArithmeticError):
                raise ValueError(f"{name} cannot be {source}") from None
    return found


def _text(value: Any, _: Layout) -> str:
    said = value.decode() if isinstance(value, bytes) else value
    if not isinstance(said, str):
        raise TypeError
    return said


def _value(value: Any, layout: Layout) -> float:
    if value is None:
        return float("nan")  # JSON has no name for it
    if isinstance(value, bytes) and layout.scale is not None:
        return int.from_bytes(value, "big", signed=True) / 10.0**layout.scale
    if not isinstance(value, float | int | Decimal) or isinstance(value, bool):
        raise TypeError
    return float(value)


def _instant(value: Any, layout: Layout) -> int:
    """Give an instant in microseconds, whether it is a number in the layout's unit, a text or a time."""
    if isinstance(value, datetime):
        whole: int = (value.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
        return whole
    if isinstance(value, str):
        return int(np.datetime64(value.removesuffix("Z"), "us").astype(np.int64))
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return _long(microseconds_of(layout, value), layout)


def microseconds_of(layout: Layout, instant: Any) -> Any:
    """Give numbers that are instants in the unit of *layout* as microseconds."""
    times, parts = FACTORS[layout.unit.rpartition("-")[2]]
    return instant if times == parts else instant * times // parts


def _long(value: Any, _: Layout) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LONG_MAX:
        raise TypeError
    return value


def _number(value: Any, layout: Layout) -> int:
    number = _long(value, layout)
    if number < 0:
        raise ValueError("seq must not be below 0")
    return number


def _quality(value: Any, _: Layout) -> str:
    if not isinstance(value, str) or value not in Quality.__members__:
        raise TypeError
    return value


_BACK: dict[str, Callable[[Any, Layout], Any]] = {
    "machine": _text,
    "sensor": _text,
    "units": _text,
    "value": _value,
    "timestamp": _instant,
    "seq": _number,
    "quality": _quality,
}

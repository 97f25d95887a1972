"""Whether decoded fields are what fleet writes: JSON may hold anything under the right names, Protobuf nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.data import Quality
from fleet.encode.labels import EFFECTS
from fleet.encode.layouts import SECOND_NAME

LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1
QUALITIES = frozenset(quality.name for quality in Quality)
TEXTS = ("machine", "sensor", "units", "location")


def unsound(fields: Mapping[str, Any], stream: str) -> str:
    """Say what is wrong with the *fields* of a record of *stream*; empty where nothing is."""
    if not stream:
        return "has the fields of no stream"
    for name in TEXTS:
        if not isinstance(fields.get(name, ""), str):
            return f"{name} must be text"
    for name in ("seq", "timestamp"):
        number = fields.get(name, 0)
        if not isinstance(number, int) or not LONG_MIN <= number <= LONG_MAX:
            return f"{name} must be a whole number of 64 bits"
    if fields.get("seq", 0) < 0:
        return "seq must not be below 0"
    if fields.get(SECOND_NAME) not in (None, "", fields.get("machine")):
        return f"{SECOND_NAME} must be the machine, as writers fill both"
    if stream == "readings":
        return _unsound_reading(fields)
    return _unsound_label(fields) if stream == "labels" else ""


def _unsound_label(fields: Mapping[str, Any]) -> str:
    if not all(isinstance(fields[name], str) for name in ("run", "id", "phase")):
        return "run, id and phase must be texts"
    if not all(isinstance(fields[name], int) and fields[name] > 0 for name in ("part", "parts")):
        return "part and parts must be whole numbers above 0"
    for effect in EFFECTS:
        if not isinstance(fields[effect], list) or not all(map(_is_span, fields[effect])):
            return f"{effect} must be a list of spans of numbers"
    return ""


def _is_span(span: Any) -> bool:
    if not isinstance(span, dict) or span.keys() != {"first", "count", "step"}:
        return False
    first, count, step = span["first"], span["count"], span["step"]
    whole = all(isinstance(number, int) for number in (first, count, step))
    return whole and first >= 0 and count > 0 and step > 0 and first + count * step <= LONG_MAX


def _unsound_reading(fields: Mapping[str, Any]) -> str:
    value = fields["value"]
    if not isinstance(value, float | int) or isinstance(value, bool):
        return "value must be a number"
    if isinstance(value, int) and value.bit_length() > 1023:
        return "value must be a number that a double can hold"
    if "seq" in fields and not ("timestamp" in fields and fields.get("quality") in QUALITIES):
        return "a record with a seq must have a timestamp and a quality"
    return ""

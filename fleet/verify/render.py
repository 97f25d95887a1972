"""Decoded records as lines: for people, in colour or not, and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.encode.decode import stream_of
from fleet.encode.json import instant, text_of
from fleet.encode.labels import EFFECTS
from fleet.verify.findings import printable

if TYPE_CHECKING:
    from rich.style import Style

STATES_KEPT = 1 << 17  # machines whose state is remembered, to show what it was before

STYLES = {
    "time": "dim",
    "machine": "cyan",
    "value": "bold",
    "GOOD": "green",
    "UNCERTAIN": "yellow",
    "BAD": "red",
    "execute": "green",
    "aborted": "bold red",
    "held": "yellow",
    "suspended": "yellow",
    "problem": "red",
}


class Tailed(NamedTuple):
    """A record that was read; *fields* is None where it could not be decoded, and *problem* says why.

    *reading* has the fields of a reading in a layout of a user's own under our names. *what* it is in one word where
    it has no fields.
    """

    topic: str
    partition: int
    offset: int
    stamp_ms: int
    key: str
    fields: Mapping[str, Any] | None
    problem: str
    reading: Mapping[str, Any] | None = None
    value: bytes = b""
    what: str = "undecodable"
    headers: tuple[tuple[str, bytes | None], ...] = ()


Line = Callable[[Tailed], str]
Paint = Callable[[str, str], str]  # a text and its style's name, to what is written


class TextLines:
    """Writes records for people; it remembers the machines' states, to show what changed."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._states: dict[str, str] = {}

    def __call__(self, record: Tailed) -> str:
        """Write *record* as one line."""
        fields = record.reading or record.fields
        if fields is None:
            return self._unreadable(record, record.problem)
        write = {
            "readings": self._reading,
            "events": self._event,
            "doors": self._door,
            "labels": self._label,
            "runs": self._run,
        }.get(stream_of(fields), self._other)
        # A label's is that of its record; 0 stands where the writer did not say.
        time_us = fields.get("timestamp") or record.stamp_ms * 1000
        try:
            return f"{self._paint(clock(time_us), 'time')} {write(fields)}"
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            # JSON of others may have our names and hold anything.
            return self._unreadable(record, f"not as fleet writes it: {type(error).__name__}")

    def _unreadable(self, record: Tailed, why: str) -> str:
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        said = f"{where}: {printable(record.key) or 'no key'}: {record.what}: {why}"
        return f"{self._paint(clock(record.stamp_ms * 1000), 'time')} {self._paint(said, 'problem')}"

    def _reading(self, fields: Mapping[str, Any]) -> str:
        value = self._paint(f"{fields['value']:>12}", "value")
        machine = self._paint(f"{printable(fields['machine']):<24}", "machine")
        text = f"{machine} {printable(fields['sensor']):<20} {value} {printable(fields['units']):<6}"
        quality = fields.get("quality")
        return (text if quality is None else f"{text} {self._paint(quality.lower(), quality)}").rstrip()

    def _event(self, fields: Mapping[str, Any]) -> str:
        machine, state = printable(fields["machine"]), printable(fields["state"])
        before = self._states.get(machine, "") if fields["type"] == "state" else ""
        if fields["type"] == "state":
            if len(self._states) >= STATES_KEPT:
                self._states.clear()
            self._states[machine] = state
        cause = f" ({printable(fields['cause'])})" if fields["cause"] else ""
        change = f"{self._paint(before, before)} -> " if before and before != state else ""
        return f"{self._paint(machine, 'machine')}: {change}{self._paint(state, state)}{cause}"

    def _door(self, fields: Mapping[str, Any]) -> str:
        return f"{self._paint(printable(fields['location']), 'machine')}: {printable(fields['state'])}"

    def _label(self, fields: Mapping[str, Any]) -> str:
        machine = self._paint(printable(fields["machine"]), "machine")
        fault = self._paint(printable(fields["fault"].replace("_", " ")), "value")
        sensor = f" of {printable(fields['sensor'])}" if fields["sensor"] else ""
        part = f", part {fields['part']} of {fields['parts']}" if fields["parts"] > 1 else ""
        if fields["stop"] is None:
            return f"{machine}: {fault}{sensor} sets in ({printable(fields['id'])}){part}"
        did = [
            f"{sum(span['count'] for span in fields[effect]):,} {effect}" for effect in EFFECTS if fields[effect]
        ] + [f"{fields['injected']:,} injected"] * bool(fields["injected"])
        since = f"since {clock(fields['onset'])}"
        effects = f", {', '.join(did)}" if did else ""
        return f"{machine}: {fault}{sensor} has ended ({printable(fields['id'])}), {since}{effects}{part}"

    def _run(self, fields: Mapping[str, Any]) -> str:
        said = {
            "STARTED": f"{fields['scenario']}, seed {fields['seed']}",
            "JOURNAL": fields["entry"],
            "ENDED": f"exit {fields['exit']}",
        }.get(fields["type"], "")
        return f"run {self._paint(printable(fields['run']), 'machine')} {fields['type'].lower()} {said}".rstrip()

    def _other(self, fields: Mapping[str, Any]) -> str:
        return printable(text_of(fields))


def json_line(record: Tailed) -> str:
    """Write *record* as one line of JSON: its fields, or where it is and why it has none."""
    if record.fields is None:
        return json.dumps(
            {
                record.what: record.problem,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key,
            }
        )
    fields = {name: None if _is_no_number(value) else value for name, value in record.fields.items()}
    if record.reading is not None:  # a user's own fields are shown as they are, whatever their types
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, default=_shown)
    return text_of(fields)


def headed(line: Line, form: str) -> Line:
    """Give what writes records as *line*, a row *form* of the table below, does, and their headers as well."""

    def text(record: Tailed) -> str:
        said = " ".join(f"{printable(name)}={printable(value)}" for name, value in _headers(record))
        return f"{line(record)}  {said}".rstrip()

    def as_json(record: Tailed) -> str:
        said = json.dumps(_headers(record), separators=(",", ":"), ensure_ascii=False)  # a name may occur twice
        return f'{{"headers":{said},"record":{line(record)}}}'

    return as_json if form == "json" else text


def _headers(record: Tailed) -> list[tuple[str, str]]:
    return [(name, "" if value is None else value.decode(errors="replace")) for name, value in record.headers]


def _shown(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not isfinite(value)


def clock(time_us: int) -> str:
    """Write an instant for people: date, time and milliseconds, in UTC."""
    text = instant(time_us)
    return f"{text[:10]} {text[11:23]}"


def _plain(text: str, _style: str) -> str:
    return text


def _coloured() -> Paint:
    from rich.color import ColorSystem
    from rich.style import Style

    styles: dict[str, Style] = {name: Style.parse(text) for name, text in STYLES.items()}

    def paint(text: str, style: str) -> str:
        known = styles.get(style)
        return text if known is None else known.render(text, color_system=ColorSystem.STANDARD)

    return paint


LINES: dict[str, Callable[[], Line]] = {
    "text": lambda: TextLines(_plain),
    "colour": lambda: TextLines(_coloured()),
    "json": lambda: json_line,
}

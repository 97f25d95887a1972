"""A file of readings, as people export them, to one column a machine and sensor; what is left out is counted.

Long form has one reading a row, wide form one column a sensor. Text is split by the standard library (csv, json);
what the text of a time or a number means is decided here: ISO 8601 or seconds, milliseconds, microseconds or
nanoseconds since 1970, a decimal point or comma.
"""

from __future__ import annotations

import csv
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from fleet.errors import Problem, ScenarioError
from fleet.scenario.wording import did_you_mean, shortened, shown

ROLES: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "ts", "datetime", "date_time", "date", "t"),
    "machine": ("machine", "machine_id", "asset", "device", "equipment", "unit_id"),
    "sensor": ("sensor", "sensor_id", "signal", "tag", "tagname", "point", "channel"),
    "value": ("value", "val", "reading"),
    "units": ("units", "unit", "uom"),
    "quality": ("quality", "status"),
}
"""What the columns of a reading are called when ``--map`` does not say."""

REQUIRED = ("time", "machine", "sensor", "value")
MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "-", "no data", "nodata", "bad", "#n/a"})
"""Texts that stand for a value that is not there, in lower case."""

DELIMITERS = (",", ";", "\t", "|")
ROWS_MAX = 50_000_000
"""Rows that are read of a file; no more fit the memory of a small computer."""

PROBLEMS_KEPT = 20
FIELD_MAX = 1 << 17
VALUE_MAX = 1e12
"""No sensor reads more, in any unit."""

DISORDERED, TWICE = "disordered", "twice"
ALONE = "machine-1"
"""What the machine of a file without a column of machines is called."""

YEAR_FIRST, YEAR_LAST = 1971, 2200
SECONDS_MAX, MILLIS_MAX, MICROS_MAX = 1e11, 1e14, 1e17
"""Numbers below these are seconds, milliseconds, microseconds since 1970; above they are nanoseconds."""


@dataclass(slots=True)
class Column:
    """The readings of one sensor of one machine, in the file's order: times in us since 1970, and values."""

    units: str
    time_us: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    bad: set[int] = field(default_factory=set)  # places of those whose quality is BAD, where they are kept


@dataclass(slots=True)
class Left:
    """A class of rows that are left out: the first of them, and how many."""

    line: int
    text: str
    rows: int = 0


@dataclass(slots=True)
class Table:
    """All readings of a file, and what was left out of it by class."""

    file: str
    form: str = "long"
    rows: int = 0
    columns: dict[tuple[str, str], Column] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)
    zoneless: bool = False  # whether times without a zone were taken as UTC
    first: dict[str, int] = field(default_factory=dict)  # the line of the first reading out of order, and twice
    keeps_quality: bool = False  # whether readings of quality BAD are kept as such, and not left out
    problems: list[Problem] = field(default_factory=list)  # the first rows that were left out, one by one

    def leave(self, kind: str, line: int, text: str) -> None:
        """Count a reading as left out for the reason *kind*; the first one's *line* and *text* are kept."""
        self.left.setdefault(kind, Left(line, text)).rows += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(Problem(self.file, line, "", text))

    def remarks(self) -> list[str]:
        """Say what was left out: one located line a reason."""
        said = [
            str(Problem(self.file, each.line, "", f"{each.text}; {each.rows:,} left out like this"))
            for each in sorted(self.left.values(), key=lambda each: each.line)
        ]
        if self.zoneless:
            said.append(str(Problem(self.file, 0, "", "times without a zone were taken as UTC")))
        return said


class _WrongError(ValueError):
    """A cell that is no time or no number; the message says so."""


def read_table(file: Path, mapping: Mapping[str, str], *, keeps_quality: bool = False) -> Table:
    """Read *file*, a CSV file or one of JSON lines, whose columns *mapping* names by role.

    Readings of quality BAD are left out; with *keeps_quality* they are kept as such.

    ScenarioError has one located line where the file as a whole is no table of readings: it cannot be read, has
    no time, a single column, or not one good reading. Single bad rows are left out and counted by reason.
    """
    name = str(file)
    for role in mapping:
        if role not in ROLES:
            raise _refused("--map", 0, f"unknown role '{shortened(role)}'{did_you_mean(role, REQUIRED)}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            table = Table(name, keeps_quality=keeps_quality)
            rows = _json_rows(stream, table) if file.suffix in (".jsonl", ".json") else _csv_rows(stream, table)
            _take(rows, table, mapping)
    except OSError as error:
        raise _refused(name, 0, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _refused(name, *_not_utf8(file)) from None
    if not table.columns:
        left = min(table.left.values(), key=lambda each: each.line, default=None)
        if left is None:
            raise _refused(name, 1, "must have readings below the names of its columns, has none")
        raise _refused(name, left.line, f"{left.text}; {left.rows:,} left out like this, and no reading is left")
    return table


def _not_utf8(file: Path) -> tuple[int, str]:
    """Find the first line of *file* that is no UTF-8 text, and say what must hold."""
    way_out = "save the file as UTF-8"
    with file.open("rb") as stream:
        for line, content in enumerate(stream, start=1):
            if line == 1 and content[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return line, f"must be UTF-8 text, is UTF-16; {way_out}"
            try:
                content.decode()
            except UnicodeDecodeError as error:
                return line, f"must be UTF-8 text, byte 0x{content[error.start]:02x} is not; {way_out}"
    return 0, f"must be UTF-8 text; {way_out}"


def _refused(file: str, line: int, text: str) -> ScenarioError:
    return ScenarioError([Problem(file, line, "", text)])


# ---- rows of cells


Row = tuple[int, Sequence[str]]


def _csv_rows(stream: Iterable[str], table: Table) -> Iterator[Row]:
    """Yield the line and the cells of every row, the header first."""
    csv.field_size_limit(FIELD_MAX)
    lines = iter(stream)
    first = next(lines, "")
    if not first.strip():
        raise _refused(table.file, 1, "must begin with a line that names the columns, is empty")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            table.leave("csv", reader.line_num, f"must be a row of cells, is not: {error}")
            continue
        if cells:
            yield reader.line_num, cells


def _json_rows(stream: Iterable[str], table: Table) -> Iterator[Row]:
    """Yield the same of a file of JSON lines, one object a reading, as ``fleet run --to file:x.jsonl`` writes it."""
    names: list[str] = []
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            table.leave("json", line, f"must be a JSON object, got {shown(text.strip())}")
            continue
        if not names:
            names = list(row)
            yield line, names
        yield line, ["" if (cell := row.get(name)) is None else str(cell) for name in names]


# ---- cells to readings


def _take(rows: Iterator[Row], table: Table, mapping: Mapping[str, str]) -> None:
    """Take the readings out of *rows*."""
    line, header = next(rows, (1, []))
    header = [cell.strip() for cell in header]
    if len(header) < 2:
        found = shown(header[0]) if header else "nothing"
        raise _refused(table.file, line, f"must have a column of times and one of values, has one column: {found}")
    place = _places(table.file, line, header, mapping)
    if ("sensor" in place) != ("value" in place):
        there, lacking = ("sensor", "value") if "sensor" in place else ("value", "sensor")
        words = f"has a column of {there}s and none of {lacking}s; say which with --map {lacking}=COLUMN"
        raise _refused(table.file, line, words)
    table.form = "long" if "value" in place else "wide"
    (_long if "value" in place else _wide)(rows, table, header, place)


def _places(file: str, line: int, header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Find the column of each role: as *mapping* says, else by its usual names."""
    place: dict[str, int] = {}
    lower = [name.lower() for name in header]
    for role, name in mapping.items():
        if name not in header:
            raise _refused(file, line, f"--map {role}: no column '{shortened(name)}'{did_you_mean(name, header)}")
        place[role] = header.index(name)
    for role, usual in ROLES.items():
        if role not in place:
            found = next((lower.index(name) for name in usual if name in lower), None)
            if found is not None and found not in place.values():
                place[role] = found
    if "time" not in place:
        words = f"must have a column of times; none of {', '.join(shortened(name) for name in header[:8])} is called "
        raise _refused(file, line, f"{words}{' or '.join(ROLES['time'][:3])}; say which with --map time=COLUMN")
    return place


def _long(rows: Iterator[Row], table: Table, header: Sequence[str], place: Mapping[str, int]) -> None:
    """Take one reading a row."""
    width = max(place.values()) + 1
    at_time, at_sensor, at_value = place["time"], place["sensor"], place["value"]
    at_machine, at_units, at_quality = (place.get(role, -1) for role in ("machine", "units", "quality"))
    columns = table.columns
    clock = _Clock(table)
    for line, cells in rows:
        if not _counted(table):
            return
        if len(cells) < width:
            table.leave("short", line, f"must have {len(header)} cells, has {len(cells)}")
            continue
        bad = at_quality >= 0 and cells[at_quality].strip().upper() == "BAD"
        if bad and not table.keeps_quality:
            table.leave("quality", line, "is of quality BAD")
            continue
        if (value := _number_of(table, line, cells[at_value])) is None:
            continue
        if (time_us := clock.read(line, cells[at_time])) is None:
            continue
        key = (cells[at_machine].strip() if at_machine >= 0 else ALONE, cells[at_sensor].strip())
        if not key[0] or not key[1]:
            table.leave("nameless", line, "must name its machine and its sensor")
            continue
        column = columns.get(key)
        if column is None:
            column = columns[key] = Column(cells[at_units].strip() if 0 <= at_units < len(cells) else "")
        if bad:
            column.bad.add(len(column.value))
        _put(table, column, line, time_us, value)


def _wide(rows: Iterator[Row], table: Table, header: Sequence[str], place: Mapping[str, int]) -> None:
    """Take a reading from every column that has no role."""
    sensors = [(at, name) for at, name in enumerate(header) if at not in place.values() and name]
    at_time, at_machine = place["time"], place.get("machine", -1)
    clock = _Clock(table)
    for line, cells in rows:
        if not _counted(table):
            return
        if len(cells) < len(header):
            table.leave("short", line, f"must have {len(header)} cells, has {len(cells)}")
            continue
        if (time_us := clock.read(line, cells[at_time])) is None:
            continue
        machine = cells[at_machine].strip() if at_machine >= 0 else ALONE
        for at, name in sensors:
            value = _number_of(table, line, cells[at])
            if value is not None:
                column = table.columns.setdefault((machine, name), Column(""))
                _put(table, column, line, time_us, value)


def _put(table: Table, column: Column, line: int, time_us: int, value: float) -> None:
    """Add a reading to its column; the first that does not come after the one before it is remembered."""
    if column.time_us and time_us <= column.time_us[-1]:
        table.first.setdefault(DISORDERED if time_us < column.time_us[-1] else TWICE, line)
    column.time_us.append(time_us)
    column.value.append(value)


def _counted(table: Table) -> bool:
    """Count a row; say no when the file has more than are read."""
    if table.rows >= ROWS_MAX:
        table.leave("many", table.rows + 1, f"only the first {ROWS_MAX:,} rows are read; the rest is")
        return False
    table.rows += 1
    return True


def _number_of(table: Table, line: int, text: str) -> float | None:
    """Read a value; None, and counted, where there is none."""
    try:
        value = float(text)
    except ValueError:
        stripped = text.strip()
        if stripped.lower() in MISSING:
            table.leave("missing", line, "has no value")
            return None
        try:
            value = float(stripped.replace(",", ".")) if stripped.count(",") == 1 and "." not in stripped else math.nan
        except ValueError:
            value = math.nan
        if math.isnan(value):
            table.leave("text", line, f"must have a number as its value, got {shown(stripped)}")
            return None
    if abs(value) <= VALUE_MAX:
        return value
    if math.isfinite(value):
        table.leave("huge", line, f"must have a value of at most {VALUE_MAX:g}, got {shown(text.strip())}")
        return None
    table.leave("missing", line, "has no value")
    return None


class _Clock:
    """Reads times; the same text is as a rule read many times in a row."""

    __slots__ = ("_table", "_text", "_time_us")

    def __init__(self, table: Table) -> None:
        self._table, self._text, self._time_us = table, "", 0

    def read(self, line: int, text: str) -> int | None:
        """Give a time in us since 1970; None, and counted, where it is none."""
        if text == self._text:
            return self._time_us
        try:
            found = self._microseconds(text.strip())
        except (ValueError, OverflowError):
            words = f"must be a time like 2026-03-02T06:00:00Z or a number since 1970, got {shown(text.strip())}"
            self._table.leave("time", line, words)
            return None
        self._text, self._time_us = text, found
        return found

    def _microseconds(self, text: str) -> int:
        if text.replace(".", "", 1).replace(",", "", 1).isdecimal() and text.count(".") < 2:
            number = float(text.replace(",", "."))
            scale = (
                1e6 if number < SECONDS_MAX else 1e3 if number < MILLIS_MAX else 1.0 if number < MICROS_MAX else 1e-3
            )
            return round(number * scale)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            day, _, clock = text.partition(" ")
            moment = datetime.fromisoformat("-".join(reversed(day.split("."))) + " " + (clock or "00:00"))
        if not YEAR_FIRST <= moment.year <= YEAR_LAST:
            raise _WrongError("a year that no reading is from")
        if moment.tzinfo is None:
            self._table.zoneless, moment = True, moment.replace(tzinfo=UTC)
        whole = moment.replace(microsecond=0)
        return int(whole.timestamp()) * 1_000_000 + moment.microsecond

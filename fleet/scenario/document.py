"""YAML text to plain values that know their lines.

Read from the parser's events, not from its composer: nesting, anchors and duplicate keys are
decided here, one loop and no recursion, whatever the text is. Scalars are those of YAML 1.2's
core schema: ``on``, ``no`` and ``06:00`` are text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.reader import Reader, ReaderError

from fleet.errors import Problem, ScenarioError
from fleet.scenario.wording import Path, path_text, shortened

SIZE_MAX = 4 * 2**20  # bytes; the parser reads 0.2 to 0.4 MB/s
DEPTH_MAX = 50
NUMBER_MAX = 40  # characters; longer rows of digits are text, as int() is quadratic in them

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The values of one file, the line of every path in them, and what is wrong as YAML.

    *origins* names the argument that a path was set by, in place of the file and its line.
    """

    file: str
    data: Any
    lines: dict[Path, int]
    problems: tuple[Problem, ...] = ()
    origins: dict[Path, str] = field(default_factory=dict)

    def problem(self, path: Path, text: str) -> Problem:
        """Locate the message *text* about *path* on the nearest line that is known, or at the argument that set it."""
        if path and path not in self.lines:  # a mapping that an argument made on its way
            for place, origin in self.origins.items():
                if place[: len(path)] == path:
                    return Problem(origin, 0, path_text(path), text)
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return Problem(self.origins[path[:length]], 0, path_text(path), text)
            if path[:length] in self.lines:
                return Problem(self.file, self.lines[path[:length]], path_text(path), text)
        return Problem(self.file, 0, path_text(path), text)


class _RefusedError(Exception):
    """Text that cannot be read on: its line (0: the whole file) and what must hold."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass(slots=True)
class _Open:
    """A collection that is being read: its *path*, and the key that waits for a value."""

    path: Path
    value: Any
    key: str | None = None


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    file: str
    lines: dict[Path, int] = field(default_factory=dict)
    keys: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Any = None


def read(path: FilePath, *, file: str = "") -> Document:
    """Read the YAML file *path*, named *file* in messages; ScenarioError says why it cannot be."""
    file = file or str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise refused(file, "no such file") from None
    except IsADirectoryError:
        raise refused(file, "must be a file, is a directory") from None
    except PermissionError:
        raise refused(file, "may not be read: permission denied") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise refused(file, f"cannot be read: {shortened(reason or 'input failed')}") from None
    return parse(content, file=file)


def refused(file: str, text: str, *, line: int = 0) -> ScenarioError:
    """Return the error with one problem of *file*."""
    return ScenarioError([Problem(file, line, "", text)])


def parse(content: bytes | str, *, file: str) -> Document:
    """Parse YAML *content*; ScenarioError where it cannot be read at all.

    Duplicate keys do not stop it: they are among the document's problems.
    """
    reading = _Reading(file)
    try:
        text = _decoded(content)
        for event in _events(text):
            _take(reading, event)
    except _RefusedError as error:
        problems = [*reading.problems, Problem(file, error.line, "", error.text)]
        raise ScenarioError(sorted(problems, key=lambda problem: problem.line)) from None
    return Document(file, reading.root, reading.lines, tuple(reading.problems))


def _decoded(content: bytes | str) -> str:
    size = len(content) if isinstance(content, bytes) else len(content.encode(errors="replace"))
    if size > SIZE_MAX:
        raise _RefusedError(0, "must be at most 4 MiB; large fleets are made by 'count', not by many lines")
    if isinstance(content, bytes):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise _RefusedError(line, f"must be UTF-8 text, byte 0x{content[error.start]:02x} is not") from None
    else:
        text = content.removeprefix("\ufeff")
    if (found := Reader.NON_PRINTABLE.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise _RefusedError(line, f"must be printable text, found the character U+{ord(found[0]):04X}")
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    documents = 0
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _RefusedError(_line(event), "must be one YAML document, a second one begins here")
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = shortened(error.problem or error.context or "syntax error")
        line = int(mark.line) + 1 if mark is not None else 0
        raise _RefusedError(line, f"must be YAML: {words}") from None
    except ReaderError as error:
        raise _RefusedError(0, f"must be YAML: {shortened(str(error.reason))}") from None
    except UnicodeEncodeError:
        raise _RefusedError(0, "must be text without lone surrogates") from None


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 0 if mark is None else int(mark.line) + 1


def _take(reading: _Reading, event: yaml.Event) -> None:
    """Put one event into the tree."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _RefusedError(_line(event), "must be written without anchors and aliases ('&', '*')")
    if (tag := getattr(event, "tag", None)) not in (None, "!"):
        raise _RefusedError(_line(event), f"must be written without tags, found '{shortened(str(tag))}'")
    if isinstance(event, yaml.ScalarEvent):
        _scalar(reading, event)
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = _place(reading, value, _line(event))
        if len(reading.stack) >= DEPTH_MAX:
            raise _RefusedError(_line(event), f"must be nested at most {DEPTH_MAX} deep")
        reading.stack.append(_Open(path, value))
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        reading.stack.pop()


def _scalar(reading: _Reading, event: yaml.ScalarEvent) -> None:
    if not event.value.isascii() and any("\ud800" <= each <= "\udfff" for each in event.value):
        # Only PyYAML's own parser lets these through; no encoding can carry them.
        raise _RefusedError(_line(event), "must be text without lone surrogates")
    around = reading.stack[-1] if reading.stack else None
    if around is not None and isinstance(around.value, dict) and around.key is None:
        _key(reading, around, str(event.value), _line(event))
        return
    _place(reading, scalar(event.value) if event.implicit[0] else str(event.value), _line(event))


def _key(reading: _Reading, around: _Open, key: str, line: int) -> None:
    path = (*around.path, key)
    if path in reading.keys:
        words = f"must be given once, is also in line {reading.keys[path]}"
        reading.problems.append(Problem(reading.file, line, path_text(path), words))
    reading.keys.setdefault(path, line)
    reading.lines[path] = line
    around.key = key


def _place(reading: _Reading, value: Any, line: int) -> Path:
    """Put *value* where it belongs and return its path."""
    if not reading.stack:
        reading.root = value
        reading.lines[()] = line
        return ()
    around = reading.stack[-1]
    if isinstance(around.value, list):
        around.value.append(value)
        path: Path = (*around.path, len(around.value) - 1)
        reading.lines[path] = line
        return path
    if around.key is None:
        raise _RefusedError(line, "must have text before the ':', a key cannot be a list or a mapping")
    path = (*around.path, around.key)
    around.value[around.key] = value
    around.key = None
    return path


def scalar(text: str) -> Any:
    """Read an unquoted scalar as YAML 1.2's core schema does; infinities and NaN stay text."""
    if text in WORDS:
        return WORDS[text]
    if len(text) > NUMBER_MAX:
        return text
    if INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if FLOAT.fullmatch(text) else text


PART = re.compile(r"\[(\d{1,9})\]|\.?\"([^\"]+)\"|\.?([^.\[\]=\"]+)", re.ASCII)


def set_values(document: Document, assignments: Iterable[str]) -> Document:
    """Return *document* with the values of *assignments* like ``lines[0].count=100`` in it.

    Values are YAML. ScenarioError, with every wrong assignment, names the argument.
    """
    data, lines, origins = copy.deepcopy(document.data), dict(document.lines), dict(document.origins)
    problems: list[Problem] = []
    for assignment in assignments:
        origin = f"--set {shortened(assignment)}"
        try:
            name, equals, text = assignment.partition("=")
            if not equals or not name.strip():
                raise _RefusedError(0, "must be PATH=VALUE like 'lines[0].count=100'")
            value = parse(text, file=origin).data
            data = {} if data is None else data
            origins[_assign(data, _parts(name.strip()), value)] = origin
        except _RefusedError as error:
            problems.append(Problem(origin, 0, "", error.text))
        except ScenarioError as error:
            problems += [problem._replace(line=0) for problem in error.problems]
    if problems:
        raise ScenarioError(problems)
    return Document(document.file, data, lines, document.problems, origins)


def _parts(name: str) -> list[str]:
    parts, position = [], 0
    while position < len(name):
        match = PART.match(name, position)
        if match is None:
            raise _RefusedError(0, f"must be a path like 'lines[0].count', got '{shortened(name)}'")
        parts.append(match[1] or match[2] or match[3])
        position = match.end()
    return parts


def _assign(data: Any, parts: list[str], value: Any) -> Path:
    """Set the place *parts* of *data* to *value* and return its path; mappings on the way are made."""
    path: Path = ()
    around = data
    while True:
        key, parts = _next(around, parts, path)
        path = (*path, key)
        if not parts:
            around[key] = value
            return path
        if isinstance(around, dict) and around.get(str(key)) is None:
            around[key] = {}
        around = around[key]


def _next(around: Any, parts: list[str], path: Path) -> tuple[str | int, list[str]]:
    """Take the first key of *parts*: an index in a list, else the longest dotted name that exists."""
    where = path_text(path) or "the top"
    if isinstance(around, list):
        if not parts[0].isdecimal() or int(parts[0]) >= len(around):
            words = f"must name one of the {len(around)} items of {where} by its number, from 0"
            raise _RefusedError(0, f"{words}, got '{shortened(parts[0])}'")
        return int(parts[0]), parts[1:]
    if not isinstance(around, dict):
        raise _RefusedError(0, f"must stay inside the file, {where} is a single value")
    for length in range(len(parts), 1, -1):
        dotted = ".".join(parts[:length])
        if dotted in around:
            return dotted, parts[length:]
    return parts[0], parts[1:]

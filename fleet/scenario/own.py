"""A user's own layout of readings: the schema beside the scenario, and what fills each of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from fleet.scenario.avsc import CONSTANT, DEFAULT, SOURCES, WANTED, Avsc, AvscField, NotAvroError, example_of, read_avsc
from fleet.scenario.references import Fault, mapping
from fleet.scenario.wording import Path, did_you_mean, shortened, unknown

READINGS: Path = ("records", "readings")
SCHEMA_BYTES_MAX = 256 * 1024
"""The schema's text is part of what a run says of itself, in one record."""


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """A schema of a user's own. *sources* has all its fields: a source, ``=constant``, or nothing for the default."""

    file: str
    text: str
    sources: Mapping[str, str]


def own_records(data: object, *, folder: str) -> tuple[OwnRecords | None, list[Fault]]:
    """Read the own layout in the scenario *data*, and say what is wrong with it; None where it has none."""
    readings = mapping(mapping(mapping(data).get("records")).get("readings"))
    name = readings.get("schema")
    if name is None:
        stray = [((*READINGS, "fields"), "must come with a 'schema' whose fields they are")]
        return None, stray if readings.get("fields") else []
    if not isinstance(name, str) or not name:
        return None, []  # the model tells
    found: list[Fault] = []
    if readings.get("layout") is not None:
        found.append(((*READINGS, "layout"), f"must be absent where '{shortened(name)}' says how records are"))
    given = {field: source for field, source in mapping(readings.get("fields")).items() if isinstance(source, str)}
    try:
        text = _text(FilePath(folder, name))
        avsc = read_avsc(text)
    except NotAvroError as error:
        return None, [*found, ((*READINGS, "schema"), f"{shortened(name)} {error}")]
    file = FilePath(name).name
    found += _faults(avsc, given, file)
    return None if found else OwnRecords(file, text, sources_of(avsc, given)), found


def _text(path: FilePath) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SCHEMA_BYTES_MAX + 1)
        if len(content) > SCHEMA_BYTES_MAX:
            raise NotAvroError(f"must be at most {SCHEMA_BYTES_MAX // 1024} KiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAvroError("must be JSON in UTF-8, is not") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise NotAvroError(f"cannot be read: {(reason or 'input failed').lower()}") from None


def sources_of(avsc: Avsc, given: Mapping[str, str]) -> dict[str, str]:
    """Say what fills every field of *avsc*: what was *given*, its namesake, or its default."""
    return {field.name: _source(field, given) for field in avsc.fields}


def _source(field: AvscField, given: Mapping[str, str]) -> str:
    return given.get(field.name, field.name if field.name in SOURCES else DEFAULT)


def _faults(avsc: Avsc, given: Mapping[str, str], file: str) -> Iterator[Fault]:
    names = [field.name for field in avsc.fields]
    for name in given:
        if name not in names:
            yield (*READINGS, "fields", name), f"unknown field '{shortened(name)}' of {file}{did_you_mean(name, names)}"
    for field in avsc.fields:
        source = _source(field, given)
        explicit = field.name in given
        path: Path = (*READINGS, "fields", field.name) if explicit else (*READINGS, "fields")
        if source == DEFAULT and not field.has_default:
            words = f"field '{field.name}' of {file} is filled by nothing and has no default"
            yield path, f"{words}; map it, e.g. {{{field.name}: machine}}"
        elif source in SOURCES or source.startswith(CONSTANT):
            yield from ((path, text) for text in _unfit(avsc, field, source, file))


def _unfit(avsc: Avsc, field: AvscField, source: str, file: str) -> Iterator[str]:
    if source == DEFAULT or avsc.branch(field, source) is not None:
        return
    types = " or ".join(str(branch.form) for branch in avsc.branches(field)) or "nothing"
    if source.startswith(CONSTANT):
        words = f"field '{field.name}' of {file} is {types} and cannot be '{shortened(source[1:])}'"
        yield words + _way_out(avsc, field)
        return
    words = f"field '{field.name}' of {file} must be {WANTED[source]} to hold '{source}', is {types}"
    yield words + _way_out(avsc, field)


def _way_out(avsc: Avsc, field: AvscField) -> str:
    """Name what a *field* can be filled with: the sources that fit its type, and a constant of it."""
    fit = [source for source in SOURCES if avsc.branch(field, source) is not None]
    examples = [f"'{example}'" for branch in avsc.branches(field) if (example := example_of(branch.form))]
    ways = [*([" or ".join(fit)] if fit else []), *([f"a constant like {examples[0]}"] if examples else [])]
    return f"; fill it with {', or with '.join(ways)}" if ways else "; no source and no constant fits it"


def source_trouble(value: Any) -> str:
    """Say what is wrong with *value* as a source; empty where nothing is."""
    if not isinstance(value, str):
        return "must be text: a source like machine, or a constant like '=north'"
    return "" if value in SOURCES or value.startswith(CONSTANT) else unknown("source", value, SOURCES)

"""A user's own layouts of readings: schemas beside the scenario, and what fills each of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from fleet.scenario.avsc import CONSTANT, DEFAULT, SOURCES, WANTED, Avsc, AvscField, NotAvroError, example_of, read_avsc
from fleet.scenario.references import Fault, items, mapping
from fleet.scenario.wording import Path, did_you_mean, shortened, unknown

READINGS: Path = ("records", "readings")
EVOLUTION = "evolution"
SCHEMA_BYTES_MAX = 256 * 1024
"""The schemas' texts, all together, are part of what a run says of itself, in one record."""


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """A schema of a user's own. *sources* has all its fields: a source, ``=constant``, or nothing for the default.

    Of one that is never written because it is to be refused, there are none.
    """

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
    own, faults = _read(READINGS, name, readings.get("fields"), folder)
    return None if found else own, [*found, *faults]


def own_steps(data: object, *, folder: str) -> tuple[tuple[OwnRecords | None, ...], list[Fault]]:
    """Read the schemas that steps of the evolution in the scenario *data* name by files, and say what is wrong."""
    scenario = mapping(data)
    steps = items(scenario.get(EVOLUTION))
    found: list[Fault] = []
    owns: list[OwnRecords | None] = []
    if steps and mapping(mapping(scenario.get("records")).get("readings")).get("schema") is not None:
        text = "must be absent where records.readings.schema says how records are: versions are those of MachineSensor"
        found.append(((EVOLUTION,), text))
    files: dict[str, str] = {}
    for index, step in steps:
        at, name = (EVOLUTION, index), step.get("schema")
        if not isinstance(name, str) or not name.endswith(".avsc"):
            owns.append(None)
            if step.get("fields"):
                found.append(((*at, "fields"), "must come with a 'schema' that is a file, whose fields they are"))
            continue
        if step.get("refused") is True:
            own, faults = _read_refused(at, name, folder)
        else:
            own, faults = _read(at, name, step.get("fields"), folder)
        owns.append(own)
        found += faults
        if files.setdefault(FilePath(name).name, name) != name:
            other = shortened(files[FilePath(name).name])
            text = f"must have another file's name than '{other}': by it records say which it is"
            found.append(((*at, "schema"), text))
    texts = {own.text for own in owns if own is not None}
    if sum(map(len, texts)) > SCHEMA_BYTES_MAX:
        found.append(((EVOLUTION,), f"must name schemas of at most {SCHEMA_BYTES_MAX // 1024} KiB all together"))
    return tuple(owns), found


def _read(at: Path, name: str, fields: object, folder: str) -> tuple[OwnRecords | None, list[Fault]]:
    """Read the schema *name*, whose *fields* are filled as is said *at* a place of the scenario."""
    given = {field: source for field, source in mapping(fields).items() if isinstance(source, str)}
    file = FilePath(name).name
    try:
        text = _text(FilePath(folder, name))
        avsc = read_avsc(text)
    except NotAvroError as error:
        return None, [((*at, "schema"), f"{shortened(name)} {error}")]
    faults = list(_faults(at, avsc, given, file))
    return None if faults else OwnRecords(file, text, sources_of(avsc, given)), faults


def _read_refused(at: Path, name: str, folder: str) -> tuple[OwnRecords | None, list[Fault]]:
    """Read the schema *name* that nobody will write: it need not fit our readings, and may be no record at all."""
    try:
        return OwnRecords(FilePath(name).name, _text(FilePath(folder, name)), {}), []
    except NotAvroError as error:
        return None, [((*at, "schema"), f"{shortened(name)} {error}")]


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


def _faults(at: Path, avsc: Avsc, given: Mapping[str, str], file: str) -> Iterator[Fault]:
    names = [field.name for field in avsc.fields]
    for name in given:
        if name not in names:
            yield (*at, "fields", name), f"unknown field '{shortened(name)}' of {file}{did_you_mean(name, names)}"
    for field in avsc.fields:
        source = _source(field, given)
        explicit = field.name in given
        path: Path = (*at, "fields", field.name) if explicit else (*at, "fields")
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

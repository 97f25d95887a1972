"""Who reads what whom wrote: judged by Apache Avro's checker and by resolving records, field by field."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from fleet.contract.examples import fitted, made_up, plain
from fleet.contract.protobuf import misread
from fleet.contract.registry import LEVELS
from fleet.contract.versions import Schema
from fleet.errors import RequestError
from fleet.scenario.proto import read_proto

INSTALL = "pip install 'thingum-fleet[schema]'"
CHECKER, RESOLVER, NUMBERS = "Apache Avro", "fastavro", "by number"
REASON_CHARACTERS = 200
ALIKE = frozenset({"null", "boolean", "int", "long", "float", "double", "string"})
"""Types of which either every value is read as another type or none."""


class Finding(NamedTuple):
    """Why a reader fails: the reader's *field* (empty: the record as a whole), the reason, and who says so."""

    field: str
    reason: str
    judge: str

    def __str__(self) -> str:
        return f"{self.field or 'the record'}: {self.reason} ({self.judge})"


class Verdict(NamedTuple):
    """What becomes of the records of *writer* with *reader*."""

    reader: Schema
    writer: Schema
    findings: tuple[Finding, ...]
    records: int  # how many were resolved

    @property
    def holds(self) -> bool:
        """Whether every record is read."""
        return not self.findings


TWO_KINDS = Finding("", "one is Avro and the other Protobuf", "fleet")


def pairs(new: Schema, before: Sequence[Schema], level: str) -> list[tuple[Schema, Schema]]:
    """Give the pairs (reader, writer) that *level* asks about *new* after the versions *before* it, the latest first.

    BACKWARD: the new one reads what the last wrote; FORWARD: the last reads what the new one writes; FULL: both;
    transitive: not the last alone but all.
    """
    if level not in LEVELS:
        raise RequestError(f"--level: must be one of {', '.join(LEVELS)}, got {level!r}")
    others = before if level.endswith("_TRANSITIVE") else before[:1]
    kind = level.removesuffix("_TRANSITIVE")
    found: list[tuple[Schema, Schema]] = []
    for other in others:
        found += [(new, other)] if kind in {"BACKWARD", "FULL"} else []
        found += [(other, new)] if kind in {"FORWARD", "FULL"} else []
    return found


def judged(reader: Schema, writer: Schema, real: Mapping[str, Sequence[Mapping[str, Any]]]) -> Verdict:
    """Judge whether *reader* reads what *writer* writes; *real* has real records by the full name of their type.

    RequestError where Apache Avro is not installed.
    """
    if reader.is_proto or writer.is_proto:
        return Verdict(reader, writer, tuple(_by_numbers(reader, writer)), 0)
    records = [*fitted(writer.text, real.get(writer.record, ())), *made_up(writer.text)]
    findings = [*_by_checker(reader.text, writer.text), *resolving(reader.text, writer.text, records)]
    return Verdict(reader, writer, tuple(dict.fromkeys(findings)), len(records))


def _by_numbers(reader: Schema, writer: Schema) -> Iterator[Finding]:
    if reader.is_proto != writer.is_proto:
        yield TWO_KINDS
        return
    for name, reason in misread(read_proto(reader.text), read_proto(writer.text)):
        yield Finding(name, reason, NUMBERS)


# ---------------------------------------------------------------- Apache Avro's checker


def _by_checker(reader: str, writer: str) -> list[Finding]:
    try:
        import avro.compatibility
        import avro.errors
        import avro.schema
    except ImportError as error:
        raise RequestError(f"compatibility needs Apache Avro ({error}); install it with: {INSTALL}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of logical types that it does not know, which change no bytes
        try:
            ours, theirs = (avro.schema.parse(text) for text in (reader, writer))
        except avro.errors.AvroException as error:
            return [Finding("", f"no schema to it: {' '.join(str(error).split())}", CHECKER)]
    checker: Any = avro.compatibility  # some of it has types, some has none
    why = _why_not(checker, ours, theirs)
    # The verdict is on the whole; asked of each field it says which.
    return (list(_fields(checker, ours, theirs, "")) or [Finding("", why, CHECKER)]) if why else []


def _why_not(checker: Any, reader: Any, writer: Any) -> str:
    """Say what the checker has against two types; empty where it has nothing."""
    verdict = checker.ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    if verdict.compatibility is checker.SchemaCompatibilityType.compatible:
        return ""
    return "; ".join(sorted(map(str, verdict.messages))) or "incompatible"


def _fields(checker: Any, reader: Any, writer: Any, path: str) -> Iterator[Finding]:
    """Ask the checker of each field of two records, and of what lists and maps hold."""
    if reader.type == writer.type == "record":
        if not checker.schema_name_equals(reader, writer):
            yield Finding(path, f"reader's record is {reader.fullname}, writer's is {writer.fullname}", CHECKER)
        for field in reader.fields:
            name = f"{path}.{field.name}" if path else str(field.name)
            other = checker.lookup_writer_field(writer_schema=writer, reader_field=field)
            if other is not None:
                yield from _fields(checker, field.type, other.type, name)
            elif not field.has_default:
                yield Finding(name, "the writer does not write it, and the reader has no default", CHECKER)
    elif reader.type == writer.type == "array":
        yield from _fields(checker, reader.items, writer.items, f"{path}[]")
    elif reader.type == writer.type == "map":
        yield from _fields(checker, reader.values, writer.values, f"{path}{{}}")
    else:
        why = _why_not(checker, reader, writer)
        if why:
            yield Finding(path, _type_words(reader, writer) or why, CHECKER)


def _type_words(reader: Any, writer: Any) -> str:
    if reader.type == writer.type == "enum":
        if reader.name != writer.name:
            return f"reader's enum is {reader.fullname}, writer's is {writer.fullname}"
        missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        return f"the reader lacks {', '.join(missing)} and has no default"
    if reader.type != writer.type and "union" not in {reader.type, writer.type}:
        return f"the writer writes {writer.type}, which is no {reader.type} to the reader"
    return ""


# ---------------------------------------------------------------- resolving records


def resolving(reader: str, writer: str, records: Sequence[Any]) -> list[Finding]:
    """Write *records* and read them back; a failure is found in the fields alone, one after the other."""
    reading: Any = plain(reader)
    writing: Any = plain(writer)
    why = _first_failure(reading, writing, records)
    if not why:
        return []
    if not _is_record(reading) or not _is_record(writing):
        return [Finding("", why, RESOLVER)]
    if _first_failure(plain(_only(reading, [])), plain(_only(writing, [])), [{}]):
        return [Finding("", f"reader's record is {reading['name']}, writer's is {writing['name']}", RESOLVER)]
    found = []
    for name, part, of in _parts(reader, writer):
        reason = _first_failure(part, of, records)
        if reason:
            found.append(Finding(name, reason, RESOLVER))
    return found or [Finding("", why, RESOLVER)]


def failing_always(reader: str, writer: str) -> list[Finding]:
    """Name what fails in every record of *writer*, whatever it holds: types that never fit, what nobody writes."""
    reading: Any = plain(reader)
    writing: Any = plain(writer)
    if not _is_record(reading) or not _is_record(writing):
        return []
    one = made_up(writer)[:1]
    if _first_failure(plain(_only(reading, [])), plain(_only(writing, [])), one):
        return resolving(reader, writer, one)
    found = []
    for name, part, of in _parts(reader, writer):
        if all(_type_of(each["type"]) in ALIKE for each in of["fields"]):
            reason = _first_failure(part, of, one)
            found += [Finding(name, reason, RESOLVER)] if reason else []
    return found


def _type_of(node: Any) -> Any:
    return node.get("type") if isinstance(node, dict) else None if isinstance(node, list) else node


def _first_failure(reader: Any, writer: Any, records: Sequence[Any]) -> str:
    """Say why the first record that is not read is not; empty where all are."""
    import fastavro

    for record in records:
        out = BytesIO()
        fastavro.schemaless_writer(out, writer, record)
        out.seek(0)
        try:
            fastavro.schemaless_reader(out, writer, reader)
        except Exception as error:  # noqa: BLE001 - fastavro says what is wrong by any exception at all
            return said_by(error)
    return ""


def said_by(error: Exception) -> str:
    """Give what fastavro says in one line: it shows types in full, whatever they hold."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= REASON_CHARACTERS else f"{line[:REASON_CHARACTERS]}..."


def _parts(reader: str, writer: str) -> Iterator[tuple[str, Any, Any]]:
    """Give for each field of *reader* its name and both records with nothing but this field."""
    import fastavro

    ours: Any = fastavro.schema.expand_schema(json.loads(reader))
    theirs: Any = fastavro.schema.expand_schema(json.loads(writer))
    for field in ours["fields"]:
        names = {field["name"], *field.get("aliases", ())}
        same = [other for other in theirs["fields"] if other["name"] in names]
        try:
            yield field["name"], plain(_only(ours, [field])), plain(_only(theirs, same))
        except ValueError:
            continue  # a type that holds itself cannot be cut out: then the record as a whole is told


def _is_record(node: Any) -> bool:
    return isinstance(node, dict) and "fields" in node


def _only(record: Mapping[str, Any], fields: Sequence[Any]) -> str:
    said = {name: value for name, value in record.items() if not name.startswith("__")}
    return json.dumps({**said, "fields": list(fields)})

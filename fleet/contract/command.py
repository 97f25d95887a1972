"""``fleet schema``: list, show, diff, check, register, code."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.contract.access import Access
from fleet.contract.asking import CONFLICT, RegistryRefusedError
from fleet.contract.compatibility import Verdict, judged, pairs
from fleet.contract.diff import differences
from fleet.contract.ids import subject_of
from fleet.contract.python_code import python_code
from fleet.contract.registry import LEVELS, Judged, Registry
from fleet.contract.texts import laid_out
from fleet.contract.versions import Schema, Shelf, topic_of
from fleet.data import SCHEMA_ID_MAX
from fleet.errors import RequestError

DEFAULT_LEVEL = "BACKWARD"
Real = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class SchemaRequest:
    """What was asked for: an *action* on schemas by *names*."""

    action: str
    names: tuple[str, ...] = ()
    level: str | None = None
    against: tuple[str, ...] = ()
    subject: str | None = None
    access: Access | None = None
    as_json: bool = False
    lang: str | None = None
    version: str | None = None
    real: Callable[[], Real] = field(default=dict)  # real records by the full name of their type, when asked for


class Answer(NamedTuple):
    """What is said, and the exit code."""

    lines: list[str]
    code: int = 0


async def carry_out(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Do what *request* asks for; RequestError where that cannot be."""
    act, least, most = ACTIONS[request.action]
    if not least <= len(request.names) <= most:
        wanted = {(0, 0): "no name", (1, 1): "one name", (2, 2): "two names"}.get((least, most), "at least one name")
        raise RequestError(f"fleet schema {request.action}: takes {wanted} of a schema, got {len(request.names)}")
    return await act(request, shelf)


# ---------------------------------------------------------------- list, show, diff


async def _list(request: SchemaRequest, shelf: Shelf) -> Answer:
    """List what is published with fleet, or what a registry has."""
    if request.access is not None:
        return await _list_registry(request, request.access)
    rows: list[dict[str, Any]] = []
    for each in shelf.all:
        before = shelf.before(each)
        rows.append(
            {
                "schema": each.name,
                "id": each.id,
                "record": each.record,
                "fields": each.fields,
                "after": before[0].name if before else "",
                "is": _is(each, before[0]) if before else "",
            }
        )
    if request.as_json:
        return Answer([json.dumps(rows, indent=1)])
    lines = [f"{'id':>3}  {'schema':26} {'record':32} fields  after the version before it"]
    lines += [
        f"{row['id']:>3}  {row['schema']:26} {row['record']:32} {len(row['fields']):>6}  {row['is']}".rstrip()
        for row in rows
    ]
    return Answer(lines)


def _is(new: Schema, old: Schema) -> str:
    """Name the strongest level that holds between two versions."""
    backward, forward = judged(new, old, {}).holds, judged(old, new, {}).holds
    return {(True, True): "FULL", (True, False): "BACKWARD", (False, True): "FORWARD"}.get((backward, forward), "NONE")


async def _list_registry(request: SchemaRequest, access: Access) -> Answer:
    async with Registry(access) as registry:
        rows: list[dict[str, Any]] = []
        for subject in await registry.subjects():
            latest = await registry.version(subject)
            versions = await registry.versions(subject)
            level = await registry.level(subject)
            rows.append({"subject": subject, "versions": versions, "id": latest.id, "level": level})
        general = await registry.level()
    if request.as_json:
        return Answer([json.dumps(rows, indent=1)])
    lines = [f"{'latest id':>9}  {'subject':44} versions, level (the registry's own is {general})"]
    for row in rows:
        said = ", ".join([*map(str, row["versions"]), *([row["level"]] if row["level"] else [])])
        lines.append(f"{row['id']:>9}  {row['subject']:44} {said}")
    return Answer(lines)


async def _show(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Show a schema's text: one of ours, a file's, or by its id or subject at the registry."""
    name = request.names[0]
    if request.access is None:
        return Answer([shelf.named(name).text.rstrip()])
    async with Registry(request.access) as registry:
        if name.isdecimal():
            text = await registry.by_id(min(int(name), SCHEMA_ID_MAX + 1))
        else:
            text = (await registry.version(name)).schema
    return Answer([laid_out(text)])


async def _diff(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Say what differs between two schemas, and which reads what the other writes."""
    old, new = map(shelf.named, request.names)
    changes = differences(old, new)
    real = request.real()
    verdicts = [judged(new, old, real), judged(old, new, real)]
    if request.as_json:
        return Answer([json.dumps({"changes": changes, "verdicts": [_fields_of(each) for each in verdicts]}, indent=1)])
    return Answer([*(changes or ["no difference"]), *(line for each in verdicts for line in _words_of(each))])


async def _code(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Write classes for a schema in a language."""
    write = LANGUAGES.get(request.lang or "")
    if write is None:
        said = "name a language" if request.lang is None else f"got {request.lang!r}"
        raise RequestError(f"--lang: must be {', '.join(LANGUAGES)}, {said}")
    schema = shelf.named(request.names[0])
    if request.version is not None:
        if not schema.family:
            raise RequestError(f"--version: is for schemas of ours, and {schema.name} is a file")
        schema = shelf.version(request.version, schema.family)
    if schema.is_proto:
        raise RequestError(f"{schema.name}: protoc makes classes of .proto files; ours are made of Avro's")
    return Answer(write(schema).rstrip("\n").split("\n"))


# ---------------------------------------------------------------- check, register


async def _check(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Judge schemas after the versions before them, by us and where one is named by the registry."""
    lines: list[str] = []
    told: list[dict[str, Any]] = []
    holds = True
    real = request.real()
    for name in request.names:
        new = shelf.named(name)
        before = [shelf.named(each) for each in request.against] or shelf.before(new)
        level = _level(request, before)
        verdicts = [judged(reader, writer, real) for reader, writer in pairs(new, before, level)]
        by_registry = await _asked(request, new, shelf)
        sound = all(each.holds for each in verdicts) and (by_registry is None or by_registry.compatible)
        holds = holds and sound
        after = ", ".join(each.name for each in (before if level.endswith("TRANSITIVE") else before[:1])) or "nothing"
        lines.append(f"{new.name} is {'' if sound else 'not '}{level} after {after}")
        lines += [line for each in verdicts for line in _words_of(each)]
        if by_registry is not None:
            lines.append(f"    the registry: {'compatible' if by_registry.compatible else 'incompatible'}")
            lines += [f"        {message}" for message in by_registry.messages]
        told.append(
            {
                "schema": new.name,
                "level": level,
                "compatible": sound,
                "verdicts": [_fields_of(each) for each in verdicts],
                "registry": None if by_registry is None else by_registry._asdict(),
            }
        )
    return Answer([json.dumps(told, indent=1)] if request.as_json else lines, 0 if holds else 1)


def _level(request: SchemaRequest, before: Sequence[Schema]) -> str:
    level = (request.level or DEFAULT_LEVEL).upper()
    if level not in LEVELS:
        raise RequestError(f"--level: must be one of {', '.join(LEVELS)}, got {level!r}")
    return level


async def _asked(request: SchemaRequest, new: Schema, shelf: Shelf) -> Judged | None:
    """Ask the registry, by the level that is set there."""
    if request.access is None:
        return None
    async with Registry(request.access) as registry:
        return await registry.judge(_subject(request, new, shelf), new.text)


async def _register(request: SchemaRequest, shelf: Shelf) -> Answer:
    """Register schemas, in the order of their names; with --level that level is set first."""
    if request.access is None:
        raise RequestError("fleet schema register: needs a registry: --registry URL, or FLEET_REGISTRY")
    lines: list[str] = []
    told = []
    async with Registry(request.access) as registry:
        for name in request.names:
            schema = shelf.named(name)
            subject = _subject(request, schema, shelf)
            if request.level is not None:
                await registry.set_level(request.level.upper(), subject)
            try:
                number = await registry.register(subject, schema.text)
            except RegistryRefusedError as refused:
                if refused.status != CONFLICT:
                    raise
                return Answer([*lines, str(refused), *await _reasons(request, registry, schema, subject, shelf)], 1)
            found = await registry.find(subject, schema.text)
            version = found.version if found is not None else 0
            lines.append(f"{schema.name}: {subject} version {version}, id {number}")
            told.append({"schema": schema.name, "subject": subject, "version": version, "id": number})
    return Answer([json.dumps(told, indent=1)] if request.as_json else lines)


async def _reasons(request: SchemaRequest, registry: Registry, new: Schema, subject: str, shelf: Shelf) -> list[str]:
    """Say of what the registry refused which field is why: it often does not say itself."""
    latest = await registry.version(subject)
    old = Schema(f"version {latest.version} of {subject}", "", 0, "", latest.schema, latest.id)
    real = request.real()
    verdicts = (judged(reader, writer, real) for reader, writer in ((new, old), (old, new)))
    return [line for each in verdicts if not each.holds for line in _words_of(each)]


def _subject(request: SchemaRequest, schema: Schema, shelf: Shelf) -> str:
    if request.subject is not None:
        return request.subject
    topic = topic_of(schema, shelf)
    if topic is None:
        raise RequestError(f"{schema.name}: is no version of a schema of ours; name its subject: --subject TOPIC-value")
    return subject_of(topic, schema.text)


# ---------------------------------------------------------------- words


def _words_of(verdict: Verdict) -> list[str]:
    head = f"    {verdict.reader.name} reads {verdict.writer.name}"
    if verdict.holds:
        how = f"{verdict.records} records resolved" if verdict.records else "by numbers and types of fields"
        return [f"{head}: yes ({how})"]
    return [f"{head}: no", *(f"        {each}" for each in verdict.findings)]


def _fields_of(verdict: Verdict) -> dict[str, Any]:
    return {
        "reader": verdict.reader.name,
        "writer": verdict.writer.name,
        "reads": verdict.holds,
        "records": verdict.records,
        "findings": [each._asdict() for each in verdict.findings],
    }


LANGUAGES: dict[str, Callable[[Schema], str]] = {"python": python_code}
"""What ``fleet schema code`` writes."""

MANY = 1000
ACTIONS: dict[str, tuple[Callable[[SchemaRequest, Shelf], Awaitable[Answer]], int, int]] = {
    "list": (_list, 0, 0),
    "show": (_show, 1, 1),
    "diff": (_diff, 2, 2),
    "check": (_check, 1, MANY),
    "register": (_register, 1, MANY),
    "code": (_code, 1, 1),
}
"""What may be asked for, and of how many schemas at least and at most."""

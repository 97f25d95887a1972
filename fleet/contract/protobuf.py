"""Protobuf schemas beside one another: who reads what whom wrote, and what differs. Numbers and types decide.

A reader passes over numbers that it does not know, and what is absent has no value. So only a field that both have can
go wrong: by a type with other bytes or another meaning, by a list where one value was, by a new number.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.scenario.proto import Message, ProtoField

ALIKE = (
    frozenset({"int32", "int64", "uint32", "uint64", "bool"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
    frozenset({"string", "bytes"}),
)
"""Types of the same bytes: a value that the reader's can hold is read as it was."""


class _Types:
    """The types of a file by name: every name is of one type, wherever in the message it is defined."""

    def __init__(self, message: Message) -> None:
        self.messages = {part.name: part for part in message.all_messages()}
        self.enums = {name: enum for part in message.all_messages() for name, enum in part.enums.items()}


def misread(reader: Message, writer: Message) -> Iterator[tuple[str, str]]:
    """Give (field, reason) of whatever *reader* takes for something else than *writer* wrote."""
    if reader.full_name != writer.full_name:
        yield "", f"reader's record is {reader.full_name}, writer's is {writer.full_name}"
    yield from _Judging(_Types(reader), _Types(writer)).messages(reader, writer, "")


class _Judging:
    """Holds what *reader* knows against what *writer* knows, each pair of messages once: some hold themselves."""

    def __init__(self, reader: _Types, writer: _Types) -> None:
        self._reader = reader
        self._writer = writer
        self._seen: set[tuple[str, str]] = set()

    def messages(self, reader: Message, writer: Message, path: str) -> Iterator[tuple[str, str]]:
        """Judge two messages, field by field."""
        if (reader.name, writer.name) in self._seen:
            return
        self._seen.add((reader.name, writer.name))
        written = {field.number: field for field in writer.fields}
        names = {field.name: field for field in writer.fields}
        for field in reader.fields:
            name = f"{path}{field.name}"
            other = written.get(field.number)
            moved = names.get(field.name)
            if moved is not None and moved.number != field.number:
                yield name, f"the writer has it as number {moved.number}, the reader as {field.number}"
            elif other is not None:
                yield from self._pair(field, other, name)

    def _pair(self, ours: ProtoField, theirs: ProtoField, name: str) -> Iterator[tuple[str, str]]:
        reader, writer = self._reader, self._writer
        if _many(ours) != _many(theirs):
            yield name, f"the writer writes {shown(theirs)}, which is no {shown(ours)} to the reader"
        elif ours.type in reader.messages and theirs.type in writer.messages:
            yield from self.messages(reader.messages[ours.type], writer.messages[theirs.type], f"{name}.")
        elif ours.type in reader.enums and theirs.type in writer.enums:
            known, written = reader.enums[ours.type], writer.enums[theirs.type]
            lacking = [symbol for symbol, number in written.items() if number not in known.values()]
            if lacking:
                yield name, f"the reader lacks {', '.join(lacking)}"
            moved = [symbol for symbol, number in written.items() if known.get(symbol, number) != number]
            if moved:
                yield name, f"the reader has other numbers for {', '.join(moved)}"
        elif ours.type != theirs.type and not any({ours.type, theirs.type} <= alike for alike in ALIKE):
            yield name, f"the writer writes {theirs.type}, which is no {ours.type} to the reader"


def _many(field: ProtoField) -> str:
    return field.label if field.label in {"repeated", "map"} else ""


def shown(field: ProtoField) -> str:
    """Write type and label of a *field*, as its schema does."""
    return f"map<string, {field.type}>" if field.label == "map" else f"{field.label} {field.type}".lstrip()


def changes(old: Message, new: Message, path: str = "") -> Iterator[str]:
    """Say what *new* has that *old* has not (+), the other way round (-), and what is another (~)."""
    if not path and old.full_name != new.full_name:
        yield f"~ record: {old.full_name} -> {new.full_name}"
    before, after = ({field.number: field for field in message.fields} for message in (old, new))
    for number, field in before.items():
        if number not in after:
            yield f"- {path}{field.name}: {shown(field)} = {number}"
    for number, field in after.items():
        if number not in before:
            yield f"+ {path}{field.name}: {shown(field)} = {number}"
        elif before[number] != field:
            was = before[number]
            yield f"~ {path}{was.name}: {shown(was)} = {number} -> {field.name}: {shown(field)} = {number}"
    for name in sorted(old.enums.keys() & new.enums.keys()):
        if old.enums[name] != new.enums[name]:
            yield f"~ {path}{name}: {', '.join(old.enums[name])} -> {', '.join(new.enums[name])}"
    for name in sorted(old.messages.keys() & new.messages.keys()):
        yield from changes(old.messages[name], new.messages[name], f"{path}{name}.")

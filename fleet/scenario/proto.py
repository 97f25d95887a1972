"""A Protobuf schema of records as others see it: one message, what its fields are, and the types in it.

Only the part of the language is read that records need: a file of proto3 whose first message is the record and holds
every type that it uses. Options and comments say nothing about bytes and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fleet.errors import RequestError

DOUBLE, FLOAT, TEXT = "double", "float", "string"
VARINTS = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "bool")
FIXED_32, FIXED_64 = ("fixed32", "sfixed32", FLOAT), ("fixed64", "sfixed64", DOUBLE)
SCALARS = (TEXT, "bytes", *VARINTS, *FIXED_32, *FIXED_64)
LABELS = ("optional", "repeated")
MAP = "map"
NUMBER_MAX = (1 << 29) - 1
DEPTH_MAX = 32

_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|(?P<token>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\w.+-]+|\S)""", re.DOTALL)


class NotProtoError(RequestError):
    """A text is no Protobuf schema of records; the message says what must hold."""


class ProtoField(NamedTuple):
    """A field: *label* is ``optional``, ``repeated``, ``map`` (from texts to *type*), or empty."""

    name: str
    number: int
    type: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its fields in order of their numbers, and the types that are defined in it, by name."""

    name: str
    package: str = ""
    fields: tuple[ProtoField, ...] = ()
    enums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # numbers by symbol
    messages: Mapping[str, Message] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Give the name with its package."""
        return f"{self.package}.{self.name}" if self.package else self.name

    def all_messages(self) -> Iterator[Message]:
        """Give itself and every message in it."""
        yield self
        for part in self.messages.values():
            yield from part.all_messages()


def is_proto(text: str) -> bool:
    """Say whether a schema's *text* is Protobuf's: all of Avro's are JSON, none of which begins with a word."""
    return text.lstrip()[:1] not in {"{", "[", '"', ""}


def read_proto(text: str) -> Message:
    """Read the schema in *text*; NotProtoError where it is none, or more than records need."""
    reading = _Reading(match["token"] for match in _TOKEN.finditer(text) if match["token"])
    message = reading.file()
    parts = list(message.all_messages())
    types = [name for part in parts for name in (part.name, *part.enums)]
    if len(known := set(types)) < len(types):
        twice = next(name for name in types if types.count(name) > 1)
        raise NotProtoError(f"must have one type of the name {twice!r}, has several")
    for part in parts:
        for one in part.fields:
            if one.type not in SCALARS and one.type not in known:
                raise NotProtoError(f"field '{part.name}.{one.name}' must be of a type in the file, is {one.type}")
    return message


class _Reading:
    """Goes through the *tokens* of a file."""

    def __init__(self, tokens: Iterator[str]) -> None:
        self._tokens = list(tokens)
        self._at = 0

    def file(self) -> Message:
        """Read a file: its package, and its one message."""
        package, found = "", None
        while self._at < len(self._tokens):
            word = self._next()
            if word in {"syntax", "option"}:
                said = self._until(";")
                if word == "syntax" and said[-1].strip("\"'") != "proto3":
                    raise NotProtoError(f"must be of syntax proto3, is {said[-1]}")
            elif word == "package":
                package = self._until(";")[0]
            elif word == "message" and found is None:
                found = self._message(0)
            elif word != ";":
                raise NotProtoError(f"must be one message that holds all it uses, and has {word!r} beside it")
        if found is None:
            raise NotProtoError("must have a message, has none")
        return Message(found.name, package, found.fields, found.enums, found.messages)

    def _message(self, depth: int) -> Message:
        if depth > DEPTH_MAX:
            raise NotProtoError(f"must be nested at most {DEPTH_MAX} deep")
        name = self._next()
        self._expect("{")
        fields: list[ProtoField] = []
        enums: dict[str, Mapping[str, int]] = {}
        messages: dict[str, Message] = {}
        while (word := self._next()) != "}":
            if word in {"option", "reserved"}:
                self._until(";")
            elif word == "enum":
                enum, symbols = self._enum()
                enums[enum] = symbols
            elif word == "message":
                part = self._message(depth + 1)
                messages[part.name] = part
            elif word != ";":
                fields.append(self._field(word))
        numbers = [one.number for one in fields]
        if len(set(numbers)) < len(numbers):
            twice = next(one for one in fields if numbers.count(one.number) > 1)
            raise NotProtoError(f"field '{name}.{twice.name}' must have a number of its own, has {twice.number}")
        return Message(name, "", tuple(sorted(fields, key=lambda one: one.number)), enums, messages)

    def _field(self, word: str) -> ProtoField:
        """Read a field that begins with *word*."""
        label = word if word in LABELS else ""
        kind = self._next() if label else word
        if kind == MAP:
            label = MAP
            self._expect("<")
            if (key := self._next()) != TEXT:
                raise NotProtoError(f"a map must have keys of type string, has {key}")
            self._expect(",")
            kind = self._next()
            self._expect(">")
        name = self._next()
        self._expect("=")
        number = self._number()
        if not 1 <= number <= NUMBER_MAX:
            raise NotProtoError(f"field '{name}' must have a number from 1 to {NUMBER_MAX}, has {number}")
        self._until(";")
        return ProtoField(name, number, kind.rpartition(".")[2], label)

    def _enum(self) -> tuple[str, Mapping[str, int]]:
        name, symbols = self._next(), {}
        self._expect("{")
        while (word := self._next()) != "}":
            if word in {"option", "reserved"}:
                self._until(";")
            elif word != ";":
                self._expect("=")
                symbols[word] = self._number()
                self._until(";")
        return name, symbols

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise NotProtoError("must be whole, ends in the middle")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise NotProtoError(f"must have {token!r} after {self._tokens[self._at - 2]!r}, has {found!r}")

    def _number(self) -> int:
        found = self._next()
        try:
            return int(found, 0)
        except ValueError:
            raise NotProtoError(f"must have a number after '=', has {found!r}") from None

    def _until(self, token: str) -> list[str]:
        """Give the tokens up to *token*, and pass over it."""
        found = []
        while (word := self._next()) != token:
            found.append(word)
        return found or [""]

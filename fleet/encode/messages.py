"""Records one by one as Google's Protobuf library writes and reads them, by the text of their schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fleet.errors import RequestError
from fleet.scenario.proto import MAP, SCALARS, Message, NotProtoError, ProtoField, read_proto

INSTALL = "pip install 'thingum-fleet[protobuf]'"
KEPT = 256
"""So many schemas have classes at a time."""

Fields = dict[str, Any]
Value = Callable[[Any], Any]
OPTIONAL, REPEATED = 1, 3  # labels, as descriptors number them
ENUM, MESSAGE, TEXT = 14, 11, 9  # types, likewise


@lru_cache(maxsize=KEPT)
def writer(text: str) -> Callable[[Mapping[str, Any]], bytes]:
    """Give what writes records of the schema *text*; maps in the order of their keys, so that bytes are the same."""
    make = _message_class(read_proto(text))

    def write(record: Mapping[str, Any]) -> bytes:
        data: bytes = make(**record).SerializeToString(deterministic=True)
        return data

    return write


@lru_cache(maxsize=KEPT)
def reader(text: str) -> Callable[[bytes], Fields]:
    """Give what reads records of the schema *text*: None where a field is absent; ValueError where it is no record."""
    message = read_proto(text)
    make, said = _message_class(message), _reading(message)

    def read(data: bytes) -> Fields:
        found = make()
        try:
            found.ParseFromString(data)
        except Exception as error:  # the library's own DecodeError is no ValueError
            raise ValueError(" ".join(str(error).split())) from error
        fields: Fields = said(found)
        return fields

    return read


# ---------------------------------------------------------------- classes


def library() -> tuple[Any, Any, Any]:
    """Give the library's modules for descriptors, pools and classes; RequestError where it is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise RequestError(f"Protobuf needs Google's library ({error}); install it with: {INSTALL}") from None
    return descriptor_pb2, descriptor_pool, message_factory


def _message_class(message: Message) -> Any:
    """Make the library's class of *message*, in a pool of its own: all versions of a schema have one name.

    NotProtoError where the library does not take it: a registry may.
    """
    descriptor_pb2, descriptor_pool, message_factory = library()
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package=message.package, syntax="proto3")
    _describe(message, file.message_type.add(), dict(_places(message, message.package)))
    pool = descriptor_pool.DescriptorPool()
    try:
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:  # how the library says that a file is not valid
        raise NotProtoError(f"must be a schema that Google's library takes: {' '.join(str(error).split())}") from error
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message.full_name))


Places = Mapping[str, tuple[int, str]]
"""Of every type by its name: the number of its kind, and its full name."""


def _places(message: Message, space: str) -> Iterator[tuple[str, tuple[int, str]]]:
    path = f"{space}.{message.name}"
    yield message.name, (MESSAGE, f".{path}".replace("..", "."))
    for name in message.enums:
        yield name, (ENUM, f".{path}.{name}".replace("..", "."))
    for part in message.messages.values():
        yield from _places(part, path)


def _describe(message: Message, to: Any, places: Places) -> None:
    """Fill in the descriptor of *message*, whose types stand at *places*."""
    to.name = message.name
    for name, symbols in message.enums.items():
        enum = to.enum_type.add(name=name)
        for symbol, number in symbols.items():
            enum.value.add(name=symbol, number=number)
    for part in message.messages.values():
        _describe(part, to.nested_type.add(), places)
    for field in message.fields:
        described = to.field.add(name=field.name, number=field.number, label=OPTIONAL)
        if field.label == "optional":  # presence is a oneof of one, in descriptors
            described.proto3_optional, described.oneof_index = True, len(to.oneof_decl)
            to.oneof_decl.add(name=f"_{field.name}")
        elif field.label:
            described.label = REPEATED
        if field.label == MAP:
            entry = to.nested_type.add(name=f"{field.name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=OPTIONAL, type=TEXT)
            _type(field, entry.field.add(name="value", number=2, label=OPTIONAL), places)
            described.type, described.type_name = MESSAGE, f"{places[message.name][1]}.{entry.name}"
        else:
            _type(field, described, places)


def _type(field: ProtoField, described: Any, places: Places) -> None:
    if field.type in SCALARS:
        described.type = described.Type.Value(f"TYPE_{field.type.upper()}")
    else:
        described.type, described.type_name = places[field.type]


# ---------------------------------------------------------------- back


def _reading(root: Message) -> Value:
    """Give what makes fields of a parsed message of *root*'s class."""
    types = _Types({name: symbols for part in root.all_messages() for name, symbols in part.enums.items()}, {})
    for part in root.all_messages():
        types.messages[part.name] = _fields([(field.name, _value(field, types)) for field in part.fields])
    return types.messages[root.name]


class _Types(NamedTuple):
    """All types of a file: symbols of enums, and what makes fields of messages; these are there when it is complete."""

    enums: Mapping[str, Mapping[str, int]]
    messages: dict[str, Value]


def _fields(values: Sequence[tuple[str, Value]]) -> Value:
    return lambda said: {name: value(said) for name, value in values}


def _value(field: ProtoField, types: _Types) -> Value:
    """Give what takes a *field* out of a parsed message."""
    name, single = field.name, _single(field, types)
    if field.label == MAP:
        return lambda said: {key: single(value) for key, value in getattr(said, name).items()}
    if field.label == "repeated":
        return lambda said: [single(value) for value in getattr(said, name)]
    if field.label or field.type not in {*SCALARS, *types.enums}:
        return lambda said: single(getattr(said, name)) if said.HasField(name) else None
    return lambda said: single(getattr(said, name))  # without presence: absent is 0


def _single(field: ProtoField, types: _Types) -> Value:
    """Give what makes a value of ours of the library's."""
    if field.type in SCALARS:
        return _as_it_is
    if field.type not in types.enums:
        return lambda said: types.messages[field.type](said)  # noqa: PLW0108 - it may not be there yet
    symbols = {number: symbol for symbol, number in types.enums[field.type].items()}

    def symbol(number: int) -> str:
        if number not in symbols:
            raise ValueError(f"{field.name} has {number}, which is no {field.type}")
        return symbols[number]

    return symbol


def _as_it_is(value: Any) -> Any:
    return value

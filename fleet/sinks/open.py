"""The table of sinks: what stands behind ``--to URL``."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fleet.errors import RequestError, without_user
from fleet.sinks.connection import Connection
from fleet.sinks.files import FileSink
from fleet.sinks.memory import MemorySink, NullSink
from fleet.sinks.parquet import ParquetSink
from fleet.sinks.recording import open_recording_sink
from fleet.sinks.settings import ProducerSettings, lanes
from fleet.sinks.sink import Sink
from fleet.sinks.stdout import StdoutSink

if TYPE_CHECKING:
    from fleet.data import TopicSeen

DELIVERY_DEADLINE_S = 120.0
STDOUT = 1


@dataclass(frozen=True, slots=True)
class SinkSetup:
    """What opening a sink may need beside its URL."""

    schema: str = ""  # text of the Avro schema of the main stream, for containers
    main: str = "readings"  # the stream that a file is of; others have files beside it
    connection: Connection | None = None
    topics: Mapping[str, TopicSeen] = field(default_factory=dict)  # as prepared
    deadline_s: float = DELIVERY_DEADLINE_S
    producer: ProducerSettings = field(default_factory=ProducerSettings)
    readings_per_s: float = 0.0  # of wall time, as planned
    descriptor: int = STDOUT
    schemas: Mapping[int, str] = field(default_factory=dict)  # texts by id, for recordings


Opener = Callable[[str, SinkSetup], Awaitable[Sink]]


class SinkKind(NamedTuple):
    """A row of the table. *readings* are the formats it takes for them, the default first."""

    name: str
    open: Opener
    readings: tuple[str, ...]
    others: tuple[str, ...]  # likewise for events, doors and runs
    encodes: bool = True  # whether it needs records at all
    packs: bool = False  # whether it takes packed batches
    keeps_stamps: bool = False  # whether keys, partitions, headers and the records' own stamps are kept
    spreads: bool = False  # whether records go to as many partitions as their topic is planned with
    alone: bool = False  # whether it may have the labels and nothing else
    typed: bool = False  # whether all readings in it are of one Avro schema


async def _kafka(_: str, setup: SinkSetup) -> Sink:
    from fleet.sinks.lanes import start_lanes  # aiokafka is heavy: only who needs it waits

    assert setup.connection is not None, "connect.py makes it"
    return await start_lanes(
        setup.connection,
        setup.topics,
        settings=setup.producer,
        lanes=lanes(setup.readings_per_s),
        deadline_s=setup.deadline_s,
    )


async def _container(rest: str, setup: SinkSetup) -> Sink:
    assert setup.schema, "a container names its schema"
    return _overwriting(Path(rest), setup.schema, setup.main)


async def _lines(rest: str, setup: SinkSetup) -> Sink:
    return _overwriting(Path(rest), None, setup.main)


async def _parquet(rest: str, setup: SinkSetup) -> Sink:
    assert setup.schema, "columns are those of a schema"
    return _noticing(Path(rest), lambda path: ParquetSink(path, schema=setup.schema))


def _overwriting(path: Path, schema: str | None, main: str) -> Sink:
    return _noticing(path, lambda path: FileSink(path, schema=schema, main=main))


def _noticing(path: Path, make: Callable[[Path], Sink]) -> Sink:
    """Open a file's sink, and say so if there was one already."""
    was_there = path.is_file()
    sink = make(path)
    if was_there:
        sink.notices.append(f"{path}: was there already, and was overwritten")
    return sink


async def _stdout(_: str, setup: SinkSetup) -> Sink:
    if fcntl.fcntl(setup.descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise RequestError("stdout: is closed; name another sink, or let standard output go somewhere")
    sys.stdout.flush()  # what Python still holds comes first
    return StdoutSink(setup.descriptor)


async def _recording(rest: str, setup: SinkSetup) -> Sink:
    name, _, option = rest.partition("?codec=")
    return open_recording_sink(Path(name), setup.topics, setup.schemas, codec=option or "deflate")


async def _null(_: str, __: SinkSetup) -> Sink:
    return NullSink()


async def _memory(_: str, __: SinkSetup) -> Sink:
    return MemorySink()


ALL = ("avro", "json", "protobuf")
TEXT = ("json",)

SINKS: dict[str, SinkKind] = {
    "kafka://HOST:PORT[,HOST:PORT]": SinkKind("kafka", _kafka, ALL, ALL, packs=True, keeps_stamps=True, spreads=True),
    "file:PATH.avro": SinkKind("file .avro", _container, ("avro",), TEXT, alone=True, typed=True),
    "file:PATH.jsonl": SinkKind("file .jsonl", _lines, TEXT, TEXT, alone=True),
    "file:PATH.parquet": SinkKind("file .parquet", _parquet, TEXT, TEXT, typed=True),
    "stdout:": SinkKind("stdout", _stdout, TEXT, TEXT),
    "record:PATH": SinkKind("recording", _recording, ALL, ALL, packs=True, keeps_stamps=True, spreads=True),
    "null:": SinkKind("null", _null, ALL, ALL, encodes=False),
    "memory:": SinkKind("memory", _memory, ALL, ALL, keeps_stamps=True),
}


def sink_kind(url: str) -> SinkKind:
    """Find the row of the table for *url*; RequestError with the whole list where there is none."""
    for pattern, kind in SINKS.items():
        if _fits(url, pattern):
            return kind
    meant = next((f"file:{url}" for pattern in SINKS if _fits(f"file:{url}", pattern)), "")
    hint = f"; did you mean {meant!r}?" if meant else ""
    raise RequestError(f"no sink {without_user(url)!r}; there is {', '.join(SINKS)}{hint}")


def _fits(url: str, pattern: str) -> bool:
    scheme, colon, rest = url.partition(":")
    wanted, _, form = pattern.partition(":")
    if not colon or scheme != wanted:
        return False
    if not form:
        return not rest
    return scheme != "file" or (Path(rest).suffix == Path(form).suffix and Path(rest).stem != "")


def format_for(kind: SinkKind, stream: str, asked: str | None) -> str:
    """Give the format that a *stream* has in a sink of *kind*; RequestError where it cannot be as *asked*.

    What is asked for is asked of the readings; other streams follow where the sink lets them.
    """
    takes = kind.readings if stream == "readings" else kind.others
    if asked is None:
        return takes[0]
    if asked in takes:
        return asked
    if stream != "readings":
        return takes[0]
    raise RequestError(f"{kind.name}: takes {' or '.join(takes)}, not {asked}")


async def open_sink(url: str, setup: SinkSetup) -> Sink:
    """Open the sink that *url* names; RequestError says in one line why it cannot be."""
    return await sink_kind(url).open(url.partition(":")[2].removeprefix("//"), setup)

"""Files: an Avro object container for readings (or labels alone), JSON lines for everything else.

Parquet has a module of its own, and its side files from here.

What is in a file is whole: when the disk is full in the middle of a batch, the file is cut back to the last
whole record, that much counts as acknowledged, the rest as failed, and the run ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from time import monotonic_ns

from fleet.data import Batch, Delivery, Record, RecordBatch
from fleet.errors import RequestError, RunError
from fleet.sinks.sink import Latency, delivery_of

FRAME_BYTES = 5  # the registry's frame: a container names its schema once instead
CONTAINER_MAGIC = b"Obj\x01"
BLOCK_RECORDS = 4096  # of a container: what a reader must hold at once
FILE_MODE = 0o666  # less the umask, as for any file

Write = Callable[[int, bytes], int]  # as os.write: may write less than asked


class WholeFile:
    """A file that only ever holds whole pieces."""

    def __init__(self, path: Path, *, write: Write = os.write) -> None:
        self._path = path
        self._write = write
        self._size = 0
        self._descriptor = opened_for_writing(path)

    def append(self, pieces: list[bytes]) -> int:
        """Write *pieces* in one go; give how many are in the file whole. Fewer than all: it is full."""
        data, at = b"".join(pieces), 0
        try:
            while at < len(data):
                at += self._write(self._descriptor, data[at:])
        except OSError as error:
            self.problem = f"file: cannot go on writing {str(self._path)!r}: {reason(error)}"
            return self._cut_back(pieces, at)
        self._size += at
        return len(pieces)

    def _cut_back(self, pieces: list[bytes], written: int) -> int:
        """Remove the piece that is there in part only."""
        whole, size = 0, 0
        for piece in pieces:
            if size + len(piece) > written:
                break
            whole, size = whole + 1, size + len(piece)
        self._size += size
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:  # not a file but a device, say
            self.problem += f"; its end is torn: {reason(error)}"
        return whole

    def close(self) -> str | None:
        """Close the file; give what went wrong, because some file systems say so only now."""
        try:
            os.close(self._descriptor)
        except OSError as error:
            return f"file: cannot close {str(self._path)!r}: {reason(error)}"
        return None

    problem = ""


def opened_for_writing(path: Path) -> int:
    """Open the file at *path*, empty, and give its descriptor; RequestError where it cannot be written."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise RequestError(f"file: cannot write {str(path)!r}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Say what an *error* of the system means, in lower case as in the middle of a sentence."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


class FileSink:
    """Writes readings to one file and each other stream to a side file, ``PATH.events.jsonl``.

    *main* is the stream of that one file, where it is not the readings; with None there are the side files alone.
    """

    def __init__(
        self, path: Path, *, schema: str | None, main: str | None = "readings", write: Write = os.write
    ) -> None:
        """Open *path*: a container of *schema*, or JSON lines where that is None."""
        self.delivery: dict[str, Delivery] = {}
        self.latency = Latency()
        self.notices: list[str] = []
        self._path = path
        self._write = write
        self._files: dict[str, WholeFile] = {}
        self._broken = ""
        self._sync = b"" if schema is None else blake2b(schema.encode(), digest_size=16).digest()
        self._main = main
        if main is not None:
            self._open(main, path)
        if main is not None and schema is not None:
            self._append(main, [container_header(schema, self._sync)])

    def _open(self, stream: str, path: Path) -> None:
        self._files[stream] = WholeFile(path, write=self._write)

    async def send(self, batch: Batch) -> None:
        """Write a *batch* to its stream's file."""
        assert isinstance(batch, RecordBatch), "only Kafka takes packed batches"
        row = delivery_of(self.delivery, batch.stream)
        if self._broken:
            row.failed += len(batch)
            raise RunError(self._broken)
        began_ns = monotonic_ns()
        if batch.stream not in self._files:
            try:
                self._open(batch.stream, self._path.with_name(f"{self._path.name}.{batch.stream}.jsonl"))
            except RequestError as error:  # too late for a wrong request: the run is under way
                row.failed += len(batch)
                self._broken = str(error)
                raise RunError(self._broken) from error
        container = bool(self._sync) and batch.stream == self._main
        written = self._container(batch) if container else self._lines(batch)
        row.acknowledged += written
        row.failed += len(batch) - written
        self.latency.add((monotonic_ns() - began_ns) // 1000, written)
        if written < len(batch):
            self._broken = self._files[batch.stream].problem
            raise RunError(self._broken)

    def _lines(self, batch: RecordBatch) -> int:
        return self._append(batch.stream, [(record.value or b"") + b"\n" for record in batch.records])

    def _container(self, batch: RecordBatch) -> int:
        blocks = [batch.records[at : at + BLOCK_RECORDS] for at in range(0, len(batch.records), BLOCK_RECORDS)]
        whole = self._append(batch.stream, [container_block(records, self._sync) for records in blocks])
        return sum(map(len, blocks[:whole]))

    def _append(self, stream: str, pieces: list[bytes]) -> int:
        written = self._files[stream].append(pieces)
        if written < len(pieces):
            self._broken = self._files[stream].problem
        return written

    async def close(self, *, timeout_s: float) -> None:
        """Close all files."""
        problems = [problem for file in self._files.values() if (problem := file.close())]
        self._files.clear()
        if problems:
            raise RunError("; ".join(problems))


def long_bytes(number: int) -> bytes:
    """Write *number* (not negative) as Avro writes a long: zig-zag, seven bits a byte."""
    rest, out = number << 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def container_header(schema: str, sync: bytes) -> bytes:
    """Give the head of an Avro object container (the specification's "Object Container Files")."""
    compact = json.dumps(json.loads(schema), separators=(",", ":"))
    return container_head({"avro.schema": compact, "avro.codec": "null"}, sync)


def container_head(meta: Mapping[str, str], sync: bytes) -> bytes:
    """Give the head of a container that says *meta*."""
    entries = b"".join(
        long_bytes(len(text)) + text for entry in meta.items() for text in (part.encode() for part in entry)
    )
    return CONTAINER_MAGIC + long_bytes(len(meta)) + entries + long_bytes(0) + sync


def container_block(records: Sequence[Record], sync: bytes) -> bytes:
    """Give one block of a container with *records*, whose frames it does not need."""
    body = b"".join((record.value or b"")[FRAME_BYTES:] for record in records)
    return long_bytes(len(records)) + long_bytes(len(body)) + body + sync

"""Standard output: a line of JSON for each reading and event."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from time import monotonic_ns

from fleet.data import INJECTED, Batch, Delivery, RecordBatch
from fleet.errors import RunError
from fleet.sinks.files import reason
from fleet.sinks.sink import Latency, SinkClosed, delivery_of

PIECE_BYTES = select.PIPE_BUF  # so much never blocks once a pipe is said to be writable
NOT_SHOWN = frozenset({"runs", INJECTED})  # what is about the run itself is no data, nor are broken records lines


class StdoutSink:
    """Writes lines to *descriptor*, unbuffered: a reader of the pipe sees a reading when it is due."""

    def __init__(self, descriptor: int, *, write: Callable[[int, bytes], int] = os.write) -> None:
        self.delivery: dict[str, Delivery] = {}
        self.latency = Latency()
        self.notices: list[str] = []
        self._descriptor = descriptor
        self._write = write
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    async def _writable(self) -> None:
        """Wait for a reader that is slower than we are, and let everything else go on meanwhile."""
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        loop.add_writer(self._descriptor, room.set)
        try:
            await room.wait()
        finally:
            loop.remove_writer(self._descriptor)

    async def send(self, batch: Batch) -> None:
        """Write the lines of a *batch*; SinkClosed when nobody reads them."""
        assert isinstance(batch, RecordBatch), "only Kafka takes packed batches"
        row = delivery_of(self.delivery, batch.stream)
        if batch.stream in NOT_SHOWN:
            row.acknowledged += len(batch)
            return
        began_ns = monotonic_ns()
        lines = [(record.value or b"") + b"\n" for record in batch.records]
        data, at = b"".join(lines), 0
        try:
            while at < len(data):
                if not self._poll.poll(0):
                    await self._writable()
                at += self._write(self._descriptor, data[at : at + PIECE_BYTES])
        except OSError as error:
            whole = data.count(b"\n", 0, at)
            row.acknowledged += whole
            if isinstance(error, BrokenPipeError):
                # Whoever has read enough, `head` say, wanted no more: that fails nobody.
                raise SinkClosed("stdout: nobody reads any longer") from error
            row.failed += len(batch) - whole
            raise RunError(f"stdout: cannot go on writing: {reason(error)}") from error
        row.acknowledged += len(batch)
        self.latency.add((monotonic_ns() - began_ns) // 1000, len(batch))

    async def close(self, *, timeout_s: float) -> None:
        """Do nothing: nothing is buffered, and the descriptor is not ours."""

"""Standard output: a line of JSON for each reading and event."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic_ns

from fleet.data import Delivery, RecordBatch
from fleet.errors import RunError
from fleet.sinks.files import reason
from fleet.sinks.sink import Latency, SinkClosed, delivery_of

NOT_SHOWN = frozenset({"runs"})  # what is about the run itself is no data


class StdoutSink:
    """Writes lines to *descriptor*, unbuffered: a reader of the pipe sees a reading when it is due."""

    def __init__(self, descriptor: int, *, write: Callable[[int, bytes], int] = os.write) -> None:
        self.delivery: dict[str, Delivery] = {}
        self.latency = Latency()
        self.notices: list[str] = []
        self._descriptor = descriptor
        self._write = write

    async def send(self, batch: RecordBatch) -> None:
        """Write the lines of a *batch*; SinkClosed when nobody reads them."""
        row = delivery_of(self.delivery, batch.stream)
        if batch.stream in NOT_SHOWN:
            row.acknowledged += len(batch)
            return
        began_ns = monotonic_ns()
        lines = [record.value + b"\n" for record in batch.records]
        data, at = b"".join(lines), 0
        try:
            while at < len(data):
                at += self._write(self._descriptor, data[at:])
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

"""Lines over a pipe, read with a limit on their length and on the wait."""

from __future__ import annotations

import os
import select
import time
from typing import Final

LINE_BYTES_MAX: Final = 4096


class LineReader:
    """Reads lines from a file descriptor that nobody else reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def read(self, *, timeout_s: float) -> str | None:
        """Return the next line without its end, or None when none came within *timeout_s*.

        Raise EOFError when the other side has closed, or sends what cannot be a line.
        """
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            if len(self._rest) > LINE_BYTES_MAX:
                raise EOFError
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            received = os.read(self._descriptor, LINE_BYTES_MAX)
            if not received:
                raise EOFError
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

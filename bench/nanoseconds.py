"""Where fleet's nanoseconds go: ``python -m bench.nanoseconds run ...`` is ``fleet run ...`` with stopwatches.

The stopwatches stand where one stage calls another, count the CPU time of their own thread, and stop while another
one inside them runs. What none of them sees is the event loop's and aiokafka's: requests, futures, answers.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import crc32c

VALUES, CRC, SOCKET, REST = "values", "crc", "socket", "requests and event loop"
SEAMS = {
    VALUES: ("fleet.sim.blocks:Simulation.advance",),
    "encode": ("fleet.encode.encoder:Encoder.prepare", "fleet.encode.encoder:Prepared.release"),
    "account": ("fleet.run.targets:Due.__init__", "fleet.run.targets:Due.between"),
}


class Stopwatches:
    """CPU seconds by part, from the moment that values are first made."""

    def __init__(self) -> None:
        self.spent_s: Counter[str] = Counter()
        self.begun_s: float | None = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give *function* with a stopwatch for *part*."""

        @functools.wraps(function, assigned=("__name__", "__doc__"), updated=())
        def watched(*arguments: Any, **options: Any) -> Any:
            if self.begun_s is None and part == VALUES:  # connecting is none of it
                self.begun_s = time.process_time()
                self.spent_s.clear()
            outside = getattr(self._own, "inner_s", 0.0)
            self._own.inner_s = 0.0
            begun_s = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                took_s = time.thread_time() - begun_s
                with self._lock:
                    self.spent_s[part] += took_s - self._own.inner_s
                self._own.inner_s = outside + took_s

        return watched


def watch(watches: Stopwatches) -> None:
    """Put the stopwatches where they belong; the checksum's first, before anybody has taken hold of it."""
    crc32c.crc32c = watches.timed(CRC, crc32c.crc32c)
    socket.socket.send = watches.timed(SOCKET, socket.socket.send)  # type: ignore[method-assign]
    socket.socket.sendmsg = watches.timed(SOCKET, socket.socket.sendmsg)  # type: ignore[method-assign]
    for part, seams in SEAMS.items():
        for seam in seams:
            module, _, path = seam.partition(":")
            owner, _, name = path.rpartition(".")
            home = functools.reduce(getattr, owner.split("."), importlib.import_module(module))
            setattr(home, name, watches.timed(part, getattr(home, name)))


def main() -> None:
    watches = Stopwatches()
    watch(watches)
    from fleet.__main__ import main as fleet

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        fleet()
    assert watches.begun_s is not None, "the run made values"
    readings = json.loads(printed.getvalue().splitlines()[-1])["readings"]
    whole_s = time.process_time() - watches.begun_s
    parts = {part: watches.spent_s[part] for part in (*SEAMS, CRC, SOCKET)}
    parts[REST] = whole_s - sum(parts.values())
    figures = {f"{part.replace(' ', '_')}_ns": spent_s / readings * 1e9 for part, spent_s in parts.items()}
    print(json.dumps(figures | {"all_ns": whole_s / readings * 1e9}), file=sys.stdout)


if __name__ == "__main__":
    main()

"""One process of a service: its group, its log, its end."""

from __future__ import annotations

import atexit
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

STOP_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 10.0
TAIL_LINES = 25
# Below the range that the kernel gives to outgoing connections: a port stays free between a stop
# and the restart.
PORTS = range(20_000, 32_000)
PORT_TRIES = 200


class ServiceUnavailable(Exception):  # noqa: N818 - it says what is so, as the skip that it becomes does
    """A service cannot start here; the message says why and where its logs are."""


def tail(text: str) -> str:
    """Return the last lines of *text* that say something: of Java's traces only the causes."""
    lines = [line for line in text.splitlines() if not line.startswith("\tat ")]
    return "\n".join(lines[-TAIL_LINES:])


def free_ports(count: int) -> list[int]:
    """Return *count* loopback ports that nobody listens on."""
    found: list[int] = []
    for _ in range(PORT_TRIES):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
        if len(found) == count:
            return found
    raise ServiceUnavailable(f"found no {count} free loopback ports in {PORT_TRIES} tries")


class Watchdog:
    """The guard of all processes of this test run; see watchdog.py."""

    def __init__(self) -> None:
        self._guard: subprocess.Popen[bytes] | None = None

    def watch(self, what: int | Path) -> None:
        """Have a process group killed, or a folder removed, should we die."""
        if self._guard is None:
            script = Path(__file__).with_name("watchdog.py")
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script)], stdin=subprocess.PIPE, start_new_session=True
            )
            atexit.register(self._close)
        self._tell(f"+{what}\n")

    def forget(self, what: int | Path) -> None:
        """Take from the list what has ended: a process's number may be given again."""
        self._tell(f"-{what}\n")

    def _tell(self, line: str) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._guard.stdin.write(line.encode())
        self._guard.stdin.flush()

    def _close(self) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(KILL_TIMEOUT_S)


WATCHDOG: Final = Watchdog()


class ServiceProcess:
    """A process in a session of its own, so that Ctrl-C reaches us first, with its output in *log*."""

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._ended = False
        WATCHDOG.watch(self._process.pid)

    @property
    def pid(self) -> int:
        """The process id, which is its group's too."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it still runs (or is paused)."""
        return self._process.poll() is None

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it in good order; kill it when that takes too long."""
        if self.running():
            self.resume()  # a paused process sees no SIGTERM
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._settle()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(KILL_TIMEOUT_S)
        self._settle()

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return tail(self._log.read_text(errors="replace"))

    def _settle(self) -> None:
        if not self._ended:
            self._ended = True
            WATCHDOG.forget(self.pid)

"""`fleet` as a process of its own, as a person or a script starts it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLEET = Path(sys.executable).with_name("fleet")
TIMEOUT_S = 60.0
TROUBLE = ("Traceback", "Exception ignored", "Unclosed", "never retrieved", "Error in sys", "Fatal Python")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it said, line by line."""
        return self.err.splitlines()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a command: ours, without a broker or a registry of its own, and with warnings shown."""
    left_out = ("FLEET_KAFKA_BOOTSTRAP", "FLEET_REGISTRY", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | dict(more or {})


def fleet(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> Ended:
    """Run `fleet` with *words* to its end; it must not show a traceback, whatever it is given."""
    done = subprocess.run(
        [FLEET, *words], cwd=cwd, env=environment(env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout_s, check=False,
    )  # fmt: skip
    return untroubled(Ended(done.returncode, done.stdout, done.stderr))


def untroubled(ended: Ended) -> Ended:
    """See that nothing in what was said is a traceback or Python's complaint."""
    for trouble in TROUBLE:
        assert trouble not in ended.err, ended.err
        assert trouble not in ended.out
    return ended


class Live:
    """A command that goes on: watched, signalled, ended; on a *terminal* it is also answered."""

    def __init__(self, *words: str, env: Mapping[str, str] | None = None, terminal: bool = False) -> None:
        self._pty = pty.openpty() if terminal else None
        out = self._pty[1] if self._pty else subprocess.PIPE
        self.process = subprocess.Popen(
            [FLEET, *words], env=environment({"COLUMNS": "200", **(env or {})}), stdout=out, start_new_session=True,
            stdin=out if terminal else subprocess.DEVNULL, stderr=out if terminal else subprocess.PIPE,
        )  # fmt: skip
        if self._pty:
            os.close(self._pty[1])
        self.said = ""

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if self._pty:
            os.close(self._pty[0])

    def until(self, seen: Callable[[str], bool] | str, *, timeout_s: float = TIMEOUT_S) -> str:
        """Read what it says to people (everything, on a terminal) until it is *seen*."""
        holds = seen if callable(seen) else lambda text: seen in text
        descriptor = self._pty[0] if self._pty else self.process.stderr.fileno()  # type: ignore[union-attr]
        deadline = time.monotonic() + timeout_s
        while not holds(self.said):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"not seen within {timeout_s:.0f} s: {self.said}"
            try:
                more = os.read(descriptor, 65536)
            except OSError:  # how a terminal says that the other side has closed
                more = b""
            assert more, f"ended before it was seen: {self.said}"
            self.said += more.decode(errors="replace")
        return self.said

    def answer(self, text: str) -> None:
        """Type *text* and the return key at its terminal."""
        assert self._pty is not None, "it was given no terminal"
        os.write(self._pty[0], f"{text}\n".encode())

    def press(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the command alone."""
        self.process.send_signal(number)

    def ended(self, *, timeout_s: float = TIMEOUT_S) -> Ended:
        """Wait for its end."""
        if self._pty:
            while self.process.poll() is None or select.select([self._pty[0]], [], [], 0)[0]:
                try:
                    more = os.read(self._pty[0], 65536)
                except OSError:
                    break
                self.said += more.decode(errors="replace")
            return untroubled(Ended(self.process.wait(timeout_s), self.said, self.said))
        out, err = self.process.communicate(timeout=timeout_s)
        return untroubled(Ended(self.process.returncode, out.decode(), self.said + err.decode()))

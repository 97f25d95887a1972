"""Run a client to its end: bounded in time, in a session of its own, with the CPU and memory it took."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from tests.services.process import WATCHDOG, ServiceUnavailable, tail

ROOT = Path(__file__).parents[1]
RUN_TIMEOUT_S = 90.0
PEAK_LOOK_S = 0.05
GRACE_S = 20.0  # from Ctrl-C to the kill


class Unmeasured(Exception):  # noqa: N818 - it says what is so; the table shows a gap
    """A figure cannot be had here; the message says why."""


FAILURES = (Unmeasured, ServiceUnavailable, KafkaException)
"""What keeps one figure from being had, and no other."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a client ran; its CPU is that of all its threads and of its children."""

    begun_s: float  # on the monotonic clock
    begun_at_s: float  # since 1970
    wall_s: float
    cpu_s: float
    rss_gib: float
    printed: str
    interrupted: bool  # it had not ended by itself in time


def run(command: Sequence[str], *, timeout_s: float = RUN_TIMEOUT_S, patient: bool = False) -> Ran:
    """Run *command* in the project's root; Unmeasured when it fails, or takes too long and is not *patient*.

    A *patient* command is interrupted as Ctrl-C would, and says what it did so far.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun_s, begun_at_s = time.monotonic(), time.time()
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        WATCHDOG.watch(process.pid)
        try:
            with _interrupted_after(timeout_s, process.pid) as fired, _peak_watched(process.pid) as peak_gib:
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                _end(process)
            WATCHDOG.forget(process.pid)
        wall_s = time.monotonic() - begun_s
        out.seek(0)
        err.seek(0)
        printed, complaint = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if fired.is_set() and not patient:
        raise Unmeasured(f"{_named(command)}: not done within {timeout_s:.0f} s")
    if process.returncode and not fired.is_set():
        raise Unmeasured(f"{_named(command)}: exit {process.returncode}\n{tail(printed + complaint)}")
    return Ran(
        begun_s=begun_s,
        begun_at_s=begun_at_s,
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        rss_gib=max(peak_gib, default=usage.ru_maxrss / (1 << 20)),
        printed=printed,
        interrupted=fired.is_set(),
    )


@contextlib.contextmanager
def _interrupted_after(timeout_s: float, pid: int) -> Iterator[threading.Event]:
    """Interrupt the session of *pid* when the time is up, and kill it when that does not help."""
    fired = threading.Event()

    def interrupt() -> None:
        fired.set()
        _signal(pid, signal.SIGINT)

    timers = [
        threading.Timer(timeout_s, interrupt),
        threading.Timer(timeout_s + GRACE_S, _signal, (pid, signal.SIGKILL)),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield fired
    finally:
        for timer in timers:
            timer.cancel()


@contextlib.contextmanager
def _peak_watched(pid: int) -> Iterator[list[float]]:
    """Note now and then the most memory that *pid* has had: what wait4() says begins with its parent's."""
    peaks_gib: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(PEAK_LOOK_S):
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                peaks_gib.extend(int(line.split()[1]) / (1 << 20) for line in lines if line.startswith("VmHWM"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield peaks_gib
    finally:
        done.set()
        looking.join()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a client that we no longer wait for: we were interrupted ourselves."""
    _signal(process.pid, signal.SIGKILL)
    process.wait(GRACE_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _named(command: Sequence[str]) -> str:
    return " ".join(Path(word).name for word in command[:4])


def process_cpu_s(pid: int) -> float:
    """Give the CPU time that a running process and its threads have taken; not a number where nobody says."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

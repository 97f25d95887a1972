"""A real schema registry on this machine, Apicurio: ``python -m tests.services.registry`` or, in tests, Registry.

It listens on a free port of 127.0.0.1 and keeps what it is told in a file, so that it comes back after a stop.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.services.apicurio import apicurio_jar
from tests.services.jars import java
from tests.services.process import WATCHDOG, ServiceProcess, ServiceUnavailable, free_ports

HOST = "127.0.0.1"
START_TIMEOUT_S = 90.0
START_TRIES = 2  # somebody else may take the port between our look and its start
ANSWER_TIMEOUT_S = 5.0
POLL_S = 0.1
JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class Apicurio:
    """One registry; its Confluent-compatible API is at *url*."""

    def __init__(self) -> None:
        self._home: Path | None = None
        self._port = 0
        self._process: ServiceProcess | None = None
        self.keep_logs = False  # set it when a test has failed

    def __enter__(self) -> Apicurio:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where Confluent's API is."""
        return f"http://{HOST}:{self._port}/apis/ccompat/v7"

    @property
    def logs(self) -> Path:
        """The file it writes its log to; stays after close() when *keep_logs* is set."""
        assert self._home is not None
        return self._home / "registry.log"

    def start(self) -> None:
        """Start it and wait until it is ready; raise ServiceUnavailable."""
        assert self._home is None, "a registry starts once"
        apicurio_jar()
        java()
        self._home = Path(tempfile.mkdtemp(prefix="fleet-registry-"))
        WATCHDOG.watch(self._home)
        for attempt in range(1, START_TRIES + 1):
            self._port = free_ports(1)[0]
            try:
                self.resume_stopped()
                return
            except ServiceUnavailable:
                self.stop()
                if attempt == START_TRIES:
                    self.keep_logs = True
                    raise

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def resume_stopped(self) -> None:
        """Start it (again) on its port with what it knew, and wait until it is ready."""
        assert self._process is None, "it runs already"
        assert self._home is not None
        settings = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": str(self._port),
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self._home / 'registry'}",
        }
        properties = [f"-D{key}={value}" for key, value in settings.items()]
        self._process = ServiceProcess([java(), *JVM, *properties, "-jar", str(apicurio_jar())], log=self.logs)
        self._await_ready(time.monotonic() + START_TIMEOUT_S)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it stopped for the length of a ``with`` block."""
        self.stop()
        try:
            yield
        finally:
            self.resume_stopped()

    def close(self) -> None:
        """End it and remove what it stored."""
        self.stop()
        if self._home is None:
            return
        if self.keep_logs:
            sys.stderr.write(f"the registry's log: {self.logs}\n")
        else:
            shutil.rmtree(self._home, ignore_errors=True)
        WATCHDOG.forget(self._home)

    def _await_ready(self, deadline: float) -> None:
        assert self._process is not None
        while not self._ready():
            if not self._process.running():
                raise ServiceUnavailable(f"the registry ended while it started:\n{self._process.log_tail()}")
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"the registry was not ready within {START_TIMEOUT_S:g} s:\n{self._process.log_tail()}"
                )
            time.sleep(POLL_S)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._port}/health/ready", timeout=ANSWER_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def main() -> None:
    """Keep a registry until Ctrl-C; print where it is."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with Apicurio() as registry:
        print(f"registry={registry.url}", flush=True)
        while not done.wait(0.5):
            pass


if __name__ == "__main__":
    try:
        main()
    except ServiceUnavailable as unavailable:
        sys.exit(str(unavailable))

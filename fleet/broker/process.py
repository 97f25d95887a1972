"""The embedded broker as its user sees it: started, given topics, closed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Final

from fleet.broker.embedded import topic_problem
from fleet.broker.library import locate_library
from fleet.broker.lines import LineReader
from fleet.errors import RequestError, RunError

START_TIMEOUT_S: Final = 15.0  # 0.1 s on an idle machine
ANSWER_TIMEOUT_S: Final = 5.0
STOP_TIMEOUT_S: Final = 2.0
TOPICS_MAX: Final = 1000
COMPLAINT_BYTES_MAX: Final = 2000


class EmbeddedBroker:
    """A broker in a process of its own, which ends with this object or with this process.

    ::

        with EmbeddedBroker() as broker:
            bootstrap = broker.start({"factory.readings": 12})

    The process has a session of its own: a terminal's Ctrl-C reaches the run first, which may still
    have records to deliver. Use it from one thread.
    """

    def __init__(self, *, port: int | None = None) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: LineReader | None = None
        self._complaints: IO[bytes] | None = None
        self._topics: dict[str, int] = {}
        self._bootstrap = ""

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """The ``HOST:PORT`` of the broker once it has started."""
        assert self._bootstrap, "the broker has not started"
        return self._bootstrap

    @property
    def topics(self) -> Mapping[str, int]:
        """The topics made so far with their numbers of partitions."""
        return dict(self._topics)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, topics: Mapping[str, int]) -> str:
        """Start the broker, make *topics* (name to number of partitions), return ``HOST:PORT``.

        Raise RequestError where there is no library to run, the port is taken or a topic cannot
        be; RunError when the process does not come up.
        """
        assert self._process is None, "a broker starts once"
        locate_library()
        command = [sys.executable, "-P", "-m", "fleet.broker"]
        if self._port is not None:
            command += ["--port", str(self._port)]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the broker
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._lines = LineReader(self._process.stdout.fileno())
        try:
            greeting = self._answer(START_TIMEOUT_S)
            word, _, address = greeting.partition("=")
            if word != "bootstrap":
                raise RequestError(greeting.removeprefix("error "))
            self._bootstrap = address
            for name, partitions in topics.items():
                self.add_topic(name, partitions)
        except BaseException:
            self.close()
            raise
        return address

    def add_topic(self, name: str, partitions: int) -> None:
        """Make a topic; one that is there with as many partitions is left as it is.

        Raise RequestError when the topic cannot be, RunError when the broker has gone.
        """
        assert self._process is not None, "the broker has not started"
        assert self._process.stdin is not None
        problem = topic_problem(name, partitions)
        there = self._topics.get(name)
        if there == partitions:
            return
        if there is not None:
            problem = f"topic {name!r}: has {there} partitions already, cannot have {partitions}"
        elif len(self._topics) >= TOPICS_MAX:
            problem = f"topic {name!r}: the embedded broker has {TOPICS_MAX} topics already"
        if problem is not None:
            raise RequestError(problem)
        # A broker that has gone shows in the answer that does not come.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"topic {name} {partitions}\n".encode())
        answer = self._answer(ANSWER_TIMEOUT_S)
        if answer != "ok":
            raise RequestError(answer.removeprefix("error "))
        self._topics[name] = partitions

    def close(self) -> None:
        """End the broker and what it keeps; once is enough, twice does no harm."""
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()  # the end of its input is the broker's sign to go
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def _answer(self, timeout_s: float) -> str:
        assert self._lines is not None
        begun = time.monotonic()
        try:
            line = self._lines.read(timeout_s=timeout_s)
        except EOFError:
            raise RunError(f"the embedded broker has gone: {self._complaint()}") from None
        if line is None:
            waited = time.monotonic() - begun
            raise RunError(f"the embedded broker gave no answer within {waited:.0f} s: {self._complaint()}")
        return line

    def _complaint(self) -> str:
        """Return the last line of what the process wrote to its standard error."""
        assert self._complaints is not None
        self._complaints.seek(0, 2)
        self._complaints.seek(max(0, self._complaints.tell() - COMPLAINT_BYTES_MAX))
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

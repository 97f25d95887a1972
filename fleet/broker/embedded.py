"""The broker's own process: librdkafka's mock cluster, driven through ctypes.

It speaks Kafka's protocol over TCP and keeps about 5 MiB a partition in memory. It has no
CreateTopics, so topics come as lines on standard input:

    topic NAME PARTITIONS

each answered by ``ok`` or ``error`` and a reason. The first line out is ``bootstrap=HOST:PORT``
(or ``error`` and a reason). It ends with SIGTERM, with the end of standard input, and with its
parent. This module imports little and lazily: a run waits for it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import signal
import sys
from types import FrameType
from typing import Final

from fleet.broker.library import locate_library
from fleet.broker.lines import LineReader
from fleet.errors import RequestError

HOST: Final = "127.0.0.1"  # the mock binds the loopback interface and no other
PARTITIONS_MAX: Final = 4096  # 5 MiB each when full: 20 GiB at the very most
TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # Kafka's own rule; the mock has none
PARENT_POLL_S: Final = 1.0
ERROR_BYTES: Final = 512

_PRODUCER: Final = 0  # rd_kafka_type_t; the mock hangs on a client of any type
_BROKER_ID: Final = 1


def topic_problem(name: str, partitions: int) -> str | None:
    """Say what is wrong with a topic of that name and size, or None."""
    if not TOPIC_NAME.fullmatch(name) or name in {".", ".."}:
        return f"topic {name!r}: must be 1 to 249 letters, digits, '.', '_' or '-'"
    if not 1 <= partitions <= PARTITIONS_MAX:
        return f"topic {name!r}: must have 1 to {PARTITIONS_MAX} partitions, got {partitions}"
    return None


class MockCluster:
    """One broker inside librdkafka. It lives as long as the process."""

    def __init__(self) -> None:
        self._library = _load(locate_library())
        error = ctypes.create_string_buffer(ERROR_BYTES)
        configuration = self._library.rd_kafka_conf_new()
        # The client that carries the mock talks to nobody and must not complain about it.
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"0", error, ERROR_BYTES)
        client = self._library.rd_kafka_new(_PRODUCER, configuration, error, ERROR_BYTES)
        if not client:
            raise RequestError(f"the embedded broker cannot start: {error.value.decode(errors='replace')}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(client, 1)
        if not self._cluster:
            raise RequestError("the embedded broker cannot start: librdkafka made no mock cluster")
        # A consumer in a group would wait three seconds for others to join it.
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap(self) -> str:
        """The ``HOST:PORT`` on which librdkafka listens; it picks the port itself."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def advertise(self, port: int) -> None:
        """Tell clients to connect to *port*, where somebody forwards to us."""
        code = self._library.rd_kafka_mock_broker_set_host_port(self._cluster, _BROKER_ID, HOST.encode(), port)
        assert code == 0, f"librdkafka refused to advertise port {port}: error {code}"

    def add_topic(self, name: str, partitions: int) -> str | None:
        """Make a topic; return what is wrong with it, or None."""
        problem = topic_problem(name, partitions)
        if problem is None:
            code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
            problem = f"topic {name!r}: librdkafka answered with error {code}" if code else None
        return problem


def serve(port: int | None) -> int:
    """Run the broker until its parent wants no more; return the exit code."""
    signal.signal(signal.SIGTERM, _end)
    try:
        cluster = MockCluster()
        bootstrap = cluster.bootstrap
        if port is not None:
            from fleet.broker.forward import forward  # asyncio takes 60 ms that others need not wait

            forward(port, to=bootstrap)
            cluster.advertise(port)
            bootstrap = f"{HOST}:{port}"
    except RequestError as refused:
        _say(f"error {refused}")
        return refused.exit_code
    _say(f"bootstrap={bootstrap}")
    _obey(cluster)
    return 0


def _obey(cluster: MockCluster) -> None:
    lines = LineReader(sys.stdin.fileno())
    parent = os.getppid()
    # The end of standard input says that the parent has gone, unless a fork of it still holds the pipe.
    while os.getppid() == parent:
        try:
            line = lines.read(timeout_s=PARENT_POLL_S)
        except EOFError:
            return
        if line is not None:
            problem = _carry_out(cluster, line)
            _say("ok" if problem is None else f"error {problem}")


def _carry_out(cluster: MockCluster, line: str) -> str | None:
    match line.split():
        case ["topic", name, partitions] if partitions.isdecimal():
            return cluster.add_topic(name, int(partitions))
        case _:
            return f"unknown request {line!r}; there is: topic NAME PARTITIONS"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _end(_signal: int, _frame: FrameType | None) -> None:
    # Nothing is stored, so nothing is lost; librdkafka's own farewell takes up to a second.
    os._exit(0)


def _load(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
        library.rd_kafka_conf_new.restype = ctypes.c_void_p
        library.rd_kafka_conf_set.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
        ]
        library.rd_kafka_new.restype = ctypes.c_void_p
        library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
        library.rd_kafka_mock_topic_create.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
        ]
        library.rd_kafka_mock_broker_set_host_port.argtypes = [
            *(ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32),
        ]
        library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    except (OSError, AttributeError) as unfit:  # cannot be loaded; lacks a function
        raise RequestError(
            f"the embedded broker cannot use librdkafka ({unfit}); name a Kafka: --to kafka://HOST:PORT"
        ) from unfit
    return library


def main() -> None:
    """Parse the arguments, serve, and leave without librdkafka's farewell."""
    parser = argparse.ArgumentParser(prog="python -m fleet.broker", description="The embedded broker.")
    parser.add_argument("--port", type=int, help="the port clients connect to (default: any)")
    code = serve(parser.parse_args().port)
    sys.stdout.flush()
    os._exit(code)

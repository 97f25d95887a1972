"""A Kafka that cannot be reached is told in one line, soon, with the address and the cause."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.errors import RequestError
from fleet.sinks.connect import hosts, reach
from fleet.sinks.connection import Connection
from fleet.sinks.lanes import start_lanes
from fleet.sinks.logs import Sparingly
from fleet.sinks.settings import ProducerSettings


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port that nobody listens on: bound, so that nobody else takes it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def line_of(connection: Connection, *, timeout_s: float = 8.0) -> str:
    began = time.monotonic()
    with pytest.raises(RequestError) as refused:
        await reach(connection, timeout_s=timeout_s)
    assert time.monotonic() - began < timeout_s + 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_a_closed_port_is_told(closed_port: int) -> None:
    line = await line_of(Connection(f"127.0.0.1:{closed_port}"))

    assert line == f"kafka: cannot reach 127.0.0.1:{closed_port}: connection refused: nothing listens there"


async def test_an_unknown_host_is_told() -> None:
    line = await line_of(Connection("no-such-host.invalid:9092"))

    assert line == "kafka: cannot reach no-such-host.invalid:9092: unknown host"


async def test_every_server_that_was_tried_is_told(closed_port: int) -> None:
    line = await line_of(Connection(f"no-such-host.invalid:9092,127.0.0.1:{closed_port}"))

    assert "no-such-host.invalid:9092: unknown host; 127.0.0.1" in line


async def test_a_server_that_says_nothing_is_given_up(unused_tcp_port: int) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", unused_tcp_port)

    async with server:
        line = await line_of(Connection(f"127.0.0.1:{unused_tcp_port}"), timeout_s=1)
        await asyncio.sleep(0.05)  # the server's side ends too

    assert "no answer within" in line
    assert "does this port want TLS?" in line


async def test_a_server_that_hangs_up_is_told(unused_tcp_port: int) -> None:
    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", unused_tcp_port)

    async with server:
        line = await line_of(Connection(f"127.0.0.1:{unused_tcp_port}"))

    assert "closed the connection; does this port want TLS or a password?" in line


async def test_a_sink_that_cannot_connect_leaves_nothing_behind(closed_port: int) -> None:
    with pytest.raises(RequestError):
        await start_lanes(
            Connection(f"127.0.0.1:{closed_port}"), {}, settings=ProducerSettings(), lanes=1, deadline_s=1
        )

    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_an_address_may_be_of_version_six() -> None:
    assert hosts("[::1]:9092,h:1") == [("::1", 9092), ("h", 1)]


def test_of_what_aiokafka_logs_only_its_own_mistakes_are_shown_and_each_once_in_a_while() -> None:
    sparingly = Sparingly()
    mistake = (ValueError, ValueError("of theirs"), None)

    def logged(text: str, traceback: Any = None) -> bool:
        return sparingly.filter(logging.LogRecord("aiokafka", logging.WARNING, "", 0, text, (), traceback))

    assert [logged("leader gone"), logged("leader gone")] == [False, False]
    assert [logged("unexpected", mistake), logged("unexpected", mistake), logged("other", mistake)] == [
        True,
        False,
        True,
    ]

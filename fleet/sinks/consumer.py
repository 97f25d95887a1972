"""aiokafka's consumer without a group, with every option we rely on, started and stopped within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka import AIOKafkaConsumer

from fleet.errors import FleetError, RequestError, RunError
from fleet.sinks.connect import error_name
from fleet.sinks.connection import Connection
from fleet.sinks.logs import log_sparingly

START_TIMEOUT_S = 10.0
STARTED_TIMEOUT_S = 1.0  # for a start that nobody waits for any more
STOP_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_MS = 10_000
FETCH_BYTES = 4 << 20
PARTITION_FETCH_BYTES = 1 << 20


@asynccontextmanager
async def consuming(connection: Connection) -> AsyncIterator[Any]:
    """Give a started consumer; RequestError when it cannot be, RunError when the broker fails later on."""
    log_sparingly()
    consumer = AIOKafkaConsumer(
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a start that is gone is told, not skipped
        isolation_level="read_uncommitted",
        check_crcs=True,
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **connection.client_options(),
    )
    failed: type[FleetError] = RequestError
    starting = asyncio.create_task(consumer.start())
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await asyncio.shield(starting)
        failed = RunError
        yield consumer
    except (TimeoutError, kafka_errors.KafkaError) as error:
        raise failed(f"kafka: cannot read from {connection.bootstrap}: {error_name(error)}") from error
    finally:
        # In a task of its own: whoever is cancelled here once more leaves nothing open.
        await asyncio.shield(asyncio.create_task(_closed(consumer, starting)))


async def _closed(consumer: Any, starting: asyncio.Task[None]) -> None:
    """Stop a *consumer* that may still be *starting*."""
    # A start that is cancelled in the middle forgets its connection, which then stays open.
    await asyncio.wait({starting}, timeout=STARTED_TIMEOUT_S)
    starting.cancel()
    starting.add_done_callback(_heard)
    # In a task of its own: stopped right after an assignment aiokafka lets its own cancellation out.
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait({stopping}, timeout=STOP_TIMEOUT_S)
    stopping.add_done_callback(_heard)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a *task* ended that nobody asks any more."""
    if not task.cancelled():
        task.exception()

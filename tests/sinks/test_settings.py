"""How large a batch may become."""

from __future__ import annotations

import pytest

from fleet.data import TopicSeen
from fleet.sinks.settings import batch_bytes

KAFKA_TAKES = 100 << 20
"""socket.request.max.bytes where nobody says otherwise."""


def seen(partitions: int, **settings: str) -> TopicSeen:
    return TopicSeen(partitions, (0,) * partitions, settings)


@pytest.mark.parametrize("partitions", [1, 12, 100, 500, 1_000])
def test_a_request_with_a_full_batch_of_every_partition_is_one_that_kafka_takes(partitions: int) -> None:
    assert batch_bytes(16 << 20, [seen(partitions)]) * partitions < KAFKA_TAKES


def test_a_batch_is_as_large_as_asked_and_as_every_topic_takes() -> None:
    assert batch_bytes(1_000_000, [seen(12), seen(12)]) == 1_000_000
    assert batch_bytes(1_000_000, [seen(12), seen(3, **{"max.message.bytes": "70000"})]) == 70_000
    assert batch_bytes(50_000, [seen(100_000)]) == 50_000
    assert batch_bytes(1_000_000, [seen(100_000)]) == 64 * 1024

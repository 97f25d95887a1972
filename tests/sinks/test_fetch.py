"""Fetching from brokers that move, refuse, delete and fall silent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from fleet.data import RawBatches
from fleet.encode.columns import record_columns
from fleet.errors import RunError
from fleet.sinks import fetch as fetching
from fleet.sinks.connection import Connection
from fleet.sinks.fetch import _Reading
from fleet.sinks.reader import Trimmed
from tests.properties.batches import Plain, built

NOWHERE = Connection("127.0.0.1:1")
NOT_LEADER, OUT_OF_RANGE, NOT_AUTHORIZED, NEW_EPOCH = 6, 1, 29, 75


class FewBrokers:
    """Two brokers that have what they are given; each answers as its *script* says, and then with batches."""

    def __init__(self, logs: dict[int, list[bytes]], leaders: dict[int, int]) -> None:
        self.logs, self.leaders = logs, leaders
        self.script: dict[int, list[Any]] = defaultdict(list)  # by partition: error codes, errors to raise
        self.asked: list[tuple[int, int, int]] = []
        self.refreshed = 0
        self.under_way: set[int] = set()
        self.cluster = SimpleNamespace(leader_for_partition=lambda place: self.leaders[place.partition])
        self.on_refresh = lambda: None

    def force_metadata_update(self) -> asyncio.Future[bool]:
        self.refreshed += 1
        self.on_refresh()
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        done.set_result(True)
        return done

    async def send(self, node: int, request: Any) -> Any:
        assert node not in self.under_way, "one request a broker"
        self.under_way.add(node)
        await asyncio.sleep(0)
        self.under_way.discard(node)
        ((topic, parts),) = request.topics
        return SimpleNamespace(topics=[(topic, [self._row(node, p, offset) for p, offset, _ in parts])])

    def _row(self, node: int, p: int, offset: int) -> tuple[Any, ...]:
        self.asked.append((node, p, offset))
        if self.script[p]:
            says = self.script[p].pop(0)
            if isinstance(says, BaseException):
                raise says
            return (p, says, -1, b"")
        batches = [batch for batch in self.logs[p] if int.from_bytes(batch[:8], "big") + 1 >= offset]
        return (p, 0, 99, batches[0] if batches else b"")


def log(batches: int) -> list[bytes]:
    return [built([Plain(n, n, b"k", b"v", []) for n in range(2)], first_offset=2 * batch) for batch in range(batches)]


async def offsets_of(brokers: FewBrokers, spans: dict[int, tuple[int, int | None]]) -> dict[int, list[Any]]:
    """Read everything: offsets of records by partition, and what was trimmed."""
    reading = _Reading(NOWHERE, brokers, "t", spans)
    found: dict[int, list[Any]] = defaultdict(list)
    try:
        while not reading.done:
            async for piece in reading.turn():
                if isinstance(piece, Trimmed):
                    found[piece.partition].append((piece.start, piece.stop))
                else:
                    assert isinstance(piece, RawBatches)
                    found[piece.partition] += record_columns(piece).offset.tolist()
    finally:
        await reading.close()
    return dict(found)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "BACK_OFF_S", 0.0)


async def test_partitions_of_several_brokers_are_read_to_their_stops() -> None:
    brokers = FewBrokers({p: log(5) for p in range(4)}, {0: 1, 1: 1, 2: 2, 3: 2})

    found = await offsets_of(brokers, {p: (p, 7) for p in range(4)})

    assert found == {p: list(range(p, 7)) for p in range(4)}
    assert {(node, p) for node, p, _ in brokers.asked} == {(1, 0), (1, 1), (2, 2), (2, 3)}


@pytest.mark.parametrize("trouble", [NOT_LEADER, NEW_EPOCH, KafkaConnectionError("gone")])
async def test_a_partition_whose_leader_moves_is_read_from_the_new_one(trouble: Any) -> None:
    brokers = FewBrokers({0: log(3)}, {0: 1})
    brokers.script[0] = [trouble]
    brokers.on_refresh = lambda: brokers.leaders.update({0: 2})

    found = await offsets_of(brokers, {0: (0, 6)})

    assert found == {0: list(range(6))}
    assert [node for node, _, _ in brokers.asked] == [1, 2, 2, 2]
    assert brokers.refreshed == 1


async def test_a_partition_without_a_leader_is_waited_for() -> None:
    brokers = FewBrokers({0: log(1)}, {0: -1})
    brokers.on_refresh = lambda: brokers.leaders.update({0: 1})

    assert await offsets_of(brokers, {0: (0, 2)}) == {0: [0, 1]}


async def test_what_was_deleted_meanwhile_is_said_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def begins(_: Connection, topics: dict[str, int]) -> dict[str, list[int]]:
        return {topic: [4] * count for topic, count in topics.items()}

    monkeypatch.setattr(fetching, "beginning_offsets", begins)
    brokers = FewBrokers({0: log(3)[2:]}, {0: 1})
    brokers.script[0] = [OUT_OF_RANGE]

    assert await offsets_of(brokers, {0: (1, 6)}) == {0: [(1, 4), 4, 5]}


async def test_a_log_that_has_lost_its_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def begins(_: Connection, topics: dict[str, int]) -> dict[str, list[int]]:
        return {topic: [0] * count for topic, count in topics.items()}

    monkeypatch.setattr(fetching, "beginning_offsets", begins)
    brokers = FewBrokers({0: log(3)}, {0: 1})
    brokers.script[0] = [OUT_OF_RANGE]

    with pytest.raises(RunError, match="t-0 has lost what it had from offset 3"):
        await offsets_of(brokers, {0: (3, 6)})


async def test_what_will_not_pass_is_said_at_once() -> None:
    brokers = FewBrokers({0: log(1)}, {0: 1})
    brokers.script[0] = [NOT_AUTHORIZED]

    with pytest.raises(RunError, match="cannot read t-0: TOPIC_AUTHORIZATION_FAILED"):
        await offsets_of(brokers, {0: (0, 2)})


@pytest.mark.parametrize(
    ("script", "says"), [([], "t-0 fell silent at offset 2$"), ([NOT_LEADER] * 99_999, "offset 0: NotLeaderForPart")]
)
async def test_silence_has_a_bound(script: list[int], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SILENCE_S", 0.1)
    brokers = FewBrokers({0: log(1)}, {0: 1})
    brokers.script[0] = script

    with pytest.raises(RunError, match=says):
        await offsets_of(brokers, {0: (0, 4)})


async def test_bytes_of_an_old_format_are_refused_with_their_place() -> None:
    batch = bytearray(log(1)[0])
    batch[16] = 1
    brokers = FewBrokers({0: [bytes(batch)]}, {0: 1})

    with pytest.raises(RunError, match="t-0@0: a batch of version 1; only version 2 can be read"):
        await offsets_of(brokers, {0: (0, 2)})

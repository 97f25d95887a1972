"""Whole commands against a real Kafka: run, verify, and what the broker has afterwards."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.cli.commands import Ended, fleet

ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of a test's own, as arguments of a command."""

    readings: str = field(default_factory=lambda: f"run-{uuid.uuid4().hex[:8]}")

    @property
    def events(self) -> str:
        return f"{self.readings}.events"

    @property
    def words(self) -> list[str]:
        return ["--set", f"records.readings.topic={self.readings}", "--set", f"records.events.topic={self.events}"]


def report(ended: Ended) -> dict[str, Any]:
    """Give the report of a run that was to print it."""
    found: dict[str, Any] = json.loads(ended.out)
    return found


def run(bootstrap: str, topics: Topics, *words: str, scenario: str = "quickstart") -> dict[str, Any]:
    """Run to a broker, without a loss; gives the report."""
    ended = fleet("run", scenario, "--to", f"kafka://{bootstrap}", *topics.words, "--json", *words)
    assert ended.code == 0, ended.err
    return report(ended)


def acknowledged(told: dict[str, Any], stream: str = "readings") -> int:
    """See that nothing of *stream* was lost; give how many records there are."""
    account: dict[str, int] = told["targets"][0]["account"][stream]
    assert account["acknowledged"] == account["produced"] == account["scheduled"] > 0
    return account["acknowledged"]


def assert_proven(
    bootstrap: str, topics: Topics, told: dict[str, Any], *words: str, scenario: str = "quickstart"
) -> Ended:
    """Verify the run that *told* of itself, with its scenario."""
    ended = fleet(
        "verify", scenario, "--from", f"kafka://{bootstrap}", *topics.words, "--run", told["run"], *words, timeout_s=120
    )
    assert ended.code == 0, ended.err
    assert "equal to the scenario's" in ended.out
    return ended


def offsets(bootstrap: str, topic: str) -> dict[int, tuple[int, int]]:
    """Give the first offset and the end of each partition of *topic*."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "offsets"})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=ANSWER_S) for p in partitions}
    finally:
        consumer.close()


def kept(bootstrap: str, topic: str) -> int:
    """Count the records that *topic* has, none of which may have been deleted before them."""
    found = offsets(bootstrap, topic)
    assert all(first == 0 for first, _ in found.values()), found
    return sum(end for _, end in found.values())


def values(bootstrap: str, topic: str) -> list[bytes]:
    """Read the values that *topic* has, in no order of partitions."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "values", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        places = [TopicPartition(topic, partition, 0) for partition in partitions]
        left = sum(consumer.get_watermark_offsets(place, timeout=ANSWER_S)[1] for place in places)
        consumer.assign(places)
        found: list[bytes] = []
        while len(found) < left:
            messages = consumer.consume(left - len(found), timeout=ANSWER_S)
            assert messages
            assert not any(message.error() for message in messages)
            found += [message.value() or b"" for message in messages]
        return found
    finally:
        consumer.close()


def make_topic(bootstrap: str, name: str, *, partitions: int = 3) -> None:
    """Make a topic with the broker's own settings."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(ANSWER_S)

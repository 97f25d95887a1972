"""`fleet run` against a real Kafka: complete, in order, accounted for, whatever the broker does meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.cli.commands import Live, fleet
from tests.conftest import run_cluster
from tests.integration.runs import ANSWER_S, Topics, acknowledged, assert_proven, kept, make_topic, offsets, report, run
from tests.services.kafka import Kafka, KafkaCluster

CHECK_S = 5.0
DELETED_WITHIN_S = 30.0
DAY_S = 86_400
STOP_WITHIN_S = 20.0
OVEN = """\
fleet: 1
name: one-oven
seed: 3
lines: [{name: hardening, machines: [{kind: oven}]}]
"""


@pytest.fixture(scope="module")
def own_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaCluster]:
    """Return a broker of this module's own, which looks every few seconds for what is too old."""
    often = {"log.retention.check.interval.ms": str(round(CHECK_S * 1000)), "log.initial.task.delay.ms": "1000"}
    yield from run_cluster(request, KafkaCluster(properties=often))


@dataclass(frozen=True, slots=True)
class Aged:
    """Runs whose records are old, and a topic of stock settings with a record as old as theirs."""

    months: dict[str, Any]
    months_topics: Topics
    hours: dict[str, Any]
    hours_topics: Topics
    control: str


@pytest.fixture(scope="module")
def aged(own_kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Aged:
    """Run what is old before everything else: the broker's checks then pass while other tests go on."""
    oven = tmp_path_factory.mktemp("aged") / "oven.yaml"
    oven.write_text(OVEN)
    months, hours, control = Topics(), Topics(), f"{Topics().readings}-stock"
    begin = f"{datetime.now(UTC) - timedelta(days=243):%Y-%m-%dT%H:%M:%SZ}"
    first = run(own_kafka.bootstrap, months, "--start", begin, "--for", "2min", "--speed", "max")
    second = run(own_kafka.bootstrap, hours, "--start", "now", "--for", "8h", "--speed", "max", scenario=str(oven))
    make_topic(own_kafka.bootstrap, control, partitions=1)
    producer = Producer({"bootstrap.servers": own_kafka.bootstrap})
    producer.produce(control, b"old", timestamp=round((time.time() - 243 * DAY_S) * 1000))
    assert producer.flush(ANSWER_S) == 0
    return Aged(first, months, second, hours, control)


def test_a_hundred_thousand_readings_into_twelve_partitions_are_proven(kafka: Kafka) -> None:
    topics = Topics()

    told = run(kafka.bootstrap, topics, "--speed", "max", "--for", "22min")

    assert acknowledged(told) == 99_000
    assert len(offsets(kafka.bootstrap, topics.readings)) == 12
    assert kept(kafka.bootstrap, topics.readings) == 99_000
    assert_proven(kafka.bootstrap, topics, told)


def test_a_paced_run_holds_what_a_fast_one_holds(kafka: Kafka) -> None:
    start = ("--start", "2026-03-02T06:00:00Z", "--for", "1min")

    paced, fast = Topics(), Topics()
    told = [run(kafka.bootstrap, paced, *start, "--speed", "60"), run(kafka.bootstrap, fast, *start, "--speed", "max")]

    assert acknowledged(told[0]) == acknowledged(told[1]) == 4_500
    assert contents(kafka.bootstrap, paced) == contents(kafka.bootstrap, fast)


def contents(bootstrap: str, topics: Topics) -> list[tuple[object, ...]]:
    """Give all readings as they are, sorted: (partition, key, value, stamp)."""
    places = offsets(bootstrap, topics.readings)
    wanted = sum(end for _, end in places.values())
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "contents", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topics.readings, p, 0) for p in places])
    found: list[tuple[object, ...]] = []
    deadline = time.monotonic() + ANSWER_S
    while len(found) < wanted and time.monotonic() < deadline:
        found += [(m.partition(), m.key(), m.value(), m.timestamp()) for m in consumer.consume(5000, timeout=1.0)]
    consumer.close()
    assert len(found) == wanted
    return sorted(found)  # type: ignore[type-var]


def test_an_interrupted_run_is_proven_as_far_as_it_came(kafka: Kafka) -> None:
    topics = Topics()

    with Live("run", "quickstart", "--to", f"kafka://{kafka.bootstrap}", *topics.words, "--json") as live:
        live.until("quickstart: 10 machines")
        time.sleep(1.0)
        live.press(signal.SIGTERM)
        ended = live.ended(timeout_s=STOP_WITHIN_S)

    told = report(ended)
    assert ended.code == told["exit"] == 130
    assert told["interrupted"]
    assert acknowledged(told) == kept(kafka.bootstrap, topics.readings)
    assert_proven(kafka.bootstrap, topics, told)


def test_a_pause_of_ten_seconds_and_a_restart_leave_no_gap(own_kafka: KafkaCluster, aged: Aged) -> None:
    topics = Topics()
    words = ("--speed", "75", "--for", "25min", "--json")

    with Live("run", "quickstart", "--to", f"kafka://{own_kafka.bootstrap}", *topics.words, *words) as live:
        live.until("quickstart: 10 machines")
        time.sleep(1.0)
        with own_kafka.paused():
            time.sleep(10.0)
        time.sleep(1.0)
        own_kafka.restart()
        assert live.process.poll() is None
        ended = live.ended()

    told = report(ended)
    assert ended.code == 0, ended.err
    assert "catching up" in ended.err
    assert acknowledged(told) == kept(own_kafka.bootstrap, topics.readings) == 112_500
    assert told["lateness_us"]["max"] > 9_000_000
    assert_proven(own_kafka.bootstrap, topics, told)


def test_what_is_old_stays_although_the_broker_deletes_what_is_as_old_elsewhere(
    own_kafka: KafkaCluster, aged: Aged
) -> None:
    deadline = time.monotonic() + DELETED_WITHIN_S
    while offsets(own_kafka.bootstrap, aged.control)[0] != (1, 1):
        assert time.monotonic() < deadline, "the broker has not deleted what it should"
        time.sleep(0.2)

    assert kept(own_kafka.bootstrap, aged.months_topics.readings) == acknowledged(aged.months) == 9_000
    assert kept(own_kafka.bootstrap, aged.hours_topics.readings) == acknowledged(aged.hours) > 140_000
    assert_proven(own_kafka.bootstrap, aged.months_topics, aged.months)


def test_a_broker_that_does_not_answer_cannot_keep_an_interrupted_run_alive(own_kafka: KafkaCluster) -> None:
    words = ("run", "quickstart", "--to", f"kafka://{own_kafka.bootstrap}", "--speed", "60", "--stop-timeout")

    with Live(*words, "1h", *Topics().words) as twice, Live(*words, "1s", *Topics().words) as once:
        for live in (twice, once):
            live.until("quickstart: 10 machines")
        time.sleep(1.0)
        with own_kafka.paused():
            time.sleep(0.5)
            for live in (twice, once, twice):
                live.press()
                time.sleep(0.2)
            ended = [live.ended(timeout_s=STOP_WITHIN_S) for live in (twice, once)]

    for one in ended:
        assert one.code == 1
        assert "in doubt" in one.err
        assert "stopped early: interrupted" in one.err
        assert one.lines[-1].startswith("again: ")


def test_check_create_makes_the_topics_a_run_then_finds(kafka: Kafka) -> None:
    topics = Topics()

    made = fleet("check", "quickstart", *topics.words, "--create", "--to", f"kafka://{kafka.bootstrap}")

    assert made.code == 0, made.err
    assert f"made      {topics.readings}: 12 partitions" in made.out
    assert kept(kafka.bootstrap, topics.readings) == 0
    acknowledged(run(kafka.bootstrap, topics, "--for", "1min", "--speed", "max", "--start", "2026-01-01T00:00:00Z"))


def test_the_environment_names_the_broker(kafka: Kafka, tmp_path: Path) -> None:
    topics = Topics()

    ended = fleet("run", "quickstart", *topics.words, "--for", "10s", "--speed", "max", cwd=tmp_path,
                  env={"FLEET_KAFKA_BOOTSTRAP": kafka.bootstrap})  # fmt: skip

    assert ended.code == 0
    assert f"--to kafka://{kafka.bootstrap}" in ended.lines[-1]
    assert kept(kafka.bootstrap, topics.readings) == 750

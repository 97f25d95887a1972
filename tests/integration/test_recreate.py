"""`fleet check --create` and `--recreate` on a real Kafka: what is there, what is lost, and who is asked."""

from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from fleet.broker.process import EmbeddedBroker
from tests.cli.commands import Ended, Live, fleet
from tests.integration.runs import ANSWER_S, Topics, acknowledged, assert_proven, kept, make_topic, run
from tests.services.kafka import Kafka

RECORDS = 750


def words(kafka: Kafka, topics: Topics, *more: str) -> tuple[str, ...]:
    return ("check", "quickstart", *topics.words, *more, "--to", f"kafka://{kafka.bootstrap}")


def recreated(kafka: Kafka, topics: Topics, *more: str) -> Ended:
    return fleet(*words(kafka, topics, "--recreate", *more))


@pytest.fixture
def used(kafka: Kafka) -> Topics:
    """Return topics that a run has written to."""
    topics = Topics()
    assert acknowledged(run(kafka.bootstrap, topics, "--speed", "max", "--for", "10s")) == RECORDS
    return topics


def test_topics_are_deleted_with_their_records_and_made_anew(kafka: Kafka, used: Topics) -> None:
    runs = kept(kafka.bootstrap, "factory.runs")

    ended = recreated(kafka, used, "--yes")

    assert ended.code == 0, ended.err
    assert f"  delete    {used.readings}: 750 records in 12 partitions" in ended.lines
    assert f"  made      {used.readings}: 12 partitions" in ended.out.splitlines()
    assert kept(kafka.bootstrap, used.readings) == kept(kafka.bootstrap, used.events) == 0
    assert kept(kafka.bootstrap, "factory.runs") == runs
    told = run(kafka.bootstrap, used, "--speed", "max", "--for", "10s")
    assert_proven(kafka.bootstrap, used, told)


def test_nothing_is_deleted_where_nobody_can_be_asked(kafka: Kafka, used: Topics) -> None:
    ended = recreated(kafka, used)

    assert ended.code == 2
    assert ended.lines[-1].endswith("agree with --yes")
    assert kept(kafka.bootstrap, used.readings) == RECORDS


@pytest.mark.parametrize(("said", "code", "left"), [("", 1, RECORDS), ("n", 1, RECORDS), ("y", 0, 0)])
def test_it_asks_at_a_terminal_and_no_is_the_answer_to_nothing(
    kafka: Kafka, used: Topics, said: str, code: int, left: int
) -> None:
    with Live(*words(kafka, used, "--recreate"), terminal=True) as asking:
        asking.until("with all their records? [y/N]")
        asking.answer(said)
        ended = asking.ended()

    assert ended.code == code, ended.err
    assert ("nothing was deleted" in ended.err) == bool(code)
    assert kept(kafka.bootstrap, used.readings) == left


def test_nobody_is_asked_where_nothing_is_lost(kafka: Kafka) -> None:
    topics = Topics()

    ended = recreated(kafka, topics, "--set", f"records.labels.topic={topics.readings}.labels")

    assert ended.code == 0, ended.err
    assert "delete" not in ended.err
    assert kept(kafka.bootstrap, topics.readings) == 0


def test_other_topics_are_left_alone_and_groups_begin_anew(kafka: Kafka, used: Topics) -> None:
    other = f"{used.readings}-more"
    make_topic(kafka.bootstrap, other)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(other, b"mine")
    assert producer.flush(ANSWER_S) == 0
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": other, "enable.auto.commit": False})
    place = TopicPartition(used.readings, 0, 5)
    try:
        consumer.commit(offsets=[place], asynchronous=False)

        ended = recreated(kafka, used, "--yes")

        (committed,) = consumer.committed([TopicPartition(used.readings, 0)], timeout=ANSWER_S)
    finally:
        consumer.close()
    assert ended.code == 0, ended.err
    assert committed.offset == OFFSET_INVALID
    assert kept(kafka.bootstrap, other) == 1


def test_a_topic_with_other_settings_is_told_by_create_and_put_right_by_recreate(kafka: Kafka) -> None:
    topics = Topics()
    make_topic(kafka.bootstrap, topics.readings, partitions=3)

    made = fleet(*words(kafka, topics, "--create"))
    again = recreated(kafka, topics, "--yes")

    (told,) = (line for line in made.out.splitlines() if f"there     {topics.readings}: " in line)
    assert told.startswith(f"  there     {topics.readings}: 3 partitions; other than the scenario has it: ")
    assert "partitions 3, not 12" in told
    assert "retention.ms 604800000, not -1" in told
    assert f"  made      {topics.readings}: 12 partitions" in again.out.splitlines()
    listed = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(topics.readings, timeout=ANSWER_S)
    assert len(listed.topics[topics.readings].partitions) == 12


def test_a_broker_that_cannot_delete_is_told_in_one_line() -> None:
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"factory.readings": 3})

        ended = fleet("check", "quickstart", "--recreate", "--yes", "--to", f"kafka://{bootstrap}")

    assert ended.code == 2
    assert ended.lines[-1] == f"kafka: {bootstrap} is no broker that can delete topics"

"""The embedded broker takes what real clients send and comes and goes as its user wants."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from fleet.broker.embedded import PARTITIONS_MAX
from fleet.broker.process import EmbeddedBroker
from fleet.errors import RequestError, RunError
from tests.services.process import free_ports

RECORDS = 500
START_S = 0.3  # what the design allows; three times as much on a machine that is busy
WAIT_S = 20.0


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as made:
        yield made


def wait_until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def partitions(bootstrap: str) -> dict[str, int]:
    found = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=WAIT_S)
    return {name: len(topic.partitions) for name, topic in found.topics.items()}


async def produce(bootstrap: str, topic: str, partition: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5) as producer:
        sent = [
            await producer.send(topic, str(number).encode(), key=b"press-1", partition=partition)
            for number in range(RECORDS)
        ]
        for future in sent:
            await future


def consume(bootstrap: str, topic: str) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    values: list[bytes] = []
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + WAIT_S
        while len(values) < RECORDS and time.monotonic() < deadline:
            values += [record.value() for record in consumer.consume(RECORDS, timeout=0.2) if not record.error()]
    finally:
        consumer.close()
    return values


def test_it_starts_before_anyone_waits(broker: EmbeddedBroker) -> None:
    begun = time.monotonic()

    broker.start({"factory.readings": 12, "factory.events": 4})

    assert time.monotonic() - begun < 3 * START_S


def test_topics_have_the_partitions_that_were_asked_for(broker: EmbeddedBroker) -> None:
    bootstrap = broker.start({"factory.readings": 12, "factory.runs": 1})

    broker.add_topic("factory.events", 3)

    assert partitions(bootstrap) == {"factory.readings": 12, "factory.runs": 1, "factory.events": 3}
    assert broker.bootstrap == bootstrap


async def test_an_idempotent_producers_records_are_read_in_order(broker: EmbeddedBroker) -> None:
    bootstrap = broker.start({"factory.readings": 3})

    await produce(bootstrap, "factory.readings", partition=1)

    assert consume(bootstrap, "factory.readings") == [str(number).encode() for number in range(RECORDS)]


async def test_our_own_client_reads_them_too(broker: EmbeddedBroker) -> None:
    bootstrap = broker.start({"factory.readings": 1})
    await produce(bootstrap, "factory.readings", partition=0)
    values: list[bytes | None] = []

    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("factory.readings", 0)])
        await consumer.seek_to_beginning()
        while len(values) < RECORDS:
            found = await consumer.getmany(timeout_ms=1000)
            values += [record.value for batch in found.values() for record in batch]

    assert values == [str(number).encode() for number in range(RECORDS)]


async def test_a_chosen_port_serves_clients_as_the_brokers_own_does() -> None:
    (port,) = free_ports(1)
    with EmbeddedBroker(port=port) as broker:
        bootstrap = broker.start({"factory.readings": 2})

        await produce(bootstrap, "factory.readings", partition=0)

        assert bootstrap == f"127.0.0.1:{port}"
        assert consume(bootstrap, "factory.readings") == [str(number).encode() for number in range(RECORDS)]


def test_a_port_that_is_taken_is_said_in_one_line(broker: EmbeddedBroker) -> None:
    taken = int(broker.start({}).rpartition(":")[2])

    with EmbeddedBroker(port=taken) as second, pytest.raises(RequestError) as refused:
        second.start({})

    assert str(refused.value) == f"--port: cannot listen on 127.0.0.1:{taken}: another program listens there"


def test_a_port_that_cannot_be_is_refused() -> None:
    with EmbeddedBroker(port=70_000) as broker, pytest.raises(RequestError, match="must be 1 to 65535"):
        broker.start({})


@pytest.mark.parametrize("name", ["", "has space", "line\nbreak", "..", "x" * 250, "ümlaut"])
def test_a_topic_with_a_name_that_kafka_refuses_is_refused(broker: EmbeddedBroker, name: str) -> None:
    broker.start({"factory.readings": 1})

    with pytest.raises(RequestError, match="must be 1 to 249 letters"):
        broker.add_topic(name, 1)

    assert broker.topics == {"factory.readings": 1}


@pytest.mark.parametrize("count", [0, -1, PARTITIONS_MAX + 1])
def test_a_number_of_partitions_out_of_bounds_is_refused(broker: EmbeddedBroker, count: int) -> None:
    broker.start({})

    with pytest.raises(RequestError, match="partitions, got"):
        broker.add_topic("factory.readings", count)


def test_a_topic_is_made_once_and_never_with_other_partitions(broker: EmbeddedBroker) -> None:
    broker.start({"factory.readings": 4})

    broker.add_topic("factory.readings", 4)
    with pytest.raises(RequestError, match="has 4 partitions already, cannot have 5"):
        broker.add_topic("factory.readings", 5)

    assert broker.topics == {"factory.readings": 4}


def test_a_bad_topic_at_the_start_leaves_no_broker_behind(broker: EmbeddedBroker) -> None:
    with pytest.raises(RequestError):
        broker.start({"factory.readings": 0})

    assert not broker.running


def test_closing_ends_the_process_and_may_be_repeated(broker: EmbeddedBroker) -> None:
    broker.start({})

    broker.close()
    broker.close()

    assert not broker.running


def test_a_broker_that_has_gone_is_said_and_not_waited_for(broker: EmbeddedBroker) -> None:
    broker.start({})
    assert broker._process is not None
    broker._process.kill()
    broker._process.wait()

    with pytest.raises(RunError, match="the embedded broker has gone"):
        broker.add_topic("factory.readings", 1)


def test_ctrl_c_in_the_terminal_does_not_reach_the_broker(broker: EmbeddedBroker) -> None:
    broker.start({})
    assert broker._process is not None

    assert os.getpgid(broker._process.pid) != os.getpgid(0)


def test_the_broker_ends_with_a_parent_that_is_killed() -> None:
    code = """
import time
from fleet.broker.process import EmbeddedBroker
broker = EmbeddedBroker()
broker.start({})
print(broker._process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)

        assert wait_until(lambda: not serves(broker))
    finally:
        parent.kill()
        parent.communicate()


def test_the_broker_ends_with_sigterm() -> None:
    command = [sys.executable, "-m", "fleet.broker"]
    broker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert broker.stdout is not None
        greeting = broker.stdout.readline()

        broker.terminate()

        assert greeting.startswith("bootstrap=127.0.0.1:")
        assert broker.wait(WAIT_S) == 0
    finally:
        broker.kill()
        broker.communicate()


def test_a_request_that_is_none_is_answered_with_what_there_is() -> None:
    command = [sys.executable, "-m", "fleet.broker"]

    done = subprocess.run(
        command,
        input="topics please\ntopic a 1\ntopic a 1\n",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )

    greeting, unknown, made, twice = done.stdout.splitlines()
    assert greeting.startswith("bootstrap=")
    assert unknown == "error unknown request 'topics please'; there is: topic NAME PARTITIONS"
    assert made == "ok"
    assert twice.startswith("error topic 'a': librdkafka answered with error")
    assert done.stderr == ""


def test_without_the_library_one_line_asks_for_a_kafka(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(RequestError) as refused:
        broker.start({})

    assert "--to kafka://HOST:PORT" in str(refused.value)
    assert "\n" not in str(refused.value)


def serves(pid: int) -> bool:
    """Whether the process is there and is more than a zombie that nobody has collected."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")

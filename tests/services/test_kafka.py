"""The real Kafka of the tests does what the tests ask of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context

from tests.conftest import run_cluster
from tests.services.jars import ROOT
from tests.services.kafka import ADMIN, LIMITED, LIMITED_TOPIC, Kafka, KafkaCluster

ANSWER_TIMEOUT_S = 30.0


@pytest.fixture
def own_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaCluster]:
    yield from run_cluster(request, KafkaCluster(properties={"log.retention.check.interval.ms": "5000"}))


async def make_topic(bootstrap: str, *, copies: int = 1) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, copies)])
    finally:
        await admin.close()
    return name


async def send(topic: str, value: bytes, **options: object) -> int:
    options = {"request_timeout_ms": 20_000} | options
    producer = AIOKafkaProducer(enable_idempotence=True, **options)
    try:
        await producer.start()
        return int((await producer.send_and_wait(topic, value, key=b"press-1", partition=0)).offset)
    finally:
        await producer.stop()


async def read_first(topic: str, *, offset: int = 0, **options: object) -> bytes | None:
    consumer = AIOKafkaConsumer(group_id=None, auto_offset_reset="earliest", **options)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), offset)
        found = await consumer.getmany(timeout_ms=int(ANSWER_TIMEOUT_S * 1000))
    finally:
        await consumer.stop()
    records = [record for batch in found.values() for record in batch]
    return records[0].value if records else None


def tls(cluster: KafkaCluster) -> Mapping[str, object]:
    files = cluster.certificates
    assert files is not None
    context = create_ssl_context(cafile=str(files.ca), certfile=str(files.client_cert), keyfile=str(files.client_key))
    return {"bootstrap_servers": cluster.tls_bootstrap, "security_protocol": "SSL", "ssl_context": context}


def scram(cluster: KafkaCluster, user: tuple[str, str]) -> Mapping[str, object]:
    assert cluster.certificates is not None
    return {
        "bootstrap_servers": cluster.sasl_bootstrap,
        "security_protocol": "SASL_SSL",
        "ssl_context": create_ssl_context(cafile=str(cluster.certificates.ca)),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user[0],
        "sasl_plain_password": user[1],
    }


async def test_the_plain_listener_keeps_what_is_sent_to_it(kafka: Kafka) -> None:
    topic = await make_topic(kafka.bootstrap)

    await send(topic, b"plain", bootstrap_servers=kafka.bootstrap)

    assert await read_first(topic, bootstrap_servers=kafka.bootstrap) == b"plain"


async def test_kafkas_own_console_consumer_reads_the_same(kafka: Kafka) -> None:
    topic = await make_topic(kafka.bootstrap)
    await send(topic, b"for the console", bootstrap_servers=kafka.bootstrap)

    printed = kafka.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", kafka.bootstrap, "--topic", topic),
        *("--from-beginning", "--max-messages", "1", "--timeout-ms", "20000"),
    )

    assert printed.strip() == "for the console"


async def test_the_tls_listener_serves_who_shows_a_certificate(secure_kafka: KafkaCluster) -> None:
    topic = await make_topic(secure_kafka.bootstrap)

    await send(topic, b"tls", **tls(secure_kafka))

    assert await read_first(topic, **tls(secure_kafka)) == b"tls"


async def test_the_tls_listener_refuses_who_shows_none(secure_kafka: KafkaCluster) -> None:
    assert secure_kafka.certificates is not None
    context = create_ssl_context(cafile=str(secure_kafka.certificates.ca))

    with pytest.raises(KafkaError):
        await send(
            LIMITED_TOPIC,
            b"never",
            bootstrap_servers=secure_kafka.tls_bootstrap,
            security_protocol="SSL",
            ssl_context=context,
        )


async def test_the_sasl_listener_serves_the_admin(secure_kafka: KafkaCluster) -> None:
    topic = await make_topic(secure_kafka.bootstrap)

    await send(topic, b"sasl", **scram(secure_kafka, ADMIN))

    assert await read_first(topic, **scram(secure_kafka, ADMIN)) == b"sasl"


async def test_the_limited_user_may_write_its_one_topic_and_no_other(secure_kafka: KafkaCluster) -> None:
    other = await make_topic(secure_kafka.bootstrap)

    offset = await send(LIMITED_TOPIC, b"allowed", **scram(secure_kafka, LIMITED))
    with pytest.raises(TopicAuthorizationFailedError):
        await send(other, b"refused", **scram(secure_kafka, LIMITED))

    assert await read_first(LIMITED_TOPIC, offset=offset, **scram(secure_kafka, ADMIN)) == b"allowed"


async def test_a_broker_comes_back_with_its_records_after_a_restart_and_a_kill(
    own_kafka: KafkaCluster,
) -> None:
    topic = await make_topic(own_kafka.bootstrap)
    await send(topic, b"kept", bootstrap_servers=own_kafka.bootstrap)
    before = own_kafka.bootstrap

    own_kafka.restart()
    own_kafka.kill()
    own_kafka.resume_stopped()

    assert own_kafka.bootstrap == before
    assert await read_first(topic, bootstrap_servers=own_kafka.bootstrap) == b"kept"


async def test_a_paused_broker_answers_nothing_until_it_is_resumed(own_kafka: KafkaCluster) -> None:
    topic = await make_topic(own_kafka.bootstrap)

    with own_kafka.paused(), pytest.raises(KafkaError):
        await send(topic, b"lost", bootstrap_servers=own_kafka.bootstrap, request_timeout_ms=2_000)
    await send(topic, b"after", bootstrap_servers=own_kafka.bootstrap)

    assert await read_first(topic, bootstrap_servers=own_kafka.bootstrap) == b"after"


def test_extra_broker_properties_reach_the_broker(own_kafka: KafkaCluster) -> None:
    settings = own_kafka.tool(
        "kafka.admin.ConfigCommand",
        *("--bootstrap-server", own_kafka.bootstrap, "--entity-type", "brokers", "--entity-name", "1"),
        *("--describe", "--all"),
    )

    assert "log.retention.check.interval.ms=5000" in settings


async def test_three_brokers_hold_three_copies(request: pytest.FixtureRequest) -> None:
    for cluster in run_cluster(request, KafkaCluster(brokers=3)):
        topic = await make_topic(cluster.bootstrap, copies=3)
        await send(topic, b"copied", bootstrap_servers=cluster.bootstrap)

        cluster.kill(2)

        assert await read_first(topic, bootstrap_servers=cluster.broker_bootstrap(3)) == b"copied"


def test_no_broker_outlives_a_test_run_that_is_killed() -> None:
    code = """
import time
from tests.services.kafka import KafkaCluster
cluster = KafkaCluster()
cluster.start()
print(cluster.broker_pid(1), flush=True)
time.sleep(600)
"""
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        broker = int(run.stdout.readline())

        run.send_signal(signal.SIGKILL)

        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while alive(broker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(broker)
    finally:
        run.kill()
        run.communicate()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A container's first process may never collect it: a zombie is dead enough.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.strip().startswith("Z")

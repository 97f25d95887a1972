"""The Kafka sink, its topics and its reader against a real Kafka."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleet.data import Delivery, Record, RecordBatch, TopicPlan, TopicSeen
from fleet.errors import RequestError, RunError
from fleet.sinks.connection import Connection
from fleet.sinks.lanes import Lanes, start_lanes
from fleet.sinks.properties import connection
from fleet.sinks.reader import Trimmed, partitions_of, read
from fleet.sinks.settings import ProducerSettings
from fleet.sinks.topics import end_offsets, prepare_topics
from tests.services.kafka import ADMIN, LIMITED, LIMITED_TOPIC, Kafka, KafkaCluster

DEADLINE_S = 20.0
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_topic() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


def to(bootstrap: str) -> Connection:
    return connection(bootstrap, None, {}).connection


def batch(topic: str, partition: int, count: int, *, size: int = 60, stamp_ms: int | None = None) -> RecordBatch:
    stamp = now_ms() if stamp_ms is None else stamp_ms
    records = [Record(b"machine-%d" % partition, b"%06d" % i + b"x" * size, stamp) for i in range(count)]
    return RecordBatch("readings", topic, partition, records)


async def prepared(
    where: Connection, topic: str, configs: Mapping[str, str] | None = None, partitions: int = 3
) -> dict[str, TopicSeen]:
    plan = TopicPlan(topic, partitions, 1, configs or {})
    return await prepare_topics(
        where, [plan], first_ms=now_ms(), last_ms=now_ms(), endless=False, speed_above_one=False
    )


async def start(where: Connection, topics: Mapping[str, TopicSeen], *, deadline_s: float) -> Lanes:
    return await start_lanes(where, topics, settings=ProducerSettings(), lanes=1, deadline_s=deadline_s)


async def settled(sink: Lanes) -> None:
    """Wait until every record that was handed over has its answer."""
    while sink.delivery["readings"].pending:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def send_many(sink: Lanes, what: RecordBatch) -> None:
    """Hand *what* over again and again, for five seconds."""
    for _ in range(100):
        await sink.send(what)
        await asyncio.sleep(0.05)


async def values(where: Connection, topic: str) -> list[bytes]:
    ends = (await end_offsets(where, {topic: await partitions_of(where, topic)}))[topic]
    found = []
    async for part in read(where, topic, {p: (0, end) for p, end in enumerate(ends) if end}):
        assert not isinstance(part, Trimmed)
        found += [record.value[:6] for record in part[1]]
    return found


async def test_what_is_sent_is_stored_once_and_in_order(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    sink = await start(where, await prepared(where, topic), deadline_s=DEADLINE_S)

    for _ in range(4):
        await sink.send(batch(topic, 1, 20_000))
    await sink.close(timeout_s=20)

    assert sink.delivery["readings"] == Delivery(acknowledged=80_000)
    assert sink.latency.records == 80_000
    assert await values(where, topic) == [b"%06d" % i for i in range(20_000)] * 4


async def test_a_topic_that_is_missing_is_made_to_keep_any_stamp(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()

    seen = await prepared(where, topic, {"retention.bytes": "1048576"}, partitions=5)

    settings = seen[topic].settings
    assert (seen[topic].partitions, seen[topic].start_offsets) == (5, (0, 0, 0, 0, 0))
    assert settings["retention.ms"] == "-1"
    assert settings["retention.bytes"] == "1048576"
    assert settings["message.timestamp.after.max.ms"] == str((1 << 63) - 1)


@pytest.mark.parametrize(
    ("configs", "first_ms", "last_ms", "says"),
    [
        ({"retention.ms": "3600000"}, -DAY_MS * 3, 0, r"retention.ms=3600000, .*3 days old"),
        ({"message.timestamp.before.max.ms": "1000"}, -60_000, 0, "before.max.ms=1000, .*60 s old"),
        ({"message.timestamp.after.max.ms": "3600000"}, 0, DAY_MS * 2 + 60_000, "after.max.ms=3600000, .*2 days ahead"),
    ],
)
async def test_a_topic_that_would_lose_records_is_refused_before_the_first(
    kafka: Kafka, configs: Mapping[str, str], first_ms: int, last_ms: int, says: str
) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    await prepared(where, topic, configs)
    now = now_ms()

    with pytest.raises(RequestError, match=says) as refused:
        await prepare_topics(
            where,
            [TopicPlan(topic, 3, 1)],
            first_ms=now + first_ms,
            last_ms=now + last_ms,
            endless=False,
            speed_above_one=True,
        )

    assert "--record-time wall" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_more_replicas_than_brokers_are_refused_in_one_line(kafka: Kafka) -> None:
    plan = TopicPlan(a_topic(), 3, 3)

    with pytest.raises(RequestError, match="replication 3 \\(INVALID_REPLICATION_FACTOR\\)") as refused:
        await prepare_topics(to(kafka.bootstrap), [plan], first_ms=0, last_ms=0, endless=False, speed_above_one=False)

    assert "\n" not in str(refused.value)


async def test_a_refused_batch_counts_as_failed_and_the_next_ones_arrive(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, {"message.timestamp.after.max.ms": "3600000"})
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    await sink.send(batch(topic, 0, 10))
    await sink.send(batch(topic, 0, 10, stamp_ms=now_ms() + 2 * DAY_MS))
    for _ in range(5):
        await sink.send(batch(topic, 0, 10))
        await sink.send(batch(topic, 1, 10))
    await sink.close(timeout_s=20)

    assert sink.delivery["readings"] == Delivery(acknowledged=110, failed=10)
    assert sink.notices == [f"kafka: {topic!r} refuses records (INVALID_TIMESTAMP); they count as failed"]
    assert len(await values(where, topic)) == 110


async def test_every_second_batch_refused_loses_none_of_the_others(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, {"message.timestamp.after.max.ms": "3600000"})
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    for _ in range(4):
        for stamp in (now_ms() + 2 * DAY_MS, now_ms()):
            for partition in range(3):
                await sink.send(batch(topic, partition, 10, stamp_ms=stamp))
    await sink.close(timeout_s=30)

    assert sink.delivery["readings"] == Delivery(acknowledged=120, failed=120)
    assert len(await values(where, topic)) == 120


async def test_batches_stay_under_what_the_topic_allows(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, {"max.message.bytes": "2000"})
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    await sink.send(batch(topic, 0, 1000))
    await sink.close(timeout_s=20)

    assert sink.delivery["readings"] == Delivery(acknowledged=1000)


async def test_one_record_that_is_too_large_fails_alone(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    seen = await prepared(where, topic, {"max.message.bytes": "2000"})
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    await sink.send(batch(topic, 0, 1, size=5000))
    await sink.send(batch(topic, 0, 10))
    await sink.close(timeout_s=20)

    assert sink.delivery["readings"] == Delivery(acknowledged=10, failed=1)
    assert "MESSAGE_TOO_LARGE" in sink.notices[0]


async def test_what_was_deleted_is_told_and_not_taken_for_an_error(kafka: Kafka) -> None:
    where, topic = to(kafka.bootstrap), a_topic()
    sink = await start(where, await prepared(where, topic, partitions=1), deadline_s=DEADLINE_S)
    await sink.send(batch(topic, 0, 10))
    await sink.close(timeout_s=20)
    await delete_before(where, topic, 4)

    found = [part async for part in read(where, topic, {0: (0, 12)})]

    assert [part for part in found if isinstance(part, Trimmed)] == [Trimmed(0, 0, 4), Trimmed(0, 10, 12)]
    assert [r.offset for p in found if not isinstance(p, Trimmed) for r in p[1]] == list(range(4, 10))


async def delete_before(where: Connection, topic: str, offset: int) -> None:
    from aiokafka import TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

    admin = AIOKafkaAdminClient(**where.client_options())
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})
    await admin.close()


async def test_reading_a_topic_that_is_not_there_says_so_and_makes_none(kafka: Kafka) -> None:
    topic = a_topic()

    for _ in range(2):
        with pytest.raises(RequestError, match=f"no topic '{topic}'"):
            await partitions_of(to(kafka.bootstrap), topic)


# ------------------------------------------------------------ a broker that does not answer


async def test_a_pause_of_ten_seconds_loses_and_doubles_nothing() -> None:
    with KafkaCluster() as cluster:
        where, topic = to(cluster.bootstrap), a_topic()
        sink = await start(where, await prepared(where, topic), deadline_s=DEADLINE_S)
        await sink.send(batch(topic, 0, 100))
        cluster.pause()
        asyncio.get_running_loop().call_later(10, cluster.resume)

        for _ in range(8):
            await sink.send(batch(topic, 0, 100))
        await sink.close(timeout_s=30)

        assert sink.delivery["readings"] == Delivery(acknowledged=900)
        assert await values(where, topic) == [b"%06d" % i for i in range(100)] * 9


async def test_a_broker_that_stays_away_leaves_records_in_doubt_and_close_ends() -> None:
    with KafkaCluster() as cluster:
        where, topic = to(cluster.bootstrap), a_topic()
        sink = await start(where, await prepared(where, topic), deadline_s=2)
        await sink.send(batch(topic, 0, 100))
        await settled(sink)
        cluster.kill()
        began = time.monotonic()

        with pytest.raises(RunError, match="took nothing for 2 s"):
            await send_many(sink, batch(topic, 0, 100))
        await sink.close(timeout_s=2)

        row = sink.delivery["readings"]
        assert row.acknowledged == 100
        assert row.pending == 0
        assert row.in_doubt > 0
        assert time.monotonic() - began < 20


async def test_an_answer_after_the_deadline_still_counts() -> None:
    with KafkaCluster() as cluster:
        where, topic = to(cluster.bootstrap), a_topic()
        sink = await start(where, await prepared(where, topic), deadline_s=1)
        cluster.pause()
        await sink.send(batch(topic, 0, 100))
        await asyncio.sleep(2)

        during = sink.delivery["readings"].in_doubt
        cluster.resume()
        await sink.close(timeout_s=20)

        assert during == 100
        assert sink.delivery["readings"] == Delivery(acknowledged=100)


async def test_closing_while_the_broker_is_paused_ends_in_time() -> None:
    with KafkaCluster() as cluster:
        where, topic = to(cluster.bootstrap), a_topic()
        sink = await start(where, await prepared(where, topic), deadline_s=60)
        cluster.pause()
        for _ in range(3):
            await sink.send(batch(topic, 0, 100))
        began = time.monotonic()

        await sink.close(timeout_s=2)

        row = sink.delivery["readings"]
        assert time.monotonic() - began < 15
        assert row.pending == 0
        assert row.in_doubt + row.failed == 300


# ------------------------------------------------------------ who is let in


def tls_file(cluster: KafkaCluster, folder: Path, **more: str) -> Path:
    assert cluster.certificates is not None
    said = {
        "bootstrap.servers": cluster.tls_bootstrap,
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(cluster.certificates.ca),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(cluster.certificates.client_store),
    } | {name.replace("_", "."): value for name, value in more.items()}
    return written(folder, said)


def sasl_file(cluster: KafkaCluster, folder: Path, user: tuple[str, str]) -> Path:
    assert cluster.certificates is not None
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return written(
        folder,
        {
            "bootstrap.servers": cluster.sasl_bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": f'{module} required username="{user[0]}" password="{user[1]}";',
            "ssl.truststore.location": str(cluster.certificates.ca),
        },
    )


def written(folder: Path, said: Mapping[str, str]) -> Path:
    path = folder / "client.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in said.items() if value))
    return path


async def round_trip(where: Connection, topic: str) -> None:
    seen = await prepared(where, topic)
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    await sink.send(batch(topic, 0, 100))
    await sink.close(timeout_s=20)

    assert sink.delivery["readings"] == Delivery(acknowledged=100)
    assert len(await values(where, topic)) == 100


async def test_a_client_certificate_lets_one_in(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    await round_trip(connection("", tls_file(secure_kafka, tmp_path), {}).connection, a_topic())


async def test_librdkafkas_keys_do_the_same(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    certificates = secure_kafka.certificates
    assert certificates is not None
    path = written(
        tmp_path,
        {
            "bootstrap.servers": secure_kafka.tls_bootstrap,
            "security.protocol": "ssl",
            "ssl.ca.location": str(certificates.ca),
            "ssl.certificate.location": str(certificates.client_cert),
            "ssl.key.location": str(certificates.client_key),
        },
    )

    await round_trip(connection("", path, {}).connection, a_topic())


async def test_a_password_lets_one_in(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    await round_trip(connection("", sasl_file(secure_kafka, tmp_path, ADMIN), {}).connection, a_topic())


async def refused_in_one_line(where: Connection) -> str:
    """Prepare topics, be refused within the promised time, and give the line."""
    began = time.monotonic()
    with pytest.raises(RequestError) as refused:
        await prepared(where, a_topic())
    line = str(refused.value)
    assert time.monotonic() - began < 12
    assert "\n" not in line
    return line


async def test_a_wrong_password_is_refused(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    path = sasl_file(secure_kafka, tmp_path, ("admin", "hunter2"))

    line = await refused_in_one_line(connection("", path, {}).connection)

    assert line == f"kafka: cannot reach {secure_kafka.sasl_bootstrap}: refuses user 'admin': wrong name or password"
    assert "hunter2" not in line


async def test_an_authority_that_is_not_known_is_refused(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    assert secure_kafka.certificates is not None
    other = secure_kafka.certificates.client_cert  # an end certificate: no authority of the server's
    path = tls_file(secure_kafka, tmp_path, ssl_truststore_location=str(other))

    line = await refused_in_one_line(connection("", path, {}).connection)

    assert "its certificate is not trusted" in line


async def test_a_missing_client_certificate_is_refused(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    path = tls_file(secure_kafka, tmp_path, ssl_keystore_location="")

    line = await refused_in_one_line(connection("", path, {}).connection)

    assert "client certificate" in line


async def test_tls_to_a_plain_port_is_refused(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    path = tls_file(secure_kafka, tmp_path)

    line = await refused_in_one_line(connection(secure_kafka.bootstrap, path, {}).connection)

    assert "TLS" in line


async def test_plain_to_a_tls_port_is_refused(secure_kafka: KafkaCluster) -> None:
    line = await refused_in_one_line(to(secure_kafka.tls_bootstrap))

    assert "does this port want TLS" in line


async def test_whoever_may_not_create_a_topic_is_told_what_it_needs(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    path = sasl_file(secure_kafka, tmp_path, LIMITED)

    line = await refused_in_one_line(connection("", path, {}).connection)

    assert "may not create topic" in line
    assert "AUTHORIZATION_FAILED" in line
    assert "retention.ms=-1" in line


async def test_whoever_may_only_write_needs_no_more(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    where = connection("", sasl_file(secure_kafka, tmp_path, LIMITED), {}).connection

    seen = await prepared(where, LIMITED_TOPIC)
    sink = await start(where, seen, deadline_s=DEADLINE_S)
    await sink.send(batch(LIMITED_TOPIC, 0, 10))
    await sink.close(timeout_s=10)

    assert seen[LIMITED_TOPIC].settings == {}  # may not describe its settings
    assert sink.delivery["readings"] == Delivery(acknowledged=10)


async def test_whoever_may_not_write_ends_with_the_reason(secure_kafka: KafkaCluster, tmp_path: Path) -> None:
    topic = a_topic()
    admin = connection("", sasl_file(secure_kafka, tmp_path, ADMIN), {}).connection
    seen = await prepared(admin, topic)
    where = connection("", sasl_file(secure_kafka, tmp_path, LIMITED), {}).connection
    sink = await start(where, seen, deadline_s=DEADLINE_S)

    with pytest.raises(RunError, match=f"may not write to topic '{topic}' \\(TOPIC_AUTHORIZATION_FAILED\\)"):
        await send_many(sink, batch(topic, 0, 10))
    await sink.close(timeout_s=10)

    row = sink.delivery["readings"]
    assert (row.acknowledged, row.in_doubt, row.pending) == (0, 0, 0)
    assert row.failed > 0

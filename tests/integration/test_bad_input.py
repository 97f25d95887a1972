"""What a real broker does not allow is one line and exit 2, before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.commands import fleet
from tests.cli.forks import Forks
from tests.integration.runs import Topics, acknowledged, assert_proven, kept, make_topic, run
from tests.services.certificates import Certificates, make_certificates
from tests.services.kafka import ADMIN, LIMITED, LIMITED_TOPIC, Kafka, KafkaCluster

REFUSED_WITHIN_S = 12.0
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


Refused = Callable[..., str]


@pytest.fixture(scope="module")
def refused() -> Iterator[Refused]:
    """Give a function that runs what the broker does not allow, and gives the one line that says so."""
    with Forks() as forks:

        def run_refused(bootstrap: str, *words: str) -> str:
            begun = time.monotonic()
            line = forks.refused("run", "quickstart", "--to", f"kafka://{bootstrap}", *words)
            assert time.monotonic() - begun < REFUSED_WITHIN_S
            return line

        yield run_refused


@pytest.fixture
def stock(kafka: Kafka) -> Topics:
    """Give topics that somebody else made with the broker's own settings."""
    topics = Topics()
    make_topic(kafka.bootstrap, topics.readings)
    make_topic(kafka.bootstrap, topics.events)
    return topics


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (["--start", "2026-03-02T06:00:00Z", "--speed", "max", "--for", "8h"], "retention.ms=604800000"),
        (["--start", "{now}", "--speed", "max", "--for", "8h"], "message.timestamp.after.max.ms=3600000"),
        (["--start", "now", "--speed", "60", "--set", "duration=null"], "message.timestamp.after.max.ms=3600000"),
    ],
)
def test_a_topic_that_would_lose_the_records_is_refused_before_the_first(
    refused: Refused, words: list[str], setting: str, kafka: Kafka, stock: Topics
) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

    line = refused(kafka.bootstrap, *stock.words, *(word.replace("{now}", now) for word in words))

    assert line.startswith("kafka: topic 'run-")
    assert setting in line
    assert line.endswith("or run with --record-time wall")
    assert kept(kafka.bootstrap, stock.readings) == kept(kafka.bootstrap, stock.events) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--start", "2026-03-02T06:00:00Z", "--record-time", "wall"],
        ["--start", "now"],
    ],
)
def test_a_topic_of_stock_settings_takes_what_it_will_not_lose(words: list[str], kafka: Kafka, stock: Topics) -> None:
    told = run(kafka.bootstrap, stock, *words, "--speed", "max", "--for", "2min")

    assert acknowledged(told) == kept(kafka.bootstrap, stock.readings) == 9_000
    assert fleet("verify", "--from", f"kafka://{kafka.bootstrap}", "--run", told["run"]).code == 0


def test_more_copies_than_brokers_are_refused(refused: Refused, kafka: Kafka) -> None:
    line = refused(kafka.bootstrap, *Topics().words, "--set", "topics.default.replication=3")

    assert "replication 3" in line


# ---------------------------------------------------------------- TLS and passwords


@pytest.fixture(scope="module")
def files(secure_kafka: KafkaCluster) -> Certificates:
    assert secure_kafka.certificates is not None
    return secure_kafka.certificates


def properties(folder: Path, text: str) -> tuple[str, str]:
    path = folder / "client.properties"
    path.write_text(text)
    return "--kafka-config", str(path)


def tls(files: Certificates, style: str) -> str:
    if style == "java":
        return (
            f"security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={files.ca}\n"
            f"ssl.keystore.type=PEM\nssl.keystore.location={files.client_store}\n"
        )
    return (
        f"security.protocol=ssl\nssl.ca.location={files.ca}\n"
        f"ssl.certificate.location={files.client_cert}\nssl.key.location={files.client_key}\n"
    )


def scram(files: Certificates, style: str, user: tuple[str, str]) -> str:
    name, password = user
    if style == "java":
        return (
            f"security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={files.ca}\n"
            "sasl.mechanism=SCRAM-SHA-512\n"
            f'sasl.jaas.config={SCRAM} required username="{name}" password="{password}";\n'
        )
    return (
        f"security.protocol=sasl_ssl\nssl.ca.location={files.ca}\n"
        f"sasl.mechanisms=SCRAM-SHA-512\nsasl.username={name}\nsasl.password={password}\n"
    )


@pytest.mark.parametrize("style", ["java", "librdkafka"])
@pytest.mark.parametrize("way", ["tls", "scram"])
def test_a_run_and_its_proof_are_let_in_as_the_file_says(
    way: str, style: str, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    bootstrap = secure_kafka.tls_bootstrap if way == "tls" else secure_kafka.sasl_bootstrap
    text = tls(files, style) if way == "tls" else scram(files, style, ADMIN)
    config, topics = properties(tmp_path, text), Topics()

    told = run(bootstrap, topics, "--for", "1min", "--speed", "max", *config)

    assert acknowledged(told) == kept(secure_kafka.bootstrap, topics.readings) == 4_500
    assert ADMIN[1] not in str(told)
    if style == "java":
        assert ADMIN[1] not in assert_proven(bootstrap, topics, told, *config).err


@pytest.mark.parametrize(("way", "style"), [("tls", "java"), ("scram", "librdkafka")])
def test_a_certificate_of_another_authority_is_one_line(
    refused: Refused, way: str, style: str, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path)
    text = (tls(files, style) if way == "tls" else scram(files, style, ADMIN)).replace(str(files.ca), str(other.ca))

    line = refused(
        secure_kafka.tls_bootstrap if way == "tls" else secure_kafka.sasl_bootstrap, *properties(tmp_path, text)
    )

    assert "its certificate is not trusted" in line


def test_a_client_certificate_of_another_authority_is_one_line(
    refused: Refused, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path)
    text = tls(other, "java").replace(str(other.ca), str(files.ca))

    line = refused(secure_kafka.tls_bootstrap, *properties(tmp_path, text))

    assert "certificate" in line


def test_no_client_certificate_is_one_line(
    refused: Refused, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    text = f"security.protocol=SSL\nssl.ca.location={files.ca}\n"

    line = refused(secure_kafka.tls_bootstrap, *properties(tmp_path, text))

    assert "client certificate" in line


@pytest.mark.parametrize("style", ["java", "librdkafka"])
@pytest.mark.parametrize("user", [(ADMIN[0], "wrong-secret"), ("nobody", ADMIN[1])])
def test_a_wrong_name_or_password_is_one_line_that_does_not_show_it(
    refused: Refused, style: str, user: tuple[str, str], secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    line = refused(secure_kafka.sasl_bootstrap, *properties(tmp_path, scram(files, style, user)))

    assert f"refuses user '{user[0]}': wrong name or password" in line
    assert user[1] not in line


def test_a_port_that_wants_tls_says_so(refused: Refused, secure_kafka: KafkaCluster) -> None:
    assert "TLS" in refused(secure_kafka.tls_bootstrap)


def test_a_port_that_speaks_no_tls_says_so(
    refused: Refused, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    line = refused(secure_kafka.bootstrap, *properties(tmp_path, tls(files, "java")))

    assert "TLS" in line


def test_topics_that_may_not_be_made_are_one_line_with_the_settings_to_make_them(
    refused: Refused, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    config = properties(tmp_path, scram(files, "java", LIMITED))

    line = refused(secure_kafka.sasl_bootstrap, *Topics().words, *config)

    assert line.startswith("kafka: may not create topic '")
    assert "TOPIC_AUTHORIZATION_FAILED" in line
    assert " partitions and cleanup.policy=delete" in line
    assert "retention.ms=-1" in line
    assert LIMITED[1] not in line


def test_a_topic_that_may_be_written_is_not_written_where_another_may_not_be_made(
    refused: Refused, secure_kafka: KafkaCluster, files: Certificates, tmp_path: Path
) -> None:
    config = properties(tmp_path, scram(files, "librdkafka", LIMITED))
    before = kept(secure_kafka.bootstrap, LIMITED_TOPIC)

    line = refused(secure_kafka.sasl_bootstrap, "--topic", LIMITED_TOPIC, "--start", "now", "--speed", "max", *config)

    assert "may not create topic 'factory." in line
    assert kept(secure_kafka.bootstrap, LIMITED_TOPIC) == before

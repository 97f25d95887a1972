"""Kafka's own properties files make a connection, or say in one line why not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from fleet.errors import RequestError
from fleet.sinks.properties import Configured, connection, parse

SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="bob" password="{}";'


def configured(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Configured:
    path = folder / "client.properties"
    path.write_text(text)
    return connection("", path, environment or {})


def refused(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(RequestError) as error:
        configured(folder, text, environment)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(folder), "")


def test_without_a_file_a_connection_is_plain() -> None:
    made = connection("a:1,b", None, {}).connection

    assert (made.bootstrap, made.security_protocol) == ("a:1,b:9092", "PLAINTEXT")


def test_the_brokers_on_the_command_line_win_over_the_files(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text("bootstrap.servers=file:9092\n")

    assert connection("line:9092", path, {}).connection.bootstrap == "line:9092"
    assert connection("", path, {}).connection.bootstrap == "file:9092"


def test_javas_properties_are_read_as_java_does() -> None:
    lines = parse("# a comment\n! another\n a = 1 \nb:2\nc 3\n\nd=first\\\n   second\ne\\:f=\\u0041\\=\\\\\nlast=\\")

    assert [(line.key, line.value) for line in lines] == [
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("d", "firstsecond"),
        ("e:f", "A=\\"),
        ("last", ""),
    ]
    assert [line.number for line in lines] == [3, 4, 5, 7, 9, 10]


@pytest.mark.parametrize("password", ["secret", "with space", 'quo\\\\"te', "semi;colon", "eq=ual"])
def test_a_jaas_line_gives_name_and_password(tmp_path: Path, password: str) -> None:
    text = "bootstrap.servers=h:1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\n"
    text += f"sasl.jaas.config={SCRAM.format(password)}\n"

    made = configured(tmp_path, text).connection

    assert (made.sasl_username, made.sasl_mechanism) == ("bob", "SCRAM-SHA-512")
    assert made.sasl_password == password.replace('\\\\"', '"')


def test_librdkafkas_names_do_as_well(tmp_path: Path) -> None:
    made = configured(
        tmp_path,
        "metadata.broker.list=h:1\nsecurity.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\n"
        "sasl.username=bob\nsasl.password=secret\n",
    ).connection

    assert (made.sasl_username, made.sasl_password) == ("bob", "secret")


def test_a_secret_may_come_from_the_environment(tmp_path: Path) -> None:
    start = "bootstrap.servers=h:1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.username=bob\n"

    named = configured(tmp_path, start + "sasl.password=${env:MINE}\n", {"MINE": "s1"}).connection
    known = configured(tmp_path, start, {"FLEET_KAFKA_SASL_PASSWORD": "s2"}).connection

    assert (named.sasl_password, known.sasl_password) == ("s1", "s2")


def test_no_secret_is_in_a_connections_text(tmp_path: Path) -> None:
    made = configured(
        tmp_path, "bootstrap.servers=h:1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.username=bob\nsasl.password=hunter2\n"
    )

    assert "hunter2" not in repr(made)
    assert "hunter2" not in str(made)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no broker named"),
        ("bootstrap.servers=h:x\n", "brokers are named HOST:PORT"),
        ("bootstrap.servers=h:99999\n", "brokers are named HOST:PORT"),
        ("bootstrap.servers=h:1:2\n", "brokers are named HOST:PORT"),
        ("bootstrap.servers=bob:hunter2@h:1\n", "brokers are named without user and password"),
        ("bootstrap.server=h:1\n", ":1: bootstrap.server: unknown; did you mean 'bootstrap.servers'?"),
        ("bootstrap.servers=h:1\nsecurity.protocol=SSL_SASL\n", ":2: security.protocol: must be one of"),
        ("bootstrap.servers=h:1\nsecurity.protocol=TLS\n", "must be one of PLAINTEXT, SSL"),
        ("bootstrap.servers=h:1\nsasl.mechanism=GSSAPI\n", "must be one of PLAIN, SCRAM-SHA-256"),
        ("bootstrap.servers=h:1\nsasl.mechanism=PLAIN\nsasl.mechanisms=PLAIN\n", "means the same as sasl.mechanism"),
        ("bootstrap.servers=h:1\nsecurity.protocol=SASL_SSL\n", "no user name: say sasl.jaas.config or"),
        (
            "bootstrap.servers=h:1\nsecurity.protocol=SASL_SSL\nsasl.username=b\n",
            "no password: .*FLEET_KAFKA_SASL_PASSWORD",
        ),
        (
            "bootstrap.servers=h:1\nsecurity.protocol=SASL_SSL\nsasl.username=b\nsasl.password=${env:NOPE}\n",
            ":4: sasl.password: the environment has no NOPE",
        ),
        ("bootstrap.servers=h:1\nsecurity.protocol=SSL\nssl.ca.location=/none.pem\n", "cannot read '/none.pem'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_where_it_stands(tmp_path: Path, text: str, says: str) -> None:
    import re

    assert re.search(says, refused(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"none\.properties: cannot be read"):
        connection("", tmp_path / "none.properties", {})


def test_what_has_no_meaning_here_is_told_once(tmp_path: Path) -> None:
    made = configured(tmp_path, "bootstrap.servers=h:1\nacks=all\nlinger.ms=5\nmy.own=1\nbootstrap.servers=i:1\n")

    assert [notice.replace(str(tmp_path), "") for notice in made.notices] == [
        "/client.properties:5: bootstrap.servers: said before; the last one holds",
        "/client.properties: has no meaning here and is ignored: acks, linger.ms, my.own",
    ]
    assert made.connection.bootstrap == "i:1"


def test_a_password_without_its_protocol_is_told(tmp_path: Path) -> None:
    made = configured(tmp_path, "bootstrap.servers=h:1\nsasl.username=bob\nsasl.password=x\n")

    assert made.notices[0].endswith("security.protocol is PLAINTEXT: sasl.username, sasl.password not used")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("trust.jks", b"\xfe\xed\xfe\xed\0\0\0\2", "is a JKS store; make PEM of it: keytool -importkeystore"),
        ("trust.p12", b"\x30\x82\x04\x00", "is a PKCS12 store; make PEM of it: openssl pkcs12"),
        ("trust.pem", b"\x30\x82\x04\x00", "is a PKCS12 store"),
        ("trust.pem", b"nothing", "must be PEM text"),
    ],
)
def test_a_store_of_javas_gets_the_command_that_makes_pem(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)

    line = refused(
        tmp_path, f"bootstrap.servers=h:1\nsecurity.protocol=SSL\nssl.truststore.location={tmp_path / name}\n"
    )

    assert says in line


def test_certificates_make_a_tls_context(tmp_path: Path) -> None:
    authority, other = trustme.CA(), tmp_path / "key.pem"
    issued = authority.issue_cert("client.fleet.test")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    trustme.CA().issue_cert("x.test").private_key_pem.write_to_path(str(other))
    text = f"bootstrap.servers=h:1\nsecurity.protocol=SSL\nssl.truststore.location={tmp_path / 'ca.pem'}\n"
    store = f"ssl.keystore.location={tmp_path / 'client.pem'}\n"

    made = configured(tmp_path, text + store).connection

    context = made.ssl_context()
    assert context is not None
    assert context.check_hostname
    unchecked = configured(tmp_path, text + "ssl.endpoint.identification.algorithm=\n").connection.ssl_context()
    assert unchecked is not None
    assert not unchecked.check_hostname
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    pair = f"ssl.certificate.location={tmp_path / 'cert.pem'}\nssl.key.location={other}\n"
    assert "certificate and key cannot be used" in refused(tmp_path, text + pair)

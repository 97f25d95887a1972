"""Reach a Kafka, or say in one line why not: aiokafka's clients only say that they could not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import aiokafka.errors as kafka_errors
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from fleet.errors import RequestError
from fleet.sinks.connection import TLS_PROTOCOLS, Connection

REACH_TIMEOUT_S = 8.0  # all of it: names, sockets, TLS, passwords
ERROR_NAMES = {  # those a person meets here; aiokafka's classes know their numbers only
    kafka_errors.TopicAuthorizationFailedError: "TOPIC_AUTHORIZATION_FAILED",
    kafka_errors.ClusterAuthorizationFailedError: "CLUSTER_AUTHORIZATION_FAILED",
    kafka_errors.GroupAuthorizationFailedError: "GROUP_AUTHORIZATION_FAILED",
    kafka_errors.TransactionalIdAuthorizationFailed: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    kafka_errors.MessageSizeTooLargeError: "MESSAGE_TOO_LARGE",
    kafka_errors.InvalidTimestampError: "INVALID_TIMESTAMP",
    kafka_errors.RecordListTooLargeError: "RECORD_LIST_TOO_LARGE",
    kafka_errors.InvalidReplicationFactorError: "INVALID_REPLICATION_FACTOR",
    kafka_errors.InvalidConfigurationError: "INVALID_CONFIG",
    kafka_errors.PolicyViolationError: "POLICY_VIOLATION",
    kafka_errors.OutOfOrderSequenceNumber: "OUT_OF_ORDER_SEQUENCE_NUMBER",
}
MORE_NAMES = {87: "INVALID_RECORD", 89: "THROTTLING_QUOTA_EXCEEDED", 56: "KAFKA_STORAGE_ERROR"}


def error_name(error: BaseException | type[BaseException]) -> str:
    """Give the name that Kafka's documents have for an *error*."""
    kind = error if isinstance(error, type) else type(error)
    if kind in ERROR_NAMES:
        return ERROR_NAMES[kind]
    number = getattr(error, "errno", None)
    return MORE_NAMES.get(number, kind.__name__) if isinstance(number, int) else kind.__name__


def hosts(bootstrap: str) -> list[tuple[str, int]]:
    """Split ``host:port,...``; an IPv6 address stands in brackets."""
    pairs = [server.strip().rpartition(":") for server in bootstrap.split(",")]
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]


async def reach(connection: Connection, *, timeout_s: float = REACH_TIMEOUT_S) -> None:
    """Talk to a bootstrap server and to one broker it names; RequestError names the address and the cause."""
    causes = []
    share_s = timeout_s / len(hosts(connection.bootstrap)) / 2
    for host, port in hosts(connection.bootstrap):
        try:
            brokers = await _brokers(connection, host, port, share_s)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a line
            causes.append(f"{host}:{port}: {cause(error, connection, share_s)}")
            continue
        await _reach_one(connection, brokers, timeout_s / 2)
        return
    raise RequestError(f"kafka: cannot reach {'; '.join(causes)}")


async def _brokers(connection: Connection, host: str, port: int, timeout_s: float) -> list[tuple[str, int]]:
    """Ask one server which brokers there are."""
    conn = await _connected(connection, host, port, timeout_s)
    try:
        metadata = await conn.send(MetadataRequest([]))
        return [(row[1], row[2]) for row in metadata.brokers]
    finally:
        await _closed(conn)


async def _connected(connection: Connection, host: str, port: int, timeout_s: float) -> Any:
    options = connection.client_options()
    del options["bootstrap_servers"]
    async with asyncio.timeout(timeout_s):
        return await create_conn(host, port, request_timeout_ms=int(timeout_s * 1000), **options)


async def _closed(conn: Any) -> None:
    """Close *conn* and see its socket gone, within a second."""
    await asyncio.wait([conn.close()], timeout=1.0)


async def _reach_one(connection: Connection, brokers: list[tuple[str, int]], timeout_s: float) -> None:
    """Reach any of *brokers* at the address it gives of itself, which is where clients go on to."""
    causes = []
    for host, port in brokers:
        try:
            await _closed(await _connected(connection, host, port, timeout_s / len(brokers)))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a line
            causes.append(f"{host}:{port} ({cause(error, connection, timeout_s)})")
    raise RequestError(
        f"kafka: {connection.bootstrap} answers, but its brokers call themselves {', '.join(causes)} "
        "and cannot be reached there; see advertised.listeners"
        if causes
        else f"kafka: {connection.bootstrap} answers, but knows no broker"
    )


def cause(error: BaseException, connection: Connection, timeout_s: float) -> str:
    """Say what an *error* while connecting means."""
    tls = connection.security_protocol in TLS_PROTOCOLS
    if isinstance(error, kafka_errors.KafkaConnectionError):
        error = error.__cause__ or error
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return _tls_cause(error, connection)
        case socket.gaierror():
            return "unknown host"
        case ConnectionRefusedError():
            return "connection refused: nothing listens there"
        case TimeoutError():
            return f"no answer within {timeout_s:.0f} s" + ("" if tls else "; does this port want TLS?")
        case kafka_errors.UnsupportedSaslMechanismError():
            return f"does not offer {connection.sasl_mechanism} ({error})"
        case kafka_errors.SaslAuthenticationFailed() | kafka_errors.AuthenticationFailedError():
            return f"refuses user {connection.sasl_username!r}: wrong name or password"
        case kafka_errors.IllegalSaslStateError():
            return f"asks for no password; security.protocol is {connection.security_protocol}"
        case ConnectionError() | EOFError() | kafka_errors.KafkaConnectionError():
            return "closed the connection; " + _closed_hint(connection)
        case OSError():
            return error.strerror or type(error).__name__
    return f"{error_name(error)}: {error}" if str(error) else error_name(error)


def _tls_cause(error: ssl.SSLError, connection: Connection) -> str:
    why = (error.reason or "").upper()
    if "CERTIFICATE_REQUIRED" in why or "BAD_CERTIFICATE" in why or "HANDSHAKE_FAILURE" in why:
        missing = not connection.certificate
        return "asks for a client certificate" if missing else "refuses the client certificate"
    if "UNKNOWN_CA" in why or "CERTIFICATE_UNKNOWN" in why:
        return "refuses the client certificate"
    if "WRONG_VERSION" in why or "RECORD_LAYER" in why or "EOF" in why or "PACKET_LENGTH" in why:
        return f"does not speak TLS; security.protocol is {connection.security_protocol}"
    return f"TLS fails: {error.reason or error}"


def _closed_hint(connection: Connection) -> str:
    said = f"security.protocol is {connection.security_protocol}"
    if connection.security_protocol not in TLS_PROTOCOLS:
        return f"does this port want TLS or a password? {said}"
    wants = "" if connection.certificate else ", or does it want a client certificate"
    return f"does this port speak TLS{wants}? {said}"

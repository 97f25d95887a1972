"""The brokers of an AsyncAPI document, and how each lets clients in; never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fleet.sinks.connection import SASL_PROTOCOLS, TLS_PROTOCOLS, Connection

BINDING = "0.5.0"
CERTIFICATE = "clientCertificate"
SCHEMES: dict[str, dict[str, str]] = {
    CERTIFICATE: {
        "type": "X509",
        "description": "A client certificate that the cluster's authority has signed: `ssl.keystore.location` (Java, "
        "as PEM), or `ssl.certificate.location` and `ssl.key.location` (librdkafka).",
    },
    "PLAIN": {"type": "plain", "description": "SASL/PLAIN: user name and password, inside TLS."},
    "SCRAM-SHA-256": {"type": "scramSha256", "description": "SASL/SCRAM-SHA-256: user name and password."},
    "SCRAM-SHA-512": {"type": "scramSha512", "description": "SASL/SCRAM-SHA-512: user name and password."},
}
NAMES = {
    CERTIFICATE: CERTIFICATE,
    "PLAIN": "saslPlain",
    "SCRAM-SHA-256": "saslScram256",
    "SCRAM-SHA-512": "saslScram512",
}
"""Mechanisms of security, and what the document calls them."""


class Servers(NamedTuple):
    """Servers and security schemes, by name, as the document has them."""

    servers: dict[str, Any]
    schemes: dict[str, Any]


def named(connection: Connection, registry: str = "") -> Servers:
    """Describe the brokers that *connection* reaches, and the *registry* beside them."""
    way = _way(connection.security_protocol, connection.sasl_mechanism, certificate=bool(connection.certificate))
    hosts = connection.bootstrap.split(",")
    names = ["kafka"] if len(hosts) == 1 else [f"kafka-{number}" for number in range(1, len(hosts) + 1)]
    said = _said(connection.security_protocol, way, hosts[0])
    return _made(
        [(name, host, connection.security_protocol, way, said) for name, host in zip(names, hosts, strict=True)],
        registry,
    )


def shown(registry: str = "") -> Servers:
    """Describe the three ways in which one meets a Kafka: on one's own machine, and two of managed clouds."""
    cloud = (
        "An example of a managed cloud: put your own cluster's address here (`fleet asyncapi --to kafka://HOST:PORT "
    )
    rows = [
        ("localhost", "localhost:9092", "PLAINTEXT", "", _said("PLAINTEXT", "", "localhost:9092")),
        (
            "cloud-certificate", "kafka.example.com:9093", "SSL", CERTIFICATE,
            f"{cloud}--kafka-config FILE`).\n\n{_said('SSL', CERTIFICATE, 'kafka.example.com:9093')}",
        ),
        (
            "cloud-password", "kafka.example.com:9094", "SASL_SSL", "SCRAM-SHA-512",
            f"{cloud}--kafka-config FILE`).\n\n{_said('SASL_SSL', 'SCRAM-SHA-512', 'kafka.example.com:9094')}",
        ),
    ]  # fmt: skip
    return _made(rows, registry)


def _way(protocol: str, mechanism: str, *, certificate: bool) -> str:
    """Name what lets a client in; nothing where everybody may."""
    if protocol in SASL_PROTOCOLS:
        return mechanism
    return CERTIFICATE if certificate else ""


def _made(rows: Sequence[tuple[str, str, str, str, str]], registry: str) -> Servers:
    servers: dict[str, Any] = {}
    for name, host, protocol, way, said in rows:
        servers[name] = {
            "host": host,
            "protocol": "kafka-secure" if protocol in TLS_PROTOCOLS else "kafka",
            "title": _title(protocol, way),
            "description": said,
            **({"security": [{"$ref": f"#/components/securitySchemes/{NAMES[way]}"}]} if way else {}),
            "tags": [{"name": protocol.lower().replace("_", "-")}],
        }
        if registry:
            servers[name]["bindings"] = {"kafka": {"schemaRegistryUrl": registry, "bindingVersion": BINDING}}
    used = {way for _, _, _, way, _ in rows if way}
    return Servers(servers, {NAMES[way]: SCHEMES[way] for way in SCHEMES if way in used})


def _title(protocol: str, way: str) -> str:
    tls = "TLS" if protocol in TLS_PROTOCOLS else "without TLS"
    if way == CERTIFICATE:
        return f"Kafka, {tls} with a client certificate"
    return f"Kafka, {tls}, SASL {way}" if way else f"Kafka, {tls}"


def _said(protocol: str, way: str, host: str) -> str:
    """Say how a client reaches it: the properties that it needs, without a secret in them."""
    if protocol == "PLAINTEXT":
        return f"No TLS, no password: for one's own machine. `fleet run ... --to kafka://{host}` sends there."
    lines = [f"security.protocol={protocol}"]
    if protocol in TLS_PROTOCOLS:
        lines.append("ssl.ca.location=ca.pem")
    if way == CERTIFICATE:
        lines += ["ssl.certificate.location=client.pem", "ssl.key.location=client.key"]
    elif way:
        lines += [f"sasl.mechanism={way}", "sasl.username=...", "sasl.password=..."]
    properties = "\n".join(f"    {line}" for line in lines)
    return (
        f"`fleet run ... --to kafka://{host} --kafka-config client.properties` sends there; librdkafka and kcat take "
        f"the same lines:\n\n{properties}\n"
    )

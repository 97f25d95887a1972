"""``--kafka-config FILE``: Kafka's own properties, and librdkafka's keys, to a `Connection`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from fleet.errors import RequestError
from fleet.scenario.texts import read_text
from fleet.sinks.connection import SASL_PROTOCOLS, TLS_PROTOCOLS, Connection

FILE_BYTES_MAX = 1 << 20
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

# What we read, by the name that the code below uses for it.
KEYS: dict[str, str] = {
    "bootstrap.servers": "bootstrap",
    "metadata.broker.list": "bootstrap",
    "security.protocol": "protocol",
    "sasl.mechanism": "mechanism",
    "sasl.mechanisms": "mechanism",
    "sasl.jaas.config": "jaas",
    "sasl.username": "username",
    "sasl.password": "password",
    "ssl.truststore.location": "ca_file",
    "ssl.ca.location": "ca_file",
    "ssl.truststore.certificates": "ca",
    "ssl.ca.pem": "ca",
    "ssl.keystore.location": "keystore_file",
    "ssl.keystore.certificate.chain": "certificate",
    "ssl.certificate.pem": "certificate",
    "ssl.certificate.location": "certificate_file",
    "ssl.keystore.key": "key",
    "ssl.key.pem": "key",
    "ssl.key.location": "key_file",
    "ssl.key.password": "key_password",
    "ssl.truststore.type": "truststore_type",
    "ssl.keystore.type": "keystore_type",
    "ssl.endpoint.identification.algorithm": "identification",
    "enable.ssl.certificate.verification": "verification",
}
# What other clients' files hold and what has no meaning here; every other name gets a second look.
OTHERS = frozenset({
    "acks", "auto.offset.reset", "batch.size", "buffer.memory", "client.dns.lookup", "client.id",
    "compression.type", "connections.max.idle.ms", "delivery.timeout.ms", "enable.auto.commit",
    "enable.idempotence", "group.id", "key.deserializer", "key.serializer", "linger.ms", "max.request.size",
    "request.timeout.ms", "retries", "retry.backoff.ms", "session.timeout.ms", "ssl.enabled.protocols",
    "ssl.keystore.password", "ssl.protocol", "ssl.truststore.password", "value.deserializer",
    "value.serializer",
})  # fmt: skip
SECRETS = {  # taken from the environment where the file does not say them
    "username": "FLEET_KAFKA_SASL_USERNAME",
    "password": "FLEET_KAFKA_SASL_PASSWORD",
    "key_password": "FLEET_KAFKA_SSL_KEY_PASSWORD",
}
JKS_MAGIC = b"\xfe\xed\xfe\xed"
PKCS12_MAGIC = b"\x30\x82"
PEM_MARK = b"-----BEGIN "
STORE_TYPES = {".jks": "JKS", ".p12": "PKCS12", ".pfx": "PKCS12"}

JAAS_OPTION = re.compile(r"""(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;]+))""")
ENVIRONMENT = re.compile(r"\$\{env:(\w+)\}")
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


class Line(NamedTuple):
    """One property and where it stands."""

    number: int
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Configured:
    """A connection, and what a person should know about the file it came from."""

    connection: Connection
    notices: tuple[str, ...]


@dataclass(slots=True)
class _File:
    name: str
    environment: Mapping[str, str]
    said: dict[str, Line] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """Give the value of a name, from the environment where the file is silent, or nothing."""
        line = self.said.get(name)
        if line is not None:
            return ENVIRONMENT.sub(lambda match: self._environment(line, match[1]), line.value)
        return self.environment.get(SECRETS.get(name, ""), "")

    def _environment(self, line: Line, name: str) -> str:
        if name in self.environment:
            return self.environment[name]
        raise self.error(line, f"the environment has no {name}")

    def error(self, line: Line, text: str) -> RequestError:
        """Make the error that stands at a *line*."""
        return RequestError(f"{self.name}:{line.number}: {line.key}: {text}")


def connection(bootstrap: str, path: Path | None, environment: Mapping[str, str]) -> Configured:
    """Make the connection to *bootstrap*, or where it is empty to what the file at *path* says.

    RequestError, with file and line, when the file cannot be used. Secrets may come from the *environment*.
    """
    file = _File(str(path), environment)
    if path is not None:
        _read(file, path)
    servers = bootstrap or file.get("bootstrap")
    if not servers:
        raise RequestError("kafka: no broker named: use --to kafka://HOST:PORT or bootstrap.servers in the file")
    protocol = _choice(file, "protocol", PROTOCOLS, "PLAINTEXT")
    username, password = _credentials(file) if protocol in SASL_PROTOCOLS else (None, None)
    made = Connection(
        bootstrap=_servers(servers),
        security_protocol=protocol,
        sasl_mechanism=_choice(file, "mechanism", MECHANISMS, "PLAIN"),
        sasl_username=username,
        sasl_password=password,
    )
    if protocol in TLS_PROTOCOLS:
        made = _with_tls(made, file)
        made.ssl_context()  # says now what is wrong with the certificates
    _unused(file, protocol)
    return Configured(made, tuple(file.notices))


def _servers(text: str) -> str:
    """Check a list of host:port; the port is 9092 where it is not said."""
    servers = []
    if "@" in text:  # it may be a password, and brokers are named in reports
        raise RequestError("kafka: brokers are named without user and password; say those with --kafka-config FILE")
    for server in text.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not colon or host.endswith(":"):
            host, port = server.strip(), "9092"
        named = host and (host.count(":") != 1)  # a host with one colon is no IPv6 address either
        if not (named and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise RequestError(f"kafka: brokers are named HOST:PORT[,HOST:PORT], got {text!r}")
        servers.append(f"{host}:{port}")
    return ",".join(servers)


# ------------------------------------------------------------ the file


def _read(file: _File, path: Path) -> None:
    text = read_text(path, bytes_max=FILE_BYTES_MAX)
    ignored: list[str] = []
    for line in parse(text):
        name = KEYS.get(line.key)
        if name is None:
            _unknown(file, line)
            ignored.append(line.key)
        elif name in file.said and file.said[name].key != line.key:
            raise file.error(line, f"means the same as {file.said[name].key} in line {file.said[name].number}")
        else:
            if name in file.said:
                file.notices.append(f"{path}:{line.number}: {line.key}: said before; the last one holds")
            file.said[name] = line
    if ignored:
        file.notices.append(f"{path}: has no meaning here and is ignored: {', '.join(ignored)}")


def _unknown(file: _File, line: Line) -> None:
    """Refuse what looks like a slip of the pen."""
    if line.key in OTHERS:
        return
    close = get_close_matches(line.key, KEYS, n=1, cutoff=0.85)
    if close:
        raise file.error(line, f"unknown; did you mean {close[0]!r}?")


def parse(text: str) -> list[Line]:
    """Parse Java's properties: comments, ``=``, ``:`` or space, continued lines, escapes."""
    lines: list[Line] = []
    logical, began = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        piece = raw.lstrip(" \t\f")
        if not logical:
            began = number
            if not piece or piece[0] in "#!":
                continue
        logical += piece
        trailing = len(logical) - len(logical.rstrip("\\"))
        if trailing % 2 and number <= len(text.splitlines()):
            logical = logical[:-1]
            continue
        key, value = _split(logical)
        lines.append(Line(began, _unescaped(key), _unescaped(value).rstrip()))
        logical = ""
    return lines


def _split(line: str) -> tuple[str, str]:
    match = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*", line)
    assert match is not None, "matches the empty text too"
    return match[1], line[match.end() :]


def _unescaped(text: str) -> str:
    return ESCAPE.sub(
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else ESCAPES.get(match[1], match[1]),
        text,
    )


# ------------------------------------------------------------ what it says


def _choice(file: _File, name: str, known: tuple[str, ...], default: str) -> str:
    value = file.get(name).upper() or default
    if value in known:
        return value
    close = get_close_matches(value, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise file.error(file.said[name], f"must be one of {', '.join(known)}, got {file.get(name)!r}{meant}")


def _credentials(file: _File) -> tuple[str, str]:
    username, password = file.get("username"), file.get("password")
    if "jaas" in file.said:
        if "username" in file.said or "password" in file.said:
            raise file.error(file.said["jaas"], "sasl.username or sasl.password is there too: say it once")
        options = {
            match[1]: re.sub(r"\\(.)", r"\1", match[2] or match[3] or match[4] or "")
            for match in JAAS_OPTION.finditer(file.get("jaas"))
        }
        username, password = options.get("username", username), options.get("password", password)
    if not (username and password):
        missing = "user name" if not username else "password"
        raise RequestError(
            f"{file.name}: no {missing}: say sasl.jaas.config or sasl.username and sasl.password, "
            f"or set {SECRETS['username' if not username else 'password']}"
        )
    return username, password


def _with_tls(plain: Connection, file: _File) -> Connection:
    keystore = _pem(file, "keystore_file", "keystore_type")
    certificate = file.get("certificate") or _pem(file, "certificate_file", "keystore_type") or keystore
    key = file.get("key") or _pem(file, "key_file", "keystore_type")
    if key and not certificate:
        raise RequestError(f"{file.name}: has the client's key, but not its certificate")
    identification = file.get("identification").lower() if "identification" in file.said else "https"
    return replace(
        plain,
        ca=file.get("ca") or _pem(file, "ca_file", "truststore_type"),
        certificate=certificate,
        key=key,
        key_password=file.get("key_password") or None,
        check_hostname=identification not in {"", "none"},
        check_certificate=file.get("verification").lower() != "false",
    )


def _pem(file: _File, name: str, type_name: str) -> str:
    """Read the PEM file that *name* names; empty where none is."""
    where = file.get(name)
    if not where:
        return ""
    line = file.said[name]
    try:
        data = Path(where).read_bytes()
    except OSError as error:
        raise file.error(line, f"cannot read {where!r}: {error.strerror}") from error
    kind = _store_type(data, Path(where), file.get(type_name))
    if kind:
        raise file.error(line, f"{where!r} is a {kind} store; make PEM of it: {_conversion(where, kind, name)}")
    if PEM_MARK not in data:
        raise file.error(line, f"{where!r} must be PEM text (-----BEGIN ...)")
    return data.decode("ascii", errors="replace")


def _store_type(data: bytes, path: Path, said: str) -> str:
    """Tell a store of Java's from PEM: by its content first, then by what is said of it."""
    if data.startswith(JKS_MAGIC):
        return "JKS"
    if data.startswith(PKCS12_MAGIC):
        return "PKCS12"
    if PEM_MARK in data:
        return ""
    kind = STORE_TYPES.get(path.suffix.lower(), "")
    return kind or (said.upper() if said.upper() in STORE_TYPES.values() else "")


def _conversion(where: str, kind: str, name: str) -> str:
    """Give the commands that make PEM of a store."""
    store = where if kind == "PKCS12" else f"{where}.p12"
    first = (
        ""
        if kind == "PKCS12"
        else f"keytool -importkeystore -srckeystore {where} -destkeystore {store} -deststoretype PKCS12 && "
    )
    what = "-nokeys" if name == "ca_file" else "-nodes"
    return f"{first}openssl pkcs12 -in {store} {what} -out {where}.pem"


def _unused(file: _File, protocol: str) -> None:
    """Say what was set and does not matter under *protocol*: it is often a protocol forgotten."""
    sasl = {"jaas", "username", "password", "mechanism"}
    idle = [] if protocol in SASL_PROTOCOLS else [line.key for name, line in file.said.items() if name in sasl]
    if protocol not in TLS_PROTOCOLS:
        idle += [line.key for line in file.said.values() if line.key.startswith("ssl.")]
    if idle:
        file.notices.append(f"{file.name}: security.protocol is {protocol}: {', '.join(idle)} not used")

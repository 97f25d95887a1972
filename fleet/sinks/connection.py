"""How to reach a Kafka: what the producer, the admin client and the reader all need to know."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.errors import RequestError

TLS_PROTOCOLS = frozenset({"SSL", "SASL_SSL"})
SASL_PROTOCOLS = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})
CLIENT_ID = "fleet"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the brokers are and how one is let in. Secrets are never in its text.

    *ca*, *certificate* and *key* are PEM text or empty; an empty *ca* means the system's own authorities.
    """

    bootstrap: str  # host:port,host:port
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True
    check_certificate: bool = True

    def ssl_context(self) -> ssl.SSLContext | None:
        """Make the TLS context; None where the protocol has no TLS; RequestError where the PEM is no good."""
        if self.security_protocol not in TLS_PROTOCOLS:
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
        except ssl.SSLError as error:
            raise RequestError(f"kafka: the CA certificates cannot be read: {error.reason}") from error
        context.check_hostname = self.check_hostname and self.check_certificate
        if not self.check_certificate:
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            _load_client_certificate(context, self.certificate + "\n" + self.key, self.key_password)
        return context

    def client_options(self) -> dict[str, Any]:
        """Give the options that all of aiokafka's clients take."""
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": CLIENT_ID,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
        }


def _load_client_certificate(context: ssl.SSLContext, pem: str, password: str | None) -> None:
    """Load key and certificates; Python's ssl takes them only from a file, so there is one for a moment."""
    descriptor, name = tempfile.mkstemp(prefix="fleet-", suffix=".pem")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", errors="replace") as file:
            file.write(pem)
        # A callable, because with None OpenSSL would ask on the terminal.
        context.load_cert_chain(name, password=lambda: password or "")
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        raise RequestError(f"kafka: the client's certificate and key cannot be used: {why}") from error
    finally:
        Path(name).unlink()

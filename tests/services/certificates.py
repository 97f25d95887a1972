"""A certificate authority for one test run, in the files that Kafka and its clients read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

CLIENT_NAME = "fleet"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files; *client_cert* carries the common name ``fleet``."""

    ca: Path
    server_store: Path  # private key, then certificate: Kafka's PEM key store
    client_cert: Path
    client_key: Path
    client_store: Path  # the client's key and certificate in one file, for Java's clients


def make_certificates(folder: Path) -> Certificates:
    """Issue certificates for 127.0.0.1 and for the client ``fleet`` into *folder*."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    client = authority.issue_cert("client.fleet.test", common_name=CLIENT_NAME)
    made = Certificates(
        ca=folder / "ca.pem",
        server_store=folder / "server.pem",
        client_cert=folder / "client-cert.pem",
        client_key=folder / "client-key.pem",
        client_store=folder / "client.pem",
    )
    authority.cert_pem.write_to_path(str(made.ca))
    made.server_store.write_bytes(_pkcs8(server) + _chain(server))
    made.client_cert.write_bytes(_chain(client))
    made.client_key.write_bytes(_pkcs8(client))
    made.client_store.write_bytes(_pkcs8(client) + _chain(client))
    return made


def _chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def _pkcs8(issued: trustme.LeafCert) -> bytes:
    # Kafka reads PKCS#8 only; trustme writes the older form.
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

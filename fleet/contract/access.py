"""Where the schema registry is and how it lets us in: ``--registry``, and secrets from the environment."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from fleet.errors import RequestError

REGISTRY_VARIABLE = "FLEET_REGISTRY"
OPTIONAL = "optional"
"""Among the URLs, or in their place: a registry that is not there is no reason not to run."""

USERNAME = f"{REGISTRY_VARIABLE}_USERNAME"
PASSWORD = f"{REGISTRY_VARIABLE}_PASSWORD"
TOKEN = f"{REGISTRY_VARIABLE}_TOKEN"
CA = f"{REGISTRY_VARIABLE}_CA"
CERTIFICATE = f"{REGISTRY_VARIABLE}_CERTIFICATE"
KEY = f"{REGISTRY_VARIABLE}_KEY"
KEY_PASSWORD = f"{REGISTRY_VARIABLE}_KEY_PASSWORD"

HIDDEN = "***"
COMMA = re.compile(r",(?=\s*(?:https?://|optional\b))")
"""What is between two URLs; other commas may be part of a password."""


@dataclass(frozen=True, slots=True)
class Access:
    """A registry's *urls*, of which any may answer, and what it takes to be let in. Secrets are in no text of it."""

    urls: tuple[str, ...]
    optional: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca: str = ""  # files
    certificate: str = ""
    key: str = ""
    key_password: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """What ``--registry`` says it with, without a secret."""
        return ",".join((*self.urls, *((OPTIONAL,) if self.optional else ())))

    @property
    def authorization(self) -> str:
        """The header that lets us in; empty where none was given."""
        if self.token:
            return f"Bearer {self.token}"
        if not self.username:
            return ""
        return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"

    def scrubbed(self, text: str) -> str:
        """Give *text*, which a server said, without what must not be seen: some servers repeat what they were sent."""
        for secret in (self.authorization.partition(" ")[2], self.password, self.token, self.key_password):
            if secret:
                text = text.replace(secret, HIDDEN)
        return text

    def tls(self) -> ssl.SSLContext:
        """Make what TLS needs; RequestError names the file that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except OSError as error:
            raise RequestError(f"{CA}: {self.ca}: must be certificates in PEM: {_reason(error)}") from error
        if self.certificate:
            try:
                # A callable: with None OpenSSL would ask at the terminal.
                context.load_cert_chain(self.certificate, self.key or None, lambda: self.key_password)
            except (OSError, ValueError) as error:
                files = f"{self.certificate}{f' with {self.key}' if self.key else ''}"
                said = f"must be a certificate and its key in PEM: {_reason(error)}"
                raise RequestError(f"{CERTIFICATE}: {files}: {said}") from error
        return context


def access(said: str | None, environment: Mapping[str, str]) -> Access | None:
    """Make the access to what ``--registry`` has *said*, else to what the environment names, if anything.

    ``optional`` without a URL takes the environment's. RequestError says what is wrong without showing a secret.
    """
    words = _words(said or environment.get(REGISTRY_VARIABLE, ""))
    if not words:
        return None
    optional = OPTIONAL in words
    option = "--registry" if said else REGISTRY_VARIABLE
    if words == [OPTIONAL]:
        option, words = REGISTRY_VARIABLE, _words(environment.get(REGISTRY_VARIABLE, ""))
    found = [_url(option, word) for word in words if word != OPTIONAL]
    users = {user for _, user in found if user != ("", "")}
    if len(users) > 1:
        raise RequestError(f"{option}: must name one user for all URLs, got {len(users)}")
    username, password = users.pop() if users else (environment.get(USERNAME, ""), environment.get(PASSWORD, ""))
    return Access(
        urls=tuple(dict.fromkeys(url for url, _ in found)),
        optional=optional,
        username=username,
        password=password,
        token=_token(environment.get(TOKEN, "")),
        ca=environment.get(CA, ""),
        certificate=environment.get(CERTIFICATE, ""),
        key=environment.get(KEY, ""),
        key_password=environment.get(KEY_PASSWORD, ""),
    )


def _token(text: str) -> str:
    """Take a token as it is kept in files, which end with a line's end; RequestError does not show it."""
    token = text.strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise RequestError(f"{TOKEN}: must be one word of ASCII's letters, digits and signs")
    return token


def _words(text: str) -> list[str]:
    return [word.strip().removesuffix(",") for word in COMMA.split(text) if word.strip()]


def _url(option: str, text: str) -> tuple[str, tuple[str, str]]:
    """Take a URL apart into what may be shown and who the user is; what is wrong with one is said without its user."""
    must = f"{option}: must be URLs like http://localhost:8081, or {OPTIONAL}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise RequestError(f"{must}, got one that is none") from None
    host = parts.hostname or ""
    shown = re.split("[?#]", text.rpartition("@")[2])[0]
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise RequestError(f"{must}, got {shown!r}")
    where = f"[{host}]" if ":" in host else host
    shown = urlunsplit((parts.scheme, where if port is None else f"{where}:{port}", parts.path.rstrip("/"), "", ""))
    return shown, (unquote(parts.username or ""), unquote(parts.password or ""))


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)

"""Requests to a registry: any of its URLs may answer, each try is bounded, and no answer shows a secret."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleet.contract.access import Access
from fleet.errors import RequestError

if TYPE_CHECKING:
    import httpx

TRY_TIMEOUT_S = 5.0
"""How long one try may take, from connecting to the last byte."""

ROUNDS = 3
"""How often all URLs are tried before the registry counts as gone."""

PAUSE_S = 0.25
"""Before the second round; twice as long before each further one."""

ANSWER_BYTES_MAX = 4 << 20
SHOWN_CHARACTERS = 200

SERVER_ERRORS = frozenset({429, 500, 502, 503, 504})  # worth another try, here or elsewhere
NOT_FOUND, CONFLICT = 404, 409
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
APICURIO = "/apis/ccompat/v7"


class RegistryError(RequestError):
    """The registry did not do what it was asked for."""


class RegistryGoneError(RegistryError):
    """No URL gave an answer that a registry gives."""


class RegistryRefusedError(RegistryError):
    """The registry said no: *status* is HTTP's, *code* its own (40401 no subject, 40403 no schema, 42201 no Avro)."""

    def __init__(self, text: str, *, status: int, code: int, said: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.said = said


class _Odd(Exception):  # noqa: N818 - it becomes an error when no other URL does better
    """An answer that another try, or another URL, may better."""


@dataclass(slots=True)
class Asking:
    """Asks the registry at *access*; *sleep* waits between rounds."""

    access: Access
    try_timeout_s: float = TRY_TIMEOUT_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _client: httpx.AsyncClient | None = None
    _first: int = 0  # the URL that answered last

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str) -> Any:
        """Send a request to the URL that answered last, then to the others, round after round; give what JSON it is."""
        urls = self.access.urls
        if not urls:
            raise RegistryGoneError("registry: no URL is named; give --registry URL or set FLEET_REGISTRY")
        reasons: dict[str, str] = {}
        for attempt in range(ROUNDS):
            if attempt:
                await self.sleep(PAUSE_S * 2 ** (attempt - 1))
            for turn in range(len(urls)):
                at = (self._first + turn) % len(urls)
                try:
                    async with asyncio.timeout(self.try_timeout_s):
                        answer = await self._try(urls[at], method, path, body, what)
                except TimeoutError:
                    reasons[urls[at]] = f"no answer within {self.try_timeout_s:g} s"
                except _Odd as odd:
                    reasons[urls[at]] = str(odd)
                else:
                    self._first = at
                    return answer
        told = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
        raise RegistryGoneError(f"registry {told} (tried {ROUNDS} times)")

    async def _try(self, url: str, method: str, path: str, body: Mapping[str, Any] | None, what: str) -> Any:
        """Send one request to one URL; _Odd where it is worth sending again."""
        import httpx

        try:
            async with self._open().stream(method, url + path, json=body) as response:
                data = bytearray()
                async for piece in response.aiter_bytes():
                    data += piece
                    if len(data) > ANSWER_BYTES_MAX:
                        raise _Odd(f"an answer of more than {ANSWER_BYTES_MAX >> 20} MiB")
        except (httpx.TransportError, OSError) as error:  # what TLS finds late comes as it is
            raise _Odd(self.shown(_transport(error))) from error
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise _Odd(f"an answer that cannot be read ({type(error).__name__})") from error
        status = response.status_code
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            kind = self.shown(response.headers.get("content-type", "").partition(";")[0] or "an answer")
            if status in {401, 403}:
                raise self._refused(url, what, status, {}) from None
            raise _Odd(f"HTTP {status} with {kind} where a registry answers with JSON{_hint(url)}") from None
        if status in SERVER_ERRORS:
            raise _Odd(f"HTTP {status}{self._message(answer)}")
        if not 200 <= status < 300:
            raise self._refused(url, what, status, answer)
        return answer

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            # One bound for a whole try, above; httpx's own are for single steps.
            headers = {"Accept": f"{MEDIA_TYPE}, application/json", "Content-Type": MEDIA_TYPE}
            if self.access.authorization:
                headers["Authorization"] = self.access.authorization
            self._client = httpx.AsyncClient(headers=headers, timeout=None, verify=self.access.tls())
        return self._client

    def _refused(self, url: str, what: str, status: int, answer: Any) -> RegistryRefusedError:
        found = answer if isinstance(answer, dict) else {}
        code = found.get("error_code")
        said = self._message(answer).removeprefix(": ")
        why = {
            401: "does not know who asks; set FLEET_REGISTRY_USERNAME and _PASSWORD, or _TOKEN",
            403: "does not allow it to who asks",
            NOT_FOUND: "has no such thing",
            CONFLICT: "refuses a schema that is not compatible with those before it",
        }.get(status, "refuses it")
        hint = _hint(url) if status == NOT_FOUND and "error_code" not in found else ""
        text = f"registry {url}: {what}: {why} (HTTP {status}{f': {said}' if said else ''}){hint}"
        return RegistryRefusedError(text, status=status, code=code if isinstance(code, int) else 0, said=said)

    def _message(self, answer: Any) -> str:
        message = answer.get("message") if isinstance(answer, dict) else None
        return f": {self.shown(message)}" if isinstance(message, str) and message else ""

    def shown(self, text: str) -> str:
        """Give what the other side said in one short line without secrets."""
        line = " ".join(self.access.scrubbed(text).split())
        return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."


def _hint(url: str) -> str:
    """Say what a URL may lack at which there is no registry."""
    return "" if url.endswith(APICURIO) else f"; Apicurio's URLs end in {APICURIO}"


def _transport(error: Exception) -> str:
    """Say what kept a request from being answered."""
    cause: BaseException | None = error
    while cause is not None:  # the system's own words are at the bottom
        if isinstance(cause, ssl.SSLError):
            why = (cause.reason or str(cause)).lower().replace("_", " ")
            if isinstance(cause, ssl.SSLCertVerificationError):
                why += f": {cause.verify_message}"
            return f"TLS: {why}"
        if isinstance(cause, socket.gaierror):
            return "no such host"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__

"""A client of schema registries that speak Confluent's API: Karapace, Apicurio (under ``/apis/ccompat/v7``), their own.

Thin: a method a request. What was answered once is not asked again where it cannot change: the schema of an id, the
id of a schema under a subject.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import quote

from fleet.contract.access import Access
from fleet.data import SCHEMA_ID_MAX
from fleet.errors import RequestError
from fleet.scenario.proto import is_proto

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
CACHED_MAX = 10_000

SERVER_ERRORS = frozenset({429, 500, 502, 503, 504})  # worth another try, here or elsewhere
NOT_FOUND, CONFLICT = 404, 409
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
APICURIO = "/apis/ccompat/v7"
AVRO, PROTOBUF = "AVRO", "PROTOBUF"  # types of schemas, as registries name them

NO_LEVEL = "NONE"
LEVELS = (
    NO_LEVEL, "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE",
)  # fmt: skip


T = TypeVar("T")


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


class Registered(NamedTuple):
    """A schema as it stands in a registry."""

    subject: str
    version: int
    id: int
    schema: str  # its text


class Judged(NamedTuple):
    """What a registry says of a schema beside those a subject has."""

    compatible: bool
    messages: tuple[str, ...]  # not every registry gives reasons


class _Odd(Exception):  # noqa: N818 - it becomes an error when no other URL does better
    """An answer that another try, or another URL, may better."""


@dataclass(slots=True)
class Registry:
    """A client for one run or command; close it, or use it as a context. *sleep* waits between rounds."""

    access: Access
    try_timeout_s: float = TRY_TIMEOUT_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _client: httpx.AsyncClient | None = None
    _first: int = 0  # the URL that answered last
    _known: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)

    async def __aenter__(self) -> Registry:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        asking = [known for known in self._known.values() if not known.done()]
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # ------------------------------------------------------------ schemas

    async def register(self, subject: str, schema: str) -> int:
        """Give the id of *schema* under *subject*, registering it where it is new; once for each of them.

        RegistryRefusedError, with status 409, where it is not compatible with those before it.
        """

        async def ask() -> int:
            path = f"/subjects/{_part(subject)}/versions"
            answer = await self._ask("POST", path, _body(schema), what=f"subject {subject!r}")
            return self._id(answer, f"subject {subject!r}")

        return await self._once(("register", subject, schema), ask)

    async def by_id(self, number: int) -> str:
        """Give the text of the schema, Avro's or Protobuf's, that has the id *number*."""
        _see_id(number, self.access.text)

        async def ask() -> str:
            what = f"id {number}"
            text = self._schema(await self._ask("GET", f"/schemas/ids/{number}", what=what), what)
            if is_proto(text):
                return text  # more of the language than we read may still be what a person wants to see
            try:
                parsed_schema(text)
            except ValueError as error:
                raise self._wrong(what, "an Avro schema", text) from error
            return text

        return await self._once(("id", number), ask)

    async def subjects(self) -> list[str]:
        """Give the names of all subjects."""
        answer = await self._ask("GET", "/subjects", what="subjects")
        return sorted(self._list(answer, str, "subjects"))

    async def versions(self, subject: str) -> list[int]:
        """Give the numbers of the versions of *subject*, the oldest first."""
        what = f"subject {subject!r}"
        return sorted(self._list(await self._ask("GET", f"/subjects/{_part(subject)}/versions", what=what), int, what))

    async def version(self, subject: str, version: int | None = None) -> Registered:
        """Give a *version* of *subject*, the latest where none is named."""
        of = "latest" if version is None else str(version)
        what = f"subject {subject!r}, version {of}"
        return self._registered(
            await self._ask("GET", f"/subjects/{_part(subject)}/versions/{of}", what=what), subject, what
        )

    async def find(self, subject: str, schema: str) -> Registered | None:
        """Give *schema* as it stands under *subject*; None where it does not."""
        what = f"subject {subject!r}"
        try:
            answer = await self._ask("POST", f"/subjects/{_part(subject)}", _body(schema), what=what)
        except RegistryRefusedError as refused:
            if refused.status == NOT_FOUND:
                return None
            raise
        return self._registered({**_body(schema), **_fields(answer)}, subject, what)

    # ------------------------------------------------------------ compatibility

    async def judge(self, subject: str, schema: str, version: int | None = None) -> Judged:
        """Ask whether *schema* is compatible with a *version* of *subject* (the latest), by the level set there.

        Where the subject has no version yet, it is.
        """
        of = "latest" if version is None else str(version)
        what = f"subject {subject!r}"
        path = f"/compatibility/subjects/{_part(subject)}/versions/{of}?verbose=true"
        try:
            answer = _fields(await self._ask("POST", path, _body(schema), what=what))
        except RegistryRefusedError as refused:
            if refused.status == NOT_FOUND and version is None:
                return Judged(compatible=True, messages=())
            raise
        verdict = answer.get("is_compatible")
        if not isinstance(verdict, bool):
            raise self._wrong(what, "is_compatible, true or false", answer)
        messages = answer.get("messages")
        said = messages if isinstance(messages, list) else []
        return Judged(verdict, tuple(self._shown(str(message)) for message in said))

    async def level(self, subject: str | None = None) -> str | None:
        """Give the compatibility level of *subject*, or that of the registry; None where the subject has none."""
        path, what = _config(subject)
        try:
            answer = _fields(await self._ask("GET", path, what=what))
        except RegistryRefusedError as refused:
            if refused.status == NOT_FOUND and subject is not None:
                return None
            raise
        # Asked for it is the one, answered to a change the other; some registries say either.
        level = answer.get("compatibilityLevel", answer.get("compatibility"))
        if not isinstance(level, str):
            raise self._wrong(what, "a compatibilityLevel", answer)
        return level

    async def set_level(self, level: str, subject: str | None = None) -> None:
        """Set the compatibility level of *subject*, or that of the registry."""
        if level not in LEVELS:
            raise RequestError(f"compatibility: must be one of {', '.join(LEVELS)}, got {level!r}")
        path, what = _config(subject)
        await self._ask("PUT", path, {"compatibility": level}, what=what)

    # ------------------------------------------------------------ asking

    async def _once(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask for what cannot change only once, also when many want it at the same time; a failure is not kept."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= CACHED_MAX:
                del self._known[next(iter(self._known))]
            known = self._known[key] = asyncio.ensure_future(ask())
        try:
            return cast("T", await asyncio.shield(known))
        except BaseException:
            if known.done():
                self._known.pop(key, None)
            raise

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str) -> Any:
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
            raise _Odd(self._shown(_transport(error))) from error
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise _Odd(f"an answer that cannot be read ({type(error).__name__})") from error
        status = response.status_code
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            kind = self._shown(response.headers.get("content-type", "").partition(";")[0] or "an answer")
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

    # ------------------------------------------------------------ answers

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
        return f": {self._shown(message)}" if isinstance(message, str) and message else ""

    def _shown(self, text: str) -> str:
        """Give what the other side said in one short line without secrets."""
        line = " ".join(self.access.scrubbed(text).split())
        return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."

    def _wrong(self, what: str, wanted: str, answer: Any) -> RegistryError:
        return RegistryError(
            f"registry {self.access.text}: {what}: must answer with {wanted}, got {self._shown(json.dumps(answer))}"
        )

    def _id(self, answer: Any, what: str) -> int:
        number = _fields(answer).get("id")
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise self._wrong(what, "an id", answer)
        _see_id(number, self.access.text)
        return number

    def _schema(self, answer: Any, what: str) -> str:
        found = _fields(answer)
        kind = found.get("schemaType", AVRO)
        if kind not in {AVRO, PROTOBUF}:
            raise self._wrong(what, "an Avro or a Protobuf schema", {"schemaType": kind})
        text = found.get("schema")
        if not isinstance(text, str):
            raise self._wrong(what, "a schema", answer)
        return text

    def _registered(self, answer: Any, subject: str, what: str) -> Registered:
        version = _fields(answer).get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise self._wrong(what, "a version", answer)
        return Registered(subject, version, self._id(answer, what), self._schema(answer, what))

    def _list(self, answer: Any, kind: type[Any], what: str) -> list[Any]:
        if not isinstance(answer, list) or not all(isinstance(each, kind) for each in answer):
            raise self._wrong(what, "a list", answer)
        return answer


def _body(schema: str) -> dict[str, str]:
    """Give what is sent of a *schema*: a type that nobody names is Avro."""
    return {"schema": schema, "schemaType": PROTOBUF} if is_proto(schema) else {"schema": schema}


def _hint(url: str) -> str:
    """Say what a URL may lack at which there is no registry."""
    return "" if url.endswith(APICURIO) else f"; Apicurio's URLs end in {APICURIO}"


def parsed_schema(text: str) -> Any:
    """Parse the *text* of an Avro schema; ValueError where it is none."""
    import fastavro

    try:
        return fastavro.parse_schema(json.loads(text))
    except Exception as error:  # fastavro says what is wrong by any exception at all
        raise ValueError(str(error) or type(error).__name__) from error


def _see_id(number: int, where: str) -> None:
    if not 0 <= number <= SCHEMA_ID_MAX:
        must = f"ids must be 0 to {SCHEMA_ID_MAX} (readers take 4 bytes, signed)"
        raise RegistryError(f"registry {where}: {must}, got {number}")


def _part(subject: str) -> str:
    return quote(subject, safe="")


def _config(subject: str | None) -> tuple[str, str]:
    return ("/config", "config") if subject is None else (f"/config/{_part(subject)}", f"config of {subject!r}")


def _fields(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}


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

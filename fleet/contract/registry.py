"""A client of schema registries that speak Confluent's API: Karapace, Apicurio (under ``/apis/ccompat/v7``), their own.

Thin: a method a request. What was answered once is not asked again where it cannot change: the schema of an id, the
id of a schema under a subject.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote

from fleet.contract.access import Access
from fleet.contract.asking import NOT_FOUND, TRY_TIMEOUT_S, Asking, RegistryError, RegistryRefusedError
from fleet.contract.texts import parsed_schema
from fleet.data import SCHEMA_ID_MAX
from fleet.errors import RequestError
from fleet.scenario.proto import is_proto

CACHED_MAX = 10_000

AVRO, PROTOBUF = "AVRO", "PROTOBUF"  # types of schemas, as registries name them

NO_LEVEL = "NONE"
LEVELS = (
    NO_LEVEL, "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE",
)  # fmt: skip


T = TypeVar("T")


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


@dataclass(slots=True)
class Registry:
    """A client for one run or command; close it, or use it as a context. *sleep* waits between rounds."""

    access: Access
    try_timeout_s: float = TRY_TIMEOUT_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _asking: Asking = field(init=False)
    _known: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._asking = Asking(self.access, self.try_timeout_s, self.sleep)

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
        await self._asking.close()

    # ------------------------------------------------------------ schemas

    async def register(self, subject: str, schema: str) -> int:
        """Give the id of *schema* under *subject*, registering it where it is new; once for each of them.

        RegistryRefusedError, with status 409, where it is not compatible with those before it.
        """

        async def ask() -> int:
            path = f"/subjects/{_part(subject)}/versions"
            answer = await self._asking.ask("POST", path, _body(schema), what=f"subject {subject!r}")
            return self._id(answer, f"subject {subject!r}")

        return await self._once(("register", subject, schema), ask)

    async def by_id(self, number: int) -> str:
        """Give the text of the schema, Avro's or Protobuf's, that has the id *number*."""
        _see_id(number, self.access.text)

        async def ask() -> str:
            what = f"id {number}"
            text = self._schema(await self._asking.ask("GET", f"/schemas/ids/{number}", what=what), what)
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
        answer = await self._asking.ask("GET", "/subjects", what="subjects")
        return sorted(self._list(answer, str, "subjects"))

    async def versions(self, subject: str) -> list[int]:
        """Give the numbers of the versions of *subject*, the oldest first."""
        what = f"subject {subject!r}"
        return sorted(
            self._list(await self._asking.ask("GET", f"/subjects/{_part(subject)}/versions", what=what), int, what)
        )

    async def version(self, subject: str, version: int | None = None) -> Registered:
        """Give a *version* of *subject*, the latest where none is named."""
        of = "latest" if version is None else str(version)
        what = f"subject {subject!r}, version {of}"
        return self._registered(
            await self._asking.ask("GET", f"/subjects/{_part(subject)}/versions/{of}", what=what), subject, what
        )

    async def find(self, subject: str, schema: str) -> Registered | None:
        """Give *schema* as it stands under *subject*; None where it does not."""
        what = f"subject {subject!r}"
        try:
            answer = await self._asking.ask("POST", f"/subjects/{_part(subject)}", _body(schema), what=what)
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
            answer = _fields(await self._asking.ask("POST", path, _body(schema), what=what))
        except RegistryRefusedError as refused:
            if refused.status == NOT_FOUND and version is None:
                return Judged(compatible=True, messages=())
            raise
        verdict = answer.get("is_compatible")
        if not isinstance(verdict, bool):
            raise self._wrong(what, "is_compatible, true or false", answer)
        messages = answer.get("messages")
        said = messages if isinstance(messages, list) else []
        return Judged(verdict, tuple(self._asking.shown(str(message)) for message in said))

    async def level(self, subject: str | None = None) -> str | None:
        """Give the compatibility level of *subject*, or that of the registry; None where the subject has none."""
        path, what = _config(subject)
        try:
            answer = _fields(await self._asking.ask("GET", path, what=what))
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
        await self._asking.ask("PUT", path, {"compatibility": level}, what=what)

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

    # ------------------------------------------------------------ answers

    def _wrong(self, what: str, wanted: str, answer: Any) -> RegistryError:
        got = self._asking.shown(json.dumps(answer))
        return RegistryError(f"registry {self.access.text}: {what}: must answer with {wanted}, got {got}")

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

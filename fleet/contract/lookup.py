"""Schemas of ids that a run does not name: asked for at a registry, once each, and bounded whatever comes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import TypeVar

from fleet.contract.access import Access
from fleet.contract.asking import NOT_FOUND, RegistryError, RegistryGoneError, RegistryRefusedError
from fleet.contract.registry import Registry
from fleet.data import SCHEMA_ID_MAX

AGAIN_S = 60.0
"""A registry that is gone is not asked again before so long: each time takes its tries."""

UNKNOWN_MAX = 1000
"""After so many ids that it does not have it is asked no more: these are no ids, but bytes of something else."""

KNOWN_MAX = 1000
"""So many versions of a topic's schemas are asked for ahead."""

SAID_MAX = 10

T = TypeVar("T")


class Lookup:
    """Asks the registry at *access*, where there is one; *say* is told in a line each of what it cannot give.

    *ours* are the schemas by the ids that they have without a registry. A registry's ids may be the same numbers, so it
    is asked first, and ours stand in for what it does not give.
    """

    def __init__(
        self,
        access: Access | None,
        say: Callable[[str], object],
        *,
        ours: Mapping[int, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = None if access is None or not access.urls else Registry(access)
        self._ours = ours
        self._say = say
        self._clock = clock
        self._gone_until = clock()
        self._unknown: set[int] = set()
        self._said = 0

    async def __aenter__(self) -> Lookup:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close its connections."""
        if self._registry is not None:
            await self._registry.close()

    @property
    def asks(self) -> bool:
        """Whether there is anybody to ask."""
        return self._registry is not None

    def known(self, run: Mapping[int, str]) -> dict[int, str]:
        """Give the schemas that are known without asking, of which a *run* names some."""
        return dict(run) if self.asks else {**self._ours, **run}

    async def text(self, number: int) -> str | None:
        """Give the text of the schema with the id *number*; None where nobody gives it now.

        RegistryRefusedError where the registry does not let us in, which asking again does not change.
        """
        found = await self._asked(number)
        return self._ours.get(number) if found is None else found

    async def of_topics(self, topics: Iterable[str]) -> dict[int, str]:
        """Give the schemas of all subjects of *topics*, by id: for who must know them before the first record."""
        if self._registry is None:
            return {}
        begin = tuple(f"{topic}-" for topic in topics)  # TopicNameStrategy, TopicRecordNameStrategy
        found: dict[int, str] = {}
        try:
            for subject in await self._registry.subjects():
                if not subject.startswith(begin):
                    continue
                for version in await self._or_told(self._registry.versions(subject)) or ():
                    if len(found) < KNOWN_MAX:
                        number, text = await self._or_told(self._version(self._registry, subject, version)) or (0, "")
                        found |= {number: text} if text else {}
        except RegistryGoneError as gone:
            self._tell(f"{gone}; goes on with the schemas that are known")
        return found

    @staticmethod
    async def _version(registry: Registry, subject: str, version: int) -> tuple[int, str]:
        """Give id and text of a *version*; the id is asked as well, because only then the text is seen to be one."""
        number = (await registry.version(subject, version)).id
        return number, await registry.by_id(number)

    async def _asked(self, number: int) -> str | None:
        # Above the largest id there is nothing to ask for: the decoder says so.
        if self._registry is None or number > SCHEMA_ID_MAX or number in self._unknown:
            return None
        if len(self._unknown) >= UNKNOWN_MAX or self._clock() < self._gone_until:
            return None
        try:
            found = await self._or_told(self._registry.by_id(number))
        except RegistryGoneError as gone:
            self._gone_until = self._clock() + AGAIN_S
            self._tell(f"{gone}; goes on with the schemas that are known")
            return None
        if found is None:
            self._unknown.add(number)
        return found

    async def _or_told(self, asking: Awaitable[T]) -> T | None:
        """Give what the registry says; where it has no such thing, or none that we can use, tell that and give None."""
        try:
            return await asking
        except RegistryGoneError:
            raise
        except RegistryError as error:
            if isinstance(error, RegistryRefusedError) and error.status != NOT_FOUND:
                raise
            self._tell(str(error))
        return None

    def _tell(self, line: str) -> None:
        self._said += 1
        if self._said <= SAID_MAX:
            self._say(line if self._said < SAID_MAX else f"{line}; further ones are not told")

"""Schemas of ids that nobody here knows: asked for at a registry, once each, and bounded whatever comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from fleet.contract.access import Access
from fleet.contract.registry import (
    NOT_FOUND,
    Registry,
    RegistryError,
    RegistryGoneError,
    RegistryRefusedError,
)
from fleet.data import SCHEMA_ID_MAX

AGAIN_S = 60.0
"""A registry that is gone is not asked again before so long: each time takes its tries."""

UNKNOWN_MAX = 10_000
"""So many ids that it does not have are remembered; whoever writes more of them makes it be asked again."""

SAID_MAX = 10


class Lookup:
    """Asks the registry at *access*, where there is one; *say* is told in a line each of what it cannot give."""

    def __init__(
        self, access: Access | None, say: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = None if access is None or not access.urls else Registry(access)
        self._say = say
        self._clock = clock
        self._gone_until = clock()
        self._unknown: set[int] = set()
        self._said = 0

    @property
    def asks(self) -> bool:
        """Whether there is anybody to ask."""
        return self._registry is not None

    async def text(self, number: int) -> str | None:
        """Give the text of the schema with the id *number*; None where nobody gives it now.

        RegistryRefusedError where the registry does not let us in, which asking again does not change.
        """
        # Above the largest id there is nothing to ask for: the decoder says so.
        if self._registry is None or number in self._unknown or number > SCHEMA_ID_MAX:
            return None
        if self._clock() < self._gone_until:
            return None
        try:
            return await self._registry.by_id(number)
        except RegistryGoneError as gone:
            self._gone_until = self._clock() + AGAIN_S
            self._tell(f"{gone}; goes on with the schemas that are known")
        except RegistryRefusedError as refused:
            if refused.status != NOT_FOUND:
                raise
            self._forget(number, str(refused))
        except RegistryError as error:
            self._forget(number, str(error))
        return None

    async def close(self) -> None:
        """Close its connections."""
        if self._registry is not None:
            await self._registry.close()

    def _forget(self, number: int, why: str) -> None:
        if len(self._unknown) >= UNKNOWN_MAX:
            self._unknown.clear()
        self._unknown.add(number)
        self._tell(why)

    def _tell(self, line: str) -> None:
        self._said += 1
        if self._said <= SAID_MAX:
            self._say(line)

"""Decode framed readings, asking the registry once for each writer's schema."""

import httpx
from machine_sensor import MachineSensor, schema_id

WAIT_S = 10


class UnreadableError(Exception):
    """The record's fault: another try would end the same way."""


class RegistryError(Exception):
    """The registry did not answer as one: another try may go well."""


class Readings:
    """Values of a topic as version 3 of the schema has them."""

    def __init__(self, registry: str) -> None:
        self._http = httpx.AsyncClient(base_url=registry, timeout=WAIT_S)
        self._writers: dict[int, str | None] = {}  # None: the registry does not have it

    async def __aenter__(self) -> "Readings":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def decode(self, value: bytes | None) -> MachineSensor:
        """Return the reading of a framed *value*; raise UnreadableError, or RegistryError."""
        try:
            number = schema_id(value or b"")
            if number not in self._writers:
                self._writers[number] = await self._find(number)
            writer = self._writers[number]
            if writer is None:
                raise UnreadableError(f"the registry has no schema {number}")
            return MachineSensor.decode(value, writer)  # older versions too: what they do not know has its default
        except ValueError as error:
            raise UnreadableError(str(error)) from error

    async def _find(self, number: int) -> str | None:
        try:
            answer = await self._http.get(f"/schemas/ids/{number}")
            if answer.status_code == 404:
                return None
            return answer.raise_for_status().json()["schema"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise RegistryError(f"schema registry at {self._http.base_url.netloc.decode()}: {error!r}") from error

"""Decode framed readings, asking the registry once for each writer's schema."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import httpx

WAIT_S = 10
FRAME_BYTES = 5  # 0x00, then the schema's id, big-endian


class UnreadableError(Exception):
    """The record's fault: another try would end the same way."""


class RegistryError(Exception):
    """The registry did not answer as one: another try may go well."""


class Readings:
    """Values of a topic as version 3 of the schema has them."""

    def __init__(self, registry: str) -> None:
        self._http = httpx.AsyncClient(base_url=registry, timeout=WAIT_S)
        self._reader = _schema(Path(__file__).with_name("machine-sensor.v3.avsc").read_text())
        self._writers: dict[int, Any] = {}

    async def __aenter__(self) -> "Readings":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def decode(self, value: bytes | None) -> dict[str, Any]:
        """Return a framed *value* as version 3 has it; raise UnreadableError, or what hinders the registry."""
        if value is None or len(value) < FRAME_BYTES or value[0] != 0:
            raise UnreadableError("no frame of a schema registry")
        number = int.from_bytes(value[1:FRAME_BYTES], "big")
        if number not in self._writers:
            self._writers[number] = await self._find(number)
        writer = self._writers[number]
        if isinstance(writer, UnreadableError):
            raise writer
        body = BytesIO(value[FRAME_BYTES:])
        try:  # here fields are matched by name, floats widened, and defaults filled in
            reading = fastavro.schemaless_reader(body, writer, self._reader)
        except Exception as error:  # what broken bytes raise has nothing in common
            raise UnreadableError(f"schema {number}: {error or type(error).__name__}") from error
        if body.read(1):
            raise UnreadableError(f"schema {number}: more bytes than the record has")
        return reading

    async def _find(self, number: int) -> Any:
        try:
            answer = await self._http.get(f"/schemas/ids/{number}")
            if answer.status_code == 404:
                return UnreadableError(f"the registry has no schema {number}")
            text = answer.raise_for_status().json()["schema"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise RegistryError(f"schema registry at {self._http.base_url.netloc.decode()}: {error!r}") from error
        try:
            return _schema(text)
        except (ValueError, fastavro.schema.SchemaParseException) as error:  # another kind of schema than Avro
            return UnreadableError(f"schema {number}: {error}")


def _schema(text: str) -> Any:
    # With its logical types fastavro makes datetimes of instants, but not of an instant's default.
    return fastavro.parse_schema(json.loads(text, object_hook=_without_logical_type))


def _without_logical_type(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "logicalType"}

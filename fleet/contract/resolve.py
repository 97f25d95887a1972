"""Records of any writer, read by one schema: Avro's resolution, with field and reason where it fails."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

from fleet.contract.compatibility import RESOLVER, TWO_KINDS, Finding, failing_always, resolving, said_by
from fleet.contract.examples import all_made_up, plain
from fleet.contract.versions import Schema
from fleet.errors import RequestError
from fleet.scenario.proto import is_proto

KEPT_MAX = 1000
"""So many writers, and so many ways in which records fail, are remembered."""


class Unresolved(NamedTuple):
    """A record that the reader's schema cannot read, and why."""

    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        """Say it in one line, as ``fleet schema check`` does."""
        return "; ".join(map(str, self.findings))


DAMAGED = Unresolved((Finding("", "not one of the schema that it was written with", RESOLVER),))


class Reader:
    """Reads what was written with any schema by *schema*; instants are numbers, as everywhere here."""

    def __init__(self, schema: Schema) -> None:
        if schema.is_proto:
            raise RequestError(f"{schema.name}: must be an Avro schema to read by; Protobuf has no resolution")
        self.schema = schema
        self._ours = plain(schema.text)
        self._writers: dict[str, Any] = {}
        self._settled: dict[str, bool | Unresolved] = {}
        self._reasons: dict[tuple[str, str], Unresolved] = {}

    def read(self, writer: str, body: bytes) -> Any:
        """Give the fields of a record's *body*, written with the schema *writer*; Unresolved where it fails."""
        import fastavro

        if is_proto(writer):
            return Unresolved((TWO_KINDS,))
        try:
            return fastavro.schemaless_reader(BytesIO(body), self._writer(writer), self._ours)
        except Exception as error:  # noqa: BLE001 - fastavro says what is wrong by any exception at all
            return self._why(writer, body, said_by(error))

    def settled(self, writer: str) -> bool | Unresolved:
        """Say whether it reads every record of *writer*, or why it reads none; False where it depends on the record."""
        known = self._settled.get(writer)
        if known is None:
            never = [TWO_KINDS] if is_proto(writer) else failing_always(self.schema.text, writer)
            known = Unresolved(tuple(never)) if never else self._reads_all(writer)
            if len(self._settled) >= KEPT_MAX:
                self._settled.clear()
            self._settled[writer] = known
        return known

    def _reads_all(self, writer: str) -> bool:
        made = all_made_up(writer)
        return made.whole and not resolving(self.schema.text, writer, made.records)

    def _writer(self, text: str) -> Any:
        known = self._writers.get(text)
        if known is None:
            if len(self._writers) >= KEPT_MAX:
                self._writers.clear()
            known = self._writers[text] = plain(text)
        return known

    def _why(self, writer: str, body: bytes, said: str) -> Unresolved:
        """Look for the fields that fail: once for each thing that fastavro says of a writer's records."""
        import fastavro

        known = self._reasons.get((writer, said))
        if known is None:
            if len(self._reasons) >= KEPT_MAX:
                self._reasons.clear()
            try:
                record = fastavro.schemaless_reader(BytesIO(body), self._writer(writer), None)
            except Exception:  # noqa: BLE001 - as above; it is the body's fault, and others may fail with the same words
                return DAMAGED
            found = resolving(self.schema.text, writer, [record])
            known = Unresolved(tuple(found) or (Finding("", said, RESOLVER),))
            self._reasons[writer, said] = known
        return known

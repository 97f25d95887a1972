"""Records as a reader of one version sees them, whatever they were written with; what it cannot read is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from fleet.contract.compatibility import Finding
from fleet.contract.resolve import KEPT_MAX, Reader, Unresolved
from fleet.contract.versions import Shelf
from fleet.encode.decode import FRAME_BYTES, schema_id_of
from fleet.encode.schemas import schema_ids, schema_text
from fleet.verify.render import Tailed

JSON = "JSON, which no schema came with"
OTHERS = "others"
UNRESOLVED = "unresolved"


def shelf() -> Shelf:
    """Give the schemas that are published with fleet."""
    return Shelf({file: schema_text(file) for file in schema_ids()}, schema_ids())


class Written(NamedTuple):
    """Who wrote a record: the *id* in front of it, None where there is none, and the schema's name."""

    id: int | None
    name: str

    def __str__(self) -> str:
        if self.id is None:
            return self.name or "no schema"
        return f"id {self.id} ({self.name})" if self.name else f"id {self.id}"


class Resolving:
    """Resolves records to the reader's schema. *texts* are the writers' by id, and may become more meanwhile."""

    def __init__(self, reader: Reader, texts: Mapping[int, str]) -> None:
        self.reader = reader
        self.read: Counter[Written] = Counter()
        self.unread: Counter[tuple[Written, str]] = Counter()
        self._texts = texts
        self._written: dict[int, Written] = {}

    def resolve(self, record: Tailed) -> Tailed | None:
        """Give a *record* as the reader sees it, or why it does not; None where the same was given before."""
        number = schema_id_of(record.value)
        written = self._who(number)
        if record.fields is None:
            return self._unread(record, written, record.problem, record.what)
        if number is None:
            return self._unread(record, written, str(Finding("", JSON, "fleet")), UNRESOLVED)
        fields = self.reader.read(self._texts[number], record.value[FRAME_BYTES:])
        if isinstance(fields, Unresolved):
            return self._unread(record, written, fields.words, UNRESOLVED)
        self.read[written] += 1
        return record._replace(fields=fields, reading=None)

    def lines(self) -> list[str]:
        """Say how many records of each writer were read and how many were not, and why."""
        name, unread = self.reader.schema.name, self.unread.total()
        by = ", ".join(f"{count:,} of {who}" for who, count in self.read.items())
        said = [f"{name} read {self.read.total():,} of {self.read.total() + unread:,} records{f': {by}' if by else ''}"]
        return said + [f"{name} did not read {count:,} of {who}: {why}" for (who, why), count in self.unread.items()]

    def _unread(self, record: Tailed, written: Written, why: str, what: str) -> Tailed | None:
        kind = written, why
        if kind not in self.unread and len(self.unread) >= KEPT_MAX:
            kind = Written(None, OTHERS), "for reasons of their own"
        self.unread[kind] += 1
        if self.unread[kind] > 1:
            return None
        more = f"{self.reader.schema.name} does not read {written}: {why}; further ones are counted"
        return record._replace(fields=None, reading=None, problem=more, what=what)

    def _who(self, number: int | None) -> Written:
        if number is None:
            return Written(None, "")
        known = self._written.get(number)
        if known is None:
            if len(self._written) >= KEPT_MAX:
                self._written.clear()
            text = self._texts.get(number)
            known = Written(number, "" if text is None else shelf().name_of(text))
            if text is not None:
                self._written[number] = known
        return known

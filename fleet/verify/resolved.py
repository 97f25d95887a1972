"""Records as a reader of one version sees them, whatever they were written with; what it cannot read is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from fleet.contract.resolve import KEPT_MAX, Reader, Unresolved
from fleet.contract.versions import Shelf
from fleet.encode.decode import FRAME_BYTES, schema_id_of
from fleet.encode.schemas import schema_ids, schema_text
from fleet.verify.render import Tailed

JSON = "the record: JSON, which no schema came with"
OTHERS = "others"
UNRESOLVED = "unresolved"


@cache
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


class Tally:
    """How many records of whom a reader read, and how many it did not, and why; *texts* are the schemas by id."""

    def __init__(self, reader: Reader, texts: Mapping[int, str]) -> None:
        self.reader = reader
        self.read: Counter[Written] = Counter()
        self.unread: Counter[tuple[Written, str]] = Counter()
        self._texts = texts
        self._written: dict[int, Written] = {}

    def add_read(self, number: int, count: int = 1) -> None:
        """Count *count* records with the id *number* that were read."""
        self.read[self.who(number)] += count

    def add_unread(self, number: int | None, why: str, count: int = 1) -> bool:
        """Count *count* that were not; gives whether they are the first of their kind."""
        kind = self.who(number), why
        if kind not in self.unread and len(self.unread) >= KEPT_MAX:
            kind = Written(None, OTHERS), "for reasons of their own"
        self.unread[kind] += count
        return self.unread[kind] == count

    def who(self, number: int | None) -> Written:
        """Name the writer of records with the id *number*."""
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

    def lines(self) -> list[str]:
        """Say how many records of each writer were read and how many were not, and why."""
        name, unread = self.reader.schema.name, self.unread.total()
        by = ", ".join(f"{count:,} of {who}" for who, count in self.read.items())
        said = [f"{name} read {self.read.total():,} of {self.read.total() + unread:,} records{f': {by}' if by else ''}"]
        return said + [f"{name} did not read {count:,} of {who}: {why}" for (who, why), count in self.unread.items()]

    def as_json(self) -> dict[str, Any]:
        """Say it for machines."""
        unread = [{**who._asdict(), "records": count, "why": why} for (who, why), count in self.unread.items()]
        read = [{**who._asdict(), "records": count} for who, count in self.read.items()]
        return {"schema": self.reader.schema.name, "read": read, "unread": unread}


class Resolving:
    """Resolves records to the schema of a *tally*'s reader; *texts* are the writers' by id, and may become more."""

    def __init__(self, reader: Reader, texts: Mapping[int, str]) -> None:
        self.tally = Tally(reader, texts)
        self._texts = texts

    def resolve(self, record: Tailed) -> Tailed | None:
        """Give a *record* as the reader sees it, or why it does not; None where the same was given before."""
        number = schema_id_of(record.value)
        if record.fields is None:
            return self._unread(record, number, record.problem, record.what)
        if number is None:
            return self._unread(record, number, JSON, UNRESOLVED)
        fields = self.tally.reader.read(self._texts[number], record.value[FRAME_BYTES:])
        if isinstance(fields, Unresolved):
            return self._unread(record, number, fields.words, UNRESOLVED)
        self.tally.add_read(number)
        return record._replace(fields=fields, reading=None)

    def _unread(self, record: Tailed, number: int | None, why: str, what: str) -> Tailed | None:
        if not self.tally.add_unread(number, why):
            return None
        name, written = self.tally.reader.schema.name, self.tally.who(number)
        more = f"{name} does not read {written}: {why}; further ones are counted"
        return record._replace(fields=None, reading=None, problem=more, what=what)

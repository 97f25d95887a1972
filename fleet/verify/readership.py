"""What one version makes of a run's records: counted by the version they were written in, whole batches at once.

The proof of a log is about what was written; this is about who can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fleet.contract.access import Access
from fleet.contract.lookup import Lookup
from fleet.contract.resolve import Reader, Unresolved
from fleet.contract.versions import FAMILY, family_of
from fleet.data import Ints
from fleet.encode.columns import NULL, RecordColumns
from fleet.encode.decode import FRAME_BYTES
from fleet.encode.unpack import octets
from fleet.verify.log import LogChecker
from fleet.verify.resolved import JSON, Tally, shelf
from fleet.verify.runs import TopicRange

EMPTY = "the value is empty"
NOT_FRAMED = "neither a frame with an id nor JSON"
JSON_BEGINS = ord("{")
NOT_THERE = "nobody has a schema of this id"


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads: a version by its name, None for what was written; the registry that is asked for unknown ids."""

    schema: str | None = None
    registry: Access | None = None
    say: Callable[[str], object] = len  # told what the registry cannot give


PLAIN = Reading()


class Learning:
    """The *texts* of schemas by id: those of a *run*, and what *lookup* finds of other ids."""

    def __init__(self, run: Mapping[int, str], lookup: Lookup) -> None:
        self.texts = lookup.known(run)
        self._lookup = lookup

    async def learn(self, checker: LogChecker, records: RecordColumns) -> None:
        """Ask for the ids among *records* that nobody knows yet, and tell the *checker*."""
        if not self._lookup.asks:
            return
        for number in np.unique(records.schema_ids).tolist():
            text = None if number == NULL or number in self.texts else await self._lookup.text(number)
            if text is not None:
                self.texts[number] = text
                checker.learn(number, text)


class Readership:
    """Counts what the version *name* reads; *texts* are the schemas by id, and may become more meanwhile.

    A name that is a number alone is a version of `MachineSensor`. RequestError where there is no such version.
    """

    def __init__(self, name: str, texts: Mapping[int, str]) -> None:
        schema = shelf().version(name, FAMILY)
        self.tally = Tally(Reader(schema), texts)
        self._texts = texts
        self._family = schema.family or shelf().family_of(schema.text) or FAMILY
        self._others: dict[int, bool] = {}

    def is_about(self, topic: TopicRange) -> bool:
        """Say whether *topic* has records of the kind that the version is of."""
        return any(family_of("", (stream,)) == self._family for stream in topic.streams)

    def look(self, records: RecordColumns) -> None:
        """Count which of *records* are read and which are not."""
        for number, rows in _by_id(records.schema_ids):
            if number == NULL:
                self._count_unframed(records, rows)
            elif number not in self._texts:
                self.tally.add_unread(number, NOT_THERE, len(rows))
            elif not self._is_of_another_kind(number):
                self._count(number, records, rows)

    def _count(self, number: int, records: RecordColumns, rows: Ints) -> None:
        """Count the *rows* that were written with one schema: all at once where it settles it for all."""
        reader, text = self.tally.reader, self._texts[number]
        settled = reader.settled(text)
        if isinstance(settled, Unresolved):
            self.tally.add_unread(number, settled.words, len(rows))
        elif settled:
            self.tally.add_read(number, len(rows))
        else:
            for row in rows.tolist():
                fields = reader.read(text, (records.value(row) or b"")[FRAME_BYTES:])
                if isinstance(fields, Unresolved):
                    self.tally.add_unread(number, fields.words)
                else:
                    self.tally.add_read(number)

    def _count_unframed(self, records: RecordColumns, rows: Ints) -> None:
        rows, empty = rows[records.value_length[rows] > 0], int((records.value_length[rows] <= 0).sum())
        objects = int((octets(records.data)[records.value_at[rows]] == JSON_BEGINS).sum())
        for why, count in ((EMPTY, empty), (JSON, objects), (NOT_FRAMED, len(rows) - objects)):
            if count:
                self.tally.add_unread(None, why, count)

    def _is_of_another_kind(self, number: int) -> bool:
        """Say whether the id is that of another stream's records, which stand in the topic as well."""
        known = self._others.get(number)
        if known is None:
            family = shelf().family_of(self._texts[number])
            known = self._others[number] = family not in {"", self._family}
        return known


def _by_id(numbers: Ints) -> Iterator[tuple[int, Ints]]:
    """Give every id of *numbers*, and the rows that have it."""
    for number in np.unique(numbers).tolist():
        yield number, np.flatnonzero(numbers == number)

"""Schemas by name: those that are published with fleet, and files of a user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from fleet.contract.texts import content, record_name, see_schema
from fleet.errors import RequestError
from fleet.scenario.proto import is_proto, read_proto
from fleet.scenario.texts import read_text

PUBLISHED = re.compile(r"(.+)\.(v(\d+)(-\w+)?)\.(?:avsc|proto)")
AVSC, PROTO = ".avsc", ".proto"  # what files of schemas end in; without an end of its own a name is Avro's
SHORT = re.compile(r"v?(\d+(?:-\w+)?)")
TOPICS = {
    "machine-sensor": "factory.readings",
    "machine-event": "factory.events",
    "fault-label": "factory.labels",
    "run-record": "factory.runs",
}
"""The topic that has the records of a schema where nothing else is said."""

FAMILY = "machine-sensor"
SCHEMA_BYTES_MAX = 1 << 20


class Schema(NamedTuple):
    """A schema: *family* is what its versions have in common, *number* their order; 0 for a file of a user's own."""

    name: str  # as in machine-sensor.v2 or machine-sensor.v2.proto, or the file's
    family: str
    number: int
    branch: str  # as in -rename: beside the line of versions
    text: str
    id: int | None = None

    @property
    def is_proto(self) -> bool:
        """Whether it is Protobuf's, else it is Avro's."""
        return is_proto(self.text)

    @property
    def said(self) -> dict[str, Any]:
        """Give what the text of an Avro schema says; it was seen to be one."""
        found: Any = json.loads(self.text)
        return found if isinstance(found, dict) else {"type": found}

    @property
    def record(self) -> str:
        """Give the full name of the type."""
        return record_name(self.text)

    @property
    def fields(self) -> list[str]:
        """Give the names of the record's fields."""
        if self.is_proto:
            return [field.name for field in read_proto(self.text).fields]
        return [field["name"] for field in self.said.get("fields", ())]


class Shelf:
    """All *published* texts by file, with the ids they have where there is no registry."""

    def __init__(self, published: Mapping[str, str], ids: Mapping[str, int]) -> None:
        found = []
        for file, text in published.items():
            parts = PUBLISHED.fullmatch(file)
            assert parts is not None, "published files are named as their neighbours"
            name = file.removesuffix(AVSC)
            found.append(Schema(name, parts[1], int(parts[3]), parts[4] or "", text, ids.get(file)))
        self.all = sorted(found, key=lambda each: (each.family, each.number, each.branch))

    def named(self, name: str) -> Schema:
        """Give the schema *name*: one of ours (the latest version where it says none), its id, its record, or a file.

        RequestError where there is none.
        """
        asked = name.removesuffix(AVSC)
        for each in self.all:
            if asked == each.name or name == str(each.id):
                return each
        of = asked.removesuffix(PROTO)
        line = self.line(self._families.get(of, of), proto=asked.endswith(PROTO))
        if line:
            return line[-1]
        if Path(name).suffix in {AVSC, PROTO}:
            return self._file(Path(name))
        names = [each.name for each in self.all]
        close = get_close_matches(asked, [*names, *self._families], n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise RequestError(
            f"no schema {name!r}: must be {', '.join(names)}, an id of them, or a file .avsc or .proto{meant}"
        )

    @property
    def _families(self) -> dict[str, str]:
        """The families by the name of their record, as in ``MachineSensor``."""
        return {each.record.rpartition(".")[2]: each.family for each in self.all}

    def version(self, name: str, family: str) -> Schema:
        """Give the schema *name* as `named` does, or by version in a *family*: ``2``, ``v2``, ``3-rename``.

        RequestError where there is none.
        """
        short = SHORT.fullmatch(name)
        if short is None:
            return self.named(name)
        of = [each for each in self.all if each.family == family]
        for each in of:
            if each.name == f"{family}.v{short[1]}":
                return each
        raise RequestError(f"no version {name!r} of {family}: must be {', '.join(each.name for each in of)}")

    def name_of(self, text: str) -> str:
        """Give the name of the schema with this *text*; of one that is none of ours, its record's."""
        for each in self.all:
            if content(each.text) == content(text):
                return each.name
        return Schema("", "", 0, "", text).record

    def family_of(self, text: str) -> str:
        """Give the family that has the record of the schema *text*; empty where none has."""
        record = record_name(text)
        return next((each.family for each in self.all if each.record == record), "")

    def line(self, family: str, *, proto: bool = False) -> list[Schema]:
        """Give the versions of a *family* that follow one another, the oldest first; branches are not among them."""
        return [each for each in self.all if each.family == family and not each.branch and each.is_proto == proto]

    def before(self, schema: Schema) -> list[Schema]:
        """Give the versions that *schema* comes after, the latest first: of its family, or that have its record."""
        family = schema.family or self.family_of(schema.text)
        number = schema.number or len(self.all) + 1
        return [each for each in reversed(self.line(family, proto=schema.is_proto)) if each.number < number]

    def _file(self, path: Path) -> Schema:
        text = read_text(path, bytes_max=SCHEMA_BYTES_MAX)
        try:
            see_schema(text, proto=path.suffix == PROTO)
        except ValueError as error:
            kind = "a Protobuf schema" if path.suffix == PROTO else "an Avro schema"
            raise RequestError(f"{path}: must be {kind}: {' '.join(str(error).split())}") from error
        return Schema(str(path), "", 0, "", text)


def family_of(topic: str, streams: Sequence[str] = ()) -> str:
    """Give the family of the records of a *topic*, or of one that has these *streams*; readings where nothing tells."""
    by_stream = {name.rpartition(".")[2]: family for family, name in TOPICS.items()}
    return next((by_stream[each] for each in (*streams, topic.rpartition(".")[2]) if each in by_stream), FAMILY)


def topic_of(schema: Schema, shelf: Shelf) -> str | None:
    """Give the topic that has records of *schema*; None where it is none of ours."""
    found: Sequence[Schema] = [schema, *shelf.before(schema)]
    return next((TOPICS[each.family] for each in found if each.family in TOPICS), None)

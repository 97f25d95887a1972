"""Read Avro object containers back; the file sink writes them, this is where Avro is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import fastavro

from fleet.encode.decode import UndecodableError
from fleet.encode.layouts import LABEL_INSTANTS, TELLING_LABELS
from fleet.errors import RequestError

EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)


def read_container(path: Path, *, as_written: bool = False) -> Iterator[dict[str, Any]]:
    """Read the records of the container at *path*; instants are microseconds since 1970.

    *as_written* they are as the Avro library gives them: of layouts of a user's own `reading_of` knows which they are.
    RequestError where it cannot be read, UndecodableError where it is no container or is torn.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RequestError(f"file: cannot read {str(path)!r}: {(error.strerror or '').lower()}") from error
    with file:
        try:
            for record in fastavro.reader(file):
                fields = cast("dict[str, Any]", record)
                yield fields if as_written else _plain(fields)
        except (ValueError, EOFError, IndexError, KeyError) as error:
            raise UndecodableError(f"file: {str(path)!r} is no whole Avro container: {error}") from error


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.keys() >= TELLING_LABELS:
        instants = {name: _microseconds(fields[name]) for name in LABEL_INSTANTS}
        knots = [{**knot, "time": _microseconds(knot["time"])} for knot in fields["severity"]]
        return {**fields, **instants, "severity": knots}
    if "timestamp" in fields:
        fields["timestamp"] = _microseconds(fields["timestamp"])
    return fields


def _microseconds(instant: Any) -> Any:
    return (instant - EPOCH) // MICROSECOND if isinstance(instant, datetime) else instant

"""The ids that registries gave the last time, kept for a run that finds no registry: one small file a user."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

FILE = Path("fleet", "schema-ids.json")
REGISTRIES_MAX = 20
"""Of so many registries the file remembers ids, the last ones used."""

Place = tuple[str, str]  # subject, text of the schema


def memory_file(environment: Mapping[str, str]) -> Path:
    """Give the file, where the desktop's rules want what programs remember: XDG_STATE_HOME."""
    said = environment.get("XDG_STATE_HOME", "")
    return (Path(said) if said else Path.home() / ".local" / "state") / FILE


def remember(file: Path, urls: tuple[str, ...], ids: Mapping[Place, int]) -> None:
    """Add *ids* to what is known of the registry at *urls*; where that cannot be written, nothing is remembered."""
    known = _read(file)
    name = ",".join(urls)
    entry = known.pop(name, {}) | {_key(place): number for place, number in ids.items()}
    known[name] = entry  # the last one used is the last one there
    for old in list(known)[:-REGISTRIES_MAX]:
        del known[old]
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as fresh:
            json.dump(known, fresh, indent=1)
        os.replace(fresh.name, file)  # noqa: PTH105 - whole or not at all, also where two runs end together


def recall(file: Path, urls: tuple[str, ...], places: list[Place]) -> dict[Place, int] | None:
    """Give the ids of *places* at *urls*, or where none are named at the registry used last; None if one is missing.

    Some ids of a registry and some of our own could be the same number for two schemas.
    """
    known = _read(file)
    name = ",".join(urls) or next(reversed(known), "")
    entry = known.get(name, {})
    found = {place: entry.get(_key(place)) for place in places}
    numbers = {place: number for place, number in found.items() if isinstance(number, int)}
    return numbers if len(numbers) == len(places) else None


def _key(place: Place) -> str:
    subject, text = place
    return f"{subject} {blake2b(text.encode(), digest_size=8).hexdigest()}"


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Read the file; what is not as we write it is as if it were not there."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: entry for name, entry in said.items() if isinstance(entry, dict)}

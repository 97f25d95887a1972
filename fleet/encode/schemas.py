"""Find the Avro schemas: in the tree's ``schemas/``, in an installed wheel ``fleet/schemas/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

SCHEMA_FOLDERS = (
    Path(__file__).parents[1] / "schemas",  # package data of the wheel
    Path(__file__).parents[2] / "schemas",  # the tree
)


@cache
def schema_folder() -> Path:
    """Give the folder the schemas are in."""
    for folder in SCHEMA_FOLDERS:
        if (folder / "ids.json").is_file():
            return folder
    raise AssertionError(f"no schemas in {' or '.join(map(str, SCHEMA_FOLDERS))}: the installation is broken")


@cache
def schema_text(name: str) -> str:
    """Give the text of the schema file *name*, as in ``machine-sensor.v2.avsc``."""
    return (schema_folder() / name).read_text(encoding="utf-8")


@cache
def schema_ids() -> Mapping[str, int]:
    """Give the ids that stand in front of records where no registry hands them out, by schema file."""
    return MappingProxyType(json.loads((schema_folder() / "ids.json").read_text(encoding="utf-8")))

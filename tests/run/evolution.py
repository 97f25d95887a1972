"""A scenario whose schema evolves: a canary line, all, a version that must be refused, one that nobody has seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.encode.schemas import schema_text

BROKEN, NEXT = "broken.avsc", "next.avsc"

SCENARIO = """\
fleet: 1
name: evolving
seed: 19
start: 2026-03-02T06:00:00Z
duration: 60 s
lines:
  - {name: filling, machines: [{kind: pump, count: 3}]}
  - {name: packing, machines: [{kind: conveyor, count: 2}]}
records:
  readings: {layout: v1}
evolution:
  - {at: 12 s, schema: 2, line: filling}
  - {at: 24 s, schema: 2}
  - {at: 30 s, schema: broken.avsc, refused: true, kind: pump}
  - {at: 36 s, schema: 3}
  - {at: 48 s, schema: next.avsc, fields: {machine_id: machine}}
"""


def evolving(folder: Path, text: str = SCENARIO) -> Path:
    """Write a scenario, by itself the one above, and the schemas that it names into *folder*."""
    (folder / NEXT).write_text(next_version())
    (folder / BROKEN).write_text(broken_version())
    file = folder / "evolving.yaml"
    file.write_text(text)
    return file


def next_version(*more: dict[str, Any]) -> str:
    """Give a version that is BACKWARD after version 3: with the line, and *more* fields."""
    schema = json.loads(schema_text("machine-sensor.v3.avsc"))
    schema["fields"] += [{"name": "line", "type": "string", "default": ""}, *more]
    return json.dumps(schema)


def broken_version() -> str:
    """Give a version that cannot read any before it: the value is a whole number."""
    schema = json.loads(schema_text("machine-sensor.v2.avsc"))
    schema["fields"][3]["type"] = "long"
    return json.dumps(schema)


def version_of(fields: Mapping[str, Any]) -> str:
    """Name the version by whose schema a record of these *fields* was written."""
    if "line" in fields:
        return NEXT
    return "v3" if "machine_id" in fields else "v2" if "seq" in fields else "v1"

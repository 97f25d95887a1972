"""The JSON Schema of scenario files, for editors, and the scenario that ``fleet init`` writes."""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import Any

from fleet.scenario.fields import DAYS
from fleet.scenario.model import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"

STARTER = """\
# A factory in five lines; every other key has a default. 'fleet check' names mistakes with their lines.
fleet: 1
name: my-factory
lines:
  - name: filling
    machines: [{kind: pump, count: 4}] # filling-pump-001 to -004; 'fleet kinds' lists the kinds

# What you may want next; take off the '# ' in front of a key.
# seed: 7                       # the same readings again each time
# start: 2026-03-02T06:00:00Z   # or now
# duration: 8h                  # absent: until interrupted
# shifts: {hours: [06:00-14:00, 14:00-22:00], days: [mon, tue, wed, thu, fri]}
# records:
#   readings: {topic: factory.readings, format: avro}
# topics:
#   default: {partitions: 12, replication: 1, retention: 1 GiB}
"""


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of the scenario format, made from the models and their docs."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation")
    schema["$defs"]["Shifts"]["properties"]["days"]["default"] = list(DAYS)
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            if field.get("default", "") is None:
                # An absent key and null are the same to us; an editor need not offer null.
                del field["default"]
            _without_null(field)
            if "default" in field:
                field["default"] = _given(field["default"])
            if field.get("type") == "string" and not isinstance(field.get("default", ""), str):
                del field["default"]  # a float in canonical units, which the file would have to write with one
            field.setdefault("title", name.capitalize())
    return {"$schema": DIALECT, **schema, "title": "Fleet scenario"}


def _given(default: Any) -> Any:
    """Leave out of a *default* what is absent in it."""
    if not isinstance(default, dict):
        return default
    return {name: _given(value) for name, value in default.items() if value not in (None, {})}


def _without_null(field: dict[str, Any]) -> None:
    some = [each for each in field.get("anyOf", []) if each.get("type") != "null"]
    if len(some) == 1:
        del field["anyOf"]
        field.update({**some[0], **field})
    elif some:
        field["anyOf"] = some


def schema_text() -> str:
    """Return the text of ``schemas/scenario.schema.json``."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(path: FilePath) -> None:
    """Write the JSON Schema to *path*."""
    path.write_text(schema_text(), encoding="utf-8")


def starter(*, schema: str = "") -> str:
    """Return a commented scenario of five lines; *schema* is where editors find the format's JSON Schema."""
    return f"# yaml-language-server: $schema={schema}\n{STARTER}" if schema else STARTER


if __name__ == "__main__":
    write_schema(FilePath("schemas", "scenario.schema.json"))

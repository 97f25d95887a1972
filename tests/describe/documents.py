"""Documents of scenarios, for the tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fleet.api import load
from fleet.describe.asyncapi import AsyncApiRequest, carry_out
from fleet.scenario.model import Scenario


@cache
def shipped(name: str) -> dict[str, Any]:
    """Give the document of a scenario that fleet ships, with its schemas in it."""
    return document(load(name), name)


def document(scenario: Scenario, source: str = "mine.yaml", **asked: Any) -> dict[str, Any]:
    """Give the document of *scenario*, read back from its YAML."""
    import yaml

    told = carry_out(AsyncApiRequest(scenario, source, **asked), {})
    found: dict[str, Any] = yaml.safe_load(told.text)
    return found


def avro_of(message: dict[str, Any]) -> str | None:
    """Give the text of a *message*'s Avro schema; None for one in JSON."""
    payload = message["payload"]
    return json.dumps(payload["schema"]) if "avro" in payload.get("schemaFormat", "") else None


def scenario_file(folder: Path, text: str) -> Path:
    """Write a scenario of one line, and what *text* adds."""
    file = folder / "mine.yaml"
    file.write_text(
        "fleet: 1\nname: mine\nseed: 4\nduration: 2 min\n"
        "lines:\n  - {name: a, machines: [{kind: pump, count: 2}]}\n  - {name: b, machines: [{kind: oven}]}\n" + text
    )
    return file

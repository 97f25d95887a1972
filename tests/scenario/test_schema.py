from __future__ import annotations

import json
import re
from pathlib import Path

from fleet.scenario.load import load
from fleet.scenario.schema import schema_text, starter

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "schemas" / "scenario.schema.json").read_text(encoding="utf-8")

    assert committed == schema_text(), "write it anew with: python -m fleet.scenario.schema"


def test_every_key_of_the_format_is_described() -> None:
    schema = json.loads(schema_text())

    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            assert field.get("description"), name


def test_shipped_scenarios_load_and_name_the_schema_in_their_first_line() -> None:
    for file in SCENARIOS:
        first = file.read_text(encoding="utf-8").splitlines()[0]

        assert first == "# yaml-language-server: $schema=../schemas/scenario.schema.json", file
        assert load(file).name == file.stem


def test_the_starter_is_a_scenario_of_five_lines(tmp_path: Path) -> None:
    file = tmp_path / "my-factory.yaml"
    file.write_text(starter())

    scenario = load(file)
    body = [line for line in starter().splitlines() if line and not line.startswith("#")]

    assert scenario.name == "my-factory"
    assert len(body) == 5


def test_what_the_starter_has_in_comments_is_right_too(tmp_path: Path) -> None:
    file = tmp_path / "my-factory.yaml"
    head, _, rest = starter(schema="../schemas/scenario.schema.json").partition("key.\n")
    file.write_text(f"{head}\n" + re.sub("^# ", "", rest, flags=re.MULTILINE))

    scenario = load(file)

    assert scenario.seed == 7
    assert scenario.duration == 8 * 3600
    assert head.startswith("# yaml-language-server: $schema=../schemas/scenario.schema.json\n")

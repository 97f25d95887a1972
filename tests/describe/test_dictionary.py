"""The data dictionary says what the model says, and what a run then writes."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from fleet.api import load
from fleet.data import SECOND_US
from fleet.describe.dictionary import COLUMNS, Row, rows
from fleet.describe.subject import described
from fleet.describe.tables import FORMATS
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.load import scenario_names
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from tests.cli.commands import fleet

SIMULATED_S = 60


def dictionary(name: str, *, machines: bool = False) -> list[Row]:
    return list(rows(described(load(name), name), machines=machines))


@pytest.mark.parametrize("name", scenario_names())
def test_the_groups_count_every_machine_once(name: str) -> None:
    plan = described(load(name), name)

    counts = {row.machine: row.count for row in rows(plan, machines=False)}

    assert sum(counts.values()) == len(plan.roster.machines)


def test_every_machine_has_its_sensors_by_its_id() -> None:
    plan = described(load("all-kinds"), "all-kinds")
    of_kind = {entry.kind.kind: set(entry.kind.sensors) or {"state"} for entry in plan.roster.entries}

    found: dict[str, set[str]] = {}
    for row in rows(plan, machines=True):
        found.setdefault(row.machine, set()).add(row.sensor)

    assert found == {machine.id: of_kind[machine.kind] for machine in plan.roster.machines}


def test_what_a_run_measures_is_as_the_dictionary_says() -> None:
    plan = described(load("all-kinds"), "all-kinds")
    said = {(row.machine, row.sensor): row for row in rows(plan, machines=True) if row.period_s is not None}
    seen: dict[tuple[str, str], int] = {}

    block = Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us).advance(
        plan.start_us + SIMULATED_S * SECOND_US
    )
    for columns in block.kinds:
        for place, index in enumerate(columns.sensors):
            sensor = columns.cohort.sensors[index]
            for number in np.unique(columns.machine):
                row = said[columns.cohort.machines[number].id, sensor.name]
                values = columns.value[columns.machine == number, place]
                assert row.units == sensor.units
                assert row.range_low is not None
                assert row.range_high is not None
                assert row.resolution is not None
                assert (row.range_low <= values).all()
                assert (values <= row.range_high).all()
                assert np.allclose(values / row.resolution, np.round(values / row.resolution), atol=1e-6)
                seen[row.machine, row.sensor] = seen.get((row.machine, row.sensor), 0) + len(values)

    for key, row in said.items():
        assert row.period_s is not None
        if row.deadband is None:
            assert abs(seen[key] - SIMULATED_S / row.period_s) <= 1


def test_what_every_sensor_of_ours_measures_is_said() -> None:
    silent = [
        f"{name}.{sensor}"
        for name in shipped_kinds()
        for sensor, model in kind_named(name, laws=LAW_INPUTS).sensors.items()
        if not model.about
    ]

    assert silent == []


@pytest.mark.parametrize("name", ["quickstart", "thingum"])
def test_the_three_formats_say_the_same(name: str) -> None:
    plan = described(load(name), name)
    texts = {form: "".join(write(plan, machines=False)) for form, write in FORMATS.items()}

    as_json = json.loads(texts["json"])
    as_csv = list(csv.DictReader(StringIO(texts["csv"])))
    table = [line for line in texts["markdown"].splitlines() if line.startswith("| `")]

    assert len(as_json) == len(as_csv) == len(table)
    assert tuple(as_csv[0]) == COLUMNS
    for one, other, line in zip(as_json, as_csv, table, strict=True):
        assert one["sensor"] == other["sensor"] == line.split("`")[1]
        assert one["units"] == other["units"] == line.split("|")[3].strip()
        assert one["range_high"] == (float(other["range_high"]) if other["range_high"] else None)


def test_the_table_of_the_docs_is_part_of_the_dictionary() -> None:
    plan = described(load("quickstart"), "quickstart")
    page = (Path(__file__).parents[2] / "docs" / "asyncapi.md").read_text()

    written = "".join(FORMATS["markdown"](plan, machines=False)).splitlines()
    shown = [line for line in page.splitlines() if line.startswith(("| `heater", "| `setpoint"))]

    assert len(shown) == 2
    assert set(shown) <= set(written)


def test_topic_and_record_are_those_that_a_run_writes() -> None:
    found = {(row.kind, row.topic, row.format, row.record) for row in dictionary("thingum")}

    assert found == {
        ("cnc-spindle", "machine_sensors", "avro", "machine-sensor.v1"),
        ("oven", "machine_sensors", "avro", "machine-sensor.v1"),
        ("pump", "machine_sensors", "avro", "machine-sensor.v1"),
        ("door", "door_sensors", "json", "doors v1"),
    }


def test_a_hundred_thousand_machines_are_three_patterns() -> None:
    patterns = {row.machine: row.count for row in dictionary("hundred-thousand")}

    assert patterns == {
        "line-{001..10000}-cnc-spindle-{001..005}": 50_000,
        "line-{001..10000}-oven-001": 10_000,
        "line-{001..10000}-pump-{001..004}": 40_000,
    }


def test_the_file_s_name_says_the_format(tmp_path: Path) -> None:
    ended = fleet("dictionary", "thingum", "--out", str(tmp_path / "new" / "thingum.csv"))

    assert ended.code == 0
    assert (tmp_path / "new" / "thingum.csv").read_text().startswith("machine,count,kind")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "xml"], "--format: must be markdown or csv or json, got 'xml'"),
        (["--out", "/dev/null/a.csv"], "--out /dev/null/a.csv: cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(arguments: list[str], said: str) -> None:
    ended = fleet("dictionary", "quickstart", *arguments)

    assert ended.code == 2
    assert ended.err.strip() == said

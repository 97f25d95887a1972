"""Runs in a layout of a user's own: proven while they go on, read back, from files, and looked at."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.process import EmbeddedBroker
from fleet.encode.avro import parsed
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.flat import flat_fields
from fleet.encode.layouts import OWN_SCHEMA_ID
from fleet.encode.own import own_layout
from fleet.errors import RequestError
from fleet.run.check import expanded
from fleet.run.clock import RealClock
from fleet.run.execute import Result, execute
from fleet.run.plan import RunRequest, make_plan
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from fleet.sinks.connection import Connection
from fleet.verify.along import ReadAlong
from fleet.verify.check import verify
from fleet.verify.entries import Entering
from fleet.verify.findings import Finding
from fleet.verify.runs import runs_of
from fleet.verify.tail import TailOptions, tail
from tests.encode import blocks
from tests.verify.logs import START_US, columns_of, logs_of

LENGTH_US = 20_000_000
TOPIC = "plant.measurements"
TOPICS = {TOPIC: 3, "factory.events": 3, "factory.runs": 1}
STAMP = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 1}
QUALITY = {"type": "enum", "name": "Q", "symbols": ["BAD", "GOOD", "UNCERTAIN"]}

WHOLE: list[dict[str, Any]] = [
    {"name": "device", "type": "string"},
    {"name": "sensor", "type": "string"},
    {"name": "timestamp", "type": STAMP},
    {"name": "site", "type": "string"},
    {"name": "val", "type": ["null", "float"]},
    {"name": "unit", "type": "string"},
    {"name": "seq", "type": "long"},
    {"name": "q", "type": QUALITY},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
]
MAPPED = '{device: machine, site: "=north", val: value, unit: units, q: quality}'
SHORT = [{"name": "device", "type": "string"}, {"name": "value", "type": "double"}]
KEYED = [{"name": "seq", "type": "long"}, {"name": "sensor", "type": "string"}]
PRICED = [{"name": "machine", "type": "string"}, {"name": "value", "type": DECIMAL}]
LAYOUTS = {
    "whole": (WHOLE, MAPPED),
    "flat": (WHOLE[:-1], MAPPED),
    "short": (SHORT, "{device: machine}"),
    "keyed": (KEYED, "{}"),
    "priced": (PRICED, "{}"),
}


def scenario_in(folder: Path, name: str = "whole", form: str = "avro") -> Scenario:
    fields, mapped = LAYOUTS[name]
    (folder / "my.avsc").write_text(json.dumps({"type": "record", "name": "M", "fields": fields}))
    (folder / "own.yaml").write_text(
        f"fleet: 1\nname: own\nlines: [{{name: a, machines: [{{kind: pump, count: 3}}]}}]\n"
        f"records:\n  readings: {{topic: {TOPIC}, format: {form}, schema: my.avsc, fields: {mapped}}}\n"
        "topics: {default: {partitions: 3}}\n"
    )
    return load(folder / "own.yaml")


async def run_to(scenario: Scenario, *targets: str, broker: EmbeddedBroker | None = None) -> Result:
    request = RunRequest(
        scenario=scenario, source="own.yaml", speed=math.inf, start_us=START_US, length_us=LENGTH_US, seed=7,
        **({"targets": targets} if targets else {}),  # type: ignore[arg-type]
    )  # fmt: skip
    clock = RealClock()
    plan = make_plan(request, wall_us=clock.wall_us())
    proof = None if broker is None else ReadAlong()
    return await execute(plan, clock=clock, broker=broker, proof=proof, watch=lambda _: None)


@pytest.mark.parametrize(
    ("name", "form"),
    [("whole", "avro"), ("flat", "avro"), ("short", "json"), ("keyed", "avro"), ("keyed", "json"), ("priced", "avro")],
)
async def test_a_run_in_a_layout_of_ones_own_is_proven_along_and_equals_its_scenario(
    name: str, form: str, tmp_path: Path
) -> None:
    scenario = scenario_in(tmp_path, name, form)

    with EmbeddedBroker() as broker:
        result = await run_to(scenario, broker=broker)
        assert broker.bootstrap is not None
        back = await verify(Connection(broker.bootstrap), scenario=scenario)

    assert result.verdict is not None
    assert result.verdict.proven, result.verdict.lines()
    assert back.proven, back.lines()
    assert (back.digests, back.scenario) == ("equal", "equal")
    assert back.streams["readings"].records == result.progress.readings > 100
    assert back.streams["readings"].numbered is any(field["name"] == "seq" for field in LAYOUTS[name][0])


async def test_what_is_written_record_by_record_is_said_once(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        result = await run_to(scenario_in(tmp_path, "priced"), broker=broker)

    assert result.progress.notices == [
        "records.readings: schema my.avsc has field 'value' of type bytes (decimal): written record by record, slower"
    ]


def test_a_flat_layout_with_a_whole_sensor_is_read_by_columns(tmp_path: Path) -> None:
    own = scenario_in(tmp_path, "flat").own
    assert own is not None
    layout = own_layout(own.file, own.text, own.sources)
    encoder = Encoder({"readings": StreamPlan(TOPIC, own=layout)}, {TOPIC: 1})
    work = blocks.block(blocks.columns(blocks.cohort("pump", 3, ("current", "vibration"))))
    log = logs_of(encoder.prepare(work).release(work.stop_us))[TOPIC, 0]  # type: ignore[arg-type]

    entering = Entering({OWN_SCHEMA_ID: flat_fields(parsed(own.text))}, stamped=True, owns=(layout,))
    entries, left = entering.of_columns(columns_of(log), 0)

    assert left.size == 0
    assert [len(part.place) for part in entries] == [len(log)]


@pytest.mark.parametrize("suffix", ["avro", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["whole", "short", "priced"])
async def test_a_file_in_a_layout_of_ones_own_is_proven(name: str, suffix: str, tmp_path: Path) -> None:
    scenario, path = scenario_in(tmp_path, name), tmp_path / f"out.{suffix}"
    await run_to(scenario, f"file:{path}")

    verdict = await verify(path, scenario=scenario)

    assert verdict.proven, verdict.lines()
    assert (verdict.digests, verdict.scenario) == ("equal", "equal")


async def test_a_value_that_was_changed_in_a_file_is_found(tmp_path: Path) -> None:
    scenario, path = scenario_in(tmp_path), tmp_path / "out.jsonl"
    await run_to(scenario, f"file:{path}")
    lines = path.read_text().splitlines()
    lines[5] = json.dumps({**json.loads(lines[5]), "val": -1.0})
    path.write_text("\n".join(lines) + "\n")

    verdict = await verify(path, scenario=scenario)

    assert set(verdict.counts) == {Finding.DIGEST, Finding.SCENARIO}


async def test_a_field_of_the_wrong_type_in_a_file_is_undecodable(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await run_to(scenario_in(tmp_path), f"file:{path}")
    lines = path.read_text().splitlines()
    lines[5] = json.dumps({**json.loads(lines[5]), "q": "PERFECT"})
    path.write_text("\n".join(lines) + "\n")

    verdict = await verify(path)

    assert verdict.counts[Finding.UNDECODABLE] == 1
    assert any("not a reading by my.avsc: q cannot be quality" in line for line in verdict.findings)


async def test_a_file_whose_records_say_no_machine_cannot_be_verified(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await run_to(scenario_in(tmp_path, "keyed"), f"file:{path}")

    with pytest.raises(RequestError, match=r"my\.avsc has no field for the machine"):
        await verify(path)


@pytest.mark.parametrize("form", ["avro", "json"])
async def test_tail_shows_the_fields_as_they_are_and_readings_as_ours(form: str, tmp_path: Path) -> None:
    lines: list[str] = []
    with EmbeddedBroker() as broker:
        connection = Connection(broker.start(TOPICS))
        await run_to(scenario_in(tmp_path, form=form), f"kafka://{connection.bootstrap}")
        wanted = {"machine": "a-pump-002", "sensor": "vib*", "since": "beginning", "count": 1}
        for shown in ("json", "text"):
            await tail(connection, TOPIC, options=TailOptions(form=shown, **wanted), write=lines.append)  # type: ignore[arg-type]
        run = (await runs_of(connection))[0]

    fields = json.loads(lines[0])
    assert list(fields) == [field["name"] for field in WHOLE]
    assert (fields["device"], fields["site"], fields["unit"], fields["tags"]) == ("a-pump-002", "north", "mm/s", [])
    assert lines[1].startswith("2026-03-02 05:59:59.986 ")  # as its clock says
    assert " a-pump-002 " in lines[1]
    assert run.first["schema_ids"]["my.avsc"] == OWN_SCHEMA_ID


def test_an_expanded_scenario_names_the_schema(tmp_path: Path) -> None:
    lines = expanded(scenario_in(tmp_path), "own.yaml")

    assert any(f"{TOPIC}: readings as avro by schema my.avsc" in line for line in lines)


def test_a_schema_that_is_wrong_in_depth_is_refused_before_anything_is_open(tmp_path: Path) -> None:
    scenario_in(tmp_path)
    wrong = json.dumps({"type": "record", "name": "M", "fields": [{"name": "a", "type": "long", "default": "x"}]})
    (tmp_path / "my.avsc").write_text(wrong)
    (tmp_path / "own.yaml").write_text((tmp_path / "own.yaml").read_text().replace(MAPPED, "{}"))
    scenario = load(tmp_path / "own.yaml")

    with pytest.raises(RequestError, match=r"my\.avsc: no valid Avro schema: Default value <x>"):
        make_plan(RunRequest(scenario=scenario, source="own.yaml", targets=("null:",)), wall_us=START_US)

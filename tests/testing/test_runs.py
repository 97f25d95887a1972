from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fleet
from fleet.errors import RequestError, ScenarioError
from fleet.testing.ran import Ran
from fleet.testing.runs import FleetRun

PUMP = "fleet: 1\nname: one\nlines: [{name: a, machines: [{kind: pump}]}]\n"
PLANT = {"fleet": 1, "name": "one", "lines": [{"name": "a", "machines": [{"kind": "pump"}]}]}


@pytest.fixture
def run_fleet() -> FleetRun:
    return FleetRun(ExitStack())


@pytest.fixture(scope="module")
def ran() -> Ran:
    return FleetRun(ExitStack())("quickstart", for_="2min", seed=7)


def test_the_records_are_those_that_the_simulation_computes(ran: Ran) -> None:
    scenario = fleet.load("quickstart", settings=["seed=7"])
    blocks = list(fleet.simulate(scenario, start_us=1_772_431_200_000_000, duration_s=120))

    values = np.sort(np.concatenate([columns.value.ravel() for block in blocks for columns in block.kinds]))
    assert np.array_equal(np.sort(ran.readings.value), values)
    assert len(ran.records) == len(values)
    assert len(ran.events) == sum(len(block.events) for block in blocks)


def test_the_columns_hold_what_the_records_say(ran: Ran) -> None:
    record = ran.records[4321]

    columns = ran.columns[record["sensor"]].of(record["machine"])
    row = int(np.flatnonzero(columns.seq == record["seq"])[0])

    assert columns.value[row] == record["value"]
    assert columns.quality[row] == record["quality"]
    assert columns.time[row] == np.datetime64(record["timestamp"], "us")
    assert sum(len(one.value) for one in ran.columns.values()) == len(ran.records)


def test_a_machine_numbers_its_readings_without_a_hole(ran: Ran) -> None:
    for machine in np.unique(ran.readings.machine).tolist():
        seq = ran.readings.of(machine).seq.tolist()

        assert all(later == sooner + 1 for sooner, later in pairwise(seq))


def test_the_report_has_the_account_and_how_to_do_it_again(ran: Ran) -> None:
    account = ran.report["targets"][0]["account"]["readings"]

    assert account["acknowledged"] == account["scheduled"] == len(ran.records)
    assert "--seed 7 --start 2026-03-02T06:00:00Z" in ran.report["again"]


def test_a_text_a_mapping_a_file_and_a_loaded_scenario_give_the_same(run_fleet: FleetRun, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PUMP)
    given = [PUMP, PLANT, tmp_path / "one.yaml", fleet.load(tmp_path / "one.yaml")]

    values = [run_fleet(one, for_="10s").readings.value for one in given]

    assert len(values[0]) > 50
    assert all(np.array_equal(value, values[0]) for value in values[1:])


def test_two_seeds_give_two_plants(run_fleet: FleetRun) -> None:
    one, other = (run_fleet(PUMP, for_="10s", seed=seed).readings for seed in (1, 2))

    assert not np.array_equal(one.value, other.value)


def test_json_is_decoded_to_the_same_values(run_fleet: FleetRun) -> None:
    avro, json = (run_fleet(PUMP, for_="10s", format=form).records for form in ("avro", "json"))

    assert avro == json


async def test_a_test_that_is_a_coroutine_may_run_one_as_well(run_fleet: FleetRun) -> None:
    loop = asyncio.get_running_loop()

    ran = run_fleet(PUMP, for_="10s")

    assert ran.records
    assert asyncio.get_running_loop() is loop


def test_a_broker_has_what_memory_has_and_goes_with_the_test() -> None:
    with ExitStack() as stack:
        ran = FleetRun(stack)(PUMP, for_="10s", broker=True)
        host, port = (ran.bootstrap or "").split(":")
        socket.create_connection((host, int(port)), timeout=5).close()

    assert ran.report["proof"]["proven"]
    assert ran.report["proof"]["streams"]["readings"]["records"] == len(ran.records)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5).close()


def test_labels_say_which_part_wears_on_which_machine(run_fleet: FleetRun) -> None:
    ran = run_fleet("quickstart", for_="30min", seed=7)

    opened = [label for label in ran.labels if label["phase"] == "OPEN"]
    assert opened
    assert {label["run"] for label in opened} == {ran.run_id}
    assert {label["machine"] for label in opened} <= set(ran.readings.machine.tolist())


def test_a_layout_without_numbers_is_read_by_the_stamps(run_fleet: FleetRun) -> None:
    ran = run_fleet("thingum", for_="10s", settings=["records.readings.layout=v1"])

    assert set(ran.readings.seq.tolist()) == {-1}
    assert ran.readings.time.min() >= np.datetime64("2026-03-02T06:00:00", "us")
    assert Counter(ran.readings.quality.tolist()) == {"GOOD": len(ran.records)}


def test_a_run_without_an_end_is_refused(run_fleet: FleetRun) -> None:
    with pytest.raises(RequestError, match=r"one: has no end of its own; say how long: fleet_run\(\.\.\., for_="):
        run_fleet(PUMP)


def test_a_mapping_that_is_no_yaml_is_refused(run_fleet: FleetRun) -> None:
    with pytest.raises(ScenarioError, match=r"scenario: must hold text, numbers, lists and mappings only: .*Path"):
        run_fleet({**PLANT, "about": Path("x")}, for_="10s")

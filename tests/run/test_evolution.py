"""Runs whose schema evolves: what they write and say, which sinks take it, and that they are proven."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from fleet.api import load
from fleet.contract.access import Access
from fleet.encode.decode import Decoder
from fleet.errors import RequestError
from fleet.run.check import expanded
from fleet.run.execute import Result
from fleet.scenario.load import with_arguments
from fleet.scenario.model import Scenario
from fleet.sinks.reader import read_lines
from fleet.verify.check import verify
from tests.run.evolution import BROKEN, NEXT, SCENARIO, evolving, version_of
from tests.run.runs import assert_balanced, carried_out, planned, read_back, runs_of
from tests.run.sinks import FakeClock, FakeSink, sinks
from tests.run.test_same import digests

REASON = "value: the writer writes double, which is no long to the reader"
OURS = SCENARIO.replace("  - {at: 48 s, schema: next.avsc, fields: {machine_id: machine}}\n", "")
"""Without the version of a file: by the ids alone everybody reads it."""


def ran(scenario: Scenario, **request: object) -> tuple[Result, FakeSink]:
    clock = FakeClock()
    sink = FakeSink(clock)
    with sinks(sink) as own:
        plan = planned(*own, of=scenario, length_s=None, **request)
        return carried_out(plan, clock), sink


def test_lines_change_one_after_the_other_and_each_step_is_told_and_journalled(tmp_path: Path) -> None:
    result, sink = ran(load(evolving(tmp_path, OURS)))

    versions: dict[bytes, list[str]] = {}
    for batch in sink.batches:
        for record in batch.records if batch.stream == "readings" else ():
            of = versions.setdefault(record.key or b"", [])
            of.append(f"v{(record.value or b'')[4]}")
    assert all(of == sorted(of) for of in versions.values())
    until_24_s = {key: of.count("v1") / len(of) for key, of in versions.items()}
    assert {key: round(share, 1) for key, share in until_24_s.items()} == {
        b"filling-pump-001": 0.2, b"filling-pump-002": 0.2, b"filling-pump-003": 0.2,
        b"packing-conveyor-001": 0.4, b"packing-conveyor-002": 0.4,
    }  # fmt: skip
    refused = f"{BROKEN} is refused by us (no registry was asked) for {REASON}"
    assert result.progress.notices == [
        f"evolution[2]: {refused}",
        "2026-03-02T06:00:12Z: 3 machines write v2 from now on",
        "2026-03-02T06:00:24Z: 5 machines write v2 from now on",
        f"2026-03-02T06:00:30Z: {refused}; 3 machines go on as before",
        "2026-03-02T06:00:36Z: 5 machines write v3 from now on",
    ]
    said = [json.loads(str(each["entry"])) for each in runs_of(sink.batches) if each["type"] == "JOURNAL"]
    assert [each["evolution"]["step"] for each in said] == [f"evolution-{n}" for n in (1, 2, 3, 4)]
    assert_balanced(result)


def test_a_registry_that_is_gone_is_not_said_to_be_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    result, _ = ran(load(evolving(tmp_path, OURS)), registry=Access((), optional=True))

    assert f"evolution[2]: {BROKEN} is refused by us (no registry answered) for {REASON}" in result.progress.notices


@pytest.mark.parametrize("speed", [6.0, 600.0])
def test_it_is_the_same_at_any_speed_and_proven(tmp_path: Path, speed: float) -> None:
    scenario = load(evolving(tmp_path, OURS))

    fast, _ = ran(scenario)
    paced, sink = ran(scenario, speed=speed)

    assert digests(paced) == digests(fast)
    verdict = read_back(sink.batches).verdict(scenario)
    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"
    assert verdict.streams["readings"].numbered


def test_a_run_that_is_stopped_before_numbers_begin_is_proven_as_one_without_them(tmp_path: Path) -> None:
    scenario = load(evolving(tmp_path, OURS))
    with sinks(sink := FakeSink(FakeClock())) as own:
        carried_out(planned(*own, of=scenario, length_s=18), sink.clock)

    verdict = read_back(sink.batches).verdict(scenario)

    assert verdict.proven, verdict.lines()
    assert not verdict.streams["readings"].numbered  # line packing has written none yet


FAULTS = """\
incidents:
  - {at: 9 s, machine: filling-pump-001, fault: out_of_order, portion: 30 %, back: 3 s, for: 40 s}
  - {at: 10 s, machine: filling-pump-002, fault: late, portion: 50 %, median: 2 s, for: 20 s}
  - {at: 8 s, machine: filling-pump-003, fault: loss, portion: 30 %, for: 40 s}
  - {at: 12 s, machine: packing-conveyor-001, fault: duplicate, portion: 40 %, for: 30 s}
  - {at: 20 s, gateway: packing, fault: outage, for: 10 s}
  - {at: 5 s, machine: filling-pump-002, sensor: current, fault: dropout, portion: 60 %, burst: 4 s, for: 30 s}
"""
BACK = "  - {at: 40 s, schema: 1, line: packing}\n  - {at: 50 s, schema: 2, machine: packing-conveyor-001}\n"


@pytest.mark.parametrize("more", ["", BACK], ids=["on", "and-back"])
@pytest.mark.parametrize("form", ["avro", "json"])
def test_what_the_network_does_across_the_steps_is_proven_by_its_labels(tmp_path: Path, form: str, more: str) -> None:
    scenario = load(evolving(tmp_path, OURS + more + FAULTS))

    result, sink = ran(scenario, format=form)
    slow, _ = ran(scenario, format=form, speed=30.0)

    assert digests(slow) == digests(result)
    verdict = read_back(sink.batches).verdict(scenario)
    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"
    found = verdict.streams["readings"]
    assert found.left_out
    assert found.doubled
    assert found.behind
    assert_balanced(result)


# ---------------------------------------------------------------- files


def test_lines_of_json_have_every_version_and_prove_the_run_that_wrote_them(tmp_path: Path) -> None:
    scenario, file = load(evolving(tmp_path)), tmp_path / "out.jsonl"
    carried_out(planned(f"file:{file}", of=scenario, length_s=None))

    proofs = [asyncio.run(verify(file)), asyncio.run(verify(file, scenario=scenario))]

    for verdict in proofs:
        assert verdict.proven, verdict.lines()
    assert proofs[1].scenario == "equal"
    found = Counter(version_of(json.loads(line)) for line in read_lines(file))
    assert set(found) == {"v1", "v2", "v3", NEXT}
    assert {json.loads(line)["machine_id"] for line in read_lines(file) if b'"line"' in line} == {
        "filling-pump-001", "filling-pump-002", "filling-pump-003", "packing-conveyor-001", "packing-conveyor-002",
    }  # fmt: skip


def test_a_version_that_differs_from_what_ran_is_found_by_the_scenario(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    carried_out(planned(f"file:{file}", of=load(evolving(tmp_path)), length_s=None))
    other = load(evolving(tmp_path, SCENARIO.replace("at: 36 s", "at: 37 s")))

    verdict = asyncio.run(verify(file, scenario=other))

    assert not verdict.proven
    assert verdict.scenario == "different"


@pytest.mark.parametrize("name", ["out.avro", "out.parquet"])
def test_a_file_of_one_schema_is_refused_with_the_sinks_that_take_several(tmp_path: Path, name: str) -> None:
    scenario = load(evolving(tmp_path))

    with pytest.raises(RequestError) as told:
        planned(f"file:{tmp_path / name}", of=scenario, length_s=None)

    assert f"{tmp_path}/evolving.yaml:12) changes it in mid-run; these take several: kafka://" in str(told.value)
    assert "file:PATH.jsonl" in str(told.value)


def test_the_twin_keeps_the_steps_but_for_what_is_refused(tmp_path: Path) -> None:
    scenario = load(evolving(tmp_path, OURS))

    result, _ = ran(scenario)
    twin, sink = ran(scenario.without_incidents())

    assert digests(twin)["readings"] == digests(result)["readings"]
    assert not any(batch.stream == "labels" for batch in sink.batches)
    assert not any(BROKEN in notice for notice in twin.progress.notices)


def test_a_run_that_is_made_shorter_keeps_the_steps_that_it_reaches(tmp_path: Path) -> None:
    scenario = load(evolving(tmp_path, OURS))

    result, sink = ran(with_arguments(scenario, duration="26 s"))

    readings = [record for batch in sink.batches if batch.stream == "readings" for record in batch.records]
    assert {(record.value or b"")[4] for record in readings} == {1, 2}
    assert result.progress.notices[1:] == [
        "2026-03-02T06:00:12Z: 3 machines write v2 from now on",
        "2026-03-02T06:00:24Z: 5 machines write v2 from now on",
    ]
    assert_balanced(result)


def test_check_says_what_every_step_is_for(tmp_path: Path) -> None:
    file = evolving(tmp_path)

    lines = expanded(load(file), str(file))

    assert "  schema    evolution-1: v2 for 3 machines, at 12s" in lines
    assert f"  schema    evolution-3: {BROKEN} must be refused to 3 machines, at 30s" in lines
    (topic,) = [line for line in lines if "factory.readings" in line]
    assert f"readings as avro v1, then v2, then v3, then schema {NEXT}," in topic


def test_a_million_times_faster_is_no_release_of_more_than_the_skew(tmp_path: Path) -> None:
    scenario = load(evolving(tmp_path, OURS))

    _, sink = ran(scenario, speed=math.inf, skew_s=5.0)

    latest: dict[int, int] = {}
    decoder, behind = Decoder(), 0
    for batch in sink.batches:
        for record in batch.records if batch.stream == "readings" else ():
            assert decoder.decode(record.value)["machine"] == (record.key or b"").decode()
            before = latest.get(batch.partition, 0)
            behind = max(behind, before - record.timestamp_ms)
            latest[batch.partition] = max(before, record.timestamp_ms)
    assert 0 < behind <= 5_000

"""What wrong clients do to records: each fault by its sign, counted by its label, and never in the healthy twin."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fleet.data import INJECTED, Record, RecordBatch
from fleet.encode.decode import Decoder, UndecodableError
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.injected import HEADER
from fleet.encode.labels import Labels
from fleet.encode.partition import partition_of
from fleet.errors import ScenarioError
from fleet.faults.producer import PRODUCER_FAULTS
from fleet.run.execute import Result, execute
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from fleet.sim.blocks import Simulation
from fleet.verify.check import verify
from tests.faults.plants import SECOND_US, START_US, expanded, twin
from tests.run.runs import assert_balanced, carried_out, planned
from tests.run.sinks import FakeClock

PUMP, CONVEYOR = "filling-pump-001", "filling-conveyor-001"
SET = {"oversized_record": ", rate: 30/min, size: 1 MiB", "unknown_schema_id": ", rate: 2/s, schema: 4711"}
LASTS_S, SECONDS = 20, 40
HEAD = """\
fleet: 1
name: wrong-clients
seed: 7
start: 2026-03-02T06:00:00Z
duration: 40 s
lines:
  - {name: filling, machines: [{kind: pump, count: 2}, {kind: conveyor}]}
incidents:
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wrong")


def scenario(folder: Path, *incidents: str) -> Scenario:
    file = folder / "wrong.yaml"
    file.write_text(HEAD + "".join(f"  - {{{incident}}}\n" for incident in incidents))
    return load(file)


def every_fault(folder: Path) -> Scenario:
    return scenario(folder, *(
        f"id: {fault.replace('_', '-')}, at: 10 s, machine: {PUMP}, fault: {fault}, for: {LASTS_S} s"
        + SET.get(fault, ", rate: 2/s") for fault in PRODUCER_FAULTS
    ))  # fmt: skip


def batches_of(result: Result) -> list[RecordBatch]:
    batches: list[RecordBatch] = result.targets[0].sink.batches  # type: ignore[attr-defined]
    return batches


def sent(result: Result) -> dict[str, list[tuple[int, Record]]]:
    """Give what was injected, with its partition, by the label's incident, in order of its stamp."""
    found = defaultdict(list)
    for batch in batches_of(result):
        if batch.stream == INJECTED:
            assert batch.topic == "factory.readings"
            for record in batch.records:
                found[dict(record.headers)[HEADER].decode().split("/")[0]].append((batch.partition, record))
    for records in found.values():
        records.sort(key=lambda each: each[1].timestamp_ms)
    return found


def own(result: Result) -> Counter[tuple[object, ...]]:
    return Counter(
        (batch.topic, batch.partition, *record)
        for batch in batches_of(result)
        if batch.stream not in {INJECTED, "runs", "labels"}
        for record in batch.records
    )


def labels_of(result: Result) -> dict[str, dict[str, object]]:
    labels, decoder = Labels(result.plan.run_id), Decoder()
    labels.extend(decoder.decode(r.value) for b in batches_of(result) if b.stream == "labels" for r in b.records)
    return {str(fields["incident"]): fields for fields in labels.joined()}


def size(value: bytes | None) -> int:
    return -1 if value is None else len(value)


class Signs:
    """What the records of one fault are like."""

    def __init__(self, records: Sequence[tuple[int, Record]]) -> None:
        self.keys = {record.key for _, record in records}
        self.values = [record.value for _, record in records]
        self.problems, self.machines = Counter[str](), set[str]()
        for value in self.values:
            try:
                fields = Decoder().decode(value)
                self.machines.add(fields["machine"])
                self.problems["a reading" if "sensor" in fields else "an event"] += 1
            except UndecodableError as error:
                self.problems[str(error)] += 1

    def all_say(self, text: str) -> bool:
        return bool(self.problems) and all(text in problem for problem in self.problems)


@cache
def ran(folder: Path, form: str, speed: float = math.inf) -> Result:
    return carried_out(planned(of=every_fault(folder), length_s=SECONDS, format=form, speed=speed))


@pytest.mark.parametrize("form", ["avro", "json"])
def test_each_fault_shows_by_its_sign(folder: Path, form: str) -> None:
    signs = {name.replace("-", "_"): Signs(records) for name, records in sent(ran(folder, form)).items()}

    assert signs.keys() == PRODUCER_FAULTS.keys()
    assert all(sign.keys == {PUMP.encode()} for name, sign in signs.items() if name not in {"hot_key", "null_key"})
    assert signs["hot_key"].keys == {b"hot-hot-key"}
    assert signs["hot_key"].machines == {"hot-hot-key"}
    assert signs["null_key"].keys == {None}
    assert signs["null_key"].all_say("a reading")
    assert set(signs["tombstone"].values) == {None}
    assert {size(value) for value in signs["oversized_record"].values} == {2**20}
    assert signs["broken_framing"].all_say("neither framed Avro or Protobuf (first byte 0x00) nor a JSON object")
    assert signs["unknown_schema_id"].all_say("no schema has the id 4711")
    assert signs["truncated_body"].all_say("not a record of" if form == "avro" else "not JSON")
    assert signs["wrong_schema"].all_say("an event")
    assert all(0 < size(value) < 200 for value in signs["truncated_body"].values)


@pytest.mark.parametrize("speed", [3.0, math.inf])
def test_so_many_are_sent_as_the_rate_says_at_their_instants_and_the_label_counts_them(
    folder: Path, speed: float
) -> None:
    result = ran(folder, "avro", speed)

    records, labels = sent(result), labels_of(result)
    for name, fields in labels.items():
        period_ms, count = (2000, 10) if name == "oversized-record" else (500, 40)
        stamps = [record.timestamp_ms for _, record in records[name]]
        assert stamps == [START_US // 1000 + 10_000 + k * period_ms for k in range(count)]
        assert (fields["injected"], fields["family"], fields["machine"]) == (count, "PRODUCER", PUMP)
        assert fields["stop"] == START_US + (10 + LASTS_S) * SECOND_US
    assert_balanced(result)
    account = result.targets[0].account.of(INJECTED)
    assert account.injected == account.acknowledged == sum(map(len, records.values())) == 290
    assert (account.scheduled, account.produced) == (0, 0)
    assert result.exit_code == 0


def test_what_is_injected_is_the_same_at_any_speed_and_the_twin_has_none_of_it(folder: Path) -> None:
    fast, slow = ran(folder, "avro"), ran(folder, "avro", 3.0)
    healthy = every_fault(folder).model_copy(update={"incidents": ()})
    well = carried_out(planned(of=healthy, length_s=SECONDS))

    def without_run(result: Result) -> list[object]:
        return [
            (name, partition, record.key, record.value, record.timestamp_ms)
            for name, records in sorted(sent(result).items())
            for partition, record in records
        ]

    assert without_run(fast) == without_run(slow)
    assert sent(well) == {}
    assert own(well) == own(fast) == own(slow)


def test_a_run_that_is_cut_short_counts_what_it_sent(folder: Path) -> None:
    result = carried_out(planned(of=every_fault(folder), length_s=15.2))

    counts = {name: len(records) for name, records in sent(result).items()}
    assert counts == {name: fields["injected"] for name, fields in labels_of(result).items()}
    assert counts["tombstone"] == 11  # at 10 s, 10.5 s ... 15 s
    assert_balanced(result)


def test_injections_are_the_same_wherever_blocks_are_cut(folder: Path) -> None:
    roster = expanded(every_fault(folder))

    def columns(*cuts_s: float) -> dict[str, list[np.ndarray]]:
        simulation = Simulation(roster, seed=7, start_us=START_US)
        found: dict[str, list[np.ndarray]] = defaultdict(list)
        for cut_s in (*cuts_s, SECONDS):
            for each in simulation.advance(START_US + round(cut_s * SECOND_US)).injected:
                found[each.label].append(np.stack([each.number, each.due_us, each.sensor, each.value, each.chance]))
        return {label: np.hstack(parts) for label, parts in found.items()}

    whole, cut = columns(), columns(3.3, 10.0, 10.000001, 12.5, 29.999, 30.0)

    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[label], cut[label]) for label in whole)
    assert Simulation(twin(roster), seed=7, start_us=START_US).advance(START_US + SECONDS * SECOND_US).injected == ()


def test_the_key_says_the_partition_and_without_one_they_take_turns(folder: Path) -> None:
    encoder = Encoder({"readings": StreamPlan("factory.readings")}, {"factory.readings": 12})
    block = Simulation(expanded(every_fault(folder)), seed=7, start_us=START_US).advance(START_US + 40 * SECOND_US)

    places = defaultdict(list)
    for batch in encoder.prepare(block).release(block.stop_us):
        for record in batch.records if batch.stream == INJECTED else ():
            places[record.key].append(batch.partition)

    assert sorted(places[None]) == sorted(k % 12 for k in range(40))
    assert set(places[PUMP.encode()]) == {partition_of(PUMP.encode(), 12)}
    assert set(places[b"hot-hot-key"]) == {partition_of(b"hot-hot-key", 12)}


def test_a_file_keeps_what_was_injected_beside_it_and_stays_whole(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.avro"
    plan = planned("memory:", f"file:{file}", of=every_fault(folder), length_s=SECONDS)

    result = carried_out(plan)

    lines = [json.loads(line) for line in (tmp_path / "out.avro.injected.jsonl").read_text().splitlines()]
    mine = Counter(
        (dict(record.headers)[HEADER].decode(), record.key, record.value)
        for records in sent(result).values()
        for _, record in records
    )
    assert mine == Counter(
        (
            line["label"],
            None if line["key"] is None else line["key"].encode(),
            None if line["value"] is None else base64.b64decode(line["value"]),
        )
        for line in lines
    )
    assert_balanced(result)


@pytest.mark.parametrize(
    ("change", "finding"),
    [(0, ""), (1, "more"), (-1, "fewer")],
)
async def test_verify_wants_exactly_what_labels_name_beside_a_file(
    folder: Path, tmp_path: Path, change: int, finding: str
) -> None:
    file = tmp_path / "out.jsonl"
    plan = planned(f"file:{file}", of=every_fault(folder), length_s=SECONDS)
    await execute(plan, clock=FakeClock(), broker=None, proof=None, watch=lambda _: None)
    beside = tmp_path / "out.jsonl.injected.jsonl"
    lines = beside.read_text().splitlines()
    beside.write_text("".join(f"{line}\n" for line in (lines[:-1] if change < 0 else lines + lines[:change])))

    verdict = await verify(file, scenario=every_fault(folder))

    assert verdict.proven is (change == 0), verdict.lines()
    assert sum(verdict.counts.values()) == abs(change)


@pytest.mark.parametrize("url", ["null:", "stdout:"])
def test_sinks_that_keep_no_records_count_them_and_show_none(
    folder: Path, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = carried_out(planned("memory:", url, of=every_fault(folder), length_s=SECONDS))

    assert_balanced(result)
    assert result.targets[1].account.of(INJECTED).injected == 290
    lines = capfd.readouterr().out.splitlines()
    assert all(json.loads(line)["machine"] in {PUMP, "filling-pump-002", CONVEYOR} for line in lines)


HELD = {"silence": "fault: silence, for: 15 s", "burst": "fault: burst, period: 5 s, for: 20 s"}


@pytest.mark.parametrize("fault", HELD)
def test_a_client_that_holds_its_records_back_loses_none_and_keeps_their_order(folder: Path, fault: str) -> None:
    held = scenario(folder, f"id: held, at: 10 s, line: filling, {HELD[fault]}")
    begin, lasts_us = START_US + 10 * SECOND_US, {"silence": 15, "burst": 20}[fault] * SECOND_US

    result = carried_out(planned(of=held, length_s=SECONDS))

    well = carried_out(planned(of=held.model_copy(update={"incidents": ()}), length_s=SECONDS))
    assert own(result) == own(well)
    logs = defaultdict(list)
    for batch in batches_of(result):
        for record in batch.records if batch.stream == "readings" else ():
            logs[record.key].append(Decoder().decode(record.value)["seq"])
    assert all(seq == list(range(len(seq))) for seq in logs.values())
    block = Simulation(expanded(held), seed=7, start_us=START_US).advance(START_US + SECONDS * SECOND_US)
    scan, due = (np.concatenate([getattr(c, name) for c in block.kinds]) for name in ("scan_us", "due_us"))
    inside = (scan >= begin) & (scan < begin + lasts_us)
    period_us = 5 * SECOND_US if fault == "burst" else lasts_us
    assert set((due[inside] - begin).tolist()) == set(range(period_us, lasts_us + 1, period_us))
    assert np.array_equal(due[~inside], scan[~inside])
    (label, *_) = labels_of(result).values()
    assert (label["family"], label["injected"], label["lost"], label["late"]) == ("PRODUCER", 0, [], [])


def test_a_producer_fault_that_has_no_sense_is_refused_with_its_line(folder: Path) -> None:
    with pytest.raises(ScenarioError, match=r"incidents\[0\].over: must be absent.*\n.*size: must be between"):
        scenario(folder, "at: 1 s, fault: hot_key, over: 2 s", "at: 1 s, fault: oversized_record, size: 1 TiB")

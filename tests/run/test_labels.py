"""Labels on their way from a block to a sink, and what the account says of the readings they speak of."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.data import RecordBatch
from fleet.encode.container import read_container
from fleet.encode.decode import Decoder
from fleet.encode.labels import EFFECTS, Labels
from fleet.errors import RequestError
from fleet.run.execute import Result
from tests.run.handmade import Fault, done_by_hand
from tests.run.runs import START_US, assert_balanced, carried_out, planned
from tests.run.sinks import FakeClock, FakeSink, sinks

PUMP = "filling-pump-001"
SECOND_US = 1_000_000
FAULTS = (
    Fault(PUMP, range(3, 6), lost=True),
    Fault(PUMP, range(8, 12), until_us=14 * SECOND_US, every_us=600_000),
    Fault("filling-pump-002", range(4, 9, 2), copy_after_us=1_500_000),
)
LASTING = (Fault(PUMP, range(10, 30), until_us=40 * SECOND_US), Fault("filling-pump-002", range(15, 25), lost=True))


def ran(
    faults: Sequence[Fault] = FAULTS,
    *urls: str,
    span_us: int = 7 * SECOND_US,
    sink: FakeSink | None = None,
    **request: object,
) -> tuple[Result, FakeSink]:
    clock = FakeClock() if sink is None else sink.clock
    sink = sink or FakeSink(clock)
    with sinks(sink) as own:
        plan = planned(*own, *urls, **request)
        with done_by_hand(plan, faults, span_us=span_us):
            return carried_out(plan, clock), sink


def labels_of(result: Result, batches: Sequence[RecordBatch]) -> dict[str, dict[str, object]]:
    labels, decoder = Labels(result.plan.run_id), Decoder()
    labels.extend(decoder.decode(r.value) for batch in batches if batch.stream == "labels" for r in batch.records)
    assert not labels.unfinished
    return {str(fields["id"]): fields for fields in labels.joined()}


def numbers(fields: dict[str, object], effect: str) -> set[int]:
    spans = fields[effect]
    assert isinstance(spans, list)
    return {span["first"] + k * span["step"] for span in spans for k in range(span["count"])}


def seqs(batches: Sequence[RecordBatch], machine: str) -> list[int]:
    decoder = Decoder()
    records = [r for batch in batches if batch.stream == "readings" for r in batch.records]
    return [decoder.decode(r.value)["seq"] for r in records if r.key == machine.encode()]


@pytest.mark.parametrize("speed", [3.0, math.inf])
def test_a_fault_has_its_label_open_at_onset_and_closed_at_its_end(speed: float) -> None:
    result, sink = ran(speed=speed)

    phases = [
        (fields["id"], fields["phase"], record.timestamp_ms * 1000, record.key.decode(), fields["machine"])
        for batch in sink.batches
        if batch.stream == "labels"
        for record in batch.records
        for fields in [Decoder().decode(record.value)]
    ]
    assert {phase[:2] for phase in phases} == {(f"f{at}", phase) for at in range(3) for phase in ("OPEN", "CLOSED")}
    assert all(key == machine for *_, key, machine in phases)
    for name, fields in labels_of(result, sink.batches).items():
        opened, closed = ([at for of, phase, at, *_ in phases if (of, phase) == (name, which)]
                          for which in ("OPEN", "CLOSED"))  # fmt: skip
        assert opened == [int(str(fields["onset"])) // 1000 * 1000]
        assert closed == [int(str(fields["stop"])) // 1000 * 1000]
        assert fields["run"] == result.plan.run_id


@pytest.mark.parametrize("speed", [3.0, math.inf])
def test_the_numbers_in_the_log_are_those_that_labels_leave_and_the_account_balances(speed: float) -> None:
    result, sink = ran(speed=speed)
    labels = labels_of(result, sink.batches)

    assert_balanced(result)
    log, doubled = seqs(sink.batches, PUMP), seqs(sink.batches, "filling-pump-002")
    assert set(range(max(log) + 1)) - set(log) == numbers(labels["f0"], "lost")
    late = {seq for at, seq in enumerate(log) if seq < max(log[: at + 1])}
    assert late == numbers(labels["f1"], "late") != set()
    assert {seq for seq in doubled if doubled.count(seq) == 2} == numbers(labels["f2"], "doubled") != set()
    account = result.targets[0].account.of("readings")
    assert account.by_label == account.withheld == len(numbers(labels["f0"], "lost"))
    assert account.injected == len(numbers(labels["f2"], "doubled"))
    assert account.holes == account.by_label
    assert account.produced + account.injected == sum(len(b) for b in sink.batches if b.stream == "readings")
    assert result.targets[0].account.of("labels").acknowledged == 6


@given(span_s=st.floats(0.5, 21), speed=st.sampled_from([3.0, math.inf]))
@hypothesis_settings(max_examples=8, deadline=None)
def test_labels_and_readings_are_the_same_wherever_blocks_are_cut(span_s: float, speed: float) -> None:
    result, sink = ran(span_us=round(span_s * SECOND_US), speed=speed)
    whole, whole_sink = ran(span_us=60 * SECOND_US)

    assert _digests(result) == _digests(whole)
    assert labels_of(result, sink.batches).keys() == labels_of(whole, whole_sink.batches).keys()
    assert result.targets[0].account.as_fields() == whole.targets[0].account.as_fields()


def test_the_end_of_a_run_closes_what_is_open_and_what_was_kept_back_is_lost() -> None:
    result, sink = ran(LASTING)
    labels = labels_of(result, sink.batches)

    assert_balanced(result)
    assert {str(fields["phase"]) for fields in labels.values()} == {"CLOSED"}
    assert labels["f0"]["stop"] == START_US + 20 * SECOND_US
    log = seqs(sink.batches, PUMP)
    assert numbers(labels["f0"], "lost") == set(range(max(log) + 1, max(log) + 1 + len(numbers(labels["f0"], "lost"))))
    assert len(numbers(labels["f0"], "lost")) > 0
    lost = sum(len(numbers(fields, "lost")) for fields in labels.values())
    assert result.targets[0].account.of("readings").by_label == lost


def test_an_interrupted_run_closes_labels_where_it_stopped() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, interrupts=(40,))

    result, _ = ran(LASTING, sink=sink, speed=3.0)

    labels = labels_of(result, sink.batches)
    assert result.interrupted
    assert result.progress.simulated_us < START_US + 20 * SECOND_US
    assert_balanced(result)
    assert {fields["stop"] for fields in labels.values()} <= {result.progress.simulated_us}


def test_labels_are_never_skipped() -> None:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=3.0, slow_sends=range(5, 12))

    result, _ = ran(sink=sink, speed=3.0, skip_when_late=True)

    account = result.targets[0].account
    assert account.of("readings").withheld > account.of("readings").by_label
    assert_balanced(result)
    assert labels_of(result, sink.batches).keys() == {"f0", "f1", "f2"}
    assert account.of("labels").withheld == 0


@pytest.mark.parametrize("url", ["null:", "stdout:"])
def test_a_sink_that_only_counts_is_told_the_same(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    result, _ = ran(FAULTS + LASTING, url)

    assert_balanced(result)
    mine, other = (target.account.as_fields() for target in result.targets)
    for name in ("scheduled", "withheld", "by_label", "produced", "injected", "acknowledged"):
        assert other["readings"][name] == mine["readings"][name]
    assert ("labels" in other) == (url == "null:")
    assert '"phase"' not in capfd.readouterr().out


@pytest.mark.parametrize("suffix", ["jsonl", "avro"])
def test_a_file_of_labels_has_them_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"labels.{suffix}"

    result, sink = ran(labels=f"file:{file}")

    if suffix == "avro":
        found = list(read_container(file))
    else:
        found = [Decoder().decode(line) for line in file.read_bytes().splitlines()]
    decoder = Decoder()
    sent = [decoder.decode(r.value) for b in sink.batches if b.stream == "labels" for r in b.records]
    assert found == sent
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert_balanced(result)


def test_labels_go_to_the_file_beside_the_readings(tmp_path: Path) -> None:
    file = tmp_path / "out.avro"

    ran(FAULTS, f"file:{file}")

    lines = (tmp_path / "out.avro.labels.jsonl").read_text().splitlines()
    assert [json.loads(line)["phase"] for line in lines].count("CLOSED") == 3
    assert json.loads(lines[0])["onset"].endswith("Z")
    assert all(json.loads(line)[effect] is not None for line in lines for effect in EFFECTS)


@pytest.mark.parametrize("url", ["kafka://localhost:9092", "stdout:", "labels.jsonl"])
def test_labels_alone_go_to_a_file_only(url: str) -> None:
    with pytest.raises(RequestError, match="file:"):
        planned(labels=url)


def test_two_writers_to_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="named twice"):
        planned(f"file:{tmp_path}/a.jsonl", labels=f"file:{tmp_path}/a.jsonl")


def test_labels_and_readings_must_not_share_a_topic() -> None:
    with pytest.raises(RequestError, match="must not be that of the readings as well"):
        planned("memory:", topic="factory.labels")


def test_the_topic_of_labels_keeps_everything() -> None:
    topic = next(topic for topic in planned("memory:").targets[0].topics if topic.name == "factory.labels")

    assert topic.configs["retention.bytes"] == "-1"


def _digests(result: Result) -> object:
    assert result.targets[0].encoder is not None
    return result.targets[0].encoder.digests

"""The truth as a stream: of every reading what the sensor would have had to say, proven like the readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleet.broker.process import EmbeddedBroker
from fleet.encode.decode import Decoder
from fleet.errors import RequestError
from fleet.run.clock import RealClock
from fleet.run.execute import Result, execute
from fleet.scenario.model import Scenario
from fleet.verify.along import ReadAlong
from fleet.verify.check import verify
from fleet.verify.findings import Finding
from tests.run.runs import assert_balanced, carried_out, planned, read_back, records_by_partition, scenario
from tests.run.sinks import FakeClock, FakeSink, sinks

LENGTH_S = 40
DEADBAND = "lines[0].machines[0].set.flow={deadband: 0.5, heartbeat: 20 s}"


@cache
def truthful(*more: str) -> Scenario:
    return scenario("quickstart", "records.truth={}", DEADBAND, *more)


def ran(of: Scenario, *, speed: float = math.inf, costs_s: float = 0.0) -> tuple[Result, FakeSink]:
    clock = FakeClock()
    sink = FakeSink(clock, costs_s=costs_s)
    with sinks(sink) as urls:
        return carried_out(planned(*urls, of=of, speed=speed, length_s=LENGTH_S), clock), sink


def fields_of(sink: FakeSink, stream: str) -> list[dict[str, Any]]:
    decoder = Decoder()
    records = [record for batch in sink.batches if batch.stream == stream for record in batch.records]
    rows = [decoder.decode(record.value) | {"stamp": record.timestamp_ms, "key": record.key} for record in records]
    return sorted(rows, key=lambda row: (row["machine"], row["seq"]))


def test_every_reading_has_its_truth_with_the_same_number_and_time() -> None:
    result, sink = ran(truthful())
    readings, truth = fields_of(sink, "readings"), fields_of(sink, "truth")

    assert_balanced(result)
    assert len(readings) == len(truth) > 1000
    for said, true in zip(readings, truth, strict=True):
        assert {**said, "value": 0, "quality": ""} == {**true, "value": 0, "quality": ""}
    assert {row["quality"] for row in truth} == {"GOOD"}


def test_truth_is_rounded_to_a_thousandth_of_the_sensors_step_and_near_the_reading() -> None:
    _, sink = ran(truthful())
    pairs = [
        (said["value"], true["value"])
        for said, true in zip(fields_of(sink, "readings"), fields_of(sink, "truth"), strict=True)
        if said["sensor"] == "discharge_pressure"
    ]

    said, true = np.array(pairs).T

    assert np.abs(true * 1e5 - np.rint(true * 1e5)).max() < 1e-6  # its step is 0.01 bar
    assert np.abs(said - true).max() < 0.05 * true.max()
    assert (said != true).mean() > 0.9


@given(speed=st.sampled_from([3.0, 60.0, 1000.0]), costs_s=st.sampled_from([0.0, 0.03, 1.0]))
@hypothesis_settings(max_examples=6)
def test_truth_is_the_same_at_any_speed_and_however_it_is_cut(speed: float, costs_s: float) -> None:
    paced, paced_sink = ran(truthful(), speed=speed, costs_s=costs_s)
    fast, fast_sink = ran(truthful())

    assert records_by_partition(paced_sink.batches) == records_by_partition(fast_sink.batches)
    for one, other in zip(_encoders(paced), _encoders(fast), strict=True):
        assert one.digests == other.digests


def test_readings_do_not_change_when_their_truth_is_written() -> None:
    _, with_truth = ran(truthful())
    _, without = ran(scenario("quickstart", DEADBAND))

    assert fields_of(with_truth, "readings") == fields_of(without, "readings")
    assert not fields_of(without, "truth")


@pytest.mark.parametrize("layout", ["v1", "v2", "v3"])
def test_truth_is_proven_like_readings_and_one_record_less_is_found(layout: str) -> None:
    of = truthful(f"records.truth.layout={layout}")
    result, sink = ran(of)
    past = read_back(sink.batches)

    verdict = past.verdict(of)

    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"
    assert verdict.streams["truth"].records == result.targets[0].account.of("truth").produced
    place = next(place for place in past.logs if place[0] == "factory.truth" and past.logs[place])
    del past.logs[place][3]
    assert str(Finding.LOST) in past.verdict(of).counts


@pytest.mark.parametrize("suffix", ["avro", "jsonl"])
async def test_files_have_the_truth_beside_the_readings(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    plan = planned(f"file:{path}", of=truthful(), length_s=LENGTH_S)

    await execute(plan, clock=RealClock(), broker=None, proof=None, watch=lambda _: None)

    verdict = await verify(path, scenario=truthful())
    assert verdict.proven, verdict.lines()
    assert verdict.scenario == "equal"
    assert verdict.streams["truth"].records == verdict.streams["readings"].records
    assert len(path.with_name(f"{path.name}.truth.jsonl").read_text().splitlines()) == verdict.streams["truth"].records


async def test_a_broker_gets_the_truth_in_packed_batches() -> None:
    plan, along = planned("embedded:", of=truthful(), length_s=LENGTH_S), ReadAlong()

    with EmbeddedBroker() as embedded:
        result = await execute(plan, clock=RealClock(), broker=embedded, proof=along, watch=lambda _: None)

    assert result.verdict is not None
    assert result.verdict.proven, result.verdict.lines()
    assert result.targets[0].account.of("truth").acknowledged > 1000


def test_standard_output_has_no_truth_and_its_topic_is_its_own() -> None:
    assert "truth" not in planned("stdout:", of=truthful()).targets[0].streams
    assert not planned("stdout:", of=truthful()).truth
    with pytest.raises(RequestError, match="must not be that of the readings as well"):
        planned("memory:", of=truthful(), topic="factory.truth")


def _encoders(result: Result) -> Sequence[Any]:
    return [target.encoder for target in result.targets]

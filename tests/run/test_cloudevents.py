"""Records as CloudEvents: valid for the reference library, the same each time, one id an event."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat

from fleet.data import Record
from fleet.encode.decode import Decoder
from fleet.errors import RequestError, ScenarioError
from fleet.scenario.load import load
from fleet.scenario.model import Scenario
from tests.run.runs import START_US, carried_out, planned
from tests.run.sinks import FakeClock, FakeSink, sinks

PLANT = """\
fleet: 1
name: gates
seed: 7
lines:
  - {name: filling, machines: [{kind: pump, count: 2}, {kind: conveyor}, {kind: door, count: 30}]}
records:
  headers: cloudevents
  readings: {format: FORMAT, layout: LAYOUT}
  events: {format: FORMAT}
  truth: {}
  doors: {}
incidents:
  - {at: 5s, gateway: filling, fault: duplicate, portion: 20 %, for: 10s}
  - {at: 2s, machine: filling-pump-001, fault: wrong_schema, rate: 2/s, for: 10s}
"""
MADE_BY_WRONG_CLIENTS = "injected"
"""They know nothing of events."""

REQUIRED = {"id", "source", "specversion", "type"}


class Bytes(JSONFormat):
    """Leaves data that is no JSON as it is."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:
        return super().read_data(body, datacontenttype) if datacontenttype == "application/json" else body


def plant(folder: Path, form: str = "avro", layout: str = "v2") -> Scenario:
    file = folder / f"gates-{form}-{layout}.yaml"
    file.write_text(PLANT.replace("FORMAT", form).replace("LAYOUT", layout))
    return load(str(file))


def ran(of: Scenario, **request: Any) -> dict[str, list[Record]]:
    """Run *of* for a minute; give the records by stream in the order in which they were sent."""
    clock = FakeClock()
    sink = FakeSink(clock)
    with sinks(sink) as urls:
        carried_out(planned(*urls, of=of, length_s=60, **request), clock)
    found: dict[str, list[Record]] = {}
    for batch in sink.batches:
        found.setdefault(batch.stream, []).extend(batch.records)
    return found


def event(record: Record) -> BaseCloudEvent:
    """Read *record* as the reference library does."""
    names = [name for name, _ in record.headers]
    assert len(names) == len(set(names))
    found = from_kafka(KafkaMessage(dict(record.headers), record.key, record.value or b""), Bytes())
    assert found.get_attributes().keys() >= REQUIRED
    return found


@pytest.mark.parametrize(("form", "layout"), [("avro", "v1"), ("avro", "v2"), ("json", "v3"), ("protobuf", "v3")])
def test_every_stream_is_read_by_the_reference_library(tmp_path: Path, form: str, layout: str) -> None:
    sent = ran(plant(tmp_path, form, layout))

    types = {"readings": "MachineSensor", "truth": "MachineSensor", "events": "MachineEvent", "doors": "Door",
             "labels": "FaultLabel", "runs": "RunRecord"}  # fmt: skip
    assert sent.keys() == {*types, MADE_BY_WRONG_CLIENTS}
    for stream, name in types.items():
        for record in sent[stream]:
            found = event(record)
            packed = "protobuf" if form == "protobuf" and stream in {"readings", "events"} else "avro"
            written = "json" if (record.value or b"").startswith(b"{") else packed
            assert found.get_type() == f"example.thingum.factory.{name}"
            assert found.get_datacontenttype() == f"application/{written}"
            assert found.get_data() == (json.loads(record.value or b"") if written == "json" else record.value)
            assert found.get_dataschema() is None


def test_a_reading_says_whose_it_is_and_when_it_was_made(tmp_path: Path) -> None:
    decoder = Decoder()

    for record in ran(plant(tmp_path))["readings"]:
        found, fields = event(record), decoder.decode(record.value, record.key)

        assert found.get_source() == f"/site/area/filling/{fields['machine']}"
        assert found.get_subject() == fields["sensor"]
        assert found.get_time() == datetime.fromtimestamp(fields["timestamp"] / 1e6, UTC)
        assert found.get_id().endswith(f"-{fields['seq']:015}")


def test_an_id_is_given_once_but_for_second_copies(tmp_path: Path) -> None:
    sent = ran(plant(tmp_path))

    named = {
        stream: Counter((event(record).get_source(), event(record).get_id()) for record in records)
        for stream, records in sent.items()
        if stream != MADE_BY_WRONG_CLIENTS
    }
    labels = [Decoder().decode(record.value, record.key) for record in sent["labels"]]
    doubled = sum(span["count"] for label in labels if label["phase"] == "CLOSED" for span in label["doubled"])
    assert doubled > 20
    assert sum(count - 1 for count in named["readings"].values()) == doubled
    assert max(named["readings"].values()) == 2
    for stream in ("events", "doors", "labels", "runs"):
        assert set(named[stream].values()) == {1}, stream
    everything: Counter[tuple[str, str]] = sum((Counter(set(ids)) for ids in named.values()), Counter())
    assert set(everything.values()) == {1}


def test_what_a_wrong_client_sends_is_no_event(tmp_path: Path) -> None:
    injected = ran(plant(tmp_path))[MADE_BY_WRONG_CLIENTS]

    assert injected
    assert not any(name.startswith("ce_") for record in injected for name, _ in record.headers)


def test_the_same_run_has_the_same_headers_and_another_start_or_seed_other_ids(tmp_path: Path) -> None:
    of = plant(tmp_path)

    def ids(**request: Any) -> set[tuple[str, str, str]]:
        sent = ran(of, **request)
        return {
            (stream, found.get_source(), found.get_id())
            for stream in ("readings", "truth", "events", "doors", "labels")
            for found in map(event, sent.get(stream, []))
        }

    first = ids()

    assert ids(speed=60.0) == first
    assert not ids(start_us=START_US + 1_000_000) & first
    assert not ids(seed=8) & first


def test_the_headers_of_a_healthy_twin_are_those_of_the_run(tmp_path: Path) -> None:
    of = plant(tmp_path)
    healthy = of.model_copy(update={"incidents": ()})

    ours, theirs = (
        {record.headers: record for record in ran(each)["readings"] if record.timestamp_ms < START_US // 1000 + 4000}
        for each in (of, healthy)
    )

    assert ours == theirs


def test_without_the_key_there_are_no_headers_and_an_option_has_them(tmp_path: Path) -> None:
    plain = plant(tmp_path).model_copy(
        update={"records": plant(tmp_path).records.model_copy(update={"headers": "none"})}
    )

    without, asked = ran(plain)["readings"], ran(plain, headers="cloudevents")["readings"]

    assert not any(record.headers for record in without)
    assert asked == ran(plant(tmp_path))["readings"]
    assert [record[:3] for record in asked] == [record[:3] for record in without]
    assert not any(record.headers for record in ran(plant(tmp_path), headers="none")["readings"])


def test_the_runs_id_stands_beside_them(tmp_path: Path) -> None:
    for record in ran(plant(tmp_path), run_header=True)["readings"]:
        assert record.headers[0][0] == "fleet-run"
        assert event(record).get_specversion() == "1.0"


def test_sinks_that_keep_no_headers_are_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no sink here keeps the headers of records, got --to null:"):
        planned("null:", headers="cloudevents")

    assert planned("null:", of=plant(tmp_path))  # a wish of the scenario is no order


def test_a_misspelt_key_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(PLANT.replace("headers: cloudevents", "headers: cloudevent"))

    with pytest.raises(ScenarioError, match=r"wrong.yaml:7: records.headers: .*did you mean 'cloudevents'"):
        load(str(file))

"""What every encoding must do: give back what went in, in the reference library's own bytes."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import Cohort, Equipment, Event, KindColumns, Knot, Label, Quality, Sensor, SeqSpan
from fleet.encode.decode import Decoder, microseconds, stream_of
from fleet.encode.formats import DOOR_FORMATS, EVENT_FORMATS, LABEL_FORMATS, READING_FORMATS, RUN_FORMATS
from fleet.encode.json import instant
from fleet.encode.labels import Labels, label_fields
from fleet.encode.layouts import LAYOUTS
from fleet.encode.schemas import schema_ids, schema_text

LONG = st.integers(-(1 << 63), (1 << 63) - 1)
TIMES = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)  # the years 1 to 9999
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCAN = st.tuples(
    TIMES, st.integers(0, 1 << 62), st.lists(st.tuples(NUMBERS, st.sampled_from(Quality)), min_size=3, max_size=3)
)
EVENTS = st.builds(
    Event,
    machine=st.builds(Equipment, id=TEXT, kind=TEXT, line=TEXT, area=TEXT, site=TEXT),
    seq=LONG,
    time_us=TIMES,
    type=TEXT,
    state=TEXT,
    cause=TEXT,
    parts=LONG,
    scrap=LONG,
    product=TEXT,
    lot=LONG,
)
SPANS = st.lists(st.builds(SeqSpan, st.integers(0, 1 << 62), st.integers(1, 1 << 40), st.integers(1, 99)), max_size=4)
LABELS = st.builds(
    Label,
    id=TEXT,
    machine=st.builds(Equipment, id=TEXT, kind=TEXT, line=TEXT, area=TEXT, site=TEXT),
    incident=TEXT,
    family=st.sampled_from(["machine", "sensor", "network", "producer"]),
    fault=TEXT,
    sensor=TEXT,
    time_us=TIMES,
    onset_us=TIMES,
    stop_us=st.none() | TIMES,
    failure_us=st.none() | TIMES,
    severity=st.lists(st.builds(Knot, TIMES, st.floats(0, 1)), max_size=3).map(tuple),
    lost=SPANS.map(tuple),
    doubled=SPANS.map(tuple),
    late=SPANS.map(tuple),
    reordered=SPANS.map(tuple),
    injected=st.integers(0, 1 << 62),
    parameters=st.dictionaries(TEXT, TEXT, max_size=3).map(lambda given: tuple(given.items())),
)
FULL_RUN: dict[str, Any] = {
    "run": "r-1",
    "type": "ENDED",
    "timestamp": 1_772_431_200_000_001,
    "shard": "3/16",
    "scenario": "bearing-wear",
    "scenario_digest": "c0ffee",
    "seed": -7,
    "start": 1_772_431_200_000_000,
    "fleet_version": "0.1.0",
    "numpy_version": "2.4.6",
    "schema_ids": {"machine-sensor.v2.avsc": 2},
    "topics": [
        {
            "topic": "factory.readings",
            "streams": ["readings"],
            "format": "avro",
            "layout": "v2",
            "partitions": 2,
            "start_offsets": [0, 5],
            "end_offsets": [7, 9],
            "digests": ["00000000000000ff", "ffffffffffffffff"],
            "settings": {"retention.ms": "-1"},
        }
    ],
    "account": {"readings": {"scheduled": 11, "failed": 0}},
    "simulated": 1_772_431_260_000_000,
    "entry": '{"what":"skip"}',
    "exit": 0,
}


def columns_of(name: str, scans: list[Any], sensors: list[str]) -> KindColumns:
    cohort = Cohort(
        "pump",
        (Equipment(name, "pump", "l", "a", "s"),),
        tuple(Sensor(sensor, "mm/s \N{DEGREE SIGN}", 1) for sensor in sensors),
        1_000_000,
        np.zeros(1, np.int64),
    )
    count = len(scans)
    times = np.array([scan[0] for scan in scans], np.int64)
    return KindColumns(
        cohort=cohort,
        sensors=(0, 1, 2),
        machine=np.zeros(count, np.int64),
        tick=np.arange(count),
        scan_us=times,
        event_us=times,
        due_us=times,
        seq=np.array([scan[1] for scan in scans], np.int64),
        value=np.array([[value for value, _ in scan[2]] for scan in scans], np.float64),
        quality=np.array([[quality for _, quality in scan[2]] for scan in scans], np.uint8),
    )


def expected_fields(columns: KindColumns, layout: str) -> list[dict[str, Any]]:
    rows = []
    for i in range(len(columns.seq)):
        for j, sensor in enumerate(columns.cohort.sensors):
            fields: dict[str, Any] = {
                "machine": columns.cohort.machines[0].id,
                "sensor": sensor.name,
                "units": sensor.units,
                "value": float(columns.value[i, j]),
            }
            if layout != "v1":
                fields |= {
                    "timestamp": int(columns.event_us[i]),
                    "seq": int(columns.seq[i] + columns.within[j]),
                    "quality": Quality(int(columns.quality[i, j])).name,
                }
            if layout == "v3":
                fields["machine_id"] = fields["machine"]
            rows.append(fields)
    return rows


@pytest.mark.parametrize("row", READING_FORMATS, ids=" ".join)
@given(name=TEXT, sensors=st.lists(TEXT, min_size=3, max_size=3), scans=st.lists(SCAN, min_size=1, max_size=4))
def test_a_reading_decodes_to_what_was_encoded(
    row: tuple[str, str], name: str, sensors: list[str], scans: list[Any]
) -> None:
    columns = columns_of(name, scans, sensors)
    if row == ("avro", "v1"):
        columns.value[:] = np.clip(columns.value, -1e38, 1e38).astype(np.float32)

    values = READING_FORMATS[row](schema_ids()).values(columns, np.arange(len(scans)))

    decoded = [Decoder().decode(value) for value in values]
    assert decoded == expected_fields(columns, row[1])
    assert {stream_of(fields) for fields in decoded} == {"readings"}


@pytest.mark.parametrize("layout", [layout for form, layout in READING_FORMATS if form == "avro"])
@given(name=TEXT, sensors=st.lists(TEXT, min_size=3, max_size=3), scans=st.lists(SCAN, min_size=1, max_size=4))
def test_a_readings_avro_is_fastavros_of_the_whole_record(
    layout: str, name: str, sensors: list[str], scans: list[Any]
) -> None:
    columns = columns_of(name, scans, sensors)
    np.clip(columns.value, -1e38, 1e38, out=columns.value)
    file = LAYOUTS["readings", layout].schema
    schema = fastavro.parse_schema(json.loads(schema_text(file)))

    values = READING_FORMATS["avro", layout](schema_ids()).values(columns, np.arange(len(scans)))

    for value, fields in zip(values, expected_fields(columns, layout), strict=True):
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, fields)
        assert value == b"\0" + schema_ids()[file].to_bytes(4, "big") + out.getvalue()


@pytest.mark.parametrize("layout", ["v2", "v3"])
@given(name=TEXT, sensors=st.lists(TEXT, min_size=3, max_size=3), scan=SCAN)
def test_a_readings_json_is_the_standard_librarys(layout: str, name: str, sensors: list[str], scan: Any) -> None:
    columns = columns_of(name, [scan], sensors)

    values = READING_FORMATS["json", layout](schema_ids()).values(columns, np.arange(1))

    for value, fields in zip(values, expected_fields(columns, layout), strict=True):
        fields["timestamp"] = instant(fields["timestamp"])
        assert value.decode() == json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("row", READING_FORMATS, ids=" ".join)
def test_the_scans_asked_for_are_encoded_in_the_order_asked_for(row: tuple[str, str]) -> None:
    scans = [(1000 * i, 3 * i, [(float(i), Quality.GOOD)] * 3) for i in range(4)]
    columns = columns_of("m", scans, ["a", "b", "c"])
    encode = READING_FORMATS[row](schema_ids()).values

    everything = encode(columns, np.arange(4))

    assert encode(columns, np.array([2, 0])) == everything[6:9] + everything[0:3]
    assert encode(columns, np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("row", EVENT_FORMATS, ids=" ".join)
@given(event=EVENTS)
def test_an_event_decodes_to_what_was_encoded(row: tuple[str, str], event: Event) -> None:
    key, value = EVENT_FORMATS[row](schema_ids())(event)

    assert key.decode() == event.machine.id
    assert Decoder().decode(value) == {
        "machine": event.machine.id,
        "line": event.machine.line,
        "type": event.type,
        "state": event.state,
        "cause": event.cause,
        "parts": event.parts,
        "timestamp": event.time_us,
        "seq": event.seq,
        **({"scrap": event.scrap, "product": event.product, "lot": event.lot} if row[1] == "v2" else {}),
    }


@pytest.mark.parametrize("row", DOOR_FORMATS, ids=" ".join)
@given(event=EVENTS)
def test_a_door_says_where_it_is_and_whether_it_is_open(row: tuple[str, str], event: Event) -> None:
    key, value = DOOR_FORMATS[row](schema_ids())(event)

    assert key.decode() == event.machine.id
    assert Decoder().decode(value) == {"location": event.machine.id, "state": event.state}


@pytest.mark.parametrize("row", LABEL_FORMATS, ids=" ".join)
@given(label=LABELS, parts=st.integers(1, 20))
def test_a_label_decodes_to_what_was_encoded_in_however_many_records(
    row: tuple[str, str], label: Label, parts: int
) -> None:
    encode = LABEL_FORMATS[row](schema_ids())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fleet.encode.labels.SPANS_A_RECORD", parts)
        fields = label_fields(label, run="r-1")
    decoded = [Decoder().decode(encode(one)) for one in fields]

    assert decoded == fields
    assert {stream_of(one) for one in decoded} == {"labels"}
    labels = Labels("r-1")
    labels.extend(decoded)
    assert labels.joined() == label_fields(label, run="r-1")
    assert labels.unfinished == []


@given(label=LABELS)
def test_a_labels_avro_is_fastavros_of_the_whole_record(label: Label) -> None:
    file = LAYOUTS["labels", "v1"].schema
    schema = fastavro.parse_schema(json.loads(schema_text(file), object_hook=_plain))

    for fields in label_fields(label, run="r-1"):
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, fields)
        value = LABEL_FORMATS["avro", "v1"](schema_ids())(fields)
        assert value == b"\0" + schema_ids()[file].to_bytes(4, "big") + out.getvalue()


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "logicalType"}


@pytest.mark.parametrize("row", RUN_FORMATS, ids=" ".join)
def test_a_runs_record_decodes_to_what_was_encoded(row: tuple[str, str]) -> None:
    value = RUN_FORMATS[row](schema_ids())(FULL_RUN)

    assert Decoder().decode(value) == FULL_RUN
    assert stream_of(FULL_RUN) == "runs"


@pytest.mark.parametrize("row", RUN_FORMATS, ids=" ".join)
def test_a_runs_record_of_three_fields_has_the_schemas_defaults(row: tuple[str, str]) -> None:
    value = RUN_FORMATS[row](schema_ids())({"run": "r", "type": "PROGRESS", "timestamp": 1})

    fields = Decoder().decode(value)
    assert tuple(fields) == LAYOUTS["runs", "v1"].fields
    assert (fields["shard"], fields["topics"], fields["exit"]) == ("1/1", [], -1)


@given(time_us=TIMES)
def test_an_instant_survives_its_text(time_us: int) -> None:
    assert microseconds(instant(time_us)) == time_us


@pytest.mark.parametrize("value", [22.1, 0.001, 1e-05, 1e22, -0.0, 7.0])
def test_a_value_in_json_is_the_shortest_decimal_that_reads_back(value: float) -> None:
    columns = columns_of("m", [(0, 0, [(value, Quality.GOOD)] * 3)], ["a", "b", "c"])

    text = READING_FORMATS["json", "v1"](schema_ids()).values(columns, np.arange(1))[0].decode()

    assert f'"value":{value!r}}}' in text

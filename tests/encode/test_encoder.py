"""Blocks become batches: in log order, in the right place, with the right key and stamp, all of them once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import Record, RecordBatch
from fleet.encode.decode import Decoder, reading_layout
from fleet.encode.digest import G, MachineDigest, decoded_contents, fold, placed, word_of_record
from fleet.encode.encoder import Encoder, RecordTime, StreamPlan, topics_of
from fleet.encode.partition import partition_of
from fleet.errors import RequestError
from tests.encode.blocks import START_US, block, cohort, columns, event, machine

PUMPS = cohort("pump", 5, ("vibration", "pressure", "power"))
OVENS = cohort("oven", 3, ("zone", "power"))
ALL = START_US + 3_600_000_000


def encoder(
    layout: str = "v2",
    text: str = "avro",
    *,
    topic: str = "factory.readings",
    doors: str = "",
    record_time: RecordTime = "scan",
) -> Encoder:
    streams = {
        "readings": StreamPlan(topic, text, layout),
        "events": StreamPlan("factory.events", text, "v1"),
        "runs": StreamPlan("factory.runs", text, "v1"),
    }
    if doors:
        streams["doors"] = StreamPlan(doors, "json", "v1")
    partitions = dict.fromkeys(("factory.readings", "factory.events", "factory.runs", "f.filling", "doors"), 4)
    return Encoder(streams, partitions, record_time=record_time)


def records_of(batches: list[RecordBatch]) -> dict[tuple[str, int], list[Record]]:
    found: dict[tuple[str, int], list[Record]] = {}
    for batch in batches:
        found.setdefault((batch.topic, batch.partition), []).extend(batch.records)
    return found


def test_every_reading_becomes_one_record_of_its_machine() -> None:
    work = block(columns(PUMPS), columns(OVENS))

    batches = encoder().prepare(work).release(ALL)

    assert sum(map(len, batches)) == work.readings
    for batch in batches:
        for record in batch.records:
            assert batch.partition == partition_of(record.key, 4)
            assert Decoder().decode(record.value)["machine"] == record.key.decode()


def test_records_are_in_order_of_due_time_across_kinds_in_each_partition() -> None:
    work = block(columns(PUMPS), columns(OVENS))

    batches = encoder().prepare(work).release(ALL)

    for records in records_of(batches).values():
        stamps = [Decoder().decode(record.value)["timestamp"] for record in records]
        assert stamps == sorted(stamps)


def test_seq_counts_a_machines_readings_by_scan_then_sensor() -> None:
    batches = encoder().prepare(block(columns(PUMPS))).release(ALL)

    for name in ("pump-000", "pump-004"):
        mine = [r for batch in batches for r in batch.records if r.key.decode() == name]
        assert [Decoder().decode(record.value)["seq"] for record in mine] == list(range(9))


def test_scans_of_one_machine_that_are_due_at_once_keep_their_order() -> None:
    work = columns(cohort("pump", 1, ("vibration",)), ticks=5)
    work.due_us[:] = START_US  # an outage ended: the gateway lets go of everything

    batches = encoder().prepare(block(work)).release(ALL)

    assert [Decoder().decode(r.value)["seq"] for r in batches[0].records] == [0, 1, 2, 3, 4]


def test_a_records_stamp_is_the_scans_instant_and_the_payloads_is_the_controllers() -> None:
    record = encoder().prepare(block(columns(PUMPS))).release(ALL)[0].records[0]

    assert record.timestamp_ms * 1000 + 7 == Decoder().decode(record.value)["timestamp"]


def test_a_record_can_bear_the_wall_clocks_time_instead() -> None:
    batches = encoder(record_time="wall").prepare(block(columns(PUMPS))).release(ALL, wall_ms=42)

    assert {record.timestamp_ms for batch in batches for record in batch.records} == {42}


@given(cuts=st.lists(st.integers(0, 3_000_000), max_size=6))
def test_where_a_block_is_released_changes_nothing(cuts: list[int]) -> None:
    work = block(columns(PUMPS), columns(OVENS), events=(event(machine("pump-001"), 0, 1.5),))
    whole, bit_by_bit = encoder(), encoder()
    prepared = bit_by_bit.prepare(work)

    expected = whole.prepare(work).release(ALL)
    batches = [batch for cut in sorted(cuts) for batch in prepared.release(START_US + cut)]
    batches += prepared.release(ALL)

    assert records_of(batches) == records_of(expected)
    assert bit_by_bit.digests == whole.digests


def test_release_gives_what_is_due_before_and_not_at_the_stop() -> None:
    prepared = encoder().prepare(block(columns(PUMPS)))

    before = prepared.release(START_US + 1_000_000)
    at = prepared.release(START_US + 1_000_001)

    assert sum(map(len, before)) == 15  # five machines with three sensors
    assert sum(map(len, at)) == 3
    assert at[0].due_us == START_US + 1_000_000


def test_what_is_skipped_is_neither_sent_nor_digested() -> None:
    skipping, sending = encoder(), encoder()
    late, whole = (each.prepare(block(columns(PUMPS))) for each in (skipping, sending))

    late.skip(START_US + 1_000_000)
    batches = late.release(ALL)

    assert sum(map(len, batches)) == 30
    whole.release(START_US + 1_000_000)
    assert records_of(batches) == records_of(whole.release(ALL))
    assert skipping.digests["readings"]["pump-000"].records == 6


def test_a_topic_may_be_named_by_the_machines_place() -> None:
    batches = encoder(topic="f.{line}").prepare(block(columns(PUMPS))).release(ALL)

    assert {batch.topic for batch in batches} == {"f.filling"}
    assert topics_of(StreamPlan("{site}.{kind}"), [machine("p-1")]) == {"p-1": "north.pump"}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("f.{machine}", "may contain {site}, {area}, {line}, {kind}, found {machine}"),
        ("f.{line", "not a template"),
        ("ev il", "must be 1 to 249 letters"),
        ("", "must be 1 to 249 letters"),
        ("..", "must be 1 to 249 letters"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(template: str, says: str) -> None:
    with pytest.raises(RequestError, match=says.replace("{", r"\{").replace("}", r"\}")):
        topics_of(StreamPlan(template), [machine("p-1")])


def test_a_format_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RequestError, match=r"no format 'avr v2'; .*did you mean 'avro v2'\?"):
        encoder(text="avr")


def test_doors_are_events_unless_they_have_a_topic_of_their_own() -> None:
    work = block(events=(event(machine("dock-1"), 0, 1, "door", "open"), event(machine("pump-1"), 0, 2)))

    together = encoder("v2", "json").prepare(work).release(ALL)
    apart = encoder("v2", "json", doors="doors").prepare(work).release(ALL)

    assert sorted(r.key for batch in together for r in batch.records) == [b"dock-1", b"pump-1"]
    assert {batch.stream for batch in together} == {"events"}
    door = next(batch for batch in apart if batch.stream == "doors")
    assert door.records[0][:2] == (b"dock-1", b'{"location":"dock-1","state":"open"}')
    assert {batch.stream for batch in apart} == {"doors", "events"}


def test_a_runs_record_takes_the_schemas_defaults() -> None:
    record = encoder().encode_run({"run": "r-1", "type": "STARTED", "timestamp": START_US, "seed": 7})

    fields = Decoder().decode(record.value)
    assert record.key == b"r-1"
    assert (fields["type"], fields["seed"], fields["shard"], fields["exit"]) == ("STARTED", 7, "1/1", -1)


@pytest.mark.parametrize("text", ["avro", "json"])
@pytest.mark.parametrize("layout", ["v1", "v2", "v3"])
def test_the_digest_of_what_is_sent_is_that_of_what_is_read_back(layout: str, text: str) -> None:
    sending = encoder(layout, text)
    batches: list[RecordBatch] = []
    for first in (0, 3):
        batches += sending.prepare(block(columns(PUMPS, first=first), columns(OVENS, first=first))).release(ALL)

    found: dict[str, int] = {}
    for name in sending.digests["readings"]:
        mine = [(b.partition, r) for b in batches for r in b.records if r.key.decode() == name]
        fields = [Decoder().decode(record.value) for _, record in mine]
        contents = decoded_contents(
            fields,
            reading_layout(fields[0]),
            partition=mine[0][0],
            stamps_ms=[record.timestamp_ms for _, record in mine],
        )
        found[name] = int(placed(contents, np.arange(len(mine), dtype=np.uint64)).sum(dtype=np.uint64))

    assert found == {name: log.digest for name, log in sending.digests["readings"].items()}


def test_the_digest_of_events_is_that_of_their_bytes() -> None:
    sending = encoder()
    pump = machine("pump-001")
    batches = sending.prepare(block(events=(event(pump, 0, 1), event(pump, 1, 2)))).release(ALL)

    contents = [word_of_record(batches[0].partition, r.timestamp_ms, r.key, r.value) for r in batches[0].records]
    digest = int(placed(np.array(contents, np.uint64), np.arange(2, dtype=np.uint64)).sum())

    assert sending.digests["events"]["pump-001"] == ("factory.events", batches[0].partition, digest, 2)


def test_the_digest_knows_a_swap_a_loss_and_another_partition() -> None:
    contents = np.array([1, 2, 3], np.uint64) * G

    def total(column: list[int]) -> int:
        return int(placed(contents[column], np.arange(len(column), dtype=np.uint64)).sum(dtype=np.uint64))

    assert len({total([0, 1, 2]), total([1, 0, 2]), total([0, 1]), total([0, 1, 2, 2])}) == 4


def test_the_digests_of_a_partition_are_summed_so_that_shards_add() -> None:
    most = (1 << 64) - 1

    folded = fold([MachineDigest("t", 0, most, 1), MachineDigest("t", 0, 3, 1), MachineDigest("t", 1, 5, 1)])

    assert folded == {("t", 0): 2, ("t", 1): 5}

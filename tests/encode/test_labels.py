"""Labels become records: in their machine's partition, by time, in parts where they are long, whole again when read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.data import SeqSpan
from fleet.encode.decode import Decoder
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.labels import SPANS_A_RECORD, Labels, label_fields, records_of
from fleet.encode.partition import partition_of
from fleet.sinks.producer import record_bytes
from fleet.sinks.settings import ProducerSettings
from tests.encode.blocks import START_US, block, cohort, columns, label, machine
from tests.encode.test_encoder import records_of as records_by_place

PUMPS = cohort("pump", 5, ("vibration", "pressure"))
SECOND_US = 1_000_000
MANY = tuple(SeqSpan(1_000_000_000 + 3 * number, 2) for number in range(3 * SPANS_A_RECORD + 1))


def encoder(run: str = "r-1", text: str = "avro") -> Encoder:
    streams = {
        "readings": StreamPlan("factory.readings", text, "v2"),
        "labels": StreamPlan("factory.labels", text, "v1"),
    }
    return Encoder(streams, {"factory.readings": 4, "factory.labels": 4}, run=run)


def test_a_label_is_released_at_its_time_to_its_machines_partition() -> None:
    first = label(machine("pump-001"), 0.5)
    second = replace(first, time_us=START_US + 2 * SECOND_US, stop_us=START_US + 2 * SECOND_US)
    prepared = encoder().prepare(block(columns(PUMPS), labels=(first, second)))

    early = [batch for batch in prepared.release(START_US + SECOND_US) if batch.stream == "labels"]
    late = [batch for batch in prepared.release(START_US + 3 * SECOND_US) if batch.stream == "labels"]

    for batches, phase, time_us in ((early, "OPEN", first.time_us), (late, "CLOSED", second.time_us)):
        ((place, records),) = records_by_place(batches).items()
        assert place == ("factory.labels", partition_of(b"pump-001", 4))
        assert [(r.key, r.timestamp_ms, Decoder().decode(r.value)["phase"]) for r in records] == [
            (b"pump-001", time_us // 1000, phase)
        ]


def test_a_label_with_very_many_spans_is_several_records_far_below_the_largest_that_brokers_take() -> None:
    long = label(machine("pump-001"), 0.5, lost=MANY, late=(SeqSpan(7, 1),))

    for text in ("avro", "json"):
        (batch,) = encoder(text=text).prepare(block(labels=(long,))).release(START_US + SECOND_US)

        assert len(batch.records) == records_of(long) == 4
        assert max(map(record_bytes, batch.records)) < ProducerSettings().batch_bytes / 2
        labels = Labels("r-1")
        labels.extend(Decoder().decode(record.value) for record in batch.records)
        assert [span for _, effect, _, span in labels.spans() if effect == "lost"] == list(MANY)
        assert [span for _, effect, _, span in labels.spans() if effect == "late"] == [SeqSpan(7, 1)]


def test_of_labels_the_last_one_holds_and_those_of_other_runs_are_left_out() -> None:
    who = machine("pump-001")
    opened, closed = label(who, 1), label(who, 2, lost=MANY, stop_us=START_US + 2)
    labels = Labels("r-1")

    labels.extend(label_fields(opened, run="r-1"))
    assert labels.open == ["1"]
    labels.extend([*label_fields(opened, run="r-0"), *label_fields(closed, run="r-1")[:2]])

    assert labels.others == 1
    assert labels.unfinished == ["1"]
    labels.extend(label_fields(closed, run="r-1")[2:])
    assert (labels.open, labels.unfinished, len(labels)) == ([], [], 1)


@pytest.mark.parametrize("text", ["avro", "json"])
def test_the_digest_of_labels_is_the_same_in_every_run(text: str) -> None:
    digests = []

    for run in ("r-1", "another-run", 'a "quoted" one'):
        encoding = encoder(run, text)
        encoding.prepare(block(labels=(label(machine("pump-001"), 0.5, lost=MANY),))).release(START_US + SECOND_US)
        digests.append(encoding.digests["labels"]["pump-001"])

    assert digests[0].records == 4
    assert len(set(digests)) == 1


def test_what_is_skipped_leaves_labels_for_the_next_release() -> None:
    prepared = encoder().prepare(block(columns(PUMPS), labels=(label(machine("pump-001"), 0.5),)))

    prepared.skip(START_US + SECOND_US)

    assert [batch.stream for batch in prepared.release(START_US + SECOND_US)] == ["labels"]


def test_labels_without_a_plan_are_not_encoded() -> None:
    only = Encoder({"readings": StreamPlan("factory.readings")}, {"factory.readings": 4})

    batches = only.prepare(block(labels=(label(machine("pump-001"), 0.5),))).release(START_US + SECOND_US)

    assert not batches
    assert not only.close([label(machine("pump-001"), 0.5)])

"""The readings that the consumers of examples/ are judged by, and the digest they are judged with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fleet.contract.access import Access
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.examples.readings import RECORDS, ReadingsLog, digest
from tests.integration.runs import values
from tests.services.jars import ROOT

READING = {
    "machine": "press-1", "sensor": "pressure", "units": "bar", "value": 1.5, "timestamp": 1_772_431_200_000_000,
    "seq": 7, "quality": "GOOD", "machine_id": "",
}  # fmt: skip


def test_the_digest_is_the_sum_of_each_texts_first_eight_bytes() -> None:
    text = b"press-1|pressure|bar|3ff8000000000000|1772431200000000|7|GOOD|"
    expected = int(hashlib.sha256(text).hexdigest()[:16], 16)

    assert digest([READING]) == f"{expected:016x}"
    assert digest([READING] * 3) == f"{3 * expected % 2**64:016x}"


def test_the_digest_tells_any_change_and_no_change_of_order() -> None:
    other = READING | {"value": 2.5}

    assert digest([READING, other]) == digest([other, READING])
    assert len({digest([READING | change]) for change in ({}, {"value": -0.0}, {"seq": 8}, {"machine_id": "x"})}) == 4


def test_the_log_has_all_readings_in_four_versions(readings: ReadingsLog) -> None:
    framed = values(readings.bootstrap, readings.topic)

    assert len(framed) == RECORDS
    assert len({value[:5] for value in framed}) == 4


async def test_the_poisoned_log_has_records_of_six_sorts_that_fastavro_cannot_read(poisoned: ReadingsLog) -> None:
    frames = {value[:5] for value in values(poisoned.bootstrap, poisoned.topic)}
    async with Registry(Access((poisoned.registry,))) as client:
        event = await client.find(f"{poisoned.topic}.events-value", schema_text("machine-event.v2.avsc"))

    assert poisoned.unreadable == 50 + 1  # sent by wrong clients; Protobuf
    assert poisoned.records > 0
    assert event is not None
    assert b"\0" + event.id.to_bytes(4, "big") in frames  # what the wrong client sends is an event of this registry's


@pytest.mark.parametrize("copy", sorted((ROOT / "examples").glob("**/*.avsc")), ids=lambda path: path.parent.name)
def test_an_examples_schema_is_the_published_one(copy: Path) -> None:
    assert copy.read_bytes() == (ROOT / "schemas" / copy.name).read_bytes()

"""The consumer in Go: franz-go and hamba/avro."""

from __future__ import annotations

import pytest

from tests.conftest import skip_or_fail
from tests.examples.consumers import (
    Consumer,
    assert_goes_on_where_it_was_interrupted,
    assert_reads_all,
    assert_says_what_is_not_there,
    assert_tells_what_it_cannot_read,
    assert_waits_for_a_topic,
)
from tests.examples.readings import ReadingsLog
from tests.services.go import go_program
from tests.services.jars import ROOT
from tests.services.process import ServiceUnavailable


@pytest.fixture(scope="module")
def consumer() -> Consumer:
    try:
        return Consumer([go_program(ROOT / "examples/go/consumer")], "go")
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))


def test_the_consumer_reads_every_version(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_reads_all(consumer, readings)


def test_the_consumer_goes_on_where_it_was_interrupted(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_goes_on_where_it_was_interrupted(consumer, readings)


def test_the_consumer_tells_what_it_cannot_read(consumer: Consumer, poisoned: ReadingsLog) -> None:
    assert_tells_what_it_cannot_read(consumer, poisoned)


def test_the_consumer_waits_for_its_topic(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_waits_for_a_topic(consumer, readings)


def test_the_consumer_says_what_is_not_there(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_says_what_is_not_there(consumer, readings)

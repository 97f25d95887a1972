"""The consumer in Java: kafka-clients and Apache Avro."""

from __future__ import annotations

import pytest

from tests.conftest import skip_or_fail
from tests.examples.consumers import assert_reads_all
from tests.examples.readings import ReadingsLog
from tests.services.jars import ROOT, example_jars, java
from tests.services.process import ServiceUnavailable

FOLDER = ROOT / "examples/java"


@pytest.fixture(scope="module")
def consumer() -> list[object]:
    try:
        return [java(), "-cp", example_jars() / "*", "Consumer.java"]
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))


def test_the_consumer_reads_every_version(consumer: list[object], readings: ReadingsLog) -> None:
    assert_reads_all(consumer, readings, "java", cwd=FOLDER)

"""The consumer in Go: franz-go and hamba/avro."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.examples.consumers import assert_reads_all
from tests.examples.readings import ReadingsLog
from tests.services.go import go_program
from tests.services.jars import ROOT
from tests.services.process import ServiceUnavailable

CONSUMER = ROOT / "examples/go/consumer"


@pytest.fixture(scope="module")
def consumer() -> Path:
    try:
        return go_program(CONSUMER)
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))


def test_the_consumer_reads_every_version(consumer: Path, readings: ReadingsLog) -> None:
    assert_reads_all([consumer], readings, "go")

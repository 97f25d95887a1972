"""The consumer by kcat, with a decoder behind it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import skip_or_fail
from tests.examples.consumers import (
    Consumer,
    assert_goes_on_where_it_was_interrupted,
    assert_reads_all,
    assert_says_what_is_not_there,
    assert_tells_what_it_cannot_read,
)
from tests.examples.readings import ReadingsLog
from tests.services.jars import ROOT


@pytest.fixture(scope="module")
def consumer() -> Iterator[Consumer]:
    if shutil.which("kcat") is None:
        skip_or_fail("no kcat on the path: make apt installs it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON", sys.executable)
        yield Consumer([ROOT / "examples/kcat/consumer.sh"], "kcat")


def test_the_consumer_reads_every_version(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_reads_all(consumer, readings)


def test_the_consumer_goes_on_where_it_was_interrupted(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_goes_on_where_it_was_interrupted(consumer, readings)


def test_the_consumer_tells_what_it_cannot_read(consumer: Consumer, poisoned: ReadingsLog) -> None:
    assert_tells_what_it_cannot_read(consumer, poisoned)


def test_the_consumer_says_what_is_not_there(consumer: Consumer, readings: ReadingsLog) -> None:
    assert_says_what_is_not_there(consumer, readings)

"""What all consumers of examples/ read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.readings import ReadingsLog, write_poisoned, write_readings
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what runs remember of registries in a folder of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def readings(kafka: Kafka, registry: Apicurio, state: None) -> ReadingsLog:
    """Return a topic of 10,000 readings in versions 1, 2, 3 and one that nobody knows, with ids of a real registry."""
    return write_readings(kafka.bootstrap, registry.url)


@pytest.fixture(scope="session")
def poisoned(kafka: Kafka, registry: Apicurio, state: None) -> ReadingsLog:
    """Return a topic of readings with 51 records among them that nobody can read."""
    return write_poisoned(kafka.bootstrap, registry.url)

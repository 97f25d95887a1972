"""What all consumers of examples/ read."""

from __future__ import annotations

import pytest

from tests.examples.readings import ReadingsLog, write_readings
from tests.services.kafka import Kafka
from tests.services.registry import Apicurio


@pytest.fixture(scope="session")
def readings(kafka: Kafka, registry: Apicurio, tmp_path_factory: pytest.TempPathFactory) -> ReadingsLog:
    """Return a topic of 10,000 readings, in versions 1, 2 and 3, with ids of a real registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return write_readings(kafka.bootstrap, registry.url)

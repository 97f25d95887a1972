"""Fixtures that every test may ask for: real services, started once and ended whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.services.kafka import Kafka, KafkaCluster, existing
from tests.services.process import ServiceUnavailable
from tests.services.registry import Apicurio

# How long an example takes depends on who else uses the machine: a test fails for what is wrong, not for what is slow.
settings.register_profile("fleet", deadline=None, print_blob=True)
settings.load_profile("fleet")

_missing: list[str] = []
_kept_logs: list[str] = []


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """Return one real broker without security; FLEET_TEST_BOOTSTRAP names one that is there already."""
    there = existing()
    if there is not None:
        yield there
        return
    yield from run_cluster(request, KafkaCluster())


@pytest.fixture(scope="session")
def secure_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaCluster]:
    """Return one real broker with TLS, SASL and an authorizer."""
    yield from run_cluster(request, KafkaCluster(secure=True))


def run_cluster(request: pytest.FixtureRequest, cluster: KafkaCluster) -> Iterator[KafkaCluster]:
    """Run *cluster* for a fixture; its logs stay when a test has failed meanwhile."""
    failed_before = request.session.testsfailed
    try:
        cluster.start()
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))
    try:
        yield cluster
    finally:
        if request.session.testsfailed > failed_before:
            cluster.keep_logs = True
            _kept_logs.append(str(cluster.logs))
        cluster.close()


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest) -> Iterator[Apicurio]:
    """Return one real schema registry."""
    failed_before = request.session.testsfailed
    apicurio = Apicurio()
    try:
        apicurio.start()
    except ServiceUnavailable as unavailable:
        apicurio.close()
        skip_or_fail(str(unavailable))
    try:
        yield apicurio
    finally:
        if request.session.testsfailed > failed_before:
            apicurio.keep_logs = True
            _kept_logs.append(str(apicurio.logs))
        apicurio.close()


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test for want of a service, loudly; where CI is set nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    _missing.append(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the very end where a failed test's logs are and what was not tested for want of a service."""
    for logs in _kept_logs:
        terminalreporter.write_line(f"a service's logs: {logs}")
    for reason in _missing:
        terminalreporter.write_line(f"NOT TESTED, a service could not start: {reason}", red=True, bold=True)

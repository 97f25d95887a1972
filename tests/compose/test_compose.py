"""The compose file is valid for the docker client's own loader and says what it must."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from fleet.broker.process import EmbeddedBroker
from tests.conftest import skip_or_fail
from tests.services.go import go_program
from tests.services.jars import KAFKA_VERSION, ROOT
from tests.services.process import ServiceUnavailable

HERE = Path(__file__).parent
LOAD_TIMEOUT_S = 60
HEALTH_TIMEOUT_S = 30
PINNED = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?:\d+(\.\d+){2}[a-z0-9.-]*")

Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    try:
        loader = go_program(HERE)
    except ServiceUnavailable as unavailable:
        skip_or_fail(str(unavailable))
    environment = {key: value for key, value in os.environ.items() if key != "KARAPACE_IMAGE"}
    loaded = subprocess.run(
        [loader, str(ROOT / "docker-compose.yml")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    found: dict[str, Service] = json.loads(loaded.stdout)["services"]
    return found


@pytest.fixture
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_the_four_services_are_there(services: dict[str, Service]) -> None:
    assert set(services) == {"kafka", "karapace", "kafdrop", "fleet"}


def test_kafka_is_the_version_that_the_tests_run(services: dict[str, Service]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_every_listener_is_advertised_where_its_clients_are(services: dict[str, Service]) -> None:
    settings = services["kafka"]["environment"]

    listeners = dict(entry.split("://") for entry in settings["KAFKA_LISTENERS"].split(","))
    advertised = dict(entry.split("://") for entry in settings["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(entry.split(":") for entry in settings["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))

    assert advertised == {"HOST": "localhost:9092", "INSIDE": "kafka:19092"}
    assert {name: listeners[name] for name in advertised} == {"HOST": ":9092", "INSIDE": ":19092"}
    assert set(listeners) == set(protocols) == {"HOST", "INSIDE", "CONTROLLER"}
    assert settings["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@{listeners['CONTROLLER']}"
    assert settings["KAFKA_INTER_BROKER_LISTENER_NAME"] == "INSIDE"


def test_containers_reach_kafka_by_the_inner_listener(services: dict[str, Service]) -> None:
    inner = "kafka:19092"

    assert services["karapace"]["environment"]["KARAPACE_BOOTSTRAP_URI"] == inner
    assert services["kafdrop"]["environment"]["KAFKA_BROKERCONNECT"] == inner
    assert services["fleet"]["environment"]["FLEET_KAFKA_BOOTSTRAP"] == inner


def test_the_fleet_has_its_ids_from_the_registry_that_kafdrop_asks(services: dict[str, Service]) -> None:
    port = services["karapace"]["environment"]["KARAPACE_PORT"]

    url = services["fleet"]["environment"]["FLEET_REGISTRY"]

    assert url == services["kafdrop"]["environment"]["SCHEMAREGISTRY_CONNECT"] == f"http://karapace:{port}"


def test_every_service_says_when_it_is_healthy(services: dict[str, Service]) -> None:
    for name, service in services.items():
        check = service["healthcheck"]
        assert check["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries"} <= set(check), name


def test_everyone_waits_for_what_they_need_to_be_healthy(services: dict[str, Service]) -> None:
    needs = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    conditions = {need["condition"] for service in services.values() for need in service.get("depends_on", {}).values()}

    both = {"kafka", "karapace"}
    assert needs == {"kafka": set(), "karapace": {"kafka"}, "kafdrop": both, "fleet": both}
    assert conditions == {"service_healthy"}


def test_images_are_pinned_to_a_release(services: dict[str, Service]) -> None:
    for service in services.values():
        assert PINNED.fullmatch(service["image"]), service["image"]
    assert services["karapace"]["build"]["context"].endswith("#" + services["karapace"]["image"].split(":")[1])


def test_ports_are_open_to_this_machine_only(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


async def test_the_fleet_is_healthy_once_readings_have_arrived(services: dict[str, Service]) -> None:
    _, _, _, program = services["fleet"]["healthcheck"]["test"]
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"factory.readings": 3})

        before = is_healthy(program, bootstrap)
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            await producer.send_and_wait("factory.readings", b"a reading", partition=2)
        after = is_healthy(program, bootstrap)

    assert not before
    assert after


def is_healthy(program: str, bootstrap: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "FLEET_KAFKA_BOOTSTRAP": bootstrap},
        timeout=HEALTH_TIMEOUT_S,
        check=False,
    )
    return done.returncode == 0


def test_the_image_is_pinned_and_its_user_is_not_root(dockerfile: str) -> None:
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)

    assert len(set(bases)) == 1
    assert bases[0].startswith("python:3.12.")
    assert "slim" in bases[0]
    assert users[-1] not in {"root", "0"}
    assert dockerfile.index("USER") < dockerfile.index("ENTRYPOINT")


def test_the_image_has_the_pinned_versions(dockerfile: str) -> None:
    assert "--constraint constraints.txt" in dockerfile
    assert 'ENTRYPOINT ["fleet"]' in dockerfile


def test_the_image_is_made_of_what_the_wheel_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    needed = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert lines[1] == "*"
    assert needed == {"LICENSE", "README.md", "constraints.txt", "fleet", "pyproject.toml", "scenarios", "schemas"}

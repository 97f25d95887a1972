"""The registry's client against a real registry."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fleet.contract.access import Access
from fleet.contract.asking import RegistryGoneError, RegistryRefusedError
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.cli.commands import fleet
from tests.services.registry import Apicurio

V1, V2 = schema_text("machine-sensor.v1.avsc"), schema_text("machine-sensor.v2.avsc")


@pytest.fixture
async def client(registry: Apicurio) -> AsyncIterator[Registry]:
    async with Registry(Access((registry.url,))) as made:
        yield made


def subject() -> str:
    return f"test-{uuid.uuid4().hex[:8]}-value"


def same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


async def test_what_is_registered_is_found_by_id_subject_version_and_text(client: Registry) -> None:
    name = subject()

    first, second = await client.register(name, V1), await client.register(name, V2)

    assert first != second
    assert same(await client.by_id(first), V1)
    assert name in await client.subjects()
    assert await client.versions(name) == [1, 2]
    assert (await client.version(name, 1)).id == first
    latest, found = await client.version(name), await client.find(name, V1)
    assert (latest.version, latest.id) == (2, second)
    assert found is not None
    assert (found.version, found.id) == (1, first)


async def test_the_same_schema_has_the_same_id_again_under_any_subject(client: Registry, registry: Apicurio) -> None:
    name, other = subject(), subject()

    number = await client.register(name, V1)
    async with Registry(Access((registry.url,))) as later:
        again, beside = await later.register(name, V1), await later.register(other, V1)

    assert again == beside == number
    assert await client.versions(name) == [1]


async def test_an_incompatible_schema_is_judged_so_and_refused_with_409(client: Registry) -> None:
    name = subject()
    await client.register(name, V1)
    await client.set_level("FORWARD", name)

    judged = await client.judge(name, V2)
    with pytest.raises(RegistryRefusedError, match="refuses a schema that is not compatible") as refused:
        await client.register(name, V2)

    assert await client.level(name) == "FORWARD"
    assert not judged.compatible
    assert refused.value.status == 409
    assert await client.versions(name) == [1]


async def test_a_compatible_schema_is_judged_so_and_so_is_the_first_of_a_subject(client: Registry) -> None:
    name = subject()
    fresh = await client.judge(name, V1)
    await client.register(name, V1)
    await client.set_level("BACKWARD", name)

    assert fresh.compatible
    assert (await client.judge(name, V2)).compatible
    assert (await client.judge(name, V2, 1)).compatible


async def test_the_registrys_own_level_can_be_read_and_a_subject_without_one_has_none(client: Registry) -> None:
    assert await client.level() == "NONE"
    assert await client.level(subject()) is None


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda client: client.by_id(999_999), 40403),
        (lambda client: client.versions("nobody-value"), 40401),
        (lambda client: client.version("nobody-value"), 40401),
        (lambda client: client.register(subject(), '{"type": "nonsense"}'), 42201),
    ],
)
async def test_what_it_does_not_know_or_take_is_one_line_with_its_code(client: Registry, ask: Any, code: int) -> None:
    with pytest.raises(RegistryRefusedError) as refused:
        await ask(client)

    assert refused.value.code == code
    assert "\n" not in str(refused.value)


async def test_a_schema_that_is_not_registered_is_not_found(client: Registry) -> None:
    assert await client.find(subject(), V1) is None


async def test_the_registrys_other_api_is_told_with_the_path_that_is_missing(registry: Apicurio) -> None:
    async def no_pause(_: float) -> None:
        """Wait for nothing."""

    async with Registry(Access((registry.url.removesuffix("/apis/ccompat/v7"),)), sleep=no_pause) as client:
        with pytest.raises((RegistryGoneError, RegistryRefusedError), match="/apis/ccompat/v7"):
            await client.subjects()


# ---------------------------------------------------------------- fleet schema


def test_versions_are_registered_shown_and_listed(registry: Apicurio) -> None:
    name, at = subject(), ("--registry", registry.url)
    versions = [f"machine-sensor.{version}" for version in ("v1", "v2", "v3")]

    told = fleet("schema", "register", *versions, "--subject", name, "--level", "BACKWARD", "--json", *at)
    rows = json.loads(told.out)
    shown = fleet("schema", "show", str(rows[1]["id"]), *at)
    listed = fleet("schema", "list", *at)

    assert told.code == 0, told.err
    assert [row["version"] for row in rows] == [1, 2, 3]
    assert same(shown.out, V2)
    assert f"{name:44} 1, 2, 3, BACKWARD" in listed.out


def test_an_incompatible_version_is_refused_by_us_with_the_field_and_by_the_registry_with_409(
    registry: Apicurio,
) -> None:
    name, at = subject(), ("--registry", registry.url)
    fleet("schema", "register", "machine-sensor.v1", "--subject", name, "--level", "FULL", *at)

    checked = fleet("schema", "check", "machine-sensor.v2", "--subject", name, "--level", "FULL", *at)
    refused = fleet("schema", "register", "machine-sensor.v2", "--subject", name, *at)

    assert (checked.code, refused.code) == (1, 1)
    assert "the registry: incompatible" in checked.out
    assert "HTTP 409" in refused.out
    for said in (checked.out, refused.out):
        assert "value: the writer writes double, which is no float to the reader (Apache Avro)" in said


def test_an_id_that_no_registry_has_is_one_line_and_exit_code_2(registry: Apicurio) -> None:
    unknown = fleet("schema", "show", "999999", "--registry", registry.url)
    too_large = fleet("schema", "show", str(1 << 31), "--registry", registry.url)

    assert (unknown.code, too_large.code) == (2, 2)
    assert "id 999999: has no such thing (HTTP 404" in unknown.err
    assert "ids must be 0 to 2147483647" in too_large.err

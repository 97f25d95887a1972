"""The registry's client against servers that err: every one is one line, bounded, and shows no secret."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from fleet.contract.access import Access, access
from fleet.contract.asking import ROUNDS, RegistryError, RegistryGoneError, RegistryRefusedError
from fleet.contract.registry import Registry
from fleet.data import SCHEMA_ID_MAX
from tests.registry.servers import Answer, Request, serving
from tests.services.certificates import make_certificates

SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]})
SECRETS = {"FLEET_REGISTRY_USERNAME": "anna", "FLEET_REGISTRY_PASSWORD": "s3cret"}


async def no_pause(_: float) -> None:
    """Wait for nothing between rounds."""


def client(*urls: str, **options: Any) -> Registry:
    found = access(",".join(urls), SECRETS)
    assert found is not None
    return Registry(found, sleep=no_pause, **options)


async def failed(registry: Registry, *, number: int = 7) -> RegistryError:
    """Ask for the schema of an id; give the one line that comes of it."""
    async with registry:
        with pytest.raises(RegistryError) as raised:
            await registry.by_id(number)
    text = str(raised.value)
    assert raised.value.exit_code == 2
    assert "\n" not in text
    assert "s3cret" not in text
    assert registry.access.authorization.removeprefix("Basic ") not in text
    return raised.value


async def test_a_registry_that_answers_500_is_asked_a_few_times_and_told_with_its_words() -> None:
    with serving(lambda _: Answer({"error_code": 50001, "message": "Error in the\nbackend"}, 500)) as server:
        error = await failed(client(server.url))

    assert isinstance(error, RegistryGoneError)
    assert str(error) == f"registry {server.url}: HTTP 500: Error in the backend (tried {ROUNDS} times)"
    assert len(server.asked) == ROUNDS


async def test_a_registry_that_is_slow_is_not_waited_for_without_end() -> None:
    with serving(lambda _: None) as server:
        error = await failed(client(server.url, try_timeout_s=0.05))

    assert str(error) == f"registry {server.url}: no answer within 0.05 s (tried {ROUNDS} times)"


async def test_html_is_told_as_what_it_is_with_the_path_that_may_be_missing() -> None:
    with serving(lambda _: Answer(b"<html>Welcome s3cret</html>", kind="text/html; charset=utf-8")) as server:
        error = await failed(client(server.url))

    assert "HTTP 200 with text/html where a registry answers with JSON; Apicurio's URLs end in /apis" in str(error)


async def test_nobody_at_the_address_is_told_with_the_systems_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await failed(client(f"http://127.0.0.1:{taken.getsockname()[1]}"))

    assert isinstance(error, RegistryGoneError)
    assert ": connection refused (tried" in str(error)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"schema": "{"}, "must answer with an Avro schema"),
        ({"schema": '{"type": "record"}'}, "must answer with an Avro schema"),
        ({"schema": '{"type": "object"}', "schemaType": "JSON"}, '{"schemaType": "JSON"}'),
        ({"schema": {"type": "int"}}, "must answer with a schema"),
        ([1], "must answer with a schema, got [1]"),
    ],
)
async def test_a_wrong_schema_is_told_with_its_id(answer: Any, told: str) -> None:
    with serving(lambda _: Answer(answer)) as server:
        error = await failed(client(server.url))

    assert "id 7: " in str(error)
    assert told in str(error)


async def test_an_unknown_id_is_told_with_the_registrys_words_and_asked_once() -> None:
    with serving(lambda _: Answer({"error_code": 40403, "message": "Schema 7 not found"}, 404)) as server:
        error = await failed(client(server.url))

    assert isinstance(error, RegistryRefusedError)
    assert (error.status, error.code) == (404, 40403)
    assert str(error) == f"registry {server.url}: id 7: has no such thing (HTTP 404: Schema 7 not found)"
    assert len(server.asked) == 1


async def test_an_id_that_readers_would_take_for_a_negative_one_is_not_asked_for() -> None:
    with serving(lambda _: Answer({"schema": SCHEMA})) as server:
        error = await failed(client(server.url), number=SCHEMA_ID_MAX + 1)

    assert f"ids must be 0 to {SCHEMA_ID_MAX} (readers take 4 bytes, signed), got {SCHEMA_ID_MAX + 1}" in str(error)
    assert server.asked == []


@pytest.mark.parametrize("number", [SCHEMA_ID_MAX + 1, -1, True, "7", None, 1.5])
async def test_an_id_that_is_none_is_refused_when_it_is_handed_out(number: Any) -> None:
    with serving(lambda _: Answer({"id": number})) as server:
        async with client(server.url) as registry:
            with pytest.raises(RegistryError, match=r"ids must be 0 to|must answer with an id"):
                await registry.register("a-value", SCHEMA)


async def test_the_largest_id_is_taken() -> None:
    with serving(lambda _: Answer({"id": SCHEMA_ID_MAX})) as server:
        async with client(server.url) as registry:
            number = await registry.register("a-value", SCHEMA)

    assert number == SCHEMA_ID_MAX


async def test_an_answer_without_end_is_given_up() -> None:
    with serving(lambda _: Answer(b'"' + b"x" * (5 << 20) + b'"')) as server:
        error = await failed(client(server.url))

    assert "an answer of more than 4 MiB" in str(error)


async def test_what_a_server_repeats_of_our_secrets_is_not_passed_on() -> None:
    def echo(request: Request) -> Answer:
        return Answer({"message": f"who is {request.headers['authorization']} with s3cret?"}, 401)

    with serving(echo) as server:
        error = await failed(client(server.url))

    assert "HTTP 401: who is Basic *** with ***?" in str(error)


async def test_a_redirect_is_not_followed_with_our_secrets() -> None:
    with serving(lambda _: Answer({"schema": SCHEMA})) as elsewhere:
        away = Answer(b"", 302, headers={"location": elsewhere.url})
        with serving(lambda _: away) as server:
            error = await failed(client(server.url))

    assert "HTTP 302" in str(error)
    assert elsewhere.asked == []


async def test_another_url_answers_for_one_that_does_not_and_is_asked_first_from_then_on() -> None:
    with (
        serving(lambda _: Answer({}, 503)) as broken,
        serving(lambda r: Answer({"schema": SCHEMA} if "ids" in r.path else ["b", "a"])) as sound,
    ):
        async with client(broken.url, sound.url) as registry:
            schema = await registry.by_id(1)
            subjects = await registry.subjects()

    assert (schema, subjects) == (SCHEMA, ["a", "b"])
    assert (len(broken.asked), len(sound.asked)) == (1, 2)


async def test_a_registry_that_comes_back_between_rounds_is_found() -> None:
    answers = iter([Answer({}, 502), Answer({}, 429), Answer({"schema": SCHEMA})])
    with serving(lambda _: next(answers)) as server:
        async with client(server.url) as registry:
            assert await registry.by_id(1) == SCHEMA


async def test_a_schema_is_registered_once_however_many_ask_and_a_failure_is_not_kept() -> None:
    answers = iter([Answer({"message": "no"}, 409), *[Answer({"id": 5})] * 9])
    with serving(lambda _: next(answers)) as server:
        async with client(server.url) as registry:
            with pytest.raises(RegistryRefusedError) as refused:
                await registry.register("a-value", SCHEMA)
            numbers = await asyncio.gather(*(registry.register("a-value", SCHEMA) for _ in range(5)))

    assert refused.value.status == 409
    assert numbers == [5] * 5
    assert len(server.asked) == 2


async def test_a_subject_is_one_part_of_the_path_whatever_it_is_called() -> None:
    with serving(lambda _: Answer([3, 1])) as server:
        async with client(server.url) as registry:
            versions = await registry.versions("a/b ?c-value")

    assert versions == [1, 3]
    assert server.asked[0].path == "/subjects/a%2Fb%20%3Fc-value/versions"


async def test_user_and_token_are_sent_as_they_should_be() -> None:
    with serving(lambda _: Answer([])) as server:
        for registry in (client(server.url), Registry(Access((server.url,), token="t0ken"))):
            async with registry:
                await registry.subjects()

    assert [asked.headers["authorization"] for asked in server.asked] == ["Basic YW5uYTpzM2NyZXQ=", "Bearer t0ken"]


async def test_a_client_certificate_lets_in_over_tls_and_none_does_not(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server_store)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    shown = {"FLEET_REGISTRY_CERTIFICATE": str(files.client_cert), "FLEET_REGISTRY_KEY": str(files.client_key)}
    with serving(lambda _: Answer(["a"]), tls=context) as server:
        known = access(server.url, {"FLEET_REGISTRY_CA": str(files.ca), **shown})
        unknown = access(server.url, {"FLEET_REGISTRY_CA": str(files.ca)})
        stranger = access(server.url, shown)
        assert known is not None
        assert unknown is not None
        assert stranger is not None

        async with Registry(known, sleep=no_pause) as registry:
            subjects = await registry.subjects()
        async with Registry(unknown, sleep=no_pause) as registry:
            with pytest.raises(RegistryGoneError):
                await registry.subjects()
        async with Registry(stranger, sleep=no_pause) as registry:
            with pytest.raises(RegistryGoneError, match="certificate verify failed"):
                await registry.subjects()

    assert subjects == ["a"]

"""``--registry`` and the environment to what a registry is reached with; no secret in any text."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.contract.access import Access, access
from fleet.errors import RequestError


def made(said: str | None, **environment: str) -> Access:
    found = access(said, environment)
    assert found is not None
    return found


def test_several_urls_are_taken_and_a_slash_at_the_end_makes_no_other() -> None:
    found = made("http://one:8081/, https://two/apis/ccompat/v7,http://one:8081")

    assert found.urls == ("http://one:8081", "https://two/apis/ccompat/v7")
    assert not found.optional


def test_optional_takes_the_urls_of_the_environment_or_stands_beside_urls() -> None:
    alone = made("optional", FLEET_REGISTRY="http://one:8081")
    beside = made("http://two:8081,optional", FLEET_REGISTRY="http://one:8081")

    assert (alone.urls, alone.optional) == (("http://one:8081",), True)
    assert (beside.urls, beside.optional) == (("http://two:8081",), True)


def test_without_a_word_there_is_no_registry_unless_the_environment_has_one() -> None:
    assert access(None, {}) is None
    assert made(None, FLEET_REGISTRY="http://one:8081").urls == ("http://one:8081",)


def test_a_user_in_the_url_is_let_in_and_shown_nowhere() -> None:
    found = made("https://anna:p%40ss,word@one:8081,https://two")

    assert found.urls == ("https://one:8081", "https://two")
    assert (found.username, found.password) == ("anna", "p@ss,word")
    assert found.authorization.startswith("Basic ")
    assert "p@ss" not in f"{found!r} {found.text}"


def test_a_token_of_the_environment_goes_before_a_user() -> None:
    found = made("https://one", FLEET_REGISTRY_USERNAME="anna", FLEET_REGISTRY_PASSWORD="x", FLEET_REGISTRY_TOKEN="t0k")

    assert found.authorization == "Bearer t0k"
    assert "t0k" not in repr(found)


def test_a_token_may_end_with_a_lines_end() -> None:
    assert made("https://one", FLEET_REGISTRY_TOKEN="t0k\n").authorization == "Bearer t0k"


@pytest.mark.parametrize("token", ["hun\nter2", "hun ter2", "hun\u00e9ter2"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(RequestError, match=r"^FLEET_REGISTRY_TOKEN: must be one word") as raised:
        made("https://one", FLEET_REGISTRY_TOKEN=token)

    assert "ter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["one:8081", "ftp://anna:secret@one", "http://", "http://anna:secret@one:port", "http://u:secret@h/?secret"]
)
def test_what_is_no_url_is_one_line_without_its_secret(url: str) -> None:
    with pytest.raises(RequestError) as raised:
        access(url, {})

    assert str(raised.value).startswith("--registry: must be URLs like http://localhost:8081, or optional, got ")
    assert "secret" not in str(raised.value)


def test_two_users_are_refused_without_showing_them() -> None:
    with pytest.raises(RequestError, match="must name one user for all URLs, got 2") as raised:
        access("http://a:secret@one,http://b:secret@two", {})

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["FLEET_REGISTRY_CA", "FLEET_REGISTRY_CERTIFICATE"])
def test_certificates_that_are_none_are_named_with_their_variable(name: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.pem"
    file.write_text("nothing")

    with pytest.raises(RequestError, match=f"^{name}: {file}: must be ") as raised:
        made("https://one", **{name: str(file)}).tls()

    assert "\n" not in str(raised.value)

"""Schemas that are asked for ahead, of registries that have more than we can use."""

from __future__ import annotations

import json

import pytest

from fleet.contract import lookup as lookups
from fleet.contract.access import Access
from fleet.contract.asking import RegistryRefusedError
from fleet.contract.lookup import Lookup
from tests.registry.servers import Answer, Request, serving

TEXT = json.dumps({"type": "record", "name": "R", "fields": []})
GOOD = 3


async def asked(path: str, bad: Answer) -> tuple[dict[int, str], list[str], list[str]]:
    """Ask a registry that answers *bad* at *path*; give what is found, what is told, and the paths asked for."""
    said: list[str] = []
    answers = {
        "/subjects": Answer(["t-key", "t-value", "other-value"]),
        "/subjects/t-key/versions": Answer([1]),
        "/subjects/t-key/versions/1": Answer({"version": 1, "id": 9, "schema": TEXT}),
        "/schemas/ids/9": Answer({"schema": TEXT}),
        "/subjects/t-value/versions": Answer([1]),
        "/subjects/t-value/versions/1": Answer({"version": 1, "id": GOOD, "schema": TEXT}),
        f"/schemas/ids/{GOOD}": Answer({"schema": TEXT}),
    } | {path: bad}

    def answer(request: Request) -> Answer:
        return answers[request.path]

    with serving(answer) as server:
        async with Lookup(Access((server.url,)), said.append) as lookup:
            return await lookup.of_topics(iter(["t"])), said, [request.path for request in server.asked]


@pytest.mark.parametrize(
    ("path", "bad", "told"),
    [
        (
            "/subjects/t-key/versions/1",
            Answer({"version": 1, "id": 9, "schema": "{}", "schemaType": "JSON"}),
            "must answer with an Avro or a Protobuf schema",
        ),
        ("/subjects/t-key/versions/1", Answer({"error_code": 40402, "message": "deleted"}, 404), "has no such thing"),
        ("/subjects/t-key/versions", Answer({"error_code": 40401, "message": "deleted"}, 404), "has no such thing"),
        ("/schemas/ids/9", Answer({"schema": '{"type": "nonsense"}'}), "id 9: must answer with an Avro schema"),
    ],
)
async def test_what_is_no_schema_to_us_is_told_and_all_others_are_known(path: str, bad: Answer, told: str) -> None:
    found, said, paths = await asked(path, bad)

    assert found == {GOOD: TEXT}
    assert [told in line for line in said] == [True]
    assert not [path for path in paths if "other" in path]


async def test_a_registry_that_does_not_let_us_in_is_no_registry_without_schemas() -> None:
    with pytest.raises(RegistryRefusedError, match="does not allow it"):
        await asked("/subjects/t-key/versions/1", Answer({"error_code": 40301}, 403))


async def test_after_many_ids_that_it_does_not_have_it_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "UNKNOWN_MAX", 12)
    said: list[str] = []

    with serving(lambda _: Answer({"error_code": 40403}, 404)) as server:
        async with Lookup(Access((server.url,)), said.append, ours={20: TEXT}) as lookup:
            found = [await lookup.text(number) for number in (*range(30), 0)]

    assert len(server.asked) == 12
    assert found == [TEXT if number == 20 else None for number in (*range(30), 0)]
    assert len(said) == lookups.SAID_MAX
    assert said[-1].endswith("further ones are not told")

"""Ids of a run's schemas: registered once each, kept for next time, never mixed with our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.contract.access import Access
from fleet.contract.asking import RegistryError, RegistryGoneError, RegistryRefusedError
from fleet.contract.ids import Given, Needed, give_ids, subjects_of
from fleet.contract.registry import Registry
from fleet.encode.schemas import schema_text
from tests.cli.commands import fleet
from tests.registry.servers import Answer, Request, Server, serving

READINGS, EVENTS = (
    Needed(file, schema_text(file), topic)
    for file, topic in (("machine-sensor.v2.avsc", "readings"), ("machine-event.v2.avsc", "events"))
)
SAMPLE = ("--speed", "max", "--for", "10s", "--exit")


class Table:
    """The least that a registry does: ids by text, counted from *first*."""

    def __init__(self, first: int = 100) -> None:
        self.texts: list[str] = []
        self.first = first

    def __call__(self, request: Request) -> Answer:
        """Answer a registration or a question for an id."""
        if request.method == "POST":
            text = request.body["schema"]
            if text not in self.texts:
                self.texts.append(text)
            return Answer({"id": self.first + self.texts.index(text)})
        number = int(request.path.rpartition("/")[2]) - self.first
        return Answer({"schema": self.texts[number]})


@contextmanager
def table(first: int = 100) -> Iterator[Server]:
    with serving(Table(first)) as server:
        yield server


async def given(url: str, *needed: Needed, memory: Path, optional: bool = False) -> Given:
    async def no_pause(_: float) -> None:
        """Wait for nothing."""

    access = Access((url,), optional=optional)
    return await give_ids(access, needed, memory=memory, registry=Registry(access, sleep=no_pause))


def test_a_topic_is_a_subject_unless_it_has_records_of_several_schemas() -> None:
    apart = subjects_of([READINGS, EVENTS])
    together = subjects_of([READINGS._replace(topic="all"), EVENTS._replace(topic="all")])

    assert list(apart.values()) == ["readings-value", "events-value"]
    assert list(together.values()) == ["all-thingum.factory.MachineSensor", "all-thingum.factory.MachineEvent"]


async def test_each_schema_is_registered_once_under_each_subject(tmp_path: Path) -> None:
    with table() as server:
        found = await given(
            server.url, READINGS, EVENTS, READINGS, READINGS._replace(topic="more"), memory=tmp_path / "ids.json"
        )

    registered = [asked.path for asked in server.asked if asked.method == "POST"]
    assert found.ids is not None
    assert sorted(found.ids) == ["machine-event.v2.avsc", "machine-sensor.v2.avsc"]
    assert sorted(found.ids.values()) == [100, 101]
    assert sorted(registered) == [f"/subjects/{name}-value/versions" for name in ("events", "more", "readings")]


async def test_an_optional_registry_that_is_gone_leaves_its_ids_of_last_time(tmp_path: Path) -> None:
    memory = tmp_path / "deep" / "ids.json"
    with table() as server:
        before = await given(server.url, READINGS, EVENTS, memory=memory)

    after = await given(server.url, READINGS, memory=memory, optional=True)
    nameless = await give_ids(Access((), optional=True), [EVENTS], memory=memory)

    assert before.ids is not None
    assert after.ids == {READINGS.file: before.ids[READINGS.file]}
    assert "connection refused" in after.notices[0]
    assert after.notices[0].endswith("; goes on with the ids it gave last time")
    assert nameless.ids == {EVENTS.file: before.ids[EVENTS.file]}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"x": 1}', '{"URL": {"readings-value": "7"}}'])
async def test_without_ids_of_last_time_for_all_of_them_our_own_are_used(damage: str, tmp_path: Path) -> None:
    memory = tmp_path / "ids.json"
    with table() as server:
        await given(server.url, READINGS, memory=memory)
    if damage:
        memory.write_text(damage.replace("URL", server.url))

    after = await given(server.url, READINGS, EVENTS, memory=memory, optional=True)

    assert after.ids is None
    assert after.notices[0].endswith("; goes on with the ids of schemas/ids.json")


async def test_a_registry_that_is_gone_and_not_optional_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with table() as server:
        pass

    with pytest.raises(RegistryGoneError, match=f"or go on without: --registry {server.url},optional$"):
        await given(server.url, READINGS, memory=tmp_path / "ids.json")


async def test_what_a_registry_refuses_is_an_error_also_where_it_is_optional(tmp_path: Path) -> None:
    refusing = Answer({"error_code": 409, "message": "Incompatible"}, 409)
    told = "'readings-value': refuses a schema that is not compatible"

    with serving(lambda _: refusing) as server, pytest.raises(RegistryRefusedError, match=told):
        await given(server.url, READINGS, memory=tmp_path / "ids.json", optional=True)


async def test_a_version_that_the_subject_has_already_is_told_as_what_no_registry_refuses(tmp_path: Path) -> None:
    has_all = Table()
    old = Needed("machine-sensor.v1.avsc", schema_text("machine-sensor.v1.avsc"), "readings", refused=True)

    def having(request: Request) -> Answer:
        if "/config" in request.path:
            return Answer({"compatibilityLevel": "BACKWARD"})
        if "/compatibility/" in request.path:
            return Answer({"is_compatible": False})
        return has_all(request)

    with serving(having) as server, pytest.raises(RegistryError, match="already is not refused; let the step"):
        await given(server.url, READINGS, old, memory=tmp_path / "ids.json")


async def test_an_id_under_which_the_registry_has_another_schema_is_told(tmp_path: Path) -> None:
    def confused(request: Request) -> Answer:
        return Answer({"id": 9} if request.method == "POST" else {"schema": EVENTS.text})

    with serving(confused) as server, pytest.raises(RegistryError, match="the id 9, which is that of another schema"):
        await given(server.url, READINGS, memory=tmp_path / "ids.json")


async def test_a_schema_that_the_registry_wrote_in_other_words_is_the_same(tmp_path: Path) -> None:
    def rewriting(request: Request) -> Answer:
        plain: Any = json.loads(READINGS.text)
        plain.pop("doc")
        return Answer({"id": 9} if request.method == "POST" else {"schema": json.dumps(plain)})

    with serving(rewriting) as server:
        found = await given(server.url, READINGS, memory=tmp_path / "ids.json")

    assert found.ids == {READINGS.file: 9}


# ---------------------------------------------------------------- fleet run --registry


def test_a_run_writes_the_registrys_ids_and_can_be_played_again(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with table(1) as server:
        secret = server.url.replace("http://", "http://anna:s3cret@")
        words = ("run", "quickstart", "--to", "record:run.avro", "--registry", secret, *SAMPLE)
        ended = fleet(*words, cwd=tmp_path, env=state)
    registered = sum(asked.method == "POST" for asked in server.asked)
    played = fleet("replay", "run.avro", "--to", "file:out.jsonl", "--speed", "max", "--exit", cwd=tmp_path)

    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert ended.code == 0, ended.err
    assert registered == 3  # readings, labels, runs; its events are JSON
    assert all(asked.headers["authorization"].startswith("Basic ") for asked in server.asked)
    assert "s3cret" not in ended.err
    assert f"--registry {server.url}" in ended.err
    assert played.code == 0, played.err
    assert json.loads(lines[0])["quality"] == "GOOD"
    assert (tmp_path / "fleet" / "schema-ids.json").is_file()


def test_a_run_whose_registry_is_gone_ends_before_anything_is_overwritten(tmp_path: Path) -> None:
    with table() as server:
        pass
    (tmp_path / "run.avro").write_text("kept")

    ended = fleet(
        "run", "quickstart", "--to", "record:run.avro", *SAMPLE, env={"FLEET_REGISTRY": server.url}, cwd=tmp_path
    )

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(f"registry {server.url}: connection refused")
    assert (tmp_path / "run.avro").read_text() == "kept"


def test_a_run_whose_optional_registry_is_gone_goes_on_and_says_so(tmp_path: Path) -> None:
    with table() as server:
        pass
    state = {"XDG_STATE_HOME": str(tmp_path), "FLEET_REGISTRY": server.url}

    ended = fleet(
        "run", "quickstart", "--to", "record:run.avro", "--registry", "optional", *SAMPLE, cwd=tmp_path, env=state
    )

    assert ended.code == 0, ended.err
    assert sum("goes on with the ids of schemas/ids.json" in line for line in ended.lines) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer({"message": "s3cret is down"}, 500), "HTTP 500: *** is down (tried 3 times)"),
        (
            Answer(b"<html>s3cret</html>", kind="text/html"),
            "HTTP 200 with text/html where a registry answers with JSON",
        ),
        (Answer({"error_code": 401, "message": "anna:s3cret"}, 401), "does not know who asks"),
        (Answer({"id": 1 << 31}), "ids must be 0 to 2147483647 (readers take 4 bytes, signed), got 2147483648"),
        (Answer({"id": 9, "schema": EVENTS.text}), "was given the id 9, which is that of another schema"),
        (Answer({"id": 9, "schema": '{"type": "s3cret"}'}), "id 9: must answer with an Avro schema"),
    ],
)
def test_a_run_whose_registry_misbehaves_is_one_line_without_a_secret_and_exit_code_2(
    answer: Answer, told: str, tmp_path: Path
) -> None:
    with serving(lambda _: answer) as server:
        secret = server.url.replace("http://", "http://anna:s3cret@")
        words = ("run", "quickstart", "--to", "record:run.avro", "--registry", secret, *SAMPLE)
        ended = fleet(*words, cwd=tmp_path, env={"XDG_STATE_HOME": str(tmp_path)})

    assert ended.code == 2
    assert len(ended.lines) == 1
    assert told in ended.lines[0]
    assert "s3cret" not in ended.err + ended.out
    assert not (tmp_path / "run.avro").exists()

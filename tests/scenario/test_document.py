from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import ScenarioError
from fleet.scenario.document import SIZE_MAX, parse, read, set_values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("06:00-14:00", "06:00-14:00"),
        ("2026-03-02", "2026-03-02"),
        ("1_000", "1_000"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("9" * 100, "9" * 100),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    document = parse(f"key: {text}\n", file="a.yaml")

    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_keys_are_always_text() -> None:
    document = parse("on: 1\n1: 2\nnull: 3\n", file="a.yaml")

    assert document.data == {"on": 1, "1": 2, "null": 3}


def test_every_value_knows_its_line() -> None:
    document = parse("a:\n  - b: 1\n    c: {d: 2,\n      e: [3,\n 4]}\n", file="a.yaml")

    lines = {path: line for path, line in document.lines.items() if path}

    assert lines == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 0, "c", "d"): 3,
        ("a", 0, "c", "e"): 4,
        ("a", 0, "c", "e", 0): 4,
        ("a", 0, "c", "e", 1): 5,
    }


def test_a_problem_of_a_missing_key_stands_on_the_line_of_its_mapping() -> None:
    document = parse("a:\n  - b: 1\n", file="a.yaml")

    problem = document.problem(("a", 0, "name"), "must be given")

    assert str(problem) == "a.yaml:2: a[0].name: must be given"


def test_a_key_given_twice_is_a_problem_that_names_both_lines() -> None:
    document = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n", file="a.yaml")

    assert [str(problem) for problem in document.problems] == [
        "a.yaml:2: b.c: must be given once, is also in line 2",
        "a.yaml:3: a: must be given once, is also in line 1",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [1, 2\nb: 3\n", "a.yaml:2: must be YAML: "),
        (b"a: 1\n\tb: 2\n", "a.yaml:2: must be YAML: found "),
        (b"a: &x 1\nb: *x\n", "a.yaml:1: must be written without anchors and aliases ('&', '*')"),
        (b"a: *x\n", "a.yaml:1: must be written without anchors and aliases ('&', '*')"),
        (b"a: 1\nb: !!python/name:os.system x\n", "a.yaml:2: must be written without tags"),
        (b"a: 1\n---\nb: 1\n", "a.yaml:2: must be one YAML document, a second one begins here"),
        (b"a: 1\nb: \xff\n", "a.yaml:2: must be UTF-8 text, byte 0xff is not"),
        (b"a: 1\nb: \x00\n", "a.yaml:2: must be printable text, found the character U+0000"),
        (b"? [a]\n: 1\n", "a.yaml:1: must have text before the ':', a key cannot be a list or a mapping"),
        (b"[" * 100_000, "a.yaml:1: must be nested at most 50 deep"),
        (b"a: " + b"x" * SIZE_MAX, "a.yaml: must be at most 4 MiB; large fleets are made by 'count'"),
    ],
)
def test_text_that_cannot_be_read_is_one_located_line(content: bytes, problem: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse(content, file="a.yaml")

    assert str(error.value).startswith(problem)
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)


def test_a_key_given_twice_is_still_told_when_the_text_ends_badly() -> None:
    with pytest.raises(ScenarioError) as error:
        parse("a: 1\na: 2\nb: [\n", file="a.yaml")

    assert error.value.problems[0].line == 2
    assert len(error.value.problems) == 2


def test_an_empty_text_and_a_byte_order_mark_are_no_mistakes_of_yaml() -> None:
    assert parse(b"", file="a.yaml").data is None
    assert parse(b"# only a comment\n", file="a.yaml").data is None
    assert parse("\ufeffa: 1".encode(), file="a.yaml").data == {"a": 1}


def test_a_missing_file_a_directory_and_a_wrong_path_are_one_line_each(tmp_path: Path) -> None:
    for path, words in [
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "must be a file, is a directory"),
        (Path("a\0b.yaml"), "cannot be read: not a path"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
    ]:
        with pytest.raises(ScenarioError) as error:
            read(path)

        assert str(error.value) == f"{path}: {words}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    file.chmod(0)

    with pytest.raises(ScenarioError) as error:
        read(file)

    assert str(error.value) == f"{file}: may not be read: permission denied"


SOURCE = "lines:\n  - {name: filling, count: 2}\ntopics:\n  factory.readings: {partitions: 3}\nabout:\n"


@pytest.mark.parametrize(
    ("assignment", "keys", "value"),
    [
        ("lines[0].count=100", ("lines", 0, "count"), 100),
        ("lines.0.count=100", ("lines", 0, "count"), 100),
        ("seed=7", ("seed",), 7),
        ("duration=8 h", ("duration",), "8 h"),
        ("lines[0].crew={name: all, size: 2}", ("lines", 0, "crew", "size"), 2),
        ("records.readings.format=json", ("records", "readings", "format"), "json"),
        ("topics.factory.readings.partitions=6", ("topics", "factory.readings", "partitions"), 6),
        ('topics."a.b".partitions=6', ("topics", "a.b", "partitions"), 6),
        ("about=a=b", ("about",), "a=b"),
        ("about=", ("about",), None),
    ],
)
def test_a_value_is_set_at_its_path(assignment: str, keys: tuple[Any, ...], value: object) -> None:
    document = parse(SOURCE, file="a.yaml")

    at = set_values(document, [assignment]).data
    for key in keys:
        at = at[key]

    assert at == value
    assert document.data == parse(SOURCE, file="a.yaml").data


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("lines[7].count=1", "must name one of the 1 items of lines by its number, from 0, got '7'"),
        ("lines.first.count=1", "must name one of the 1 items of lines by its number, from 0, got 'first'"),
        ("lines[0].name.x=1", "must stay inside the file, lines[0].name is a single value"),
        ("seed", "must be PATH=VALUE like 'lines[0].count=100'"),
        ("=1", "must be PATH=VALUE like 'lines[0].count=100'"),
        ("a..b=1", "must be a path like 'lines[0].count', got 'a..b'"),
        ("a=[1", "must be YAML: "),
    ],
)
def test_a_wrong_assignment_names_the_argument(assignment: str, words: str) -> None:
    document = parse(SOURCE, file="a.yaml")

    with pytest.raises(ScenarioError) as error:
        set_values(document, [assignment])

    assert str(error.value).startswith(f"--set {assignment}: {words}")


def test_a_problem_of_a_set_value_names_the_argument_and_not_the_file() -> None:
    document = set_values(parse(SOURCE, file="a.yaml"), ["lines[0].crew={size: 0}"])

    problem = document.problem(("lines", 0, "crew", "size"), "must be at least 1, got 0")

    words = "--set lines[0].crew={size: 0}: lines[0].crew.size: must be at least 1, got 0"
    assert str(problem) == words


@given(path=st.text(max_size=20), value=st.text(max_size=20))
def test_no_assignment_gives_anything_but_a_document_or_a_scenario_error(path: str, value: str) -> None:
    document = parse(SOURCE, file="a.yaml")

    try:
        data = set_values(document, [f"{path}={value}"]).data
    except ScenarioError:
        data = {}

    assert isinstance(data, dict)

"""`fleet fit` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.api import load
from tests.cli.commands import fleet
from tests.fit.readings import scenario_of, write_csv


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("fit") / "readings.csv"
    write_csv(scenario_of("conveyor", "rated_current: 3 A", count=2), file, seed=4, hours=1.0)
    file.write_text(file.read_text().replace(",current,", ",IT7,"))
    return file


def test_the_part_passes_the_check_and_runs_and_there_is_a_picture(readings: Path, tmp_path: Path) -> None:
    words = ["--kind", "conveyor", "--sensor", "IT7=current", "--out", "part.yaml", "--plot", "fit.png"]

    ended = fleet("fit", str(readings), *words, cwd=tmp_path)

    assert ended.code == 0, ended.err
    assert "wrote part.yaml; try: fleet check part.yaml --expand, then: fleet run part.yaml" in ended.lines
    assert "rated_current" in ended.out
    assert "not in these readings, the kind's own is kept:" in ended.out
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    (entry,) = load(tmp_path / "part.yaml").lines[0].machines
    assert entry.kind == "conveyor"
    assert fleet("check", "part.yaml", cwd=tmp_path).code == 0
    ran = fleet("run", "part.yaml", "--to", "null:", "--speed", "max", "--for", "10 min", cwd=tmp_path)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.csv", "--kind", "pump"], "nothing.csv: cannot be read: No such file or directory"),
        (["x.csv", "--kind", "pumpe"], "--kind: unknown kind 'pumpe'; did you mean 'pump'?"),
        (["x.csv", "--kind", "door"], "--kind: door has no sensors: there is nothing to fit"),
        (["x.csv", "--kind", "pump", "--map", "time"], "--map: must be like time=COLUMN, got 'time'"),
        (
            ["x.csv", "--kind", "pump", "--map", "when=x"],
            "--map: unknown role 'when'; known: time, machine, sensor, value",
        ),
        (["x.csv", "--kind", "pump", "--sensor", "a=flow"], "--sensor: no sensor 'a' in x.csv; known: text"),
        (
            ["x.csv", "--kind", "pump", "--plot", "x.gif"],
            "--plot: must be a file that ends in .png or .svg, got 'x.gif'",
        ),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "x.csv").write_text("time,machine,sensor,value\n1772431200,a,text,1\n")

    ended = fleet("fit", *words, cwd=tmp_path)

    assert ended.code == 2
    assert ended.lines == [says]
    assert not (tmp_path / "part.yaml").exists()


ROWS = "".join(f"{1772431200 + number},a,current,{20 + number % 7}\n" for number in range(80))
HEAD = "time,machine,sensor,value\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ":1: must begin with a line that names the columns, is empty"),
        (HEAD.encode(), ":1: must have readings below the names of its columns, has none"),
        (b"time\n1\n2\n", ":1: must have a column of times and one of values, has one column: 'time'"),
        (
            (HEAD + ROWS.replace("a,", "m\u00fcller,")).encode("latin-1"),
            ":2: must be UTF-8 text, byte 0xfc is not; save the file as UTF-8",
        ),
        ((HEAD + ROWS).encode("utf-16"), ":1: must be UTF-8 text, is UTF-16; save the file as UTF-8"),
        (
            (HEAD + "1772431200,a,current,x\n" * 70).encode(),
            ":2: must have a number as its value, got 'x'; 70 left out like this, and no reading is left",
        ),
        (
            (HEAD + "1772431200,a,current,1e300\n" * 70).encode(),
            ":2: must have a value of at most 1e+12, got '1e300'; 70 left out like this, and no reading is left",
        ),
        (
            (HEAD + "".join(ROWS.splitlines(keepends=True)[:2])).encode(),
            ": must have a sensor with at least 60 readings at different times, the most are 2, of current",
        ),
        (
            (HEAD + "1772431200,a,current,20\n1772431200,a,current,21\n" * 40).encode(),
            ": must have a sensor with at least 60 readings at different times, the most are 1, of current",
        ),
        (
            (HEAD + "".join(f"{1772431200 + number},a,current,20\n" for number in range(80))).encode(),
            ": a: current is 20 throughout, which no such sensor is for so long: left out as stuck; nothing is left",
        ),
    ],
)
def test_a_file_that_holds_no_readings_is_one_located_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)

    ended = fleet("fit", "x.csv", "--kind", "pump", "--out", "part.yaml", cwd=tmp_path)

    assert ended.code == 2
    assert ended.lines == [f"x.csv{says}"]
    assert not (tmp_path / "part.yaml").exists()


def test_readings_out_of_order_twice_and_with_gaps_are_put_right_and_told_with_a_line(tmp_path: Path) -> None:
    rows = ROWS.splitlines(keepends=True)
    rows[40:44] = [rows[43], rows[42], rows[42], *rows[40:42]]
    del rows[50:60]
    (tmp_path / "x.csv").write_text(HEAD + "".join(rows))

    ended = fleet("fit", "x.csv", "--kind", "pump", "--out", "part.yaml", cwd=tmp_path)

    assert ended.code == 0, ended.err
    assert ended.lines[:2] == [
        "x.csv:44: 1 readings that share their scan with another of the same sensor: the last one counts",
        "x.csv:43: 2 readings stood out of order and were put in order",
    ]

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

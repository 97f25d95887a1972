"""The commands of docs/replay.md, as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.cli.commands import fleet

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^    fleet (.*)$", PAGE, re.MULTILINE)]
PLANT = "Zeit;Anlage;Tag;Wert;Einheit\n02.03.2026 06:00:00;P1;PT1;1,5;bar\n02.03.2026 06:00:01;P1;PT1;1,6;bar\n"


def test_the_commands_of_the_page_run_one_after_the_other(tmp_path: Path, monkeypatch: object) -> None:
    (tmp_path / "plant.csv").write_text(PLANT)
    here = [words for words in COMMANDS if "kafka://localhost:9092" not in words]
    assert [words[0] for words in here] == ["record", "replay", "replay", "replay"]

    ended = [fleet(*words, cwd=tmp_path) for words in here]

    assert [one.code for one in ended] == [0, 0, 0, 0], ended
    assert len((tmp_path / "again.jsonl").read_text().splitlines()) == 22_500
    assert [json.loads(line)["value"] for line in ended[3].out.splitlines()] == [1.5, 1.6]
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    found: dict[str, object] = {}
    exec(code.replace('"shift.avro"', repr(str(tmp_path / "shift.avro"))), found)
    assert isinstance(found["key"], bytes)


def test_what_the_page_says_of_a_torn_file_and_a_bad_row_is_said(tmp_path: Path) -> None:
    fleet("record", "quickstart", "--for", "5min", "--seed", "7", "--start", "2026-03-02T06:00:00Z",
          "--out", "shift.avro", cwd=tmp_path)  # fmt: skip
    data = (tmp_path / "shift.avro").read_bytes()
    (tmp_path / "shift.avro").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "plant.csv").write_text("time,machine,sensor,value\n1772431200,a,b,1\n1772431201,a,b,I/O Timeout\n")

    torn = fleet("replay", "shift.avro", "--speed", "max", "--to", "null:", cwd=tmp_path)
    bad = fleet("replay", "plant.csv", "--speed", "max", "--to", "file:out.jsonl", cwd=tmp_path)

    assert (torn.code, bad.code) == (1, 2)
    said = [re.sub(r"[\d,.]+", "N", line) for line in torn.lines]
    for line in re.findall(r"^    (shift\.avro: .*)$", PAGE, re.MULTILINE):
        assert re.sub(r"[\d,.]+", "N", line) in said
    assert re.findall(r"^    (plant\.csv:3: .*)$", PAGE, re.MULTILINE)[0] == bad.lines[0]
    assert not (tmp_path / "out.jsonl").exists()

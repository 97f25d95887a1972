"""What cannot be done is one clear line and exit 2, and never a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import FLEET, Ended, environment, fleet, untroubled
from tests.cli.forks import Forks

LINE = "lines: [{name: filling, machines: [{kind: pump, count: 2}]}]"
HEAD = "fleet: 1\nname: bad\nseed: 1\n"
EIGHT = """\
fleet: 1
name: eight
seed: -4
duration: 5 bar
colour: green
lines:
  - name: filling
    machines:
      - {kind: pumpp, count: 2}
      - {kind: pump, count: 0}
      - {kind: pump, id: one}
      - {kind: oven, id: one}
      - {kind: pump, set: {bearing_life: -6 min}}
records: {readings: {format: xml}}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "bad.yaml: must be a scenario, is empty"),
        ("just words\n", "bad.yaml:1: must be"),
        ("fleet: [1\n", "bad.yaml:2: "),
        ("\x00\x01\x02", "bad.yaml"),
        ("- fleet\n- 1\n", "bad.yaml:1: must be"),
        (HEAD + LINE + "\ncolour: green\n", "bad.yaml:5: colour: unknown"),
        (HEAD + "lines: [{name: a, machines: [{kind: pumpp}]}]\n", "unknown kind 'pumpp'; did you mean 'pump'?"),
        (HEAD + "duration: 5 bar\n" + LINE, "bad.yaml:4: duration: "),
        (HEAD + "lines: [{name: a, machines: [{kind: pump, count: 0}]}]\n", "bad.yaml:4: lines[0].machines[0].count: "),
        (HEAD + "lines: [{name: a, machines: [{kind: pump, id: x}, {kind: oven, id: x}]}]\n", "'x'"),
        (HEAD + "start: 2026-03-02T06:00:00Z\nstop: 2026-03-01T06:00:00Z\n" + LINE, "bad.yaml:5: stop: "),
        (HEAD + "lines: []\n", "bad.yaml:4: lines: "),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("run", "--to", "null:")])
def test_a_wrong_scenario_is_one_line_with_its_place(
    text: str, says: str, command: tuple[str, ...], forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(text)

    ended = forks.fleet(command[0], "bad.yaml", *command[1:], cwd=tmp_path)

    lines = [line for line in ended.lines if not line.endswith(("problem", "problems"))]
    assert ended.code == 2
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("bad.yaml")
    assert says in lines[0]
    assert ended.out == ""


def test_a_scenario_of_five_mebibytes_is_refused_at_once(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (5 << 20))

    assert "4 MiB" in forks.refused("run", "large.yaml", "--to", "null:", cwd=tmp_path)


@pytest.mark.parametrize("name", ["none.yaml", "dir/none.yaml", "quikstart", "."])
def test_a_scenario_that_is_not_there_is_one_line(name: str, forks: Forks, tmp_path: Path) -> None:
    line = forks.refused("run", name, "--to", "null:", cwd=tmp_path)

    assert name in line
    assert name != "quikstart" or "did you mean 'quickstart'?" in line


def test_eight_mistakes_are_eight_lines(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "eight.yaml").write_text(EIGHT)

    ended = forks.fleet("check", "eight.yaml", cwd=tmp_path)

    assert ended.code == 2
    assert ended.lines[-1] == "8 problems"
    assert [line.split(":")[1] for line in ended.lines[:-1]] == ["3", "4", "5", "9", "10", "12", "13", "14"]


def test_check_looks_at_every_file_it_is_given(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "eight.yaml").write_text(EIGHT)

    ended = forks.fleet("check", "quickstart", "eight.yaml", "none.yaml", cwd=tmp_path)

    assert ended.code == 2
    assert ended.lines[0] == "quickstart: ok"
    assert ended.lines[-1] == "9 problems"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--to nowhere:", "no sink 'nowhere:'; there is kafka://"),
        ("--to out.jsonl", "did you mean 'file:out.jsonl'?"),
        ("--to file:out.csv", "no sink 'file:out.csv'"),
        ("--to null: --to null:", "named twice"),
        ("--to null: --format xml", "--format: must be avro or json or protobuf, got 'xml'"),
        ("--to stdout: --format avro", "takes json, not avro"),
        ("--to null: --speed 0", "--speed: must be"),
        ("--to null: --speed -3", "--speed: must be"),
        ("--to null: --speed fast", "--speed: must be"),
        ("--to null: --speed nan", "--speed: must be"),
        ("--to null: --speed inf", "--speed: must be"),
        ("--to null: --speed 1e9", "--speed: must be"),
        ("--to null: --for -1h", "--for: must be above 0"),
        ("--to null: --for 0s", "--for: must be above 0"),
        ("--to null: --for 5bar", "--for: "),
        ("--to null: --for 1e15h", "--for: must be at most"),
        ("--to null: --start yesterday", "--start: must be a time"),
        ("--to null: --start 2026-03-02T06:00:00", "--start: must carry a zone"),
        ("--to null: --start 1600-01-01T00:00:00Z", "--start: must be a time"),
        ("--to null: --seed -1", "--seed"),
        ("--to null: --seed 1.5", "--seed"),
        ("--to null: --seed 99999999999999999999", "--seed: must be at most"),
        ("--to null: --skew 0s", "--skew: must be above 0"),
        ("--to null: --stop-timeout never", "--stop-timeout: "),
        ("--to null: --when-late panic", "--when-late: must be catch-up or skip, got 'panic'"),
        ("--to null: --record-time noon", "--record-time: must be scan or wall, got 'noon'"),
        ("--to null: --topic a/b", "topic 'a/b': must be"),
        ("--to null: --topic factory.{planet}", "may contain {site}"),
        ("--to null: --set lines[9].count=1", "--set"),
        ("--to null: --set lines[0].machines[0].count=-1", "--set"),
        ("--to null: --set nonsense", "--set"),
        ("--sample 0", "--sample"),
        ("--to null: --nonsense", "No such option: --nonsense"),
        ("--to stdout: --json", "--json and --to stdout:"),
        ("--to file:{file}/out.jsonl", "cannot write"),
        ("--to file:/proc/out.jsonl", "cannot write"),
        ("--to file:none/out.avro", "no such file or directory"),
        ("--to kafka://", "kafka"),
        ("--to kafka://127.0.0.1", "kafka"),
        ("--to kafka://127.0.0.1:http", "kafka"),
        ("--to kafka://127.0.0.1:99999", "kafka"),
        ("--to kafka://127.0.0.1:{port}", "connection refused: nothing listens there"),
        ("--to kafka://broker.invalid:9092", "unknown host"),
        ("--to kafka://127.0.0.1:9092 --kafka-config none.properties", "none.properties"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_a_run_is_one_line(
    words: str, says: str, closed_port: int, forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "a-file").write_text("")
    filled = words.replace("{file}", "a-file").replace("{port}", str(closed_port))

    line = forks.refused("run", "quickstart", *filled.split(), cwd=tmp_path)

    assert says in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("run", "Missing argument"),
        ("check", "Missing argument"),
        ("tail", "--from: no broker named"),
        ("verify", "--from: no broker named"),
        ("verify --from null:", "--from: must be kafka://"),
        ("verify --from file:none.jsonl", "none.jsonl"),
        ("tail --from kafka://127.0.0.1:{port}", "connection refused"),
        ("verify --from kafka://127.0.0.1:{port}", "connection refused"),
        ("check quickstart --create", "--to: no broker named"),
        ("check quickstart --create --to kafka://127.0.0.1:{port}", "connection refused"),
        ("check quickstart thingum --recreate --to kafka://127.0.0.1:{port}", "--recreate: must be about one scenario"),
        ("check quickstart --recreate --yes --to kafka://127.0.0.1:{port}", "connection refused"),
        ("check quickstart --yes", "--yes: agrees to --recreate"),
        ("init /proc/mine.yaml", "cannot be written"),
        ("broker --topic readings:none", "--topic: must be NAME:PARTITIONS"),
        ("broker --topic a/b:3", "topic"),
        ("broker --port 70000", "--port"),
    ],
)
def test_what_cannot_be_asked_of_the_other_commands_is_one_line(
    words: str, says: str, closed_port: int, forks: Forks
) -> None:
    line = forks.refused(*words.replace("{port}", str(closed_port)).split())

    assert says in line


def test_a_wrong_broker_in_the_environment_is_one_line(closed_port: int, forks: Forks) -> None:
    line = forks.refused("run", "quickstart", env={"FLEET_KAFKA_BOOTSTRAP": f"127.0.0.1:{closed_port}"})

    assert "connection refused" in line


def test_a_disk_that_is_full_ends_the_run_with_its_account(small_disk: Path) -> None:
    ended = fleet("run", "quickstart", "--speed", "max", "--for", "2h", "--to", f"file:{small_disk}/out.jsonl")

    assert ended.code == 1
    assert [line for line in ended.lines if "stopped early" in line and "no space left on device" in line]
    assert " failed" in next(line for line in ended.lines if line.startswith("readings:"))
    assert (small_disk / "out.jsonl").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("words", ["kinds", "run quickstart --sample 1000", "run quickstart --speed max --to stdout:"])
def test_a_standard_output_that_is_full_is_no_traceback(words: str) -> None:

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([FLEET, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=environment(), timeout=30, check=False)  # fmt: skip

    ended = untroubled(Ended(done.returncode, "", done.stderr))
    assert ended.code == 1
    assert "o space left on device" in ended.err


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as made:
        yield made


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in which two mebibytes fit."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)

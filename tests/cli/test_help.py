"""Help: short, quick, and its examples are true."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from fleet.broker.process import EmbeddedBroker
from tests.cli.commands import FLEET, Live, environment, fleet

HEAVY = (
    "aiokafka",
    "numpy",
    "simpy",
    "pydantic",
    "fastavro",
    "confluent_kafka",
    "asyncio",
    "matplotlib",
    "httpx",
    "avro",
)


@cache
def commands() -> list[str]:
    listed = fleet("--help").out.partition("Commands:")[2]
    return re.findall(r"^  (\S+)  ", listed, re.MULTILINE)


def example(command: str) -> list[str]:
    last = fleet(command, "--help").out.rstrip().splitlines()[-1].strip()
    assert last.startswith(f"Example: fleet {command}")
    return shlex.split(last.removeprefix("Example: fleet "))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Give the port of an embedded broker on which the quickstart has run."""
    with EmbeddedBroker() as broker:
        bootstrap = broker.start({"factory.readings": 12, "factory.events": 12, "factory.runs": 1})
        done = fleet("run", "quickstart", "--to", f"kafka://{bootstrap}", "--speed", "max", "--for", "1min")
        assert done.code == 0, done.err
        yield int(bootstrap.rpartition(":")[2])


def test_help_names_every_command() -> None:
    assert {"run", "check", "init", "tail", "verify", "broker", "plot", "fit", "scenarios", "kinds"} <= set(commands())


@pytest.mark.parametrize(
    "command",
    ["run", "check", "init", "verify", "plot", "scenarios", "kinds", "faults", "schema", "dictionary", "asyncapi"],
)
def test_the_example_that_ends_the_help_runs(command: str, port: int, tmp_path: Path) -> None:
    words = [word.replace("localhost:9092", f"127.0.0.1:{port}") for word in example(command)]

    ended = fleet(*words, cwd=tmp_path)

    assert ended.code == 0, ended.err
    assert ended.out or ended.err


def test_the_example_of_tail_shows_records(port: int) -> None:
    words = [word.replace("localhost:9092", f"127.0.0.1:{port}") for word in example("tail")]

    ended = fleet(*words, "--beginning", "--count", "3")

    assert ended.code == 0
    assert [line.count("filling-") for line in ended.out.splitlines()] == [1, 1, 1]


def test_the_examples_of_record_and_replay_follow_one_another(tmp_path: Path) -> None:
    recorded = fleet(*example("record"), cwd=tmp_path)
    replayed = fleet(*example("replay"), cwd=tmp_path)

    assert (recorded.code, replayed.code) == (0, 0)
    assert replayed.out.count("\n") >= 45_000  # all readings of ten minutes, and events


def test_the_example_of_the_broker_stays_until_ctrl_c() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    words = [word.replace("9092", str(free)) for word in example("broker")]

    with Live(*words) as broker:
        broker.until("Ctrl-C ends it")
        broker.press()
        ended = broker.ended(timeout_s=10)

    assert ended.code == 0
    assert f"127.0.0.1:{free}" in ended.out


def test_every_commands_example_is_tried_here() -> None:
    assert set(commands()) == {
        "run",
        "faults",
        "asyncapi",
        "dictionary",
        "check",
        "init",
        "tail",
        "verify",
        "record",
        "replay",
        "broker",
        "plot",
        "fit",
        "score",
        "schema",
        "scenarios",
        "kinds",
    }


def test_the_version_is_that_of_the_distribution() -> None:
    ended = fleet("--version")

    assert (ended.code, ended.out) == (0, f"fleet {version('thingum-fleet')}\n")


def test_fleet_alone_shows_the_help() -> None:
    ended = fleet()

    assert ended.code == 0
    assert ended.out == fleet("--help").out


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from fleet.cli import main as cli
sys.argv = ["fleet", "--help"]
try:
    cli.main()
except SystemExit:
    sys.exit(", ".join(name for name in {HEAVY!r} if name in sys.modules) or None)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)

    assert done.returncode == 0, f"imported: {done.stderr}"


def test_a_help_that_nobody_reads_is_no_failure() -> None:
    with subprocess.Popen([FLEET, "run", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # type: ignore[union-attr]
        err = process.stderr.read()  # type: ignore[union-attr]

    assert process.returncode in {0, 128 + signal.SIGPIPE, -signal.SIGPIPE}
    assert err == b""

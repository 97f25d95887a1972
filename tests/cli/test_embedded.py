"""`fleet run` with nothing named: the embedded broker, on a terminal and off it."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess

import pytest

from tests.cli.commands import Live, fleet

PROVEN = "proven"


def test_a_run_that_names_nothing_brings_its_own_broker_and_its_proof() -> None:
    ended = fleet("run", "quickstart", "--speed", "60", "--for", "30s", "--exit")

    assert ended.code == 0, ended.err
    assert ended.lines[-2] == PROVEN
    assert "2,250 readings of 10 machines in 12 partitions: in order, no gap, no duplicate, digests equal" in ended.err
    assert ended.lines[-1].startswith("again: fleet run quickstart --seed 11 --start ")
    assert "--to" not in ended.lines[-1]


def test_a_run_at_full_speed_is_proven_too() -> None:
    ended = fleet("run", "quickstart", "--speed", "max", "--for", "40min", "--exit")

    assert ended.code == 0, ended.err
    assert ended.lines[-2] == PROVEN
    assert "180,000 readings" in ended.err


def test_wall_time_on_the_records_is_proven_too() -> None:
    ended = fleet("run", "thingum", "--speed", "60", "--for", "30s", "--record-time", "wall", "--exit")

    assert ended.code == 0, ended.err
    assert ended.lines[-2] == PROVEN


def test_off_a_terminal_the_broker_does_not_stay() -> None:
    ended = fleet("run", "quickstart", "--speed", "60", "--for", "6s")

    assert ended.code == 0
    assert "until Ctrl-C" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_the_broker_stays_until_a_signal(number: signal.Signals) -> None:
    with Live("run", "quickstart", "--speed", "60", "--for", "30s", terminal=True) as run:
        said = plain(run.until("until Ctrl-C"))
        looked = look(said)
        run.press(number)
        ended = run.ended(timeout_s=10)

    assert ended.code == 0
    assert looked is None or looked.count('"type":"state"') == 10
    assert "broker closed" in ended.out


def plain(text: str) -> str:
    """Leave out what moves a terminal's cursor and colours its text."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def look(said: str) -> str | None:
    """Do what the hint says, where kcat is installed."""
    hint = re.search(r"^look: +(kcat .*)$", said, re.MULTILINE)
    assert hint is not None, said
    if shutil.which("kcat") is None:
        return None
    return subprocess.run(shlex.split(hint[1]), capture_output=True, text=True, timeout=20, check=True).stdout


def test_the_table_shows_where_a_run_is() -> None:
    with Live("run", "quickstart", "--speed", "60", terminal=True) as run:
        run.until(lambda text: "acknowledged" in text and "execute" in text and "simulated" in text)
        run.press()
        ended = run.ended(timeout_s=15)

    assert ended.code == 130
    assert "stopped cleanly" in ended.out
    assert "until Ctrl-C" not in ended.out


def test_an_interrupted_run_on_its_own_broker_is_proven_as_far_as_it_came() -> None:
    with Live("run", "quickstart", "--speed", "60") as run:
        run.until("quickstart: 10 machines")
        run.press()
        ended = run.ended(timeout_s=15)

    assert ended.code == 130
    assert ended.lines[-2] == PROVEN

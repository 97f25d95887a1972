"""`fleet run` without a broker: standard output, files, reports, signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.commands import FLEET, Ended, Live, environment, fleet, untroubled

QUICK = ("run", "quickstart", "--speed", "max")


def piped(shell: str, *, cwd: Path | None = None) -> Ended:
    """Run a pipe line of the shell, in which ``fleet`` is ours; its code is that of ``fleet``."""
    script = f"fleet() {{ '{FLEET}' \"$@\"; }}; {shell}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), cwd=cwd,
                          timeout=60, check=False)  # fmt: skip
    return untroubled(Ended(done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize(
    "command",
    [
        "fleet run quickstart --to stdout: --speed max --for 1h | head -3",
        "fleet run quickstart --sample 100000 | head -3",
        "fleet run quickstart --to stdout: --speed 60 | head -3",
        "fleet run thingum --to stdout: --speed max --for 2h | head -3",
    ],
)
def test_whoever_reads_enough_and_goes_gets_no_traceback(command: str) -> None:
    ended = piped(command)

    assert ended.code in {0, 128 + signal.SIGPIPE}
    assert len([json.loads(line) for line in ended.out.splitlines()]) == 3
    assert "failed" not in ended.err
    assert "readings:" not in ended.err


def test_a_report_that_nobody_reads_is_no_failure() -> None:
    ended = piped("fleet run quickstart --to null: --speed max --for 1min --json | true")

    assert ended.code in {0, 128 + signal.SIGPIPE}


def test_standard_output_gets_the_records_and_standard_error_the_words() -> None:
    ended = fleet(*QUICK, "--for", "1min", "--to", "stdout:")

    records = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 0
    assert sum("sensor" in record for record in records) == 4500
    assert "readings: 4,500 scheduled, 4,500 produced, 4,500 acknowledged" in ended.err
    assert ended.lines[-1].startswith("again: fleet run quickstart --seed 11 --start ")


@pytest.mark.parametrize("suffix", ["avro", "jsonl"])
def test_a_file_holds_what_the_account_says_and_verify_proves_it(suffix: str, tmp_path: Path) -> None:
    ran = fleet(*QUICK, "--for", "1min", "--to", f"file:out.{suffix}", cwd=tmp_path)
    proof = fleet("verify", "quickstart", "--from", f"file:out.{suffix}", cwd=tmp_path)

    assert ran.code == 0, ran.err
    assert proof.code == 0, proof.err
    assert {path.name for path in tmp_path.iterdir()} == {
        f"out.{suffix}", f"out.{suffix}.events.jsonl", f"out.{suffix}.runs.jsonl",
    }  # fmt: skip


def test_several_sinks_at_once_each_have_an_account() -> None:
    ended = fleet(*QUICK, "--for", "1min", "--to", "null:", "--to", "stdout:")

    assert ended.code == 0
    assert "null:: readings: 4,500 scheduled" in ended.err
    assert "stdout:: readings: 4,500 scheduled" in ended.err


def test_the_report_for_machines_has_all_that_the_summary_has() -> None:
    ended = fleet(*QUICK, "--for", "1min", "--to", "null:", "--json")

    report = json.loads(ended.out)
    assert ended.code == 0
    assert (report["exit"], report["readings"], report["machines"], report["seed"]) == (0, 4500, 10, 11)
    assert report["targets"][0]["account"]["readings"]["acknowledged"] == 4500
    assert report["again"] == ended.lines[-1].removeprefix("again: ")


def test_the_command_that_repeats_a_run_repeats_it(tmp_path: Path) -> None:
    first = fleet("run", "quickstart", "--speed", "max", "--for", "90 s", "--to", "file:a.jsonl", cwd=tmp_path)
    records = (tmp_path / "a.jsonl").read_bytes()
    again = first.lines[-1].removeprefix("again: fleet ").split()

    second = fleet(*again, cwd=tmp_path)

    assert second.code == 0
    assert (tmp_path / "a.jsonl").read_bytes() == records
    assert len(records.splitlines()) == 6750


def test_a_sample_is_the_first_records_and_nothing_is_said() -> None:
    sample = fleet("run", "quickstart", "--start", "2026-03-02T06:00:00Z", "--sample", "25")
    whole = fleet(*QUICK, "--start", "2026-03-02T06:00:00Z", "--for", "10s", "--to", "stdout:")

    assert (sample.code, sample.err) == (0, "")
    assert sample.out.splitlines() == whole.out.splitlines()[:25]


def test_a_scenario_that_init_wrote_is_right_and_runs(tmp_path: Path) -> None:
    written = fleet("init", "my.yaml", cwd=tmp_path)
    checked = fleet("check", "my.yaml", "--expand", cwd=tmp_path)
    ran = fleet("run", "my.yaml", "--speed", "max", "--for", "1min", "--to", "null:", cwd=tmp_path)
    again = fleet("init", "my.yaml", cwd=tmp_path)

    assert (written.code, checked.code, ran.code) == (0, 0, 0)
    assert "topic     factory.readings" in checked.out
    assert "0 acknowledged" not in ran.err
    assert (again.code, again.lines) == (2, ["my.yaml: is there already; name another file"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly_with_its_account(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    with Live("run", "quickstart", "--to", f"file:{file}", "--for", "1h") as run:
        run.until("quickstart: 10 machines")
        while run.process.poll() is None and not file.stat().st_size:
            time.sleep(0.05)
        run.press(number)
        ended = run.ended(timeout_s=10)

    account = re.search(r"readings: (\d+) scheduled, (\d+) produced, (\d+) acknowledged", ended.err)
    assert ended.code == 130
    assert account is not None
    assert len(set(account.groups())) == 1
    assert "stopped cleanly" in ended.err
    assert ended.lines[-1].startswith("again: ")


def test_ctrl_c_twice_ends_a_run_that_cannot_write() -> None:
    with Live("run", "quickstart", "--speed", "max", "--for", "10h", "--to", "stdout:") as run:  # nobody reads
        run.until("quickstart: 10 machines")
        time.sleep(0.5)
        run.press()
        time.sleep(0.2)
        run.press()
        ended = run.ended(timeout_s=10)

    assert ended.code in {1, 130}
    assert "again: " in ended.err


def test_ctrl_c_while_the_scenario_is_being_expanded_is_no_traceback() -> None:
    with Live("run", "hundred-thousand", "--to", "null:") as run:
        time.sleep(1.0)
        run.press()
        ended = run.ended(timeout_s=20)

    assert ended.code == 130

"""Standard streams that whoever started us has closed: no traceback, the right exit code, nothing in the wrong file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import FLEET, Ended, environment, untroubled

CLOSED = "cannot go on: standard output is closed"
NULL_RUN = "fleet run quickstart --to null: --speed max --for 1min"


def shell(command: str, *, cwd: Path) -> Ended:
    """Run a line of the shell, in which ``fleet`` is ours."""
    script = f"fleet() {{ '{FLEET}' \"$@\"; }}; {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), cwd=cwd,
                          timeout=60, check=False)  # fmt: skip
    return untroubled(Ended(done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize(
    ("command", "code", "last"),
    [
        ("fleet --help >&-", 1, CLOSED),
        ("fleet scenarios >&-", 1, CLOSED),
        ("fleet run quickstart --sample 5 >&-", 1, CLOSED),
        (f"{NULL_RUN} --json >&-", 1, CLOSED),
        ("fleet check quickstart >&-", 0, "quickstart: ok"),
        ("fleet run nonesuch.yaml >&-", 2, "nonesuch.yaml: no such file"),
        (
            "fleet run quickstart --to stdout: >&-",
            2,
            "stdout: is closed; name another sink, or let standard output go somewhere",
        ),
    ],
)
def test_a_closed_standard_output_is_told_where_it_was_wanted(
    command: str, code: int, last: str, tmp_path: Path
) -> None:
    ended = shell(command, cwd=tmp_path)

    assert (ended.code, ended.lines[-1]) == (code, last)


def test_a_run_that_does_not_need_standard_output_does_not_miss_it(tmp_path: Path) -> None:
    ended = shell(f"{NULL_RUN} >&-", cwd=tmp_path)

    assert ended.code == 0
    assert ended.lines[-1].startswith("again: ")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_what_is_meant_for_people_gets_into_no_file(closed: str, tmp_path: Path) -> None:
    ended = shell(f"fleet run quickstart --speed max --for 1min --to file:out.jsonl {closed}", cwd=tmp_path)

    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert len(lines) == 4500
    assert all(line.startswith("{") for line in lines)

"""A consumer of examples/ as a process: what its environment tells it, and what it printed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.commands import Ended
from tests.examples.readings import RECORDS, ReadingsLog

READ_TIMEOUT_S = 120


def consume(command: Sequence[object], environment: Mapping[str, str], *, cwd: Path | None = None) -> Ended:
    """Run a consumer to its end."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=READ_TIMEOUT_S, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_reads_all(command: Sequence[object], readings: ReadingsLog, group: str, *, cwd: Path | None = None) -> None:
    """See that a consumer prints every reading of all versions as the others do."""
    ended = consume(command, readings.environment(group), cwd=cwd)

    assert ended.code == 0, ended.err
    *lines, last = ended.out.splitlines()
    assert last == readings.last_line, ended.err
    assert len(lines) == RECORDS
    assert all(line.startswith("packing-") for line in lines)

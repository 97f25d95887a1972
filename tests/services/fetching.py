"""Commands that fetch what tests need: tried again where a network dropped a download."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.process import ServiceUnavailable, tail

FETCH_TIMEOUT_S = 600
FETCH_TRIES = 2  # a network that drops one download often serves the next


def fetch(command: Sequence[str], *, cwd: Path, who: str, what: str) -> None:
    """Run *command* in *cwd*, by which *who* fetches *what*; ServiceUnavailable says why it did not."""
    said = ""
    for _ in range(FETCH_TRIES):
        try:
            done = subprocess.run(
                command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=FETCH_TIMEOUT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as expired:
            raise ServiceUnavailable(f"{who} did not finish within {FETCH_TIMEOUT_S} s") from expired
        if done.returncode == 0:
            return
        said = done.stdout + done.stderr
    raise ServiceUnavailable(f"{who} could not fetch {what}:\n{tail(said)}")

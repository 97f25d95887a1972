"""The detectors under ``examples/``, as their users start them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.commands import ROOT, environment

FOLDER = ROOT / "examples" / "detectors"
DETECTORS = ("zones", "residuals")
TIMEOUT_S = 1800.0


def alerts_of(detector: str, *words: str, cwd: Path, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Run a *detector* to its end and give its alerts; it must have nothing to complain of."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{detector}.py"), *words], cwd=cwd, env=environment(env), capture_output=True,
        text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def written(alerts: list[dict[str, Any]]) -> str:
    """Write *alerts* as their file."""
    return "".join(f"{json.dumps(alert)}\n" for alert in alerts)

"""Many commands without the half second each takes to start: one process has imported fleet and forks for each.

What a command does is done by a process of its own, with its own descriptors, folder and exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.cli.commands import ROOT, TIMEOUT_S, Ended, environment, untroubled


class Forks:
    """Runs commands one after another."""

    def __enter__(self) -> Forks:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forks"], cwd=ROOT, env=environment(), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.communicate(timeout=TIMEOUT_S)

    def fleet(self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
        """Run `fleet` with *words* to its end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory(prefix="fleet-forks-") as folder:
            asked = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or {}), "folder": folder}
            self._server.stdin.write(json.dumps(asked) + "\n")
            code = int(self._server.stdout.readline())
            out, err = ((Path(folder) / name).read_text() for name in ("out", "err"))
        return untroubled(Ended(code, out, err))

    def refused(self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run what cannot be done; give the one line that says so."""
        ended = self.fleet(*words, cwd=cwd, env=env)
        assert ended.code == 2, ended
        assert ended.out == ""
        assert len(ended.lines) == 1, ended.err
        return ended.lines[0]


def serve() -> None:
    """Fork for each line of standard input."""
    import fleet.run.check
    import fleet.session  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            command(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def command(asked: Mapping[str, str]) -> None:
    """Be the command that was *asked* for, and end with it."""
    from fleet.cli import main as cli

    os.chdir(asked["cwd"])
    os.environ.update(asked["env"])
    for descriptor, name in ((0, os.devnull), (1, "out"), (2, "err")):
        os.dup2(os.open(Path(asked["folder"]) / name, os.O_RDWR | os.O_CREAT), descriptor)
    sys.argv = ["fleet", *asked["words"]]
    code: object = 1
    try:
        cli.main()
    except SystemExit as left:
        code = left.code
    except BaseException:  # noqa: BLE001 - as Python would end it
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    serve()

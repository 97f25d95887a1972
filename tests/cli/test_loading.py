"""Ctrl-C while modules are still being loaded: the process ends as an interrupted one, and nobody complains."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.commands import ROOT, Ended, environment, untroubled

PRESSED_AT = """
import importlib.abc, signal, sys

class Press(importlib.abc.MetaPathFinder):
    pressed = False

    def find_spec(self, name, path, target=None):
        if name == {module!r} and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Press())
signal.signal(signal.SIGINT, {before})
from fleet.__main__ import main
sys.argv = ["fleet", "run", "quickstart", "--speed", "60", "--for", "30s", "--exit"]
main()
"""


def pressed_at(module: str, *, before: str = "signal.default_int_handler") -> Ended:
    """Run the quickstart; Ctrl-C is pressed at the instant at which *module* is to be loaded."""
    code = PRESSED_AT.format(module=module, before=before)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=60,
        check=False,
    )  # fmt: skip
    return untroubled(Ended(done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize("module", ["typer", "fleet.cli.run", "numpy", "pydantic_core", "yaml", "simpy"])
def test_ctrl_c_while_fleet_is_being_loaded_ends_it_at_once(module: str) -> None:
    ended = pressed_at(module)

    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_ctrl_c_while_the_client_is_being_loaded_stops_the_run() -> None:
    ended = pressed_at("aiokafka.producer")

    assert ended.code == 130
    assert ended.lines == ["interrupted before the first record"]


def test_ctrl_c_reaches_a_run_that_a_shell_began_with_ampersand() -> None:
    ended = pressed_at("numpy", before="signal.SIG_IGN")

    assert ended.code == 128 + signal.SIGINT

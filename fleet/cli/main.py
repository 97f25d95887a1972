"""Run the command line; what fails on purpose is one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

from fleet.cli.app import app
from fleet.cli.options import say
from fleet.errors import FleetError

USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""All that can be wrong with arguments; typer has no public name for it."""


def main() -> NoReturn:
    """Carry out what the arguments say, and leave with its exit code."""
    code: int | None = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts with & begin without
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except FleetError as error:
        _leave(error.exit_code, str(error))
    except USAGE as error:
        _leave(2, _usage(error))
    except KeyboardInterrupt:
        _leave(130)
    except BrokenPipeError:  # nobody reads any longer, which changes nothing about what was found
        _leave(code or 0)
    except OSError as error:
        _leave(1, f"cannot go on: {error.strerror or error}")
    except SystemExit:  # typer's own answer to a pipe that nobody reads any longer
        _leave(0)
    _leave(code or 0)


def _usage(error: Exception) -> str:
    """Say in one line what is wrong with the arguments."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "fleet"
    text = getattr(error, "format_message", error.__str__)()
    return f"{command}: {' '.join(text.split()).rstrip('.')}; see {command} --help"


def _leave(code: int, text: str = "") -> NoReturn:
    """Say *text* and exit, without a complaint about a standard output that takes nothing any more."""
    if text:
        say(text)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)

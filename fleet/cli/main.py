"""Run the command line; what fails on purpose is one line and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import NoReturn

import typer

from fleet.cli.app import app
from fleet.cli.command import leave_at_once
from fleet.cli.options import say
from fleet.cli.streams import fill_gaps
from fleet.errors import FleetError

USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""All that can be wrong with arguments; typer has no public name for it."""


def main() -> NoReturn:
    """Carry out what the arguments say, and leave with its exit code."""
    code: int | None = 0
    fill_gaps()
    signal.signal(signal.SIGINT, leave_at_once)  # until a command has loaded what it needs
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except FleetError as error:
        _leave(error.exit_code, str(error))
    except USAGE as error:
        _leave(2, _usage(error))
    except KeyboardInterrupt:
        _flush()
        os._exit(130)  # an orderly end would be by the signal, if this one had come while Python evaluated some text
    except BrokenPipeError:  # nobody reads any longer, which changes nothing about what was found
        _leave(code or 0)
    except OSError as error:
        closed = error.errno == errno.EBADF
        _leave(1, f"cannot go on: {'standard output is closed' if closed else error.strerror or error}")
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
    _flush()
    sys.exit(code)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

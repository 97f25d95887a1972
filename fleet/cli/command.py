"""What the table of commands knows of each; and how a command loads what it needs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn


class Command(NamedTuple):
    """A command: the function that typer reads its options from, its line in the list, and an example that runs."""

    act: Callable[..., None]
    short: str
    example: str  # without the leading "fleet"


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once, with 130: while modules are loaded there is nothing to clean up.

    A KeyboardInterrupt in the midst of an import is not ours to catch: libraries swallow it, or answer it with
    complaints of their own. Afterwards it is raised as usual, also where a shell began us with & and so without.
    """
    signal.signal(signal.SIGINT, leave_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_at_once(*_: object) -> NoReturn:
    """End the process as one that was interrupted, with nothing said."""
    os._exit(130)

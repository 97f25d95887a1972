"""Every exception that fleet raises on purpose, and the exit code each one means."""

from __future__ import annotations

import re
from typing import NamedTuple

USER = re.compile(r"//.*@", re.DOTALL)


class FleetError(Exception):
    """A failure whose message is a sentence for the user; never shown with a traceback."""

    exit_code = 1


class RunError(FleetError):
    """The run failed: records were lost, or something outside broke for good."""

    exit_code = 1


class RequestError(FleetError):
    """What was asked for cannot be done; nothing was sent."""

    exit_code = 2


def without_user(url: str) -> str:
    """Give what a message may show of a *url* that somebody wrote: all but user and password."""
    return USER.sub("//***@", url)


class Problem(NamedTuple):
    """One mistake in a file: where it stands and what must hold there."""

    file: str
    line: int  # 1-based; 0 where the file as a whole is meant
    path: str  # as in ``lines[0].machines[2].set.vibration.period``; may be empty
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.text}" if self.path else f"{where}: {self.text}"


class ScenarioError(RequestError):
    """A scenario (or kind) file is wrong; *problems* has every mistake in it, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

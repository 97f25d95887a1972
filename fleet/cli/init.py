"""``fleet init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import say
from fleet.errors import RequestError


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("scenario.yaml"),
) -> None:
    """Write a short scenario with comments, to start from."""
    with loading():
        from fleet.scenario.schema import starter

    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(starter())
    except FileExistsError:
        raise RequestError(f"{file}: is there already; name another file") from None
    except OSError as error:
        raise RequestError(f"{file}: cannot be written: {error.strerror}") from None
    say(f"wrote {file}; try: fleet check {file} --expand, then: fleet run {file}")


COMMAND = Command(
    init,
    short="Write a scenario to start from.",
    example="init my-factory.yaml",
)

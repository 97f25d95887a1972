"""``fleet dictionary``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import ScenarioName, Settings, load, say
from fleet.cli.values import choice


def dictionary(
    scenario: ScenarioName,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="markdown|csv|json", help="How it is written [as --out ends, else markdown]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help=".md, .csv or .json [standard output].")
    ] = None,
    machines: Annotated[
        bool, typer.Option("--machines", help="Every machine by its id, not machines that are alike as one.")
    ] = False,
    settings: Settings = None,
) -> None:
    """Say what every machine of a scenario measures: sensors, units, range, normal range, resolution, period, topic."""
    with loading():
        from fleet.describe.command import write_pieces
        from fleet.describe.subject import described
        from fleet.describe.tables import FORMATS, SUFFIXES

    said = format_ or SUFFIXES.get(out.suffix.lower() if out else "", "markdown")
    write = FORMATS[choice("--format", said, tuple(FORMATS))]
    pieces = write(described(load(scenario, settings), scenario), machines=machines)
    if out is None:
        sys.stdout.writelines(pieces)
        return
    write_pieces(out, pieces)
    say(f"wrote {out}")


COMMAND = Command(
    dictionary,
    short="Say what every machine measures.",
    example="dictionary quickstart --out dictionary.csv",
)

"""``fleet fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import say


def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, or JSON lines: a reading a row, or a scan.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="The kind of its machines.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="time=..,machine=..,sensor=..,value=..", help="Which columns are what."),
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option(
            "--sensor", metavar="NAME=SENSOR", help="The kind's sensor for one of the file's. May be repeated."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the scenario part goes.")] = Path(
        "part.yaml"
    ),
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="A picture of both, .png or .svg.")
    ] = None,
) -> None:
    """Fit a kind to readings of your own machines, and write a scenario part that behaves like them."""
    with loading():
        from fleet.fit.command import FitRequest, carry_out
        from fleet.picture.progress import shown_status

    request = FitRequest(file, kind, tuple(mapping or ()), tuple(sensor or ()), out, picture)
    with shown_status() as status:
        answer = carry_out(request, status)
    for line in answer.said:
        say(line)
    for line in answer.table:
        typer.echo(line)


COMMAND = Command(
    fit,
    short="Fit a kind to readings of your own machines.",
    example="fit readings.csv --kind pump --sensor PT101=discharge_pressure --plot fit.png",
)

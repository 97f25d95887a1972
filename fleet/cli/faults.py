"""``fleet faults``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import say
from fleet.errors import RequestError


def faults(
    fault: Annotated[str | None, typer.Argument(metavar="[FAULT]", help="One to explain.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A picture of what it does to readings: .svg or .png.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the faults that an incident may bring about, or explain one: signs, parameters, kinds, an example."""
    with loading():
        from fleet.picture.fault_picture import picture_of
        from fleet.picture.faults import explained, listed
        from fleet.picture.progress import shown_progress

    if fault is None:
        if out is not None:
            raise RequestError("--out: name the fault to draw: fleet faults FAULT --out FILE")
        typer.echo(listed(as_json=as_json))
        return
    text = explained(fault, as_json=as_json)
    if out is not None:
        with shown_progress() as progress:
            picture_of(fault, out, progress)
    typer.echo(text)
    if out is not None:
        say(f"wrote {out}")


COMMAND = Command(
    faults,
    short="Explain the faults that can be scripted.",
    example="faults bearing_wear --out bearing-wear.svg",
)

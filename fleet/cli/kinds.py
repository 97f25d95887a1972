"""``fleet kinds``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import say
from fleet.cli.values import duration_us
from fleet.errors import RequestError


def kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="One to explain: a name, or a kind file of your own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A picture of one machine: .html, .svg or .png.")
    ] = None,
    length: Annotated[str, typer.Option("--for", metavar="1h", help="How long the picture is.")] = "1h",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the kinds of machines there are, or explain one: sensors, normal ranges, states, wear, sources."""
    with loading():
        from fleet.picture.kinds import explained, listed, picture_of

    if kind is None:
        if out is not None:
            raise RequestError("--out: name the kind to draw: fleet kinds KIND --out FILE")
        text = listed(as_json=as_json)
    else:
        text = explained(kind, as_json=as_json)
        if out is not None:
            picture_of(kind, out, length_us=duration_us("--for", length))
    typer.echo(text)
    if out is not None:
        say(f"wrote {out}")


COMMAND = Command(
    kinds,
    short="Explain the kinds of machines there are.",
    example="kinds pump --out pump.svg",
)

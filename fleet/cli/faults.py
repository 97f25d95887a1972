"""``fleet faults``."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.command import Command, loading


def faults(
    fault: Annotated[str | None, typer.Argument(metavar="[FAULT]", help="One to explain.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the faults that an incident may bring about, or explain one: signs, parameters, kinds, an example."""
    with loading():
        from fleet.picture.faults import explained, listed

    typer.echo(listed(as_json=as_json) if fault is None else explained(fault, as_json=as_json))


COMMAND = Command(
    faults,
    short="Explain the faults that can be scripted.",
    example="faults bearing_wear",
)

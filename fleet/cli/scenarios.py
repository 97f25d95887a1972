"""``fleet scenarios``."""

from __future__ import annotations

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import load


def scenarios() -> None:
    """List the scenarios that fleet ships."""
    with loading():
        from fleet.scenario.load import scenario_names

    for name in scenario_names():
        typer.echo(f"{name:20} {load(name, None).about}")


COMMAND = Command(
    scenarios,
    short="List the scenarios that fleet ships.",
    example="scenarios",
)

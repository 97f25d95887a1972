"""``fleet scenarios``."""

from __future__ import annotations

import json
from dataclasses import asdict
from textwrap import fill
from typing import Annotated

import typer

from fleet.cli.command import Command, loading

WIDTH, INDENT = 100, " " * 21


def scenarios(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the scenarios that fleet ships: what each is about, and what to expect of it."""
    with loading():
        from fleet.scenario.library import stories

    if as_json:
        typer.echo(json.dumps([asdict(story) for story in stories()], indent=1, ensure_ascii=False))
        return
    for story in stories():
        typer.echo(f"{story.name:20} {story.about}")
        if story.expect:
            typer.echo(fill(f"Expect {story.expect}", WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))


COMMAND = Command(
    scenarios,
    short="List the scenarios that fleet ships.",
    example="scenarios",
)

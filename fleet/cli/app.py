"""The table of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli import (
    asyncapi,
    broker,
    check,
    dictionary,
    faults,
    fit,
    init,
    kinds,
    plot,
    record,
    replay,
    run,
    scenarios,
    schema,
    score,
    tail,
    verify,
)

COMMANDS = {
    "run": run.COMMAND,
    "check": check.COMMAND,
    "init": init.COMMAND,
    "plot": plot.COMMAND,
    "fit": fit.COMMAND,
    "tail": tail.COMMAND,
    "record": record.COMMAND,
    "replay": replay.COMMAND,
    "verify": verify.COMMAND,
    "score": score.COMMAND,
    "schema": schema.COMMAND,
    "asyncapi": asyncapi.COMMAND,
    "dictionary": dictionary.COMMAND,
    "broker": broker.COMMAND,
    "scenarios": scenarios.COMMAND,
    "kinds": kinds.COMMAND,
    "faults": faults.COMMAND,
}

app = typer.Typer(
    name="fleet",
    help="A simulated factory on Kafka.\n\nTry: fleet run quickstart",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    app.command(name, short_help=command.short, epilog=f"\b\nExample: fleet {command.example}")(command.act)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fleet {version('thingum-fleet')}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Do nothing beside what the options say."""

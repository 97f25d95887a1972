"""``fleet check``."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import KafkaConfig, Settings, broker_url, load, say
from fleet.errors import RequestError, ScenarioError


def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files, or names.")],
    settings: Settings = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show machines, records/s, MB/s, islands and topics; send nothing.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the topics on the broker of --to.")] = False,
    recreate: Annotated[
        bool,
        typer.Option(
            "--recreate", help="Delete the topics that are there, with their records, and make them anew; asks."
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to --recreate; where there is no terminal to ask at.")
    ] = False,
    to: Annotated[str | None, typer.Option("--to", metavar="SINK", help="The broker of --create, --recreate.")] = None,
    kafka_config: KafkaConfig = None,
) -> None:
    """Say everything that is wrong with scenarios, each mistake with its line; exit 2 if there is any."""
    with loading():
        from fleet.run.check import expanded, plan_of
        from fleet.run.evolution import judged_steps

    if recreate and len(scenarios) != 1:
        raise RequestError(f"--recreate: must be about one scenario, got {len(scenarios)}: they may share topics")
    if yes and not recreate:
        raise RequestError("--yes: agrees to --recreate, which was not asked for")
    wrong = 0
    for name in scenarios:
        try:
            loaded = load(name, settings)
            judged_steps(loaded)
            lines = expanded(loaded, name) if expand else [f"{name}: ok"]
            if create or recreate:
                from fleet.run import topics

                on_broker = topics.topics_of(plan_of(loaded, name), broker_url(to), kafka_config)
                agreed = partial(_agreed, yes=yes)
                lines += topics.recreate(on_broker, show=say, agreed=agreed) if recreate else topics.create(on_broker)
        except ScenarioError as error:
            wrong += len(error.problems)
            say(str(error))
            continue
        for line in lines:
            (typer.echo if expand or create or recreate else say)(line)
    if wrong:
        say(f"{wrong} problem{'s' if wrong > 1 else ''}")
        raise typer.Exit(2)


def _agreed(*, yes: bool) -> bool:
    """Ask whether topics may be deleted; where nobody can be asked it must have been said."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise RequestError("--recreate: asks before it deletes, and standard input is no terminal; agree with --yes")
    return typer.confirm("Delete them, with all their records?", default=False, err=True)


COMMAND = Command(
    check,
    short="Say everything that is wrong with scenarios.",
    example="check quickstart --expand",
)

"""``fleet check``."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import KafkaConfig, Settings, broker_url, load, say
from fleet.errors import ScenarioError


def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files, or names.")],
    settings: Settings = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show machines, records/s, MB/s, islands and topics; send nothing.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the topics on the broker of --to.")] = False,
    to: Annotated[str | None, typer.Option("--to", metavar="SINK", help="The broker for --create.")] = None,
    kafka_config: KafkaConfig = None,
) -> None:
    """Say everything that is wrong with scenarios, each mistake with its line; exit 2 if there is any."""
    with loading():
        from fleet.run.check import create_topics, expanded
        from fleet.run.evolution import judged_steps

    wrong = 0
    for name in scenarios:
        try:
            loaded = load(name, settings)
            judged_steps(loaded)
            lines = expanded(loaded, name) if expand else [f"{name}: ok"]
            if create:
                lines += create_topics(loaded, name, broker_url(to), kafka_config)
        except ScenarioError as error:
            wrong += len(error.problems)
            say(str(error))
            continue
        for line in lines:
            (typer.echo if expand or create else say)(line)
    if wrong:
        say(f"{wrong} problem{'s' if wrong > 1 else ''}")
        raise typer.Exit(2)


COMMAND = Command(
    check,
    short="Say everything that is wrong with scenarios.",
    example="check quickstart --expand",
)

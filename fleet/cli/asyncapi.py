"""``fleet asyncapi``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import KafkaConfig, ScenarioName, Settings, load, say
from fleet.cli.run_options import RunHeader


def asyncapi(
    scenario: ScenarioName,
    to: Annotated[
        str | None, typer.Option("--to", metavar="SINK", help="The Kafka it is sent to: kafka://HOST:PORT [examples].")
    ] = None,
    kafka_config: KafkaConfig = None,
    registry: Annotated[
        str | None, typer.Option(metavar="URL", help="The schema registry beside it; default FLEET_REGISTRY.")
    ] = None,
    run_header: RunHeader = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PLACE", help="A folder, or a file .yaml (or .html) in one; schemas go beside it."
        ),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="One page that needs nothing else [NAME-asyncapi.html]")] = False,
    settings: Settings = None,
) -> None:
    """Describe for other teams what a scenario sends: topics, schemas, brokers and real examples, as AsyncAPI 3.

    Without --out the document goes to standard output with its schemas in it.
    """
    with loading():
        from fleet.describe.asyncapi import AsyncApiRequest, carry_out

    told = carry_out(
        AsyncApiRequest(load(scenario, settings), scenario, to, kafka_config, registry, run_header, out, html),
        os.environ,
    )
    sys.stdout.write(told.text)
    for file in told.files:
        say(f"wrote {file}")


COMMAND = Command(
    asyncapi,
    short="Describe what is sent for other teams: AsyncAPI.",
    example="asyncapi quickstart --out asyncapi",
)

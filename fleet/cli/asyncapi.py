"""``fleet asyncapi``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import KafkaConfig, ScenarioName, Settings, load, say
from fleet.cli.run_options import Headers, RunHeader
from fleet.cli.values import choice


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
    headers: Headers = None,
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
        from fleet.scenario.streams import HEADERS

    request = AsyncApiRequest(
        scenario=load(scenario, settings),
        source=scenario,
        to=to,
        kafka_config=kafka_config,
        registry=registry,
        run_header=run_header,
        headers=None if headers is None else choice("--headers", headers, HEADERS),
        out=out,
        html=html,
    )
    told = carry_out(request, os.environ)
    sys.stdout.write(told.text)
    for file in told.files:
        say(f"wrote {file}")


COMMAND = Command(
    asyncapi,
    short="Describe what is sent for other teams: AsyncAPI.",
    example="asyncapi quickstart --out asyncapi",
)

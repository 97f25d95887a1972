"""``fleet tail``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import BOOTSTRAP_VARIABLE, KafkaConfig, ReaderSchema, Registry, broker_url


def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to read.")] = "factory.readings",
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help=f"kafka://HOST:PORT; default {BOOTSTRAP_VARIABLE}.")
    ] = None,
    machine: Annotated[str, typer.Option(metavar="GLOB", help="Only machines that match.")] = "*",
    sensor: Annotated[str, typer.Option(metavar="GLOB", help="Only sensors that match.")] = "*",
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="One run only; 'last' works.")] = None,
    beginning: Annotated[bool, typer.Option("--beginning", help="From the first record, not from now.")] = False,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after N records.")] = None,
    schema: ReaderSchema = None,
    registry: Registry = None,
    headers: Annotated[bool, typer.Option("--headers", help="Show the records' headers, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    kafka_config: KafkaConfig = None,
) -> None:
    """Show records as they come, decoded."""
    with loading():
        from fleet.contract.access import access
        from fleet.session import show_tail
        from fleet.verify.tail import TailOptions

    options = TailOptions(
        machine=machine,
        sensor=sensor,
        since="run" if run_id else "beginning" if beginning else "now",
        run=None if run_id == "last" else run_id,
        count=count,
        schema=schema,
        registry=access(registry, os.environ),
        headers=headers,
        form="json" if as_json else "colour" if sys.stdout.isatty() else "text",
    )
    show_tail(broker_url(source, "--from"), topic, kafka_config, options)


COMMAND = Command(
    tail,
    short="Show records as they come.",
    example="tail factory.readings --from kafka://localhost:9092 --machine 'filling-*'",
)

"""``fleet verify``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import (
    BOOTSTRAP_VARIABLE,
    KafkaConfig,
    ReaderSchema,
    Registry,
    Settings,
    WithoutIncidents,
    broker_url,
    load,
)


def verify(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="With it the run is regenerated and compared.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help=f"kafka://HOST:PORT or file:PATH; default {BOOTSTRAP_VARIABLE}."),
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Which run; default the last.")] = None,
    settings: Settings = None,
    twin: WithoutIncidents = False,
    schema: ReaderSchema = None,
    registry: Registry = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    kafka_config: KafkaConfig = None,
) -> None:
    """Read a run back and prove it: order, gaps, duplicates, places, counts, digests; exit 1 if anything is wrong."""
    with loading():
        from fleet.contract.access import access
        from fleet.session import show_verdict

    loaded = None if scenario is None else load(scenario, settings)
    if loaded is not None and twin:
        loaded = loaded.without_incidents()
    where = source if source is not None and source.startswith("file:") else broker_url(source, "--from")
    asked = access(registry, os.environ)
    raise typer.Exit(
        show_verdict(where, loaded, kafka_config, run=run_id, as_json=as_json, schema=schema, registry=asked)
    )


COMMAND = Command(
    verify,
    short="Read a run back and prove it.",
    example="verify quickstart --from kafka://localhost:9092",
)

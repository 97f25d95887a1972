"""Arguments and options that several commands have, in the same words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.command import loading
from fleet.errors import RequestError, without_user

if TYPE_CHECKING:
    from fleet.scenario.model import Scenario

BOOTSTRAP_VARIABLE = "FLEET_KAFKA_BOOTSTRAP"

ScenarioName = Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or the name of one that fleet ships.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=V", help="Replace a value of the scenario. May be repeated.")
]
Start = Annotated[
    str | None, typer.Option(metavar="now|TIME", help="When simulated time begins, like 2026-03-02T06:00:00Z.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="What all randomness is drawn from.")]
KafkaConfig = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Properties as Kafka's or librdkafka's clients take them: TLS, SASL."),
]
Registry = Annotated[
    str | None,
    typer.Option(
        metavar="URL[,URL]",
        help="The schema registry that knows ids which the run does not name; default FLEET_REGISTRY.",
    ),
]
ReaderSchema = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="NAME",
        help="Read all records by this version, whichever wrote them: v2, 3-rename, machine-sensor.v2, FILE.avsc.",
    ),
]
WithoutIncidents = Annotated[
    bool, typer.Option("--without-incidents", help="The healthy twin: the same run without anything scripted.")
]


def say(text: str) -> None:
    """Say something to people: on standard error."""
    typer.echo(text, err=True)


def load(name: str, settings: list[str] | None) -> Scenario:
    """Load the scenario *name* with what --set says."""
    with loading():
        from fleet.api import load as load_scenario

    return load_scenario(name, settings=tuple(settings or ()))


def load_with_arguments(
    name: str, settings: list[str] | None, *, seed: int | None, start: str | None, length: str | None
) -> Scenario:
    """Load a scenario with what --set, --seed, --start and --for say."""
    with loading():
        from fleet.run.clock import RealClock
        from fleet.scenario.load import with_arguments
        from fleet.scenario.times import moment

    if start == "now":  # said on the command line, it is the first reading's time whatever the speed
        start = moment(RealClock().wall_us() // 1_000_000 * 1_000_000)
    return with_arguments(load(name, settings), seed=seed, start=start, duration=length)


def bootstrap_url() -> str | None:
    """Give the broker that the environment names, with or without its scheme; None where it names none."""
    named = os.environ.get(BOOTSTRAP_VARIABLE)
    return f"kafka://{named.removeprefix('kafka://')}" if named else None


def broker_url(url: str | None, option: str = "--to") -> str:
    """Give the broker that *option* or the environment names; RequestError where neither does."""
    url = url or bootstrap_url()
    if url is None or not url.startswith("kafka://"):
        what = "no broker named" if url is None else f"must be kafka://HOST:PORT, got {without_user(url)!r}"
        raise RequestError(f"{option}: {what}; use {option} kafka://HOST:PORT or set {BOOTSTRAP_VARIABLE}")
    return url

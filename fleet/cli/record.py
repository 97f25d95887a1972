"""``fleet record``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli import run_options as of
from fleet.cli.command import Command, loading
from fleet.cli.options import (
    BOOTSTRAP_VARIABLE,
    KafkaConfig,
    Registry,
    Seed,
    Settings,
    Start,
    broker_url,
    load_with_arguments,
    say,
)
from fleet.cli.values import choice, duration_us, speed_of
from fleet.errors import RequestError

SCENARIO_ONLY = ("speed", "start", "seed", "settings")


def record(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO|TOPIC...",
            help="A scenario, which is run; or topics of --from. Without any: all topics of the run.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.avro", help="Where the recording goes.")] = Path(
        "recording.avro"
    ),
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help=f"kafka://HOST:PORT; default {BOOTSTRAP_VARIABLE}."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="One run only [the last one that wrote there].")
    ] = None,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="1h", help="How long: a scenario in simulated time, topics in wall time."),
    ] = None,
    codec: Annotated[
        str, typer.Option(metavar="deflate|zstd|none", help="Compression; every reader of Avro knows deflate.")
    ] = "deflate",
    speed: Annotated[str, typer.Option(metavar="1|60|max", help="Of a scenario.")] = "max",
    start: Start = None,
    seed: Seed = None,
    settings: Settings = None,
    kafka_config: KafkaConfig = None,
    registry: Registry = None,
    as_json: of.Json = False,
) -> None:
    """Record a run as it goes, or what a run wrote to topics, with all it takes to send it again."""
    with loading():
        from fleet.contract.access import access
        from fleet.replay.command import record_topics
        from fleet.replay.record import RecordRequest
        from fleet.run.clock import RealClock
        from fleet.run.plan import RunRequest, make_plan
        from fleet.session import carry_out

    names = what or []
    choice("--codec", codec, ("deflate", "zstd", "none"))
    if out.suffix != ".avro":
        raise RequestError(f"--out: must be a file FILE.avro, got {str(out)!r}")
    if source is None and len(names) == 1 and _is_scenario(names[0]):
        request = RunRequest(
            scenario=load_with_arguments(names[0], settings, seed=seed, start=start, length=length),
            source=names[0],
            targets=(f"record:{out}" if codec == "deflate" else f"record:{out}?codec={codec}",),
            speed=speed_of(speed),
            settings=tuple(settings or ()),
            registry=access(registry, os.environ),
        )
        if run_id is not None:
            raise RequestError(f"--run: is for topics, and {names[0]!r} is a scenario; leave it out, or give --from")
        plan = make_plan(request, wall_us=RealClock().wall_us())
        code = carry_out(plan, as_json=as_json, keep_open=False)
        say(f"play it: fleet replay {out}")
        raise typer.Exit(code)
    for name in SCENARIO_ONLY:
        given = context.get_parameter_source(name)
        if given is not None and given.name == "COMMANDLINE":
            raise RequestError(f"--{'set' if name == 'settings' else name}: is for a scenario, and topics are recorded")
    asked = RecordRequest(
        topics=tuple(names),
        out=out,
        run=run_id,
        codec=codec,
        for_s=None if length is None else duration_us("--for", length) / 1e6,
        registry=access(registry, os.environ),
    )
    raise typer.Exit(record_topics(broker_url(source, "--from"), asked, kafka_config, as_json=as_json, say=say))


def _is_scenario(name: str) -> bool:
    """Tell a scenario from a topic: it is one that fleet ships, or a file."""
    from fleet.scenario.load import SUFFIXES, scenario_names

    return name.endswith(SUFFIXES) or "/" in name or name in scenario_names()


COMMAND = Command(
    record,
    short="Record a run, or topics, to be sent again.",
    example="record quickstart --for 10min --out shift.avro",
)

"""``fleet replay``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from fleet.cli import run_options as of
from fleet.cli.command import Command, loading
from fleet.cli.options import BOOTSTRAP_VARIABLE, KafkaConfig, bootstrap_url, say
from fleet.cli.values import choice, duration_us, said, size, speed_of
from fleet.errors import RequestError

SETTLED = frozenset({"file", "registry", "to", "speed", "rebase", "loop", "topic", "kafka_config", "as_json", "exit_"})


def replay(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A recording, or FILE.csv with the readings of your own plant.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="SINK",
            help="kafka://HOST:PORT, file:PATH.avro, .jsonl or .parquet, stdout:, null: or record:PATH. "
            f"Without it: the broker in {BOOTSTRAP_VARIABLE}, else an embedded one.",
        ),
    ] = None,
    speed: Annotated[str, typer.Option(metavar="0.1|1|100|max", help="The recording's time against wall time.")] = "1",
    rebase: Annotated[
        str | None, typer.Option(metavar="now", help="Give the first record the present as its stamp, and shift all.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until interrupted.")] = False,
    topic: Annotated[str | None, typer.Option(metavar="T", help="The topic the readings go to.")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="machine=..,time=..,value=..",
            help="Which columns of a CSV are what: machine, time, sensor, value, units, quality.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad rows of a table out, and count them.")
    ] = False,
    kafka_config: KafkaConfig = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="URL[,URL]",
            help="A schema registry: what is sent to a Kafka is registered there and gets its ids; other sinks get the "
            "schemas that the recording does not have, also from FLEET_REGISTRY.",
        ),
    ] = None,
    stop_timeout: of.StopTimeout = "30s",
    acks: of.Acks = "all",
    compression: of.Compression = "none",
    batch_size: of.BatchSize = of.BATCH_SIZE,
    set_producer: of.SetProducer = None,
    as_json: of.Json = False,
    exit_: of.Exit = False,
) -> None:
    """Send a recording again: same payloads, same partitions, same gaps between records."""
    with loading():
        from fleet.contract.access import access
        from fleet.replay.command import replay_recording, replay_table
        from fleet.replay.plan import ReplayRequest
        from fleet.run.plan import EMBEDDED
        from fleet.session import stay_open
        from fleet.sinks.settings import producer_settings

    if rebase is not None:
        choice("--rebase", rebase, ("now",))
    if topic == "":
        raise RequestError("--topic: must be a topic's name, got ''")
    if as_json and to == "stdout:":
        raise RequestError("--json and --to stdout: both want standard output; send the records elsewhere")
    request = ReplayRequest(
        file=file,
        target=to or bootstrap_url() or EMBEDDED,
        speed=speed_of(speed),
        rebase=rebase is not None,
        loop=loop,
        topic=topic,
        kafka_config=kafka_config,
        stop_timeout_s=duration_us("--stop-timeout", stop_timeout) / 1e6,
        producer=producer_settings(
            acks=acks,
            compression=compression,
            batch_bytes=size("--batch-size", batch_size),
            options=set_producer or (),
        ),
        repeated=said(context, but=SETTLED),
        registry=access(registry, os.environ),
        registers=registry is not None,
    )
    stay = None if exit_ else stay_open
    if file.endswith((".csv", ".tsv", ".jsonl")):
        raise typer.Exit(replay_table(request, mapping or (), skip_bad=skip_bad, as_json=as_json, stay=stay, say=say))
    if mapping or skip_bad:
        option = "--map" if mapping else "--skip-bad"
        raise RequestError(f"{option}: is for tables, FILE.csv or FILE.jsonl, and {file} is none")
    raise typer.Exit(replay_recording(request, as_json=as_json, stay=stay, say=say))


COMMAND = Command(
    replay,
    short="Send a recording, or your own readings, again.",
    example="replay shift.avro --speed max --to stdout:",
)

"""``fleet score``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import BOOTSTRAP_VARIABLE, KafkaConfig, Registry, broker_url, say


def score(
    alerts: Annotated[
        str, typer.Argument(metavar="ALERTS", help="A file of JSON lines, - for standard input, or topic:NAME.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help=f"Where the run and its labels are: kafka://HOST:PORT or file:PATH of its readings; default "
            f"{BOOTSTRAP_VARIABLE}.",
        ),
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Which run; default the last.")] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="Labels in a file of their own, JSON lines.")
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            metavar="before=10s,after=5min,merge=10min",
            help="How long before onset and after stop an alert still counts; within how long false ones are one.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME",
            help="Only labels of this fault or family (machine, sensor, network); alerts on others count neither way. "
            "May be repeated.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="sensor|fault", help="What alerts say of it is not held against them."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="X", help="Only alerts with a score of at least X are raised.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Timeline, delays and the curve, .png or .svg.")
    ] = None,
    registry: Registry = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the score as JSON.")] = False,
    kafka_config: KafkaConfig = None,
) -> None:
    """Hold a detector's alerts against the labels of a run: precision, recall, F1, delay, false alarms a machine-day.

    An alert is a JSON object with machine and time (ISO 8601, or seconds, ms or us since 1970), and if it likes sensor,
    fault and score.
    """
    with loading():
        from fleet.contract.access import access
        from fleet.score.command import ScoreRequest, ignored_of, tolerance_of
        from fleet.session import scored

    if source is None and labels is not None and not alerts.startswith("topic:"):
        where = None
    else:
        where = source if source is not None and source.startswith("file:") else broker_url(source, "--from")
    request = ScoreRequest(
        alerts=alerts,
        labels=labels,
        run=run_id,
        tolerance=tolerance_of(tolerance or ()),
        asked=tuple(fault or ()),
        ignored=ignored_of(ignore or ()),
        threshold=threshold,
        picture=picture,
        as_json=as_json,
        registry=access(registry, os.environ),
    )
    answer = scored(request, where, kafka_config)
    for line in answer.said:
        say(line)
    for line in answer.out:
        typer.echo(line)


COMMAND = Command(
    score,
    short="Hold a detector's alerts against the truth.",
    example="score alerts.jsonl --from file:out.jsonl --picture score.png",
)

"""The options of a run, in the order of its help: what is sent where, how fast, and as what."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.options import BOOTSTRAP_VARIABLE

BATCH_SIZE = "1000 KiB"

To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="SINK",
        help="kafka://HOST:PORT, file:PATH.avro, .jsonl or .parquet, stdout: or null:. May be repeated. "
        f"Without it: the broker in {BOOTSTRAP_VARIABLE}, else an embedded one.",
    ),
]
Speed = Annotated[
    str, typer.Option(metavar="1|60|max", help="Simulated time against wall time; max: as fast as it goes.")
]
Length = Annotated[str | None, typer.Option("--for", metavar="1h", help="How long, in simulated time.")]
Sample = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Print the first N records as JSON lines; send nothing.")
]
Format = Annotated[str | None, typer.Option("--format", metavar="avro|json|protobuf", help="How records are written.")]
Topic = Annotated[
    str | None,
    typer.Option(metavar="T", help="The readings' topic; may be a template of {site} {area} {line} {kind}."),
]
RecordTime = Annotated[
    str, typer.Option(metavar="scan|wall", help="The records' own stamps: the scan's instant, or the present.")
]
RunHeader = Annotated[bool, typer.Option("--run-header", help="Put the run's id on every reading.")]
Headers = Annotated[
    str | None,
    typer.Option(
        metavar="none|cloudevents",
        help="What headers all records have in a Kafka: none, or CloudEvents' attributes (binary mode).",
    ),
]
Skew = Annotated[
    str | None, typer.Option(metavar="1s", help="How far the log may be out of due order between machines.")
]
WhenLate = Annotated[str, typer.Option(metavar="catch-up|skip", help="What to do with what is overdue.")]
StopTimeout = Annotated[str, typer.Option(metavar="30s", help="How long an interrupted run waits for answers.")]
Acks = Annotated[str, typer.Option(metavar="all|1", help="Acknowledgements; only all is idempotent.")]
Compression = Annotated[
    str, typer.Option(metavar="none|lz4|zstd|snappy|gzip[:LEVEL]", help="Compression of readings' batches.")
]
BatchSize = Annotated[str, typer.Option(metavar="SIZE", help="Most that a batch holds.")]
Linger = Annotated[
    str | None, typer.Option(metavar="20ms", help="How long a record may wait for company: a longer window.")
]
Window = Annotated[
    str | None,
    typer.Option(metavar="50ms", help="Wall time between two releases of a paced run [from 10,000/s on: 100ms]."),
]
SetProducer = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="An option of aiokafka's producer. May be repeated."),
]
Registry = Annotated[
    str | None,
    typer.Option(
        metavar="URL[,URL]|optional",
        help="The schema registry that gives ids; with optional among them a run goes on without it. Default "
        "FLEET_REGISTRY, else the ids of schemas/ids.json. Secrets: FLEET_REGISTRY_USERNAME, _PASSWORD, _TOKEN.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(metavar="SINK", help="file:PATH.jsonl or file:PATH.avro that has the labels, and nothing else."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON to standard output.")]
Exit = Annotated[bool, typer.Option("--exit", help="End when done: do not keep the embedded broker open.")]

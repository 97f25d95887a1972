"""``fleet broker``."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.errors import RequestError


def broker(
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="NAME:PARTITIONS", help="A topic it has from the start. May be repeated."),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port; default a free one.")] = None,
) -> None:
    """Start the embedded broker and keep it until Ctrl-C."""
    with loading():
        from fleet.session import keep_broker

    keep_broker([_topic_and_partitions(topic) for topic in topics or ()], port)


def _topic_and_partitions(text: str) -> tuple[str, int]:
    name, _, partitions = text.partition(":")
    if not name or not (partitions or "1").isdecimal() or int(partitions or 1) < 1:
        raise RequestError(f"--topic: must be NAME:PARTITIONS like factory.readings:12, got {text!r}")
    return name, int(partitions or 1)


COMMAND = Command(
    broker,
    short="Start the embedded broker.",
    example="broker --port 9092 --topic factory.readings:12",
)

"""``fleet schema``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.values import choice

ACTIONS = ("list", "show", "diff", "check", "register", "code")


def schema(
    action: Annotated[str, typer.Argument(metavar="list|show|diff|check|register|code", help="What to do.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCHEMA]...", help="As 'list' shows it, a record, an id, or a file .avsc or .proto of your own."
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="BACKWARD|FORWARD|FULL[_TRANSITIVE]",
            help="check: what must hold [BACKWARD]; register: the level to set for the subject first.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="SCHEMA", help="check: the versions before it, the latest first. May be repeated."),
    ] = None,
    registry: Annotated[
        str | None, typer.Option(metavar="URL[,URL]", help="The schema registry to ask; default FLEET_REGISTRY.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="The subject at the registry; default TOPIC-value.")
    ] = None,
    lang: Annotated[str | None, typer.Option(metavar="python", help="code: the language.")] = None,
    version: Annotated[
        str | None, typer.Option(metavar="N", help="code: the version, as in 2 or 3-rename [the latest].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List and show schemas, compare them, judge whether readers of one read what another writes, register them.

    code prints a module with a typed class, which encodes and decodes.

    Compatibility is judged by Apache Avro's checker and by resolving records of a run; exit 1 where it does not hold.
    """
    choice("fleet schema", action, ACTIONS)
    with loading():
        from fleet.session import schemas_told

    answer = schemas_told(
        action, tuple(names or ()), level=level, against=tuple(against or ()), subject=subject, registry=registry,
        environment=os.environ, as_json=as_json, lang=lang, version=version,
    )  # fmt: skip
    for line in answer.lines:
        typer.echo(line)
    raise typer.Exit(answer.code)


COMMAND = Command(
    schema,
    short="Schemas and what readers may count on.",
    example="schema check machine-sensor.v2 --level BACKWARD",
)

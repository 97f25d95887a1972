"""``fleet plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.command import Command, loading
from fleet.cli.options import ScenarioName, Seed, Settings, Start, load_with_arguments, say
from fleet.errors import RequestError


def plot(
    scenario: ScenarioName,
    machine: Annotated[
        list[str] | None,
        typer.Option("--machine", metavar="ID", help="A machine with all its sensors. May be repeated."),
    ] = None,
    length: Annotated[
        str | None, typer.Option("--for", metavar="8h", help="How long [the scenario's duration, else 8h].")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="page.html, or one picture: .svg, .png [NAME-plot.html]."),
    ] = None,
    twin: Annotated[
        bool,
        typer.Option("--twin", help="What the incidents changed: a table, and machines beside their twins."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --twin: the table as JSON.")] = False,
    start: Start = None,
    seed: Seed = None,
    settings: Settings = None,
) -> None:
    """Draw what a scenario does, without sending anything: the fleet's states, and machines with all their sensors."""
    with loading():
        from fleet.picture.plot import PlotRequest, plot_scenario
        from fleet.picture.progress import shown_progress
        from fleet.picture.twin import as_json as table_as_json
        from fleet.picture.twin import in_words

    if as_json and not twin:
        raise RequestError("--json: goes with --twin, whose table it writes")

    loaded = load_with_arguments(scenario, settings, seed=seed, start=start, length=length)
    request = PlotRequest(loaded, scenario, tuple(machine or ()), out, tuple(settings or ()), twin)
    with shown_progress() as progress:
        plotted = plot_scenario(request, progress)
    for line in plotted.said:
        say(line)
    if twin:
        say(f"wrote {plotted.file}")
        typer.echo(table_as_json(plotted.rows) if as_json else in_words(plotted.rows))
        return
    typer.echo(str(plotted.file))


COMMAND = Command(
    plot,
    short="Draw what a scenario does.",
    example="plot quickstart --out page.html",
)

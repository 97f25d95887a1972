"""``python -m bench [NAME PART] [--rounds N]``: interleaved rounds of all measures, one table, JSON in bench/out."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measures import MEASURES, Figures

OUT = Path(__file__).parents[1] / "out" / "bench.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="only measures whose name contains this")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn (default 3)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure, machines = MEASURES[arguments.one]
        print(json.dumps(measure(machines)))
        return
    chosen = [name for name in MEASURES if arguments.part in name]
    rounds: dict[str, list[Figures]] = {name: [] for name in chosen}
    console = Console(stderr=True)
    for turn in range(arguments.rounds):
        for name in chosen:
            console.print(f"round {turn + 1} of {arguments.rounds}: {name}", highlight=False)
            rounds[name].append(_one(name))
    _report(rounds)


def _one(name: str) -> Figures:
    """Measure in a fresh process: memory and caches of one measure are no help or burden to the next."""
    done = subprocess.run([sys.executable, "-m", "bench", "--one", name], check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def _report(rounds: dict[str, list[Figures]]) -> None:
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "fleet": version("thingum-fleet"),
    }
    table = Table(title=", ".join(f"{key} {value}" for key, value in machine.items()), title_justify="left")
    for column in ("measure", "figure", "median", "min", "max"):
        table.add_column(column, justify="left" if column in {"measure", "figure"} else "right")
    for name, figures in rounds.items():
        for place, figure in enumerate(figures[0]):
            seen = [one[figure] for one in figures]
            table.add_row(
                name if place == 0 else "",
                figure,
                *(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in _spread(seen)),
            )
    Console().print(table)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine, "rounds": rounds}, indent=1) + "\n")
    print(f"all figures: {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")


def _spread(seen: list[float]) -> tuple[float, float, float]:
    return statistics.median(seen), min(seen), max(seen)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()

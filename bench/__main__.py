"""``python -m bench [PART...] [--rounds N] [--document]``: interleaved rounds, one table, JSON in out/bench.json.

Parts: alone, discard, kafka (both: peers), codecs, json, growth, start, paced, far, verify,
replay, nanoseconds. Without any: all.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import document
from bench.cases import Case, cases
from bench.figures import Row, ratios, shown, spreads
from bench.rounds import HONEST_ROUNDS, Asked, Measured, machine, measure

OUT = Path(__file__).parents[1] / "out" / "bench.json"
GROUPS = {"peers": ("discard", "kafka")}
ROUNDS, BUDGET_S = 3, 520
EXIT_INTERRUPTED = 130


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", help="only these parts")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains this")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"how often; slow cases once, from {HONEST_ROUNDS} on always (default {ROUNDS}, or fewer in {BUDGET_S} s)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the records (default 1)")
    parser.add_argument(
        "--document", action="store_true", help="write docs/performance.md, from out/bench.json; measures nothing"
    )
    arguments = parser.parse_args()
    if arguments.document:
        document.write(Measured(**json.loads(OUT.read_text())))
        return
    chosen = _chosen(parser, arguments.part, arguments.only)
    budget_s = math.inf if arguments.rounds else BUDGET_S
    asked = Asked(arguments.rounds or ROUNDS, arguments.scale, budget_s)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, as Ctrl-C does
    console, measured, interrupted = Console(stderr=True, highlight=False), Measured(machine()), False
    try:
        measure(chosen, asked, measured, console.print)
    except KeyboardInterrupt:
        interrupted = True
    if any(figures for rounds in measured.rounds.values() for figures in rounds) or measured.gaps:
        _report(measured)
    sys.exit(EXIT_INTERRUPTED if interrupted else 0)


def _chosen(parser: argparse.ArgumentParser, parts: list[str], text: str) -> list[Case]:
    every = cases()
    known = {case.part for case in every}
    wanted = {name for part in parts for name in GROUPS.get(part, (part,))} or known
    if unknown := wanted - known:
        parser.error(f"no part {min(unknown)!r}; there is {', '.join(sorted({*known, *GROUPS}))}")
    return [case for case in every if case.part in wanted and text in case.name]


def _report(measured: Measured) -> None:
    title = ", ".join(f"{name} {value}" for name, value in measured.machine.items())
    table = Table(title=title, title_justify="left")
    for column in ("measure", "figure", "median", "min", "max", "rounds"):
        table.add_column(column, justify="left" if column in {"measure", "figure"} else "right")
    for rows in (list(ratios(measured)), list(spreads(measured))):
        _add(table, rows)
        table.add_section()
    for name, why in measured.gaps.items():
        table.add_row(name, f"not measured: {why.splitlines()[0]}")
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(measured.as_json(), indent=1) + "\n")
    print(f"all figures: {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")


def _add(table: Table, rows: list[Row]) -> None:
    before = ""
    for row in rows:
        numbers = (shown(row.median), shown(row.low), shown(row.high), str(row.rounds))
        table.add_row("" if row.case == before else row.case, row.figure, *numbers)
        before = row.case


if __name__ == "__main__":
    main()

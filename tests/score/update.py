"""The table of the example detectors' scores in docs/score.md: ``python -m tests.score.update`` makes it again.

Every scenario that is not too large to be read as text is run into a file, and both detectors read it and are scored,
network and producer faults left aside: neither looks for those. On one without a label it is false alarms that count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fleet.api import load
from fleet.data import SECOND_US
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for, scenario_names
from fleet.scenario.times import moment
from fleet.score.report import seconds_text, share_text
from fleet.sim.laws import LAW_INPUTS
from tests.cli.commands import ROOT, fleet
from tests.score.detectors import DETECTORS, alerts_of, written

PAGE = ROOT / "docs" / "score.md"
BEGIN, END = "<!-- scores: written by `make scores` -->\n", "<!-- end of scores -->\n"
READINGS_MAX = 6_000_000  # about a gigabyte of text
START_US = 1_772_431_200_000_000  # of a scenario that says none: 2026-03-02T06:00:00Z
HEADS = (
    "scenario", "detector", "labels", "found", "false alarms", "precision", "recall", "F1", "delay, median",
    "false a machine-day", "recall by chance", "average precision",
)  # fmt: skip


def readings_of(name: str) -> float:
    """Estimate how many readings a scenario has; endless ones have too many."""
    scenario = load(name)
    length_us = scenario.length_us(start_us=scenario.start_us or START_US)
    if length_us is None:
        return float("inf")
    return expand(scenario, kinds_for(scenario, laws=LAW_INPUTS)).readings_per_second * length_us / SECOND_US


def scores_of(name: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a scenario and give what each detector scores."""
    scenario = load(name)
    start = [] if scenario.start is not None else ["--start", moment(START_US)]
    seed = [] if scenario.seed is not None else ["--seed", "0"]
    ran = fleet("run", name, "--to", "file:out.jsonl", "--speed", "max", *start, *seed, cwd=folder, timeout_s=1800)
    if ran.code:
        raise SystemExit(f"{name}: {ran.err}")
    for detector in DETECTORS:
        (folder / "alerts.jsonl").write_text(written(alerts_of(detector, "out.jsonl", cwd=folder)))
        words = ["--from", "file:out.jsonl", "--fault", "machine", "--fault", "sensor", "--json"]
        scored = fleet("score", "alerts.jsonl", *words, cwd=folder)
        if scored.code:
            raise SystemExit(f"{name}: {detector}: {scored.err}")
        yield detector, json.loads(scored.out)


def row(name: str, detector: str, data: dict[str, Any]) -> str:
    """Write a score as a row of the table."""
    every, curve = data["all"], data["curve"]
    rate = every["false_alarms_per_machine_day"]
    cells = (
        name, detector, str(every["labels"]), str(every["found"]), str(every["false_alarms"]),
        share_text(every["precision"]), share_text(every["recall"]), share_text(every["f1"]),
        "-" if every["delay_s"] is None else seconds_text(every["delay_s"]["median"]),
        "-" if rate is None else f"{rate:.3g}", share_text(every["recall_by_chance"]),
        "-" if curve is None else share_text(curve["average_precision"]),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def table() -> str:
    """Score both detectors on every scenario, saying how far it is."""
    lines, large = [], []
    for name in scenario_names():
        if readings_of(name) > READINGS_MAX:
            large.append(f"`{name}`")
            continue
        sys.stderr.write(f"{name}\n")
        with TemporaryDirectory() as folder:
            lines += [row(name, detector, data) for detector, data in scores_of(name, Path(folder))]
    head = f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}\n"
    return head + "".join(lines) + (f"\nToo large to be read as text: {', '.join(large)}.\n" if large else "")


def page_of(text: str, scores: str) -> str:
    """Write the page *text* with *scores* in their place."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} has no place for the scores")
    return before + BEGIN + "\n" + scores + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(), table()))

"""What to make of the rounds: spreads, and fleet against each peer, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from bench.cases import FLEET
from bench.rounds import Measured

COMPARED = {"records_per_core_s": "per core-second", "records_per_s": "per second"}


class Row(NamedTuple):
    """One figure of one case over all rounds."""

    part: str
    case: str
    figure: str
    median: float
    low: float
    high: float
    rounds: int


def ratios(measured: Measured) -> Iterator[Row]:
    """Compare fleet with each peer in the same round, sending to the same broker."""
    for part in ("discard", "kafka", "far"):
        names = [name for name, of in measured.parts.items() if of == part]
        own = next((name for name in names if name.startswith(FLEET.name + " to ")), None)
        for name in names:
            if own is None or name == own:
                continue
            pairs = [(a, b) for a, b in zip(measured.rounds[own], measured.rounds[name], strict=False) if a and b]
            for figure, said in COMPARED.items():
                if pairs:
                    yield _row(part, f"fleet / {name}", said, [a[figure] / b[figure] for a, b in pairs])


def spreads(measured: Measured) -> Iterator[Row]:
    """Give every figure of every case."""
    for name, rounds in measured.rounds.items():
        there = [figures for figures in rounds if figures is not None]
        for figure in there[0] if there else ():
            seen = [figures[figure] for figures in there if figure in figures]
            yield _row(measured.parts[name], name, figure, seen)


def _row(part: str, case: str, figure: str, seen: list[float]) -> Row:
    return Row(part, case, figure, statistics.median(seen), min(seen), max(seen), len(seen))


def shown(value: float) -> str:
    """Write a figure with three digits, or whole where it is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"

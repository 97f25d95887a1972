"""docs/performance.md and its picture: figures between two marks come from a measurement, the words from us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.cases import FLEET, TO_KAFKA
from bench.figures import COMPARED, Row, ratios, shown, spreads
from bench.peers.table import PEERS
from bench.picture import bars
from bench.rounds import Measured

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PICTURE = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- measured: begin (python -m bench --document) -->", "<!-- measured: end -->"
SENDING = {
    "records_per_core_s": ("M per core-second", 1e6),
    "records_per_s": ("M per second", 1e6),
    "broker_core_s_per_million": ("broker core-s per M", 1.0),
    "with_start_records_per_core_s": ("M per core-second, start included", 1e6),
    "rss_gib": ("GiB", 1.0),
}
TITLES = {
    "discard": "To the discard server",
    "kafka": "To a real Kafka on the same cores",
    "codecs": "Compressed",
    "json": "As JSON",
    "growth": "From 100 to 100,000 machines",
    "far": "20 ms away",
    "alone": "Stages by themselves",
    "start": "From the start of `fleet run` to the first reading acknowledged",
    "paced": "In real time",
    "verify": "Read back and proven by `fleet verify`",
    "replay": "Recorded and replayed",
    "nanoseconds": "Where the nanoseconds go",
}


def write(measured: Measured) -> None:
    """Write what was measured into the page, and draw the picture."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert BEGIN in page, f"{PAGE} has lost its mark"
    assert END in rest, f"{PAGE} has lost its mark"
    PAGE.write_text(before + "\n".join([BEGIN, "", *_measured(measured), END]) + after)
    rows = [row for row in spreads(measured) if row.part == "kafka" and row.figure == "records_per_core_s"]
    if rows:
        named = [row._replace(case=row.case.removesuffix(f" {TO_KAFKA}")) for row in rows]
        PICTURE.write_text(bars("Records per client core-second, to Kafka, acks=all", named, ours=FLEET.name))


def _measured(measured: Measured) -> Iterator[str]:
    yield "| on | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in measured.machine.items())
    yield ""
    yield from _ratios(list(ratios(measured)))
    every = list(spreads(measured))
    for part, title in TITLES.items():
        rows = [row for row in every if row.part == part]
        if rows:
            yield from (f"### {title}", "")
            yield from _sending(rows) if {row.figure for row in rows} >= SENDING.keys() else _plain(rows)
            yield ""
    if measured.gaps:
        yield from ("### Not measured", "")
        yield from (f"- {name}: {why.splitlines()[0]}" for name, why in measured.gaps.items())
        yield ""
    yield from ("### How each peer was set", "")
    yield from (f"- **{peer.name}**: {peer.about}" for peer in PEERS.values())
    yield ""


def _ratios(rows: Sequence[Row]) -> Iterator[str]:
    yield "### fleet against each, in the same round: median (min to max)"
    yield ""
    yield f"| | {' | '.join(COMPARED.values())} |"
    yield "|---|" + "---:|" * len(COMPARED)
    for case in dict.fromkeys(row.case for row in rows):
        by_figure = {row.figure: row for row in rows if row.case == case}
        yield f"| {case} | {' | '.join(_times(by_figure[said]) for said in COMPARED.values())} |"
    yield ""


def _sending(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| | {' | '.join(said for said, _ in SENDING.values())} |"
    yield "|---|" + "---:|" * len(SENDING)
    for case in dict.fromkeys(row.case for row in rows):
        by_figure = {row.figure: row for row in rows if row.case == case}
        yield f"| {case} | {' | '.join(_spread(by_figure[name], size) for name, (_, size) in SENDING.items())} |"


def _plain(rows: Sequence[Row]) -> Iterator[str]:
    yield "| | figure | median (min to max) |"
    yield "|---|---|---:|"
    for row in rows:
        yield f"| {row.case} | {row.figure.replace('_', ' ')} | {_spread(row)} |"


def _times(row: Row) -> str:
    alone = f"{shown(row.median)} x"
    return alone if row.rounds == 1 else f"{alone} ({shown(row.low)} to {shown(row.high)})"


def _spread(row: Row, size: float = 1.0) -> str:
    middle, low, high = (shown(value / size) for value in (row.median, row.low, row.high))
    return middle if row.rounds == 1 else f"{middle} ({low} to {high})"

"""Instants and spans of simulated time as text that the command line and files take again."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.data import HOUR_US, SECOND_US


def moment(time_us: int) -> str:
    """Write an instant as RFC 3339 text in UTC, without a fraction where it has none."""
    whole, rest = divmod(time_us, SECOND_US)
    text = f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"
    return f"{text}.{rest:06d}Z" if rest else f"{text}Z"


def span_text(span_us: int) -> str:
    """Write a length as the command line takes it: ``10min``, ``8h``, ``90s``."""
    for size, unit in ((HOUR_US, "h"), (60 * SECOND_US, "min"), (SECOND_US, "s")):
        if span_us >= size and span_us % size == 0:
            return f"{span_us // size}{unit}"
    whole, rest = divmod(span_us, SECOND_US)
    return f"{whole}.{rest:06d}".rstrip("0") + "s"

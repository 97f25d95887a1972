"""Tables of a page: what was scripted, and the faults that a machine had."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fleet.data import Label
from fleet.picture.labels import count_of
from fleet.picture.words import plain
from fleet.scenario.times import moment

ROWS_MAX = 200
"""A table has at most so many rows; the rest is counted."""


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, texts: Sequence[str] = ()) -> str:
    """Write a table; of *rows* the first cell heads its row, columns named in *texts* hold words."""
    head = "".join(f'<th scope="col"{_text(name, texts)}>{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{_text(name, texts)}>{escape(cell)}</td>" for name, cell in zip(heads[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def _text(name: str, texts: Sequence[str]) -> str:
    return ' class="text"' if name in texts else ""


def table_of_incidents(labels: Sequence[Label], stop_us: int) -> str:
    """Write what was scripted, incident by incident, given the labels of all machines."""
    by_incident: dict[str, list[Label]] = {}
    for label in labels:
        if label.incident:
            by_incident.setdefault(label.incident, []).append(label)
    rows = []
    for name, struck in list(by_incident.items())[:ROWS_MAX]:
        machines = list(dict.fromkeys(label.machine.id for label in struck))
        sensors = list(dict.fromkeys(label.sensor for label in struck if label.sensor))
        failures = sum(label.failure_us is not None for label in struck)
        rows.append(
            [
                name,
                plain(struck[0].fault),
                machines[0] if len(machines) == 1 else f"{len(machines):,} machines",
                sensors[0] if len(sensors) == 1 else f"{len(sensors)} sensors" if sensors else "",
                moment(min(label.onset_us for label in struck)),
                _until(max(label.stop_us or stop_us for label in struck), stop_us),
                f"{failures:,}" if failures else "",
            ]
        )
    heads = ("Incident", "Fault", "Strikes", "Sensor", "From", "Until", "Stops")
    more = _more(len(by_incident))
    return table(f"What was scripted, UTC.{more}", heads, rows, texts=("Fault", "Strikes", "Sensor"))


def table_of_faults(labels: Sequence[Label], left_out: int, stop_us: int) -> str:
    """Write the faults of one machine: when each set in, stopped it and ended, and what became of its readings."""
    counted = {
        "Lost": [count_of(label.lost) for label in labels],
        "Doubled": [count_of(label.doubled) for label in labels],
        "Late": [count_of(label.late) + count_of(label.reordered) for label in labels],
    }
    shown = {name: counts for name, counts in counted.items() if any(counts)}
    rows = [
        [
            plain(label.fault),
            label.incident or "wear",
            label.sensor,
            moment(label.onset_us),
            "" if label.failure_us is None else moment(label.failure_us),
            _until(label.stop_us or stop_us, stop_us),
            *(f"{counts[place]:,}" if counts[place] else "" for counts in shown.values()),
        ]
        for place, label in enumerate(labels[:ROWS_MAX])
    ]
    heads = ("Fault", "Brought by", "Sensor", "From", "Stops", "Until", *shown)
    more = _more(len(labels) + left_out)
    return table(f"Its faults, UTC.{more}", heads, rows, texts=("Brought by", "Sensor"))


def _until(time_us: int, stop_us: int) -> str:
    return "" if time_us >= stop_us else moment(time_us)


def _more(count: int) -> str:
    return f" The first {ROWS_MAX}; {count - ROWS_MAX:,} more follow." if count > ROWS_MAX else ""

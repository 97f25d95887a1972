"""Labels as the fields of their records, in parts where their spans are many, and put together again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fleet.data import Label, SeqSpan
from fleet.encode.avro import text_bytes
from fleet.encode.varint import unsigned

SPANS_A_RECORD = 4096
"""About 40 kB of Avro and 200 kB of JSON: far below the largest record that brokers take by default."""

FRAME_BYTES = 5
RUN_TAG = b"\x0a"  # of field 1 in Protobuf, a text
EFFECTS = ("lost", "doubled", "late", "reordered")

Fields = Mapping[str, Any]
Spans = dict[str, list[SeqSpan]]


def records_of(label: Label) -> int:
    """Count the records that *label* is written as."""
    spans = sum(len(getattr(label, effect)) for effect in EFFECTS)
    return max(1, -(-spans // SPANS_A_RECORD))


def label_fields(label: Label, *, run: str) -> list[dict[str, Any]]:
    """Give the fields of the records of *label*, as ``fault-label.v1.avsc`` names them: one each, or several parts.

    All parts say which fault it is; how severe it is over time only the first one says.
    """
    parts = records_of(label)
    head = {
        "run": run,
        "id": label.id,
        "phase": "OPEN" if label.is_open else "CLOSED",
        "machine": label.machine.id,
        "line": label.machine.line,
        "incident": label.incident,
        "family": label.family.upper(),
        "fault": label.fault,
        "sensor": label.sensor,
        "onset": label.onset_us,
        "stop": label.stop_us,
        "failure": label.failure_us,
    }
    tail = {"injected": label.injected, "parameters": dict(label.parameters), "parts": parts}
    knots = [{"time": knot.time_us, "severity": knot.severity} for knot in label.severity]
    return [
        {**head, "severity": knots if part == 1 else [], **spans, **tail, "part": part}
        for part, spans in enumerate(_cut(label), 1)
    ]


def without_run(value: bytes, run: str) -> bytes:
    """Give what of a record's *value* the digest is of: all but the *run*, its first field, which no other run has."""
    told = run.encode()
    for head, text in (
        (FRAME_BYTES, text_bytes(run)),
        (FRAME_BYTES + 1, RUN_TAG + unsigned(len(told)) + told),
        (0, f'{{"run":{json.dumps(run, ensure_ascii=False)}'.encode()),
    ):
        if value.startswith(text, head):
            return value[:head] + value[head + len(text) :]
    return value


def _cut(label: Label) -> Iterator[dict[str, list[dict[str, int]]]]:
    """Cut the spans of *label* into as many as a record takes, effect after effect; the last may have none."""
    all_spans = [(effect, span) for effect in EFFECTS for span in getattr(label, effect)]
    for at in range(0, max(1, len(all_spans)), SPANS_A_RECORD):
        part: dict[str, list[dict[str, int]]] = {effect: [] for effect in EFFECTS}
        for effect, span in all_spans[at : at + SPANS_A_RECORD]:
            part[effect].append({"first": span.first, "count": span.count, "step": span.step})
        yield part


class Labels:
    """The labels of one run, put together from their records as they are read; of each the last one holds.

    Parts of a label stand in its machine's partition one behind the other, so a first part begins it anew.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._parts: dict[str, list[Fields]] = {}
        self.others = 0  # records of other runs

    def add(self, fields: Fields) -> None:
        """Take the decoded *fields* of a record."""
        if fields["run"] != self._run:
            self.others += 1
            return
        known = self._parts.setdefault(fields["id"], [])
        if fields["part"] == 1:
            known.clear()
        known.append(fields)

    def extend(self, records: Iterable[Fields]) -> None:
        """Take the decoded *records*."""
        for fields in records:
            self.add(fields)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def unfinished(self) -> list[str]:
        """Give the ids of those of which a part is not there."""
        return [name for name, parts in self._parts.items() if not _whole(parts)]

    @property
    def open(self) -> list[str]:
        """Give the ids of those that nobody said the end of."""
        return [name for name, parts in self._parts.items() if parts[-1]["phase"] == "OPEN"]

    @property
    def open_machines(self) -> list[str]:
        """Give the machines of those that nobody said the end of."""
        return [parts[-1]["machine"] for parts in self._parts.values() if parts[-1]["phase"] == "OPEN"]

    @property
    def injected(self) -> dict[str, int]:
        """How many records beside the plan each names, without second copies; of those that name any."""
        return {name: parts[0]["injected"] for name, parts in self._parts.items() if parts[0]["injected"]}

    def spans(self) -> Iterator[tuple[str, str, str, SeqSpan]]:
        """Give (machine, effect, id, span) of every span of numbers that a label names."""
        for name, parts in self._parts.items():
            for fields in parts:
                for effect in EFFECTS:
                    for span in fields[effect]:
                        yield fields["machine"], effect, name, SeqSpan(span["first"], span["count"], span["step"])

    def joined(self) -> list[dict[str, Any]]:
        """Give the fields of every label, its parts put together."""
        return [_joined(parts) for parts in self._parts.values()]


def _whole(parts: list[Fields]) -> bool:
    return [fields["part"] for fields in parts] == list(range(1, parts[0]["parts"] + 1))


def _joined(parts: list[Fields]) -> dict[str, Any]:
    return {
        **parts[0],
        **{effect: [span for fields in parts for span in fields[effect]] for effect in EFFECTS},
        "part": 1,
        "parts": 1,
    }

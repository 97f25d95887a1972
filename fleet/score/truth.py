"""The labels of one run, from its topic, from the files beside its readings, or from a file of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fleet.contract.lookup import Lookup
from fleet.encode.container import read_container
from fleet.encode.decode import Decoder, UndecodableError, microseconds
from fleet.errors import Problem, RequestError, ScenarioError
from fleet.run.names import names_of
from fleet.scenario.wording import shown
from fleet.score.values import Labelled, Truth
from fleet.sinks.connection import Connection
from fleet.verify.asking import Asking
from fleet.verify.closing import closing
from fleet.verify.runs import TOPIC, Run, find, runs_beside, runs_of, side_file

STREAM = "labels"
CONTAINER = ".avro"
FIELDS = frozenset({"run", "id", "machine", "fault", "onset"})
INSTANTS = ("onset", "stop", "failure")


class LabelRow(NamedTuple):
    """A record that should be a label, and where it stands; decoded already where it comes from a container."""

    file: str
    line: int
    value: bytes | dict[str, Any] | None


def truth_beside(path: Path, run_id: str | None) -> Truth:
    """Read the labels of a run that wrote its readings to the file at *path*, from the files beside that."""
    run = _ended(find(runs_beside(path), run_id, where=str(path)))
    file = side_file(path, STREAM)
    rows = label_rows(file) if file.exists() else []  # the sink opens it with its first record
    return truth_of(run, rows)


def truth_in(file: Path, run_id: str | None, *, of: Run | None) -> Truth:
    """Read the labels in a *file* of their own; what ran is told by *of*, or else not known.

    RequestError where it has labels of several runs and none was chosen, or none of the run that was.
    """
    beside = side_file(file, "runs")
    if of is None and beside.exists():
        of = find(runs_beside(file), run_id, where=str(beside))
    rows = list(label_rows(file))
    return _of_labels_alone(file, rows, run_id) if of is None else truth_of(_ended(of), rows)


def _of_labels_alone(file: Path, rows: Iterable[LabelRow], run_id: str | None) -> Truth:
    """Put the truth together from labels without a word of what ran."""
    decoder = Decoder()
    found: dict[str, dict[str, Mapping[str, Any]]] = {}  # by run and id
    for row in rows:
        fields = _fields(row, decoder)
        if run_id is None and found and fields["run"] not in found:
            words = f"must be labels of one run, {next(iter(found))}, found {shown(fields['run'])}; choose with --run"
            raise ScenarioError([Problem(row.file, row.line, "run", words)])
        found.setdefault(fields["run"], {})[fields["id"]] = fields
    if not found:
        raise RequestError(f"{file}: must have labels, is empty; say what ran: --from file:PATH of its readings")
    chosen = next(reversed(found)) if run_id in {None, "last"} else run_id
    if chosen not in found:
        raise RequestError(f"{file}: must have labels of run {chosen}, has those of {', '.join(found)}")
    labels = found[chosen].values()
    start_us = min(fields["onset"] for fields in labels)
    stop_us = max(time_us for fields in labels for name in INSTANTS if (time_us := fields.get(name)) is not None)
    return Truth(chosen, f"run {chosen}", start_us, stop_us, _labels(labels, stop_us))


async def truth_on(connection: Connection, run_id: str | None, lookup: Lookup) -> Truth:
    """Read the labels of a run from its Kafka: exactly what it wrote to its topics of labels.

    Ids that the run does not name are asked for by *lookup*.
    """
    from fleet.sinks.reader import Trimmed, read

    run = _ended(find(await runs_of(connection), run_id, where=TOPIC))
    rows: list[LabelRow] = []
    asking = Asking(run.schemas, lookup)
    for name, topic in run.topics.items():
        if STREAM not in topic.streams:
            continue
        starts = topic.start_offsets or (0,) * topic.partitions
        spans: dict[int, tuple[int, int | None]] = {
            p: span for p, span in enumerate(zip(starts, topic.end_offsets, strict=True)) if span[0] < span[1]
        }
        if not spans:
            continue
        async with closing(read(connection, name, spans)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Trimmed):
                    raise RequestError(
                        f"{name}-{piece.partition}: must have all labels of run {run.id}; the broker has deleted "
                        f"offsets {piece.start} to {piece.stop}: score against a file, --labels FILE"
                    )
                partition, records = piece
                for record in records:
                    await asking.learn(record.value)
                rows += [LabelRow(f"{name}-{partition}", record.offset, record.value) for record in records]
    return truth_of(run, rows, asking.decoder)


def truth_of(run: Run, rows: Iterable[LabelRow], decoder: Decoder | None = None) -> Truth:
    """Put the truth of *run* together from the records of its labels; of those with one id the last holds.

    They are decoded by *decoder*, or with the schemas that the run names. ScenarioError names the first record that is
    a label of another run.
    """
    found: dict[str, Mapping[str, Any]] = {}
    decoder = decoder or Decoder(run.schemas)
    for row in rows:
        fields = _fields(row, decoder)
        if fields["run"] != run.id:
            words = f"must be labels of run {run.id}, found {shown(fields['run'])}"
            raise ScenarioError([Problem(row.file, row.line, "run", words)])
        found[fields["id"]] = fields
    start_us = run.first["start"]
    stop_us = max(shard.ended["simulated"] for shard in run.shards.values() if shard.ended)
    names, count = _machines(run)
    return Truth(run.id, run.headline(), start_us, stop_us, _labels(found.values(), stop_us), names, count)


def _ended(run: Run) -> Run:
    if not run.ended:
        raise RequestError(f"run {run.id} has not ended: its labels are not complete; score it when it has")
    return run


def _machines(run: Run) -> tuple[frozenset[str] | None, int]:
    """Give the ids of a run's machines, None where it does not say them, and how many they are."""
    said = json.loads(run.first.get("entry") or "{}")
    names = names_of(said["machines"]) if "machines" in said else None
    return (None if names is None else frozenset(names)), said.get("machine_count", 0)


def label_rows(file: Path) -> Iterable[LabelRow]:
    """Read the records in a *file* of labels, JSON lines or a container; RequestError where it cannot be read."""
    if file.suffix == CONTAINER:
        try:
            for number, fields in enumerate(read_container(file), 1):
                yield LabelRow(str(file), number, fields)
        except UndecodableError as error:
            raise RequestError(str(error)) from None
        return
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield LabelRow(str(file), number, line.strip())
    except OSError as error:
        raise RequestError(f"{file}: cannot be read: {error.strerror}") from error


def _fields(row: LabelRow, decoder: Decoder) -> dict[str, Any]:
    """Decode a record; its instants are microseconds since 1970, as text or as numbers before."""
    try:
        fields = row.value if isinstance(row.value, dict) else decoder.decode(row.value)
        missing = FIELDS - fields.keys()
        if missing:
            raise ValueError(f"has no {', '.join(sorted(missing))}")
        for name in INSTANTS:
            if isinstance(fields.get(name), str):
                fields[name] = microseconds(fields[name])
    except (UndecodableError, ValueError) as error:
        raise ScenarioError([Problem(row.file, row.line, "", f"must be a label as fleet writes it: {error}")]) from None
    return fields


def _labels(rows: Iterable[Mapping[str, Any]], end_us: int) -> tuple[Labelled, ...]:
    labels = (
        Labelled(
            id=fields["id"],
            machine=fields["machine"],
            family=str(fields.get("family", "")).lower(),
            fault=fields["fault"],
            onset_us=fields["onset"],
            stop_us=end_us if fields.get("stop") is None else fields["stop"],
            sensor=fields.get("sensor", ""),
            failure_us=fields.get("failure"),
            incident=fields.get("incident", ""),
        )
        for fields in rows
    )
    return tuple(sorted(labels, key=lambda label: (label.onset_us, label.machine, label.id)))

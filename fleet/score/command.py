"""``fleet score``: what was asked for, what is read for it, and what is said, written and drawn."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fleet.contract.access import Access
from fleet.contract.lookup import Lookup
from fleet.data import SECOND_US
from fleet.encode.decode import UndecodableError, schema_id_of
from fleet.errors import RequestError
from fleet.fit.command import pairs
from fleet.scenario.quantities import DURATION, bounded
from fleet.scenario.wording import did_you_mean, shortened
from fleet.score.alerts import AlertRows, Row, read_alerts, rows_of, see_claims
from fleet.score.report import as_json, report_lines
from fleet.score.score import CLAIMS, Score, score
from fleet.score.truth import truth_beside, truth_in, truth_on
from fleet.score.values import DEFAULT, Tolerance, Truth
from fleet.sinks.connection import Connection
from fleet.verify.asking import Asking
from fleet.verify.closing import closing
from fleet.verify.runs import find, runs_beside, runs_of

TOPIC_PREFIX = "topic:"
STDIN = "-"
FAMILIES = ("machine", "sensor", "network", "producer")
DAYS_MAX = 366.0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What was asked for. *source* is a Kafka, a readings' file, or None where only *labels* was named."""

    alerts: str  # a file, - or topic:NAME
    source: Connection | Path | None = None
    labels: Path | None = None
    run: str | None = None
    tolerance: Tolerance = DEFAULT
    asked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    threshold: float | None = None
    picture: Path | None = None
    as_json: bool = False
    registry: Access | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to standard output, and what a person should know beside it."""

    out: tuple[str, ...]
    said: tuple[str, ...]
    score: Score


async def carry_out(request: ScoreRequest) -> Answer:
    """Read labels and alerts, score, draw; RequestError or ScenarioError where anything of it is wrong."""
    if request.picture is not None:
        from fleet.score.picture import check_picture

        check_picture(request.picture)
    notices: list[str] = []
    async with Lookup(request.registry, notices.append) as lookup:
        truth = await read_truth(request, lookup)
        read = await _read_alerts(request, truth, lookup)
    _see_that_it_can_be(request, truth, read)
    found = score(
        read.alerts,
        truth,
        tolerance=request.tolerance,
        asked=request.asked,
        ignored=request.ignored,
        threshold=request.threshold,
    )
    said = [*notices, *_remarks(request, truth, read)]
    if request.picture is not None:
        from fleet.score.picture import draw

        draw(found, request.picture)
        said.append(f"wrote {request.picture}")
    out = (json.dumps(as_json(found)),) if request.as_json else tuple(report_lines(found))
    return Answer(out, tuple(said), found)


async def read_truth(request: ScoreRequest, lookup: Lookup) -> Truth:
    """Read the labels, and what is known of the run that they are about."""
    source = request.source
    if request.labels is None:
        assert source is not None, "the command line sees to it"
        if isinstance(source, Path):
            return truth_beside(source, request.run)
        return await truth_on(source, request.run, lookup)
    run = None
    if isinstance(source, Path):
        run = find(runs_beside(source), request.run, where=str(source))
    elif source is not None:
        run = find(await runs_of(source), request.run, where="factory.runs")
    return truth_in(request.labels, request.run, of=run)


async def _read_alerts(request: ScoreRequest, truth: Truth, lookup: Lookup) -> AlertRows:
    name = request.alerts
    if name.startswith(TOPIC_PREFIX):
        topic = name.removeprefix(TOPIC_PREFIX)
        if not isinstance(request.source, Connection):
            raise RequestError(f"{shortened(name)}: alerts in a topic need its Kafka: --from kafka://HOST:PORT")
        rows = [row async for row in _topic_rows(request.source, topic, Asking({}, lookup))]
        return read_alerts(rows, truth, request.tolerance, shared=True)
    with _opened(name) as lines:
        return read_alerts(rows_of(lines, "stdin" if name == STDIN else name), truth, request.tolerance, shared=False)


@contextmanager
def _opened(name: str) -> Iterator[Iterable[bytes]]:
    """Open a file of alerts, or standard input."""
    if name == STDIN:
        yield sys.stdin.buffer
        return
    lines: IO[bytes]
    try:
        lines = Path(name).open("rb")  # noqa: SIM115 - closed below; what is raised inside is not about opening
    except OSError as error:
        hint = (
            "" if Path(name).suffix in {".jsonl", ".json"} else f"; a topic is written {TOPIC_PREFIX}{shortened(name)}"
        )
        raise RequestError(f"{name}: cannot be read: {error.strerror}{hint}") from None
    with lines:
        yield lines


async def _topic_rows(connection: Connection, topic: str, asking: Asking) -> AsyncIterator[Row]:
    """Read what *topic* has now: JSON, or what a registry has the schema of."""
    from fleet.sinks.reader import Trimmed, partitions_of, read
    from fleet.sinks.topics import end_offsets

    count = await partitions_of(connection, topic)
    ends = (await end_offsets(connection, {topic: count}))[topic]
    spans: dict[int, tuple[int, int | None]] = {p: (0, end) for p, end in enumerate(ends) if end}
    if not spans:
        return
    async with closing(read(connection, topic, spans)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Trimmed):  # old alerts: of other runs, or missing as if never raised
                continue
            for record in piece[1]:
                if record.value:
                    where = f"{topic}-{piece[0]}"
                    yield Row(where, record.offset, await _as_json(record.value, asking, f"{where}:{record.offset}"))


async def _as_json(value: bytes, asking: Asking, where: str) -> str | bytes:
    """Give a *value* as JSON; RequestError where it is framed, and of a schema that nobody has."""
    if schema_id_of(value) is None:
        return value
    try:
        return json.dumps(await asking.decode(value), default=str)
    except UndecodableError as error:
        raise RequestError(f"{where}: {error}; alerts in Avro need a registry that has their schema") from None


def _see_that_it_can_be(request: ScoreRequest, truth: Truth, read: AlertRows) -> None:
    known = [*FAMILIES, *dict.fromkeys(label.fault for label in truth.labels)]
    for word in request.asked:
        if word not in known:
            raise RequestError(f"--fault: no label of {truth.name} is {shortened(word)}{did_you_mean(word, known)}")
    if request.threshold is not None and any(alert.score != alert.score for alert in read.alerts):
        raise RequestError(f"--threshold: {shortened(request.alerts)} has no scores to hold against it")


def _remarks(request: ScoreRequest, truth: Truth, read: AlertRows) -> Iterator[str]:
    """Yield what a person should know of what was read."""
    if not read.alerts:
        yield f"{request.alerts}: has no alerts about the run: it is scored as a detector that never alarms"
    if read.zoneless:
        yield f"{request.alerts}: {read.zoneless:,} times without a zone were taken as UTC"
    if read.others:
        yield f"{request.alerts}: {read.others:,} alerts are about other runs and were left out"
    nobody = sum(not label.machine for label in truth.labels)
    if nobody:
        yield f"{nobody:,} labels are about no machine: no alert can find them, they were left out"
    if "fault" not in request.ignored:
        yield from (f"{request.alerts}: {each}" for each in see_claims(read.alerts, truth))


def tolerance_of(texts: Iterable[str]) -> Tolerance:
    """Read ``before=10s,after=5min,merge=10min``, any part of it; RequestError where it is something else."""
    example = "before=10s,after=5min,merge=10min"
    parts = pairs("--tolerance", [part for text in texts for part in text.split(",")], example)
    found: dict[str, int] = {}
    for name, text in parts.items():
        if name not in {"before", "after", "merge"}:
            raise RequestError(f"--tolerance: unknown '{shortened(name)}'; it is like {example}")
        try:
            seconds = bounded(DURATION, least=0, most=DAYS_MAX * 86400)(0.0 if text == "0" else text)
        except ValueError as error:
            raise RequestError(f"--tolerance: {name}: {error}") from None
        found[f"{name}_us"] = round(seconds * SECOND_US)
    return DEFAULT._replace(**found)


def ignored_of(words: Iterable[str]) -> tuple[str, ...]:
    """Read which claims are not held against alerts."""
    chosen = tuple(dict.fromkeys(words))
    for word in chosen:
        if word not in CLAIMS:
            raise RequestError(f"--ignore: must be sensor or fault, got '{shortened(word)}'")
    return chosen

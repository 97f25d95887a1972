"""What was asked for, and the plan of a run that follows from it: nothing is open or sent yet."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from fleet.contract.access import Access
from fleet.data import SECOND_US, TopicPlan
from fleet.encode.cloudevents import CLOUDEVENTS, CloudEvents
from fleet.encode.encoder import StreamPlan, topics_of
from fleet.encode.layouts import Layout
from fleet.encode.own import own_layout
from fleet.encode.writers import RecordTime
from fleet.errors import RequestError
from fleet.run.evolution import Refusals, changes_of, judged_steps
from fleet.scenario.expansion import expand
from fleet.scenario.kind import Kind
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.scenario.streams import LabelsTopic
from fleet.scenario.times import moment
from fleet.sim.laws import LAW_INPUTS
from fleet.sinks.open import SINKS, SinkKind, format_for, sink_kind
from fleet.sinks.settings import ProducerSettings

RUNS_TOPIC = "factory.runs"
"""The journal of all runs: one partition, so that it has an order."""

EMBEDDED = "embedded:"
"""The target where nothing was named: a broker of the run's own."""

WINDOW_S, WIDE_WINDOW_S = 0.05, 0.1
"""Wall time between two releases of a paced run."""

WIDE_FROM = 10_000
"""Readings a second of wall time from which windows are wide: a release costs some milliseconds, however few it has."""

SKEW_MAX_US = 60 * SECOND_US
"""At full speed no record is more than this much due time behind one before it."""


def window_s(readings_per_s: float) -> float:
    """Choose the wall time between two releases of a paced run."""
    return WINDOW_S if readings_per_s < WIDE_FROM else WIDE_WINDOW_S


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run was asked for on the command line; None where the scenario or a default decides."""

    scenario: Scenario
    source: str  # as the user named the scenario, for the command that repeats the run
    targets: tuple[str, ...] = (EMBEDDED,)
    speed: float = 1.0  # math.inf: as fast as it goes
    length_us: int | None = None
    start_us: int | None = None
    seed: int | None = None
    settings: tuple[str, ...] = ()
    format: str | None = None
    topic: str | None = None
    kafka_config: Path | None = None
    record_time: str = "scan"
    run_header: bool = False
    headers: str | None = None  # one of HEADERS
    skew_s: float | None = None
    skip_when_late: bool = False
    stop_timeout_s: float = 30.0
    producer: ProducerSettings = field(default_factory=ProducerSettings)
    window_s: float | None = None
    registry: Access | None = None  # where ids of schemas come from; None: our own
    labels: str | None = None  # a file that has the labels and nothing else
    repeated: tuple[str, ...] = ()  # further options, for the command that repeats the run


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """One sink and how the run's streams are written to it; *topics* are what a broker must have."""

    url: str
    kind: SinkKind
    streams: Mapping[str, StreamPlan]
    stream_topics: Mapping[str, frozenset[str]]  # the topics each stream is written to
    topics: tuple[TopicPlan, ...]

    @property
    def main(self) -> str:
        """The stream it is there for: the first one."""
        return next(iter(self.streams))


@dataclass(frozen=True, slots=True, eq=False)
class RunPlan:
    """Everything a run needs to know before it opens anything."""

    run_id: str
    request: RunRequest
    roster: Roster
    seed: int
    start_us: int
    stop_us: int | None
    digest: str  # of the expanded scenario
    targets: tuple[TargetPlan, ...]
    refused: Refusals = field(default_factory=dict)  # schemas that must be refused

    @property
    def truth(self) -> bool:
        """Whether any sink wants the signals before the sensors."""
        return any("truth" in target.streams for target in self.targets)

    @property
    def skew_us(self) -> int:
        """How far the log may be out of due order between machines, in simulated time."""
        speed = self.request.speed
        if self.request.skew_s is not None:
            return max(1, round(self.request.skew_s * (1 if math.isinf(speed) else speed) * SECOND_US))
        return SKEW_MAX_US if math.isinf(speed) else round(speed * SECOND_US)


def make_plan(request: RunRequest, *, wall_us: int) -> RunPlan:
    """Expand the scenario and settle seed, start, topics and formats; RequestError where they cannot be."""
    scenario = request.scenario
    refused = judged_steps(scenario)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    seed = scenario.seed if request.seed is None else request.seed
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    _see_twice(request.targets if request.labels is None else (*request.targets, request.labels))
    if request.kafka_config is not None and not any(url.startswith("kafka:") for url in request.targets):
        raise RequestError(
            "--kafka-config: is about a Kafka, and nothing is sent to one; give --to kafka://HOST:PORT, "
            "or --to kafka:// where the file has bootstrap.servers"
        )
    if request.headers == CLOUDEVENTS and not any(_kind(url).keeps_stamps for url in request.targets):
        raise RequestError(
            f"--headers {CLOUDEVENTS}: no sink here keeps the headers of records, got --to "
            f"{', '.join(request.targets)}; kafka://HOST:PORT and record:PATH do"
        )
    start_us, stop_us = _span(request, wall_us=wall_us)
    return RunPlan(
        run_id=_run_id(wall_us),
        request=request,
        roster=roster,
        seed=seed,
        start_us=start_us,
        stop_us=stop_us,
        digest=scenario_digest(roster),
        targets=(*(target_plan(url, request, roster) for url in request.targets), *_labels_target(request, roster)),
        refused=refused,
    )


def _run_id(wall_us: int) -> str:
    moment = datetime.fromtimestamp(wall_us / SECOND_US, UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _span(request: RunRequest, *, wall_us: int) -> tuple[int, int | None]:
    """Settle the first and the last instant.

    A start of now means for a run at speed 1, or without a length, that the first reading is now; for a
    faster run of known length that the last one is.
    """
    scenario = request.scenario
    start_us = scenario.start_us if request.start_us is None else request.start_us
    length_us = request.length_us
    if length_us is None and scenario.duration is not None:
        length_us = scenario.length_us(start_us=wall_us)
    if start_us is None:
        start_us = wall_us - (length_us or 0) if request.speed > 1 else wall_us
        start_us -= start_us % SECOND_US
    if length_us is None:
        length_us = scenario.length_us(start_us=start_us)
    if length_us is not None and length_us <= 0:
        raise RequestError(
            f"{scenario.name}: stops at {moment(start_us + length_us)}, before it starts at {moment(start_us)}; "
            "give a length with --for, or an earlier --start"
        )
    return start_us, None if length_us is None else start_us + length_us


def _see_twice(urls: tuple[str, ...]) -> None:
    """Refuse a sink that is named twice: two writers to one file would tear it."""
    places = [str(Path(url.removeprefix("file:")).resolve()) if url.startswith("file:") else url for url in urls]
    twice = next((url for at, url in enumerate(urls) if places[at] in places[:at]), None)
    if twice is not None:
        raise RequestError(f"{twice}: is named twice; every sink is written to by one writer")


def scenario_digest(roster: Roster) -> str:
    """Digest what the readings depend on: the expanded machines and their kinds, as 16 hexadecimal digits."""
    parts: list[object] = [
        [kind_text(entry.kind) for entry in roster.entries],
        [[*line[:5], repr(line.shifts)] for line in roster.lines],
        [hall.model_dump() for hall in roster.halls],
        [list(crew) for crew in roster.crews],
    ]
    state = blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=8)
    for machine in roster.machines:
        state.update("\0".join(machine).encode() + b"\n")
    state.update(roster.entry.tobytes() + roster.line.tobytes())
    return state.hexdigest()


def kind_text(kind: Kind) -> str:
    """Write a kind without its prose, for digests."""
    plain = kind.model_copy(update={"about": "", "sources": ()})
    return plain.model_dump_json(exclude={"sensors": {"__all__": {"about"}}})


def target_plan(url: str, request: RunRequest, roster: Roster) -> TargetPlan:
    """Plan the streams, formats and topics of one sink."""
    kind = _kind(url)
    records, own = request.scenario.records, _own(request.scenario)
    streams = {
        "readings": StreamPlan(
            request.topic or records.readings.topic,
            format_for(kind, "readings", request.format or _if_taken(kind.readings, records.readings.format)),
            records.readings.layout if own is None else own.name,
            own,
            changes_of(roster),
        ),
        "events": StreamPlan(
            records.events.topic,
            format_for(kind, "events", request.format or records.events.format),
            records.events.layout,
        ),
        "runs": StreamPlan(RUNS_TOPIC, format_for(kind, "runs", None), "v1"),
    }
    if records.doors is not None:
        streams["doors"] = StreamPlan(records.doors.topic, records.doors.format, "v1")
    if records.truth is not None and kind.name != "stdout":  # there nobody could tell it from the readings
        form = format_for(kind, "truth", request.format or _if_taken(kind.others, records.truth.format))
        streams["truth"] = StreamPlan(records.truth.topic, form, records.truth.layout)
    labels = records.labels or (LabelsTopic() if roster.may_fail else None)
    if labels is not None and kind.name != "stdout":  # a detector that is fed from there must not see them
        form = format_for(kind, "labels", request.format or _if_taken(kind.others, labels.format))
        streams["labels"] = StreamPlan(labels.topic, form, "v1")
    if kind.encodes and any(plan.format == "protobuf" for plan in streams.values()):
        _see_ours_as_protobuf(streams["readings"])
    _see_that_it_takes_all(url, kind, streams["readings"], request.scenario)
    names = {stream: _names(stream, plan, roster) for stream, plan in streams.items()}
    for stream, what in (("truth", "truth"), ("labels", "truth about faults")):
        if twice := names["readings"] & names.get(stream, frozenset()):
            raise RequestError(
                f"topic {min(twice)!r}: is that of the {what}, and must not be that of the readings as well"
            )
    return TargetPlan(url, kind, streams, names, _topics(names, request.scenario))


def _see_ours_as_protobuf(readings: StreamPlan) -> None:
    """Refuse to write by an Avro schema of a user's own what a ``.proto`` file would have to say."""
    from fleet.encode.messages import library

    library()
    if readings.format == "protobuf" and readings.owns:
        raise RequestError(
            f"records.readings: {readings.owns[0].name} is an Avro schema: its records are written as avro or json; "
            "as protobuf there are the layouts v1, v2 and v3"
        )


def _kind(url: str) -> SinkKind:
    return sink_kind("kafka://embedded:0") if url == EMBEDDED else sink_kind(url)


def _see_that_it_takes_all(url: str, kind: SinkKind, readings: StreamPlan, scenario: Scenario) -> None:
    """Refuse a sink of one schema where layouts change; RequestError says where that is, and which sinks take it."""
    if not kind.typed or len(readings.layouts_of("readings")) == 1:
        return
    first = scenario.step_places[0]
    others = ", ".join(pattern for pattern, other in SINKS.items() if other.encodes and not other.typed)
    raise RequestError(
        f"{url}: has one schema for all its records, and the scenario's evolution ({first.file}:{first.line}) changes "
        f"it in mid-run; these take several: {others}"
    )


def _labels_target(request: RunRequest, roster: Roster) -> list[TargetPlan]:
    """Plan the file that has the labels alone, if one was asked for."""
    if request.labels is None:
        return []
    kind = sink_kind(request.labels)
    if not kind.alone:
        raise RequestError(f"--labels: must be file:PATH.jsonl or file:PATH.avro, got {request.labels!r}")
    plan = StreamPlan(LabelsTopic().topic, kind.readings[0], "v1")
    names = {"labels": _names("labels", plan, roster)}
    return [TargetPlan(request.labels, kind, {"labels": plan}, names, _topics(names, request.scenario))]


def _own(scenario: Scenario) -> Layout | None:
    """Make the user's own layout of readings; RequestError where its schema is wrong in depth."""
    own = scenario.own
    return None if own is None else own_layout(own.file, own.text, own.sources)


def _if_taken(takes: tuple[str, ...], wanted: str) -> str | None:
    """Give the scenario's format where the sink takes it; a wish of the scenario is no order."""
    return wanted if wanted in takes else None


def _names(stream: str, plan: StreamPlan, roster: Roster) -> frozenset[str]:
    """Give the topics of a stream: one, or as many as its template makes."""
    return frozenset({plan.topic} if stream == "runs" else topics_of(plan, roster.machines).values())


def _topics(names: Mapping[str, frozenset[str]], scenario: Scenario) -> tuple[TopicPlan, ...]:
    """Settle what each topic is made with where it is missing."""
    found: dict[str, TopicPlan] = {}
    for stream, topics in names.items():
        for name in sorted(topics - found.keys()):
            settings = scenario.topic_settings(name)
            assert settings.partitions, "topic_settings fills all"
            assert settings.replication, "topic_settings fills all"
            assert settings.retention, "topic_settings fills all"
            unbounded = {"runs": {}, "labels": {"retention.bytes": "-1"}}
            bounded = unbounded.get(stream, {"retention.bytes": str(round(settings.retention))})
            partitions = 1 if stream == "runs" else settings.partitions
            found[name] = TopicPlan(name, partitions, settings.replication, bounded)
    return tuple(found.values())


def cloudevents(plan: RunPlan, target: TargetPlan, *, registered: bool) -> CloudEvents | None:
    """Say what makes records of *target* CloudEvents, where they are; *registered*: a registry gave the ids."""
    wanted = plan.request.headers or plan.request.scenario.records.headers
    if wanted != CLOUDEVENTS or not target.kind.keeps_stamps:
        return None
    registry = plan.request.registry if registered else None
    named = registry.urls[0] if registry is not None and registry.urls else ""
    return CloudEvents(plan.request.scenario.name, plan.seed, plan.start_us, named)


def record_time(plan: RunPlan, target: TargetPlan) -> RecordTime:
    """Say what the records' own stamps are in *target*; of no account in sinks that do not keep them."""
    if not target.kind.keeps_stamps:
        return "none"
    return "wall" if plan.request.record_time == "wall" else "scan"

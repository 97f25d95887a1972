"""What an AsyncAPI document says in words: of the factory, its topics, and how their records are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.describe.dictionary import records_of, rows
from fleet.describe.subject import groups, written
from fleet.describe.tables import sections, sensor_table
from fleet.run.plan import RunPlan
from fleet.scenario.times import span_text


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream in words: what it is called, what one of its records is, and who reads it."""

    title: str
    record: str
    summary: str
    reader: str
    group: str  # a consumer group that may read it
    more: str = ""


STREAMS: Mapping[str, Stream] = {
    "readings": Stream(
        "Readings",
        "Sensor reading",
        "What one sensor of one machine reported at one instant.",
        "Reads what sensors report: for dashboards, storage, detectors of failures.",
        "dashboard",
    ),
    "truth": Stream(
        "Truth",
        "True value",
        "What a sensor would have reported were it perfect: the physical value before noise, drift and rounding.",
        "Reads the true values, to judge what was made of the readings. Not for detectors: no plant has this topic.",
        "evaluation",
    ),
    "events": Stream(
        "Events",
        "Machine event",
        "A machine changed its state: it started, waits for parts, failed, was repaired.",
        "Reads what machines do, to know which readings belong to work and which to rest.",
        "shift-log",
        "States are those of PackML: stopped (no shift), idle (nothing to do), execute (at work), held (stopped by a "
        "cause of its own), suspended (starved or blocked), aborted (failed).",
    ),
    "doors": Stream(
        "Doors",
        "Door event",
        "A door opened or closed.",
        "Reads which doors are open.",
        "door-watch",
    ),
    "labels": Stream(
        "Labels",
        "Fault label",
        "The truth about one fault: which, on which machine, from when to when, how severe, what it did to records.",
        "Reads the truth about faults, to score a detector. Not for detectors: no plant has this topic.",
        "scoring",
        "One record when a fault sets in (OPEN), one when it has ended (CLOSED); of records with the same run and id "
        "the last one holds.",
    ),
    "runs": Stream(
        "Runs",
        "Run record",
        "What ran: scenario, seed and start, the topics with their offsets; at its end what became of every record.",
        "Reads where a run begins and ends in every topic, and how it ended.",
        "run-log",
        "STARTED before the first reading, PROGRESS and JOURNAL in between, ENDED after the last.",
    ),
}


SIMULATED = (
    "Everything here is simulated: machines run, wear out, fail and are repaired, and their sensors report it to "
    "Kafka. The same seed gives the same records, every time."
)
LISTED_MAX = 8


def about(plan: RunPlan, expect: str) -> str:
    """Describe the factory of *plan* in Markdown; *expect* says what to look out for, or nothing."""
    scenario = plan.request.scenario
    parts = [" ".join(scenario.about.split())]
    parts += [expect] if expect else []
    parts += [
        SIMULATED,
        "".join(_factory(plan)),
        "".join(_topics(plan)),
        "".join(_reading(plan)),
        "".join(_again(plan)),
        "".join(_sensors(plan)),
    ]
    return "\n\n".join(part.strip("\n") for part in parts)


def _factory(plan: RunPlan) -> Iterator[str]:
    roster = plan.roster
    length = "until it is stopped" if plan.stop_us is None else f"for {span_text(plan.stop_us - plan.start_us)}"
    yield (
        f"## The factory\n\n{_counted(len(roster.machines), 'machine')} in {_counted(len(roster.lines), 'line')} send "
        f"{_rate(roster.readings_per_second)} readings a second, {length}.\n\n"
        "| line | kind of machine | machines | their ids | sensors each |\n|---|---|---|---|---|\n"
    )
    for group in groups(plan):
        kind = group.entry.kind
        sensors = "opens and closes" if kind.door else str(len(kind.sensors))
        yield f"| {group.lines} | {kind.kind} | {group.count:,} | `{group.pattern}` | {sensors} |\n"


def _topics(plan: RunPlan) -> Iterator[str]:
    target = written(plan)
    yield "## Topics\n\n| topic | what is in it | written as | partitions | replicas | each partition keeps |\n"
    yield "|---|---|---|---|---|---|\n"
    for stream, said in STREAMS.items():
        if stream not in target.streams:
            continue
        each = target.streams[stream]
        names = sorted(target.stream_topics[stream])
        topic = next(topic for topic in target.topics if topic.name == names[0])
        many = f" ({len(names):,} topics)" if len(names) > 1 else ""
        schemas = records_of(each, stream) or "two fields"
        yield (
            f"| `{each.topic}`{many} | {said.title.lower()} | {each.format}, {schemas} | {topic.partitions:,} "
            f"| {topic.replication} | {_kept(topic.configs.get('retention.bytes', '-1'))} |\n"
        )


def _kept(size: str) -> str:
    return "everything" if size == "-1" else f"{int(size) / 2**30:,.3g} GiB"


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _reading(plan: RunPlan) -> Iterator[str]:
    target = written(plan)
    layout = target.streams["readings"].layout_of("readings")
    yield "## How to read it\n\n"
    yield "- **Key.** The machine's id (of runs the run's). Records of one machine are in one partition, in order.\n"
    if any(each.format == "avro" for each in target.streams.values()):
        yield (
            "- **Avro.** A value is `0x00`, the schema's id in four bytes (big-endian), then the Avro body: what every "
            "client of a schema registry expects. The examples below show Avro's JSON encoding of it.\n"
        )
    if layout.carries("seq"):
        yield (
            f"- **Gaps.** `{layout.names['seq']}` counts the readings of a machine from 0. A hole is a reading that "
            "was lost or withheld on purpose; the labels say which.\n"
        )
    if layout.carries("quality"):
        yield (
            f"- **Trust.** `{layout.names['quality']}` is one of OPC UA's classes: GOOD, UNCERTAIN (near the end of "
            "the sensor's range), BAD (the last good value, repeated). A sensor that is silent sends nothing.\n"
        )
    yield (
        "- **Time.** A record's own time stamp is when the reading was taken."
        + (
            f" `{layout.names['timestamp']}` is the same by the controller's own clock, which is some milliseconds off."
            if layout.carries("timestamp")
            else ""
        )
        + "\n"
    )


def _again(plan: RunPlan) -> Iterator[str]:
    target = written(plan)
    yield f"## See it move\n\n    fleet run {plan.request.source} --to kafka://localhost:9092\n"
    yield "    fleet tail --from kafka://localhost:9092\n"
    for stream in ("events", "doors"):
        if stream in target.streams and target.streams[stream].format == "json":
            yield f"    kcat -b localhost:9092 -C -t {min(target.stream_topics[stream])} -o beginning\n"


def _sensors(plan: RunPlan) -> Iterator[str]:
    """List the sensors of every kind of machine, once for all groups that have the same."""
    machines: dict[tuple[str, str], list[str]] = {}
    for alike, found in sections(rows(plan, machines=False)):
        if found[0].range_low is not None:
            machines.setdefault((alike.kind, "".join(sensor_table(found))), []).append(alike.machine)
    yield (
        "## Sensors\n\n*Range* is what a sensor can show, *normal* what it shows on a healthy machine at work, "
        "*step* its resolution. The unit is as records have it.\n"
    )
    for (kind, table), names in machines.items():
        yield f"\n### {kind}\n\n{_listed(names)}\n\n{table}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    return ", ".join(f"`{name}`" for name in names[:LISTED_MAX]) + more

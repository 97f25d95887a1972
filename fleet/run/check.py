"""What a scenario would do, before anything is sent: its size, its islands, its topics."""

from __future__ import annotations

from collections import Counter

from fleet.data import Record, RecordBatch
from fleet.encode.encoder import Encoder
from fleet.run.plan import RunPlan, RunRequest, cloudevents, make_plan, target_plan
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import Scripted, coupled
from fleet.scenario.steps import id_of, named
from fleet.scenario.times import moment, span_text
from fleet.sim.blocks import Simulation

BATCH_OVERHEAD_BYTES = 9
"""What Kafka adds to a record inside a batch: lengths, deltas; the batch's own header is spread thin."""

HEADER_OVERHEAD_BYTES = 2
"""What it adds to a header: two lengths."""

SAMPLE_MACHINES = 200
"""About so many machines are simulated for a few seconds to weigh their records."""

SAMPLE_US = 10_000_000
START_IF_NOW_US = 1_772_431_200_000_000  # the size of a record does not depend on the day


def expanded(scenario: Scenario, source: str) -> list[str]:
    """Say how many machines, readings, bytes, islands and topics *scenario* has."""
    plan = plan_of(scenario, source)
    roster = plan.roster
    per_kind = Counter(machine.kind for machine in roster.machines)
    rate = roster.readings_per_second
    islands = Counter(roster.island.tolist())
    begins = "now" if scenario.start_us is None else moment(scenario.start_us)
    ends = "until interrupted" if plan.stop_us is None else f"for {span_text(plan.stop_us - plan.start_us)}"
    lines = [
        f"{source}: {scenario.name}",
        f"  time      from {begins} {ends}, seed {'drawn' if scenario.seed is None else scenario.seed}",
        f"  machines  {len(roster.machines):,} in {_counted(len(roster.lines), 'line')}: "
        + ", ".join(f"{count:,} {kind}" for kind, count in sorted(per_kind.items())),
        f"  readings  {rate:,.1f}/s, {rate * _bytes_a_reading(plan) / 1e6:,.3f} MB/s at speed 1",
        f"  islands   {len(islands):,}, the largest of {_counted(max(islands.values()), 'machine')}",
    ]
    lines += [*_incidents(roster), *_steps(roster)]
    target = target_plan("kafka://localhost:9092", plan.request, roster)
    for topic in target.topics:
        streams = [stream for stream, names in target.stream_topics.items() if topic.name in names]
        settings = ", ".join(f"{name}={value}" for name, value in topic.configs.items())
        stream = target.streams[streams[0]]
        layouts = [f"schema {one.name}" if one.own else one.name for one in stream.layouts_of(streams[0])]
        written = f"{stream.format} {'by ' * layouts[0].startswith('schema')}{', then '.join(layouts)}"
        has = f"{_counted(topic.partitions, 'partition')}, replication {topic.replication}"
        said = f"  topic     {topic.name}: {' and '.join(streams)} as {written}, {has}"
        lines.append(f"{said}, {settings}" if settings else said)
    return lines


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _incidents(roster: Roster) -> list[str]:
    """Say of each incident what it is, whom it may strike and when, and what it makes one island of."""
    lines = []
    for each in roster.script.scripted[: len(roster.scenario.incidents)]:
        whom = named(roster, each.machines)
        whom = f"{100 * each.share:g} % of {whom}" if each.share < 1.0 else whom
        islands = len(coupled([each], roster.script.scripted, roster.line))
        joined = (
            "" if not islands else ", which makes an island" if islands == 1 else f", which makes {islands:,} islands"
        )
        lines.append(f"  incident  {each.id}: {each.fault} on {whom}, {_when(each, roster)}{joined}")
    return lines


def _steps(roster: Roster) -> list[str]:
    """Say of each step of the evolution which machines it is for, and what they are to write from when on."""
    lines = []
    for step in roster.script.steps:
        at = span_text(step.at_us) if step.at_us else "0s"
        said = f"{step.layout} must be refused to" if step.refused else f"{step.layout} for"
        lines.append(f"  schema    {id_of(step.place)}: {said} {named(roster, step.machines)}, at {at}")
    return lines


def _when(each: Scripted, roster: Roster) -> str:
    """Say when an incident sets in."""
    at = span_text(each.at_us) if each.at_us else "0s"
    if each.when is not None:
        machine, state = each.when
        return f"when {roster.machines[machine].id} is {state.name.lower()}, from {at} on"
    if each.after >= 0:
        return f"{at} after {roster.script.scripted[each.after].id}"
    if each.within_us:
        return f"{each.times:,} times at random within {span_text(each.within_us)}"
    again = f", {each.times:,} times every {span_text(each.every_us)}" if each.every_us else ""
    return f"at {at}{again}"


def plan_of(scenario: Scenario, source: str) -> RunPlan:
    """Plan a run of *scenario* that is not carried out."""
    request = RunRequest(scenario=scenario, source=source, targets=("null:",))
    return make_plan(request, wall_us=START_IF_NOW_US)


def _bytes_a_reading(plan: RunPlan) -> float:
    """Weigh the readings of some of the islands: key, value and what Kafka adds."""
    workers = max(1, len(plan.roster.machines) // SAMPLE_MACHINES)
    simulation = Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us, islands=(0, workers))
    target = target_plan("kafka://localhost:9092", plan.request, plan.roster)
    streams = {stream: target.streams[stream] for stream in ("readings", "runs")}
    encoder = Encoder(
        streams,
        {topic.name: 1 for topic in target.topics},
        cloudevents=cloudevents(plan, target, registered=False),
        start_us=plan.start_us,
    )
    until_us = simulation.now_us + SAMPLE_US
    batches = encoder.prepare(simulation.advance(until_us)).release(until_us)
    sizes = [
        _record_bytes(record)
        for batch in batches
        if batch.stream == "readings" and isinstance(batch, RecordBatch)
        for record in batch.records
    ]
    return sum(sizes) / len(sizes) if sizes else 0.0


def _record_bytes(record: Record) -> int:
    headers = sum(len(name) + len(value) + HEADER_OVERHEAD_BYTES for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + BATCH_OVERHEAD_BYTES

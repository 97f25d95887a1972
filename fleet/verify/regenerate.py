"""The run once more, from its scenario: what every machine's log must hold, without reading any of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.data import Label
from fleet.encode.digest import MASK, MachineDigest
from fleet.encode.encoder import Encoder, StreamPlan, topics_of
from fleet.errors import RequestError
from fleet.run.evolution import changes_of
from fleet.run.plan import scenario_digest
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from fleet.verify.runs import Run, Shard

RELEASE_US = 10_000_000  # bounds the records held at once

Digests = Mapping[str, Mapping[str, MachineDigest]]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run of a scenario must have written.

    *digests* is by stream and machine; *same_scenario* says whether the run names this very scenario.
    """

    digests: Digests
    same_scenario: bool


def roster_of(scenario: Scenario) -> Roster:
    """Expand *scenario*."""
    return expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))


def regenerate(run: Run, scenario: Scenario, roster: Roster, *, stamped: bool) -> Expected:
    """Simulate and encode *run* again; RequestError where it cannot be known how it wrote its records.

    Every shard is computed to the simulated instant at which it ended, with the spans left out that it skipped.
    """
    assert run.ended, "who has not ended may still write"
    plans = _plans(run, scenario, roster)
    digests: dict[str, dict[str, MachineDigest]] = {}
    for shard in run.shards.values():
        for stream, machines in _shard(run, shard, roster, plans, stamped=stamped).items():
            digests.setdefault(stream, {}).update({name: one for name, one in machines.items() if one.records})
    return Expected(digests, scenario_digest(roster) == run.first["scenario_digest"])


def _shard(
    run: Run, shard: Shard, roster: Roster, plans: Mapping[str, StreamPlan], *, stamped: bool
) -> dict[str, dict[str, MachineDigest]]:
    started, ended = shard.started, shard.ended
    assert ended is not None
    encoder = Encoder(
        plans,
        {name: topic.partitions for name, topic in run.topics.items()},
        run=run.id,
        record_time="scan" if stamped else "none",
        ids=started["schema_ids"],
        start_us=started["start"],
    )
    simulation = Simulation(
        roster, seed=started["seed"], start_us=started["start"], islands=shard.place, truth="truth" in plans
    )
    stop_us = ended["simulated"]
    going_on: dict[str, Label] = {}
    while simulation.now_us < stop_us:
        span_us = min(simulation.span_us(), stop_us - simulation.now_us)
        prepared = encoder.prepare(simulation.advance(simulation.now_us + span_us))
        for label in prepared.block.labels:
            going_on.pop(label.id, None)
            if label.is_open:
                going_on[label.id] = label
        for until_us, skipped in _cuts(prepared.block.start_us, prepared.block.stop_us, shard.skips):
            if skipped:
                prepared.skip(until_us)
            prepared.release(until_us)  # of what is skipped: the labels
    encoder.close(simulation.ended(list(going_on.values()), stop_us))
    return encoder.digests


def _cuts(start_us: int, stop_us: int, skips: Sequence[tuple[int, int]]) -> list[tuple[int, bool]]:
    """Cut a block where skips begin and end, and often enough between: (until, whether it is skipped)."""
    edges = {stop_us, *range(start_us + RELEASE_US, stop_us, RELEASE_US)}
    edges |= {edge for span in skips for edge in span if start_us < edge < stop_us}
    return [(until_us, any(a < until_us <= b for a, b in skips)) for until_us in sorted(edges)]


def _plans(run: Run, scenario: Scenario, roster: Roster) -> dict[str, StreamPlan]:
    """Find out how the run wrote each stream; its topic may have been named on the command line."""
    records = scenario.records
    layouts = {"readings": records.readings.layout, "events": records.events.layout, "doors": "v1", "labels": "v1"}
    templates = {
        "readings": records.readings.topic,
        "events": records.events.topic,
        "doors": records.doors.topic if records.doors is not None else "",
        "truth": records.truth.topic if records.truth is not None else "",
        "labels": records.labels.topic if records.labels is not None else "",
    }
    plans = {}
    for stream, template in templates.items():
        rows = [topic for topic in run.topics.values() if stream in topic.streams]
        if not rows:
            continue
        name = rows[0].topic if len(rows) == 1 else _template(stream, template, roster, {row.topic for row in rows})
        # A topic of several streams says how the first of them is written.
        first = rows[0].streams[0] == stream
        layout = rows[0].layout if first else layouts[stream]
        own = next((own for own in run.owns if own.name == layout), None) if stream == "readings" else None
        changes = changes_of(roster) if stream == "readings" else ()
        plans[stream] = StreamPlan(name, rows[0].format, layout, own, changes)
    return plans


def _template(stream: str, template: str, roster: Roster, names: set[str]) -> str:
    """Give the *template* that makes the topics *names*; RequestError where the scenario's does not."""
    if set(topics_of(StreamPlan(template), roster.machines).values()) == names:
        return template
    raise RequestError(
        f"{stream}: the run wrote {len(names)} topics such as {min(names)!r}, which the scenario's "
        f"{template!r} does not make; set records.{stream}.topic as it was for the run"
    )


def differences(expected: Digests, found: Digests) -> list[str]:
    """Compare logs machine by machine; say in a line each which differ and how."""
    lines = []
    for stream, machines in expected.items():
        read = found.get(stream, {})
        for name in dict.fromkeys((*machines, *read)):
            text = _difference(machines.get(name), read.get(name))
            if text:
                lines.append(f"{name}: {stream}: {text}")
    return lines


def _difference(want: MachineDigest | None, have: MachineDigest | None) -> str:
    if want is None:
        assert have is not None
        return f"{have.records:,} records, the scenario has none"
    if have is None:
        return f"no record, the scenario has {want.records:,}"
    if want.records != have.records:
        return f"{have.records:,} records, the scenario has {want.records:,}"
    return "" if want.digest == have.digest else "as many records as the scenario has, but other ones or in other order"


def folded(digests: Digests) -> dict[tuple[str, int], int]:
    """Sum the digests of all streams and machines by (topic, partition), modulo 2^64."""
    total: Counter[tuple[str, int]] = Counter()
    for machines in digests.values():
        for one in machines.values():
            total[one.topic, one.partition] += one.digest
    return {place: digest & MASK for place, digest in total.items()}

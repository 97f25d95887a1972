"""The records that a run writes of itself: started, what was done to it, ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from fleet.encode.digest import fold
from fleet.encode.own import said_of
from fleet.run.names import written_names
from fleet.run.plan import RunPlan, record_time
from fleet.run.targets import Target

NAMED_MAX, NAMES_BYTES = 20_000, 100_000
"""A run of no more machines says which they are, if that takes no more bytes: a record has to fit a batch."""

STREAM_ORDER = ("readings", "truth", "events", "doors", "labels")


def started(plan: RunPlan, target: Target, *, wall_us: int) -> dict[str, Any]:
    """Say what is about to run, and where each topic ends before it."""
    return _record(plan, "STARTED", wall_us) | {
        "scenario": plan.request.scenario.name,
        "scenario_digest": plan.digest,
        "seed": plan.seed,
        "start": plan.start_us,
        "fleet_version": version("thingum-fleet"),
        "numpy_version": np.__version__,
        "schema_ids": dict(target.ids),
        "topics": _topics(plan, target),
        "simulated": plan.start_us,
        "entry": json.dumps({"record_time": record_time(plan, target.plan), **_machines(plan), **_own(target)}),
    }


def _machines(plan: RunPlan) -> dict[str, Any]:
    """Say how many machines run and, where they are not too many for a record, which."""
    machines = plan.roster.machines
    names = written_names([machine.id for machine in machines]) if len(machines) <= NAMED_MAX else []
    named = {"machines": names} if names and sum(map(len, names)) <= NAMES_BYTES else {}
    return {"machine_count": len(machines), **named}


def _own(target: Target) -> dict[str, Any]:
    """Say what a reader must know of layouts of the user's own, if there are any: the first one, and later ones."""
    readings = target.plan.streams["readings"]
    own, later = readings.own, [said_of(own) for own in readings.owns if own != readings.own]
    return ({} if own is None else {"own": said_of(own)}) | ({"owns": later} if later else {})


def journal(plan: RunPlan, entry: Mapping[str, Any], *, wall_us: int, simulated_us: int) -> dict[str, Any]:
    """Say what was done to the run while it ran."""
    return _record(plan, "JOURNAL", wall_us) | {"simulated": simulated_us, "entry": json.dumps(entry)}


def ended(
    plan: RunPlan,
    target: Target,
    *,
    wall_us: int,
    simulated_us: int,
    end_offsets: Mapping[str, list[int]],
    exit_code: int,
) -> dict[str, Any]:
    """Say how the run ended: each topic's end, the account, and the digest of every partition."""
    assert target.encoder is not None, "a sink that only counts keeps no records of runs"
    digests: dict[tuple[str, int], int] = {}
    for machines in target.encoder.digests.values():
        for place, digest in fold(machines.values()).items():
            digests[place] = (digests.get(place, 0) + digest) % 2**64
    topics = _topics(plan, target)
    for row in topics:
        row["end_offsets"] = end_offsets.get(row["topic"], [])
        row["digests"] = [f"{digests.get((row['topic'], p), 0):016x}" for p in range(row["partitions"])]
    return _record(plan, "ENDED", wall_us) | {
        "topics": topics,
        "account": target.account.as_fields(),
        "simulated": simulated_us,
        "exit": exit_code,
    }


def _record(plan: RunPlan, kind: str, wall_us: int) -> dict[str, Any]:
    return {
        "run": plan.run_id, "type": kind, "timestamp": wall_us, "shard": "1/1", "scenario": "", "scenario_digest": "",
        "seed": 0, "start": 0, "fleet_version": "", "numpy_version": "", "schema_ids": {}, "topics": [],
        "account": {}, "simulated": 0, "entry": "", "exit": -1,
    }  # fmt: skip


def _topics(plan: RunPlan, target: Target) -> list[dict[str, Any]]:
    """Describe each topic and the streams the run writes to it; the journal's own is not one of them."""
    names = target.plan.stream_topics
    rows = []
    for name, seen in target.topics.items():
        streams = [stream for stream in STREAM_ORDER if name in names.get(stream, ())]
        if not streams:
            continue
        stream = target.plan.streams[streams[0]]
        rows.append(
            {
                "topic": name,
                "streams": streams,
                "format": stream.format,
                "layout": stream.layout,
                "partitions": seen.partitions,
                "start_offsets": list(seen.start_offsets),
                "end_offsets": [],
                "digests": [],
                "settings": dict(seen.settings),
            }
        )
    return rows

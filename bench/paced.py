"""fleet in real time, and from its start to its first record: to the discard server, on the same cores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bench import plant
from bench.brokers import Broker, discard
from bench.clients import Figures
from bench.fleet_runs import FLEET, report, run_command
from bench.running import Ran, Unmeasured, run

SHORT_S = 5
PATIENCE_S = 25.0  # for a run that does not keep up, and for large plants to set up
STOP = ("--stop-timeout", "10s")
FIRST_S = 2
PARTITIONS_MAX = 24  # of the scenarios that are started


def in_real_time(readings_per_s: float, length_s: int) -> Figures:
    """Run a plant of so many readings a second for *length_s* at speed 1, and a short while to take its start off."""
    machines = plant.machines_for(readings_per_s)
    with discard() as broker:
        short_ran, short_report = _paced(machines, broker, SHORT_S)
        long_ran, long_report = _paced(machines, broker, length_s)
    wall_s, span_s = long_report.get("released_s", long_report["wall_s"]), _span_s(long_report)
    late_us = long_report["lateness_us"] or {}
    return {
        "readings_per_s": long_report["readings"] / wall_s,
        "rate_error_percent": abs(span_s / wall_s - 1) * 100,  # with wall_s: waiting for the last answers included
        "percent_of_a_core": (long_ran.cpu_s - short_ran.cpu_s) / (span_s - _span_s(short_report)) * 100,
        **{f"lateness_ms_{name}": late_us[name] / 1000 for name in ("p50", "p99", "max") if name in late_us},
        "rss_gib": long_ran.rss_gib,
    }


def _paced(machines: int, broker: Broker, seconds: int) -> tuple[Ran, dict[str, Any]]:
    with broker.topic() as topic:
        options = ("--topic", topic, "--speed", "1", "--for", f"{seconds}s", *STOP)
        command = run_command(machines, f"kafka://{broker.bootstrap}", *options)
        ran = run(command, timeout_s=seconds + PATIENCE_S, patient=True)
    return ran, report(ran)


def _span_s(fields: dict[str, Any]) -> float:
    start, stop = (datetime.fromisoformat(fields[name]) for name in ("start", "stop"))
    return (stop - start).total_seconds()


def first_at_discard(scenario: str) -> Figures:
    """Start *scenario*, and take the time from its start to its first reading's arrival at the discard server."""
    with discard(PARTITIONS_MAX) as broker, broker.topic() as topic:
        ran = _started(scenario, broker, topic)
        first_s = broker.counts()["first_s"][topic]
    return {"first_acknowledged_s": first_s - ran.begun_s, "rss_gib": ran.rss_gib}


def first_at_kafka(scenario: str, kafka: Broker) -> Figures:
    """Start *scenario*, and read from its report when Kafka acknowledged its first record, of whatever stream."""
    with kafka.topic() as topic:
        ran = _started(scenario, kafka, topic)
    said = report(ran)["targets"][0]["first_acknowledged"]
    if said is None:
        raise Unmeasured(f"{scenario}: nothing was acknowledged")
    return {"first_acknowledged_s": datetime.fromisoformat(said).timestamp() - ran.begun_at_s}


def _started(scenario: str, broker: Broker, topic: str) -> Ran:
    options = ("--topic", topic, "--speed", "1", "--for", f"{FIRST_S}s", *STOP, "--json")
    command = [*FLEET, "run", scenario, "--to", f"kafka://{broker.bootstrap}", *options]
    return run(command, timeout_s=FIRST_S + PATIENCE_S, patient=True)

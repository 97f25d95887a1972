"""Recording and replaying as their users run them: how fast, and how far from schedule at speed 1."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from bench import plant
from bench.brokers import RealKafka
from bench.clients import Figures
from bench.fleet_runs import FLEET
from bench.running import Ran, Unmeasured, run

PACED = "replay 5,000 readings/s at speed 1 to Kafka"
FAST = "record a topic, and replay it at full speed"
PACED_RATE, PACED_S = 5_000, 20
RECORDS = 1_000_000


def on_schedule(broker: RealKafka) -> Figures:
    """Replay a plant's readings at speed 1, and read how much later than due they were handed over."""
    with tempfile.TemporaryDirectory() as folder:
        file = _recorded(Path(folder), PACED_RATE, PACED_S)
        report, ran = _replayed(file, broker, "1")
    timing = report["timing_us"]
    return {
        **{f"timing_error_ms_{name}": timing[name] / 1000 for name in ("p50", "p99", "max")},
        "percent_of_a_core": ran.cpu_s / PACED_S * 100,
        "rss_gib": ran.rss_gib,
    }


def at_full_speed(broker: RealKafka, *, scale: float = 1.0) -> Figures:
    """Replay a million readings as fast as it goes, and record the topic they went to."""
    rate = PACED_RATE * 10
    with tempfile.TemporaryDirectory() as folder:
        file = _recorded(Path(folder), rate, max(1, round(RECORDS * scale / rate)))
        with broker.topic() as topic:
            report, replayed = _replayed(file, broker, "max", topic)
            source = ("--from", f"kafka://{broker.bootstrap}")
            recorded = run([*FLEET, "record", topic, *source, "--out", str(file.with_name("again.avro")), "--json"])
    said = json.loads(recorded.printed.splitlines()[-1])
    if said["records"] < report["account"]["readings"]["acknowledged"]:
        raise Unmeasured(f"{FAST}: {said['records']} records were recorded")
    return {
        "replayed_records_per_s": report["sent"] / report["wall_s"],
        "recorded_records_per_s": said["records"] / said["took_s"],
        "replay_rss_gib": replayed.rss_gib,
        "record_rss_gib": recorded.rss_gib,
    }


def _recorded(folder: Path, readings_per_s: float, seconds: int) -> Path:
    file = folder / "bench.avro"
    settings = [word for setting in plant.settings(plant.machines_for(readings_per_s)) for word in ("--set", setting)]
    run([*FLEET, "record", str(plant.FILE), *settings, "--for", f"{seconds}s", "--out", str(file)])
    return file


def _replayed(file: Path, broker: RealKafka, speed: str, topic: str | None = None) -> tuple[dict[str, Any], Ran]:
    """Replay *file*; Unmeasured where a record was lost."""
    target = ("--to", f"kafka://{broker.bootstrap}", "--speed", speed, "--json")
    if topic is None:
        with broker.topic() as own:
            return _replayed(file, broker, speed, own)
    ran = run([*FLEET, "replay", str(file), *target, "--topic", topic])
    report: dict[str, Any] = json.loads(ran.printed.splitlines()[-1])
    if report["exit"] or report["sent"] != report["records"]:
        raise Unmeasured(f"{file.name}: {report['sent']} of {report['records']} records were sent")
    return report, ran

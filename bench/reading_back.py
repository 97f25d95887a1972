"""Reading a run back: ``fleet verify`` as its users run it, from a Kafka that a run was written to."""

from __future__ import annotations

import json
from typing import Any

from bench.brokers import RealKafka
from bench.clients import Client, Figures, Job
from bench.corpus import Corpus
from bench.fleet_runs import FLEET, report
from bench.running import Ran, Unmeasured, run

NAME = "verify Avro v2 from Kafka"


def reading_back(client: Client, broker: RealKafka, corpus: Corpus, *, scale: float = 1.0) -> Figures:
    """Verify what *client*, which is fleet, wrote; the difference between few records and many, as in sending."""
    few_records, few = _verified(client, broker, corpus, round(client.few * scale))
    many_records, many = _verified(client, broker, corpus, round(client.many * scale))
    records = many_records - few_records
    cpu_s, wall_s = many.cpu_s - few.cpu_s, many.wall_s - few.wall_s
    if min(records, cpu_s, wall_s) <= 0:
        raise Unmeasured(f"{NAME}: too few records to tell reading from starting; use a larger --scale")
    return {
        "records_per_core_s": records / cpu_s,
        "records_per_s": records / wall_s,
        "with_start_records_per_core_s": many_records / many.cpu_s,
        "rss_gib": many.rss_gib,
    }


def _verified(client: Client, broker: RealKafka, corpus: Corpus, records: int) -> tuple[int, Ran]:
    """Write so many *records* and verify them; Unmeasured where they are not proven."""
    with broker.topic() as topic:
        written = report(run(client.command(Job(broker.bootstrap, topic, records, corpus))))
        ran = run([*FLEET, "verify", "--from", f"kafka://{broker.bootstrap}", "--run", written["run"], "--json"])
    verdict: dict[str, Any] = json.loads(ran.printed.splitlines()[-1])
    if not verdict["proven"]:
        raise Unmeasured(f"{NAME}: not proven: {verdict['findings']}")
    return sum(stream["records"] for stream in verdict["streams"].values()), ran

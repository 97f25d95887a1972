"""A client that sends records, and what sending them costs: per core, per second, and in the broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.brokers import Broker, arrived
from bench.corpus import Corpus
from bench.running import Ran, Unmeasured, run

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is to do."""

    bootstrap: str
    topic: str
    records: int
    corpus: Corpus


@dataclass(frozen=True, slots=True)
class Client:
    """One way to send records.

    It is run with *few* records and with *many*, and what is measured is the difference: interpreters, virtual
    machines and plants take their time to start, and no two of them the same.
    """

    name: str
    few: int
    many: int
    command: Callable[[Job], list[str]]
    about: str  # its settings, for the document


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run of a client did."""

    ran: Ran
    records: int
    broker_cpu_s: float


def sending(client: Client, broker: Broker, corpus: Corpus, *, scale: float = 1.0) -> Figures:
    """Measure *client* once, against *broker*."""
    few = send(client, broker, corpus, round(client.few * scale))
    many = send(client, broker, corpus, round(client.many * scale))
    records = many.records - few.records
    cpu_s, wall_s = many.ran.cpu_s - few.ran.cpu_s, many.ran.wall_s - few.ran.wall_s
    if min(records, cpu_s, wall_s) <= 0:
        raise Unmeasured(f"{client.name}: too few records to tell sending from starting; use a larger --scale")
    return {
        "records_per_core_s": records / cpu_s,
        "records_per_s": records / wall_s,
        "broker_core_s_per_million": many.broker_cpu_s / many.records * 1e6,
        "with_start_records_per_core_s": many.records / many.ran.cpu_s,
        "with_start_records_per_s": many.records / many.ran.wall_s,
        "rss_gib": many.ran.rss_gib,
    }


def send(client: Client, broker: Broker, corpus: Corpus, records: int) -> Sent:
    """Send so many *records* to a new topic; Unmeasured where not all arrive."""
    with broker.topic() as topic:
        before_s = broker.cpu_s()
        ran = run(client.command(Job(broker.bootstrap, topic, records, corpus)))
        broker_cpu_s = broker.cpu_s() - before_s
        there = arrived(broker, topic)
    if there < records:
        raise Unmeasured(f"{client.name}: of {records:,} records {there:,} arrived")
    return Sent(ran, there, broker_cpu_s)

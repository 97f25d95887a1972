"""What there is to measure, in parts that can be chosen by name."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench import alone, fleet_runs, replaying
from bench.brokers import RealKafka, discard, far_kafka, kafka
from bench.clients import Client, Figures, Job, send, sending
from bench.corpus import corpus
from bench.paced import first_at_discard, first_at_kafka, in_real_time
from bench.peers import java, native
from bench.peers.table import PEERS
from bench.reading_back import NAME as VERIFY
from bench.reading_back import reading_back
from bench.running import FAILURES, run

FEW, MANY = 150_000, 4_150_000
TO_DISCARD, TO_KAFKA = "to the discard server", "to Kafka"
FAR_DELAY_MS = 10.0
WARM_UP_RECORDS, WARMS_UP = 2_000_000, java.PERF_TEST.name
FLEET = fleet_runs.client(few=FEW, many=MANY)


class Bench:
    """What the cases share: made when first asked for, ended with the *stack*; what fails is not tried again."""

    def __init__(self, stack: ExitStack, scale: float) -> None:
        self.scale = scale
        self.corpus = functools.cache(lambda: stack.enter_context(corpus()))
        self.far = _once(lambda: stack.enter_context(far_kafka(FAR_DELAY_MS)))
        self.kafka = _once(lambda: self._warm(stack.enter_context(kafka())))

    def _warm(self, broker: RealKafka) -> RealKafka:
        """Let a broker's virtual machine compile what it runs most."""
        send(PEERS[WARMS_UP], broker, self.corpus(), round(WARM_UP_RECORDS * self.scale))
        return broker


def _once(make: Callable[[], RealKafka]) -> Callable[[], RealKafka]:
    """Give a function that makes a broker once, or says again why that is not possible."""

    @functools.cache
    def attempt() -> RealKafka | Exception:
        try:
            return make()
        except FAILURES as failure:
            return failure

    def give() -> RealKafka:
        if isinstance(made := attempt(), Exception):
            raise made
        return made

    return give


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure. A *slow* one is measured once, where not at least `HONEST_ROUNDS` are asked for."""

    part: str
    name: str
    measure: Callable[[Bench], Figures]
    slow: bool = False


def _to_discard(client: Client, bench: Bench) -> Figures:
    with discard() as broker:
        return sending(client, broker, bench.corpus(), scale=bench.scale)


def _to_kafka(client: Client, bench: Bench) -> Figures:
    return sending(client, bench.kafka(), bench.corpus(), scale=bench.scale)


def _far_away(client: Client, bench: Bench) -> Figures:
    return sending(client, bench.far(), bench.corpus(), scale=bench.scale)


def _in_codec(codec: str, send: Callable[[Client, Bench], Figures], bench: Bench) -> Figures:
    return send(fleet_runs.client(codec=codec, few=FEW, many=MANY), bench)


def _alone(name: str, _: Bench) -> Figures:
    figures: Figures = json.loads(run([sys.executable, "-m", "bench.alone", name]).printed)
    return figures


def _read_back(bench: Bench) -> Figures:
    return reading_back(FLEET, bench.kafka(), bench.corpus(), scale=bench.scale)


def _nanoseconds(bench: Bench) -> Figures:
    with discard() as broker, broker.topic() as topic:
        command = FLEET.command(Job(broker.bootstrap, topic, round(MANY * bench.scale), bench.corpus()))
        watched = [sys.executable, "-m", "bench.nanoseconds", *command[len(fleet_runs.FLEET) :]]
        figures: Figures = json.loads(run(watched).printed)
    return figures


def cases() -> list[Case]:
    """List everything there is to measure."""
    json_client = fleet_runs.client(form="json", few=FEW // 3, many=MANY // 3)
    grown = [fleet_runs.client(machines, few=FEW, many=MANY) for machines in (100, 10_000)]
    grown.append(fleet_runs.client(100_000, few=1_000_000, many=MANY))
    bind = functools.partial
    return [
        *(Case("alone", name, bind(_alone, name), slow="100,000" in name) for name in alone.MEASURES),
        *(Case("discard", f"{one.name} {TO_DISCARD}", bind(_to_discard, one)) for one in (FLEET, *PEERS.values())),
        *(Case("kafka", f"{one.name} {TO_KAFKA}", bind(_to_kafka, one)) for one in (FLEET, *PEERS.values())),
        *(
            Case("codecs", f"fleet, avro, {codec} level 1 {to}", bind(_in_codec, codec, send))
            for codec in fleet_runs.CODECS
            for to, send in ((TO_DISCARD, _to_discard), (TO_KAFKA, _to_kafka))
        ),
        Case("json", f"{json_client.name} {TO_DISCARD}", bind(_to_discard, json_client)),
        *(Case("growth", f"{one.name} {TO_DISCARD}", bind(_to_discard, one), slow=True) for one in grown),
        *(
            Case("start", f"{name}, first {what}", bind(first, name), slow=True)
            for what, first in (
                (f"reading {TO_DISCARD}", lambda name, _: first_at_discard(name)),
                (f"record of any stream {TO_KAFKA}", lambda name, bench: first_at_kafka(name, bench.kafka())),
            )
            for name in ("quickstart", "hundred-thousand")
        ),
        Case("paced", "50,000 readings/s in real time", lambda _: in_real_time(5e4, length_s=20), slow=True),
        Case("paced", "1,000,000 readings/s in real time", lambda _: in_real_time(1e6, length_s=15), slow=True),
        *(
            Case("far", f"{one.name} to Kafka 20 ms away", bind(_far_away, one), slow=True)
            for one in (FLEET, native.BATCH, java.PERF_TEST)
        ),
        Case("verify", VERIFY, _read_back),
        Case("replay", replaying.PACED, lambda bench: replaying.on_schedule(bench.kafka()), slow=True),
        Case("replay", replaying.FAST, lambda bench: replaying.at_full_speed(bench.kafka(), scale=bench.scale)),
        Case("nanoseconds", "where fleet's nanoseconds go", _nanoseconds),
    ]

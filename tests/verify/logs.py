"""Whole runs in memory: what a broker would have, and what the run says of itself; made to be damaged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fleet.data import RecordBatch
from fleet.encode.columns import RecordColumns
from fleet.encode.decode import Decoder
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.encode.schemas import schema_ids
from fleet.encode.unpack import padded
from fleet.encode.varint import varint
from fleet.run.plan import scenario_digest
from fleet.scenario.expansion import expand
from fleet.scenario.load import kinds_for, load
from fleet.scenario.model import Scenario
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS
from fleet.verify.check import prepare
from fleet.verify.entries import Row
from fleet.verify.findings import FINDINGS_SHOWN, Findings
from fleet.verify.log import UNREADABLE, LogChecker
from fleet.verify.regenerate import folded
from fleet.verify.runs import Run, assemble
from fleet.verify.verdict import Verdict, judge

START_US = 1_772_431_200_000_000  # 2026-03-02T06:00:00Z
SEED = 7
LENGTH_US = 30_000_000
READINGS, EVENTS = "factory.readings", "factory.events"
PARTITIONS = {READINGS: 3, EVENTS: 2}


class Stored(NamedTuple):
    """A record as a reader gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


Place = tuple[str, int]
Log = list[Stored]
Feed = Callable[[LogChecker, int, Log], None]


def columns_of(log: Log) -> RecordColumns:
    """Lay records side by side, as a reader of batches finds them."""
    pieces, lengths = [], []
    for record in log:
        pieces += [record.key or b"", record.value or b"", *(_header(*pair) for pair in record.headers)]
        lengths.append(
            [
                len(record.key or b""),
                len(record.value or b""),
                sum(map(len, pieces[len(pieces) - len(record.headers) :])),
            ]
        )
    key, value, headers = np.array(lengths, np.int64).reshape(-1, 3).T
    stop = np.cumsum(key + value + headers)
    return RecordColumns(
        data=padded(pieces),
        offset=np.array([record.offset for record in log], np.int64),
        stamp_ms=np.array([record.timestamp for record in log], np.int64),
        key_at=stop - headers - value - key,
        key_length=np.where([record.key is None for record in log], -1, key),
        value_at=stop - headers - value,
        value_length=np.where([record.value is None for record in log], -1, value),
        headers=np.array([len(record.headers) for record in log], np.int64),
        headers_at=stop - headers,
        stop=stop,
    )


def _header(name: str, value: bytes) -> bytes:
    return varint(len(name)) + name.encode() + varint(len(value)) + value


def feed_bytes(checker: LogChecker, partition: int, log: Log) -> None:
    checker.feed(partition, columns_of(log))


def feed_fields(checker: LogChecker, partition: int, log: Log) -> None:
    """Decode one record after another, as files are read."""
    decoder, rows = Decoder(), []
    for record in log:
        if any(name == "fleet-run" and value != b"r1" for name, value in record.headers):
            continue
        try:
            fields = decoder.decode(record.value)
        except UNREADABLE as error:
            checker.undecodable(partition, record.offset, record.key, str(error))
            continue
        rows.append(Row(record.offset, record.timestamp, record.key or b"", record.value or b"", fields))
    checker.take(partition, rows)


@dataclass
class Past:
    """A run that is over: its logs by topic and partition, and its records of itself."""

    logs: dict[Place, Log]
    records: list[dict[str, Any]]
    batches: list[RecordBatch] = field(default_factory=list)

    @property
    def run(self) -> Run:
        return assemble(self.records)[0]

    def copy(self) -> Past:
        return Past({place: list(log) for place, log in self.logs.items()}, copy.deepcopy(self.records))

    def place_of(self, machine: str, topic: str = READINGS) -> Place:
        return next(
            place
            for place, log in self.logs.items()
            if place[0] == topic and any(r.key == machine.encode() for r in log)
        )

    def verdict(self, scenario: Scenario | None = None, *, trimmed: Mapping[Place, int] | None = None) -> Verdict:
        """Feed all logs to checkers, partition after partition, and judge: as bytes and as fields, which must agree."""
        verdict = self._verdict(feed_bytes, scenario, trimmed)
        decoded = self._verdict(feed_fields, scenario, trimmed)
        assert (decoded.counts, decoded.notes, decoded.digests) == (verdict.counts, verdict.notes, verdict.digests)
        if sum(verdict.counts.values()) <= FINDINGS_SHOWN:
            assert sorted(decoded.findings) == sorted(verdict.findings)
        return verdict

    def _verdict(self, feed: Feed, scenario: Scenario | None, trimmed: Mapping[Place, int] | None) -> Verdict:
        run, findings = self.run, Findings()
        asked = prepare(run, scenario)
        checkers = []
        for topic in run.topics.values():
            checker = asked.checker(topic, findings)
            for p in range(topic.partitions):
                log = self.logs.get((topic.topic, p), [])
                gone = (trimmed or {}).get((topic.topic, p), 0)
                if gone:
                    checker.trimmed(p, gone)
                for at in range(gone, len(log), 1000):
                    feed(checker, p, log[at : at + 1000])
            checkers.append(checker)
        return judge(run, checkers, findings, labels=asked.labels, expected=asked.expected, digests=asked.digests)


def quickstart(*settings: str) -> Scenario:
    return load("quickstart", settings=settings)


def past(*, layout: str = "v2", text: str = "avro", skips: Sequence[tuple[int, int]] = (), run: str = "r1") -> Past:
    """Run the quickstart for half a minute; what it says of itself is what `fleet run` says."""
    return _past(layout, text, tuple(skips), run).copy()


@cache
def _past(layout: str, text: str, skips: tuple[tuple[int, int], ...], run: str) -> Past:
    streams = {"readings": StreamPlan(READINGS, text, layout), "events": StreamPlan(EVENTS, text, "v1")}
    encoder = Encoder(streams, PARTITIONS)
    scenario = quickstart()
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    simulation = Simulation(roster, seed=SEED, start_us=START_US)
    scheduled, batches = dict.fromkeys(streams, 0), []
    for stop_us in range(START_US + 10_000_000, START_US + LENGTH_US + 1, 10_000_000):
        block = simulation.advance(stop_us)
        scheduled = {
            "readings": scheduled["readings"] + block.readings,
            "events": scheduled["events"] + len(block.events),
        }
        prepared = encoder.prepare(block)
        for from_us, until_us in skips:
            if block.start_us <= from_us < block.stop_us:
                batches += prepared.release(from_us)
                prepared.skip(until_us)
        batches += prepared.release(stop_us)
    logs = logs_of(batches)
    produced = {s: sum(len(log) for (topic, _), log in logs.items() if topic == streams[s].topic) for s in streams}
    account = {
        s: {"scheduled": scheduled[s], "withheld": scheduled[s] - produced[s], "produced": produced[s], "injected": 0,
            "acknowledged": produced[s], "failed": 0, "in_doubt": 0}
        for s in streams
    }  # fmt: skip
    said = _said(run, scenario_digest(roster), streams, logs, encoder, account, skips)
    return Past(logs, said, batches)


def logs_of(batches: Iterable[RecordBatch]) -> dict[Place, Log]:
    logs: dict[Place, Log] = {}
    for batch in batches:
        log = logs.setdefault((batch.topic, batch.partition), [])
        log.extend(
            Stored(len(log) + i, r.timestamp_ms, r.key, r.value, tuple(r.headers)) for i, r in enumerate(batch.records)
        )
    return logs


def _said(
    run: str,
    digest: str,
    streams: Mapping[str, StreamPlan],
    logs: Mapping[Place, Log],
    encoder: Encoder,
    account: Mapping[str, Mapping[str, int]],
    skips: Sequence[tuple[int, int]],
) -> list[dict[str, Any]]:
    digests = folded(encoder.digests)
    topics = [
        {
            "topic": plan.topic,
            "streams": [stream],
            "format": plan.format,
            "layout": plan.layout,
            "partitions": PARTITIONS[plan.topic],
            "start_offsets": [0] * PARTITIONS[plan.topic],
            "end_offsets": [len(logs.get((plan.topic, p), ())) for p in range(PARTITIONS[plan.topic])],
            "digests": [f"{digests.get((plan.topic, p), 0):016x}" for p in range(PARTITIONS[plan.topic])],
            "settings": {},
        }
        for stream, plan in streams.items()
    ]
    common = {"run": run, "shard": "1/1", "timestamp": START_US}
    start = {
        "type": "STARTED",
        "scenario": "quickstart",
        "scenario_digest": digest,
        "seed": SEED,
        "start": START_US,
        "schema_ids": dict(schema_ids()),
        "topics": [{**row, "end_offsets": [], "digests": []} for row in topics],
    }
    journal = [
        {"type": "JOURNAL", "simulated": a, "entry": f'{{"skip": {{"from_us": {a}, "to_us": {b}}}}}'} for a, b in skips
    ]
    end = {"type": "ENDED", "topics": topics, "account": account, "simulated": START_US + LENGTH_US, "exit": 0}
    return [{**common, **record} for record in (start, *journal, end)]

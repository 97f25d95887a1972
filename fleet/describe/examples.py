"""Real records of a run, as examples: simulated, encoded, decoded again, and put into JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fleet.contract.avro_json import in_json
from fleet.data import HOUR_US, INJECTED, SECOND_US, Ints, Record, RecordBatch, TopicSeen
from fleet.describe.subject import groups, written
from fleet.encode.decode import Decoder
from fleet.encode.encoder import Encoder, StreamPlan, ids_of
from fleet.encode.json import text_of as text_of_fields
from fleet.encode.layouts import Layout
from fleet.encode.schemas import schema_text
from fleet.run.plan import RunPlan, TargetPlan, cloudevents
from fleet.run.records import started
from fleet.run.targets import Target
from fleet.sim.blocks import Simulation
from fleet.sinks.memory import MemorySink

EACH = 3
"""So many examples a kind of record."""

GROUPS_MAX = 12
"""Readings are computed of one machine of each group, and of no more groups than this."""

MACHINES_MAX = 2_000
"""Of larger fleets some islands with about so many machines are simulated."""

HOURS_MAX, MACHINE_HOURS = 4, 500
"""No example is waited for longer, in simulated time: some things happen once in months."""

FIRST_US, BLOCK_US = SECOND_US, 300 * SECOND_US
FRAME_BYTES = 5
LEAST: Mapping[str, int] = {"labels": 2}
"""So many examples are looked for at least, where it is not one: of a label its beginning and its end."""

TELLING: Mapping[str, str] = {"events": "state", "doors": "state", "labels": "phase"}
"""The field whose values make examples differ; of readings it is the sensor's machine."""


class Example(NamedTuple):
    """A record: its value as JSON, its key, its headers as text, the partition it went to."""

    key: str
    partition: int
    payload: Any
    headers: Mapping[str, str]


Kind = tuple[str, str]
"""A stream, and a layout of it by its name."""


@dataclass(slots=True)
class _Wanted:
    """What is still looked for."""

    plan: RunPlan
    found: dict[Kind, list[Example]]
    texts: dict[int, tuple[str, str]]  # by schema id: the layout's name, the schema's text
    decoder: Decoder
    _seen: set[tuple[Kind, Any]] = field(default_factory=set)

    def offer(self, stream: str, record: Record, partition: int) -> None:
        """Take *record* as an example if there is none like it."""
        assert record.value is not None, "only wrong clients send tombstones"
        layout, payload = self._read(stream, record.value)
        kind = (stream, layout)
        telling = payload[TELLING[stream]] if stream in TELLING else record.key
        if kind not in self.found or len(self.found[kind]) >= EACH or (kind, telling) in self._seen:
            return
        self._seen.add((kind, telling))
        headers = {name: value.decode() for name, value in record.headers}
        self.found[kind].append(Example((record.key or b"").decode(), partition, payload, headers))

    def _read(self, stream: str, value: bytes) -> tuple[str, Any]:
        if value[:1] == b"\0":
            number = int.from_bytes(value[1:FRAME_BYTES], "big")
            layout, text = self.texts[number]
            if number in self.decoder.protos:
                return layout, json.loads(text_of_fields(self.decoder.said(value)))
            return layout, in_json(text, value[FRAME_BYTES:])
        payload = json.loads(value)
        layouts = written(self.plan).streams[stream].layouts_of(stream)
        return next((each.name for each in layouts if set(each.fields) == payload.keys()), layouts[0].name), payload

    def lacks(self, *streams: str) -> bool:
        """Say whether anything of *streams* has too few examples."""
        return any(
            len(examples) < LEAST.get(stream, 1) for (stream, _), examples in self.found.items() if stream in streams
        )


def examples_of(plan: RunPlan) -> dict[Kind, list[Example]]:
    """Give examples of everything that *plan* writes, by stream and layout; none of what does not happen for long."""
    target = written(plan)
    ids = ids_of(target.streams)
    layouts = {
        (stream, layout.name): (layout, each.format)
        for stream, each in target.streams.items()
        for layout in each.layouts_of(stream)
    }
    texts = {
        ids[layout.schema_in(form)]: (layout.name, text_of(layout, form))
        for layout, form in layouts.values()
        if layout.schema_in(form)
    }
    decoder = Decoder({number: text for number, (_, text) in texts.items()})
    wanted = _Wanted(plan, {kind: [] for kind in layouts}, texts, decoder)
    for stream, record, partition in _records(plan, wanted):
        wanted.offer(stream, record, partition)
    return wanted.found


def text_of(layout: Layout, form: str = "avro") -> str:
    """Give the text of the schema that records of a *layout* have in the format *form*."""
    return layout.text or schema_text(layout.schema_in(form))


def _records(plan: RunPlan, wanted: _Wanted) -> Iterator[tuple[str, Record, int]]:
    """Give the records of *plan* as long as any are looked for: that of the run itself, then all others."""
    target = written(plan)
    yield "runs", _started(plan, target), 0
    measured = {stream: each for stream, each in target.streams.items() if stream in {"readings", "truth"}}
    happening = {stream: each for stream, each in target.streams.items() if stream in {"events", "doors", "labels"}}
    readings, moments = (_encoder(plan, streams) for streams in (measured, happening))
    workers = max(1, len(plan.roster.machines) // MACHINES_MAX)
    simulation = Simulation(
        plan.roster, seed=plan.seed, start_us=plan.start_us, islands=(0, workers), truth="truth" in measured,
        readings_of=_shown(plan, workers),
    )  # fmt: skip
    stop_us = plan.start_us + min(HOURS_MAX * HOUR_US, MACHINE_HOURS * HOUR_US * workers // len(plan.roster.machines))
    stop_us = min(stop_us, plan.stop_us or stop_us)
    until_us = plan.start_us + FIRST_US
    while wanted.lacks(*measured, *happening) and simulation.now_us < stop_us:
        block = simulation.advance(min(until_us, stop_us))
        for encoder, streams in ((readings, measured), (moments, happening)):
            if not wanted.lacks(*streams):
                continue
            for batch in encoder.prepare(block).release(simulation.now_us):
                assert isinstance(batch, RecordBatch), "nothing is packed here"
                if batch.stream != INJECTED:
                    yield from ((batch.stream, record, batch.partition) for record in batch.records)
        until_us = simulation.now_us + BLOCK_US


def _encoder(plan: RunPlan, streams: Mapping[str, StreamPlan]) -> Encoder:
    """Make what encodes *streams* as the run does, record by record."""
    target = written(plan)
    return Encoder(
        streams,
        {topic.name: topic.partitions for topic in target.topics},
        run=plan.run_id,
        headers=(("fleet-run", plan.run_id.encode()),) if plan.request.run_header else (),
        cloudevents=cloudevents(plan, target, registered=False),
        ids=ids_of(target.streams),
        start_us=plan.start_us,
    )


def _started(plan: RunPlan, target: TargetPlan) -> Record:
    """Give the record with which the run begins, on topics that are new."""
    ids = ids_of(target.streams)
    journal = _encoder(plan, {"runs": target.streams["runs"]})
    seen = {topic.name: TopicSeen(topic.partitions, (0,) * topic.partitions, topic.configs) for topic in target.topics}
    opened = Target(target, MemorySink(), journal, journal, seen, ids)
    return journal.encode_run(started(plan, opened, wall_us=plan.start_us))


def _shown(plan: RunPlan, workers: int) -> Ints:
    """Choose the machines whose readings are computed: one of each group that has any in the simulated islands."""
    island = plan.roster.island
    measuring = [group.places for group in groups(plan) if group.entry.kind.door is None]
    kept = [simulated[:1] for places in measuring if len(simulated := places[island[places] % workers == 0])]
    return np.concatenate([np.empty(0, np.int64), *kept[:GROUPS_MAX]])

"""What fleet's stages take by themselves: each function measures one thing once, in a process of its own.

``python -m bench.alone NAME`` prints the figures of one as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from bench import plant, scripts
from bench.clients import Figures
from fleet.api import load
from fleet.data import PackedBatch
from fleet.encode.cloudevents import CloudEvents
from fleet.encode.encoder import Encoder, StreamPlan
from fleet.run.memory import all_set_up, keep_memory
from fleet.run.pipeline import chunk_ends
from fleet.run.plan import SKEW_MAX_US
from fleet.sinks.connection import Connection
from fleet.sinks.kafka import KafkaSink
from fleet.sinks.settings import BATCH_BYTES, producer_settings

VALUES_READINGS = {1_000: 12_000_000, 100_000: 40_000_000}
ENCODED_RECORDS = 4_000_000  # as many as a run of the other parts sends
PARTITIONS = 12
TOPIC = "factory.readings"
NOWHERE = "127.0.0.1:1"
DEADLINE_S = 60.0
PLANT_SPAN_S = {1_000: 4 * 3600, 100_000: 300}


def cpu_s() -> float:
    """Give the CPU time of this process, all threads."""
    return time.process_time()


def values(machines: int) -> Figures:
    """Make readings, encode nothing: readings a core-second, after the first block."""
    keep_memory()  # as a run does
    simulation = plant.simulation(machines)
    all_set_up()
    span_us = simulation.span_us()
    simulation.advance(simulation.now_us + span_us)
    begun, readings = cpu_s(), 0
    while readings < VALUES_READINGS[machines]:
        readings += simulation.advance(simulation.now_us + span_us).readings
    spent = cpu_s() - begun
    return {"readings_per_core_s": readings / spent, "ns_per_reading": spent / readings * 1e9}


def scripted(machines: int) -> Figures:
    """Make readings with 500 incidents and without, by turns; and check a file that has them.

    They are spread over less than half an hour, so that much is there to measure; the share is that of a shift.
    """
    keep_memory()
    incidents = scripts.incidents(machines)
    with tempfile.TemporaryDirectory() as folder:
        file = scripts.written(Path(folder), machines)
        begun = cpu_s()
        load(file)
        checked_s = cpu_s() - begun
    both = (plant.simulation(machines, incidents), plant.simulation(machines))
    all_set_up()
    span_us, spent = both[0].span_us(), [0.0, 0.0]
    for turn in range(-1, scripts.SPAN_S * 1_000_000 // span_us):
        for which, simulation in enumerate(both):
            begun = cpu_s()
            simulation.advance(simulation.now_us + span_us)
            spent[which] += cpu_s() - begun if turn >= 0 else 0.0
    more_s, of_shift = spent[0] - spent[1], scripts.SHIFT_S / scripts.SPAN_S
    return {
        "check_s": checked_s,
        "ms_per_incident": more_s / scripts.COUNT * 1000.0,
        "percent_of_values_of_a_shift": more_s / (spent[1] * of_shift) * 100.0,
    }


def decisions(machines: int) -> Figures:
    """Run the plant alone, no readings: simulated time against CPU time, set-up left out."""
    simulation = plant.simulation(machines)
    decide = simulation.plant_only()
    start_us = simulation.now_us
    decide(start_us + 1)
    span_s = PLANT_SPAN_S[machines]
    begun = cpu_s()
    changes = decide(start_us + span_s * 1_000_000)
    spent = cpu_s() - begun
    return {"x_real_time": span_s / spent, "us_per_change": spent / max(changes, 1) * 1e6}


def setting_up(machines: int) -> Figures:
    """Load, expand and set up the plant, up to its first second of readings."""
    begun = cpu_s()
    simulation = plant.simulation(machines)
    built = cpu_s()
    simulation.advance(simulation.now_us + 1_000_000)
    return {"set_up_s": built - begun, "first_second_s": cpu_s() - built}


def encoding(machines: int) -> Figures:
    """Encode readings for Kafka, and drop them."""
    return asyncio.run(_encode(machines, None))


def framing(machines: int) -> Figures:
    """Encode readings, and give them to fleet's Kafka sink, whose producer frames, sums up and drops them."""
    return asyncio.run(_encode(machines, KafkaSink))


async def _encode(machines: int, sink_kind: type[KafkaSink] | None) -> Figures:
    keep_memory()
    simulation = plant.simulation(machines)
    encoder = Encoder({"readings": StreamPlan(TOPIC)}, {TOPIC: PARTITIONS}, batch_bytes=BATCH_BYTES)
    producer = Dropping(bootstrap_servers=NOWHERE, enable_idempotence=True, max_batch_size=BATCH_BYTES)
    settings = producer_settings(batch_bytes=BATCH_BYTES)
    sink = sink_kind(Connection(NOWHERE), producer, {}, settings, deadline_s=DEADLINE_S) if sink_kind else None
    spent, records = 0.0, -1  # the first block is not counted: templates are made with it
    while records < ENCODED_RECORDS:
        block = simulation.advance(simulation.now_us + simulation.span_us())
        begun, before = cpu_s(), records
        prepared = encoder.prepare(block)
        for until_us in chunk_ends(block, SKEW_MAX_US):  # as a run at full speed hands over
            for batch in prepared.release(until_us):
                records += len(batch)
                if sink is not None:
                    await sink.send(batch)
        if before < 0:
            records = 0
        else:
            spent += cpu_s() - begun
    begun = cpu_s()
    if sink is not None:
        await sink.close(timeout_s=DEADLINE_S)
    await producer.stop()
    spent += cpu_s() - begun
    return {"records_per_core_s": records / spent, "ns_per_record": spent / records * 1e9}


FORMATS = {
    "avro v1": (StreamPlan(TOPIC, "avro", "v1"), None),
    "avro v2": (StreamPlan(TOPIC, "avro", "v2"), None),
    "avro v3": (StreamPlan(TOPIC, "avro", "v3"), None),
    "avro v2 with CloudEvents": (StreamPlan(TOPIC, "avro", "v2"), CloudEvents("bench", 1, 0)),
    "protobuf v2": (StreamPlan(TOPIC, "protobuf", "v2"), None),
    "json v2": (StreamPlan(TOPIC, "json", "v2"), None),
}
FIRST_OF_ALL = "avro v1"
"""What the others are compared with."""

FORMAT_BLOCKS = 12


def formats(machines: int) -> Figures:
    """Encode the same blocks in every format, by turns; each block another one is the first to touch it."""
    keep_memory()
    simulation = plant.simulation(machines)
    encoders = {
        name: Encoder({"readings": stream}, {TOPIC: PARTITIONS}, cloudevents=events, batch_bytes=BATCH_BYTES)
        for name, (stream, events) in FORMATS.items()
    }
    names, records = list(encoders), 0
    spent, sizes = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for turn in range(-1, FORMAT_BLOCKS):  # the first block is not counted: templates are made with it
        block = simulation.advance(simulation.now_us + simulation.span_us())
        records += block.readings if turn >= 0 else 0
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            begun = cpu_s()
            prepared = encoders[name].prepare(block)
            made = sum(len(batch.data) for until_us in chunk_ends(block, SKEW_MAX_US)
                       for batch in prepared.release(until_us) if isinstance(batch, PackedBatch))  # fmt: skip
            if turn >= 0:
                spent[name] += cpu_s() - begun
                sizes[name] += made
    found: Figures = {}
    for name in names:
        found[f"{name}: ns_per_record"] = spent[name] / records * 1e9
        found[f"{name}: times_{FIRST_OF_ALL}"] = spent[name] / spent[FIRST_OF_ALL]
        found[f"{name}: bytes_per_record"] = sizes[name] / records
    return found


class Dropping(AIOKafkaProducer):
    """Does to a batch what aiokafka does, but for sending it."""

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        """Give the *batch* its place in the sequence, and build it."""
        batch._set_producer_state(1, 0, 0)
        batch._build()
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


MEASURES: dict[str, tuple[Callable[[int], Figures], int]] = {
    "values, 1,000 machines": (values, 1_000),
    "values, 100,000 machines": (values, 100_000),
    "500 incidents, 1,000 machines": (scripted, 1_000),
    "plant, 1,000 machines": (decisions, 1_000),
    "plant, 100,000 machines": (decisions, 100_000),
    "set-up, 1,000 machines": (setting_up, 1_000),
    "set-up, 100,000 machines": (setting_up, 100_000),
    "encode, 1,000 machines": (encoding, 1_000),
    "encode, frame and CRC, 1,000 machines": (framing, 1_000),
    "encode by format, 1,000 machines": (formats, 1_000),
}

if __name__ == "__main__":
    measure, machines = MEASURES[sys.argv[1]]
    print(json.dumps(measure(machines)))

"""What is measured: each function measures one thing once, in a process of its own, and returns figures."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

from bench import plant

VALUES_READINGS = {1_000: 12_000_000, 100_000: 40_000_000}
PLANT_SPAN_S = {1_000: 4 * 3600, 100_000: 300}

Figures = dict[str, float]


def cpu_s() -> float:
    """Give the CPU time of this process, all threads."""
    return time.process_time()


def values(machines: int) -> Figures:
    """Make readings, encode nothing: readings a core-second, after the first block."""
    simulation = plant.simulation(machines)
    span_us = simulation.span_us()
    simulation.advance(simulation.now_us + span_us)
    begun, readings = cpu_s(), 0
    while readings < VALUES_READINGS[machines]:
        readings += simulation.advance(simulation.now_us + span_us).readings
    spent = cpu_s() - begun
    return {"readings_per_core_s": readings / spent, "ns_per_reading": spent / readings * 1e9}


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


def whole_run(machines: int) -> Figures:
    """Run the plant for 60 s of simulated time at full speed to nowhere, as the command line does."""
    command = [
        sys.executable, "-m", "fleet", "run", str(plant.FILE), "--to", "null:", "--speed", "max", "--for", "60s",
    ]  # fmt: skip
    for setting in plant.settings(machines):
        command += ["--set", setting]
    begun = time.monotonic()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - begun
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"max_rss_gib": usage.ru_maxrss / (1 << 20), "wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime}


def encoding(machines: int) -> Figures:
    """Encode readings as Avro v2 with fastavro: records a core-second."""
    from fleet.encode.encoder import Encoder, StreamPlan

    simulation = plant.simulation(machines)
    encoder = Encoder({"readings": StreamPlan("factory.readings")}, {"factory.readings": 12})
    span_us = 10_000_000
    blocks = [simulation.advance(simulation.now_us + span_us) for _ in range(4)]
    begun, records = cpu_s(), 0
    for block in blocks:
        records += sum(len(batch) for batch in encoder.prepare(block).release(block.stop_us))
    spent = cpu_s() - begun
    return {"records_per_core_s": records / spent, "ns_per_record": spent / records * 1e9}


MEASURES: dict[str, tuple[Callable[[int], Figures], int]] = {
    "values, 1,000 machines": (values, 1_000),
    "values, 100,000 machines": (values, 100_000),
    "plant alone, 1,000 machines": (decisions, 1_000),
    "plant alone, 100,000 machines": (decisions, 100_000),
    "set-up, 1,000 machines": (setting_up, 1_000),
    "set-up, 100,000 machines": (setting_up, 100_000),
    "run to null:, 100,000 machines, 60 s": (whole_run, 100_000),
    "Avro by fastavro, 1,000 machines": (encoding, 1_000),
}

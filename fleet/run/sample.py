"""The first records of a run as JSON lines: a look at what would be sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from fleet.data import INJECTED, SECOND_US, RecordBatch
from fleet.encode.encoder import Encoder
from fleet.run.plan import RunPlan, target_plan
from fleet.sim.blocks import Simulation


def print_sample(plan: RunPlan, count: int) -> None:
    """Print the first *count* records of *plan* to standard output, as JSON, in log order; send nothing."""
    for value in sample(plan, count):
        sys.stdout.write(value.decode() + "\n")


def sample(plan: RunPlan, count: int) -> Iterator[bytes]:
    """Give the values of the first *count* records of *plan*, as JSON, in log order; send nothing."""
    target = target_plan("stdout:", plan.request, plan.roster)
    partitions = {topic.name: 1 for topic in target.topics}
    encoder = Encoder(target.streams, partitions, record_time="none", start_us=plan.start_us)
    simulation = Simulation(plan.roster, seed=plan.seed, start_us=plan.start_us)
    left = count
    while left and (plan.stop_us is None or simulation.now_us < plan.stop_us):
        until_us = min(simulation.now_us + SECOND_US, plan.stop_us or simulation.now_us + SECOND_US)
        prepared = encoder.prepare(simulation.advance(until_us))
        for batch in prepared.release(until_us):
            assert isinstance(batch, RecordBatch), "nothing is packed here"
            if batch.stream == INJECTED:
                continue  # beside the plan, and not to be shown as lines
            for record in batch.records[:left]:
                yield record.value or b""
            left -= min(left, len(batch))

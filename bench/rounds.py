"""Interleaved rounds: everything once, then everything again, so that a slow minute of the machine hits all alike."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.cases import Bench, Case
from bench.clients import Figures
from bench.peers import native
from bench.running import FAILURES
from tests.services.jars import KAFKA_VERSION

HONEST_ROUNDS = 5
"""So many rounds make a table for the document; then slow cases are measured in each of them, too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How often and how much; no round is begun that would not end within the budget."""

    rounds: int
    scale: float
    budget_s: float


@dataclass(slots=True)
class Measured:
    """The figures of all cases, round by round; None where there is none. *gaps* says why."""

    machine: dict[str, str]
    rounds: dict[str, list[Figures | None]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)  # by case
    gaps: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give it all for machines."""
        return {"machine": self.machine, "parts": self.parts, "rounds": self.rounds, "gaps": self.gaps}


def measure(cases: Sequence[Case], asked: Asked, measured: Measured, say: Callable[[str], None]) -> None:
    """Measure *cases* into *measured*, which holds what there is so far should this be interrupted."""
    rounds, until_s, quick_s = asked.rounds, time.monotonic() + asked.budget_s, 0.0
    with ExitStack() as stack:
        bench = Bench(stack, asked.scale)
        for turn in range(rounds):
            if turn and time.monotonic() + quick_s > until_s:
                say(f"no further round in {asked.budget_s:.0f} s; --rounds N takes the time it needs")
                return
            quick_s = 0.0
            for case in cases:
                if case.slow and turn and rounds < HONEST_ROUNDS:
                    continue
                say(f"round {turn + 1} of {rounds}: {case.part}: {case.name}")
                measured.parts[case.name] = case.part
                begun_s = time.monotonic()
                measured.rounds.setdefault(case.name, []).append(_figures(case, bench, say, measured))
                quick_s += 0.0 if case.slow else time.monotonic() - begun_s


def _figures(case: Case, bench: Bench, say: Callable[[str], None], measured: Measured) -> Figures | None:
    try:
        return case.measure(bench)
    except FAILURES as why:
        measured.gaps[case.name] = str(why)
        say(f"  not measured: {why}")
        return None


def machine() -> dict[str, str]:
    """Say what it is measured on, and with what."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "aiokafka", "confluent-kafka", "fastavro")},
        "Kafka": KAFKA_VERSION,
        "librdkafka in C": native.version(),
        "fleet": version("thingum-fleet"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

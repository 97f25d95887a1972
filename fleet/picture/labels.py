"""The truth about faults, kept for a picture: the last label of each, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fleet.data import Block, Label, SeqSpan
from fleet.faults.catalogue import MACHINE, SENSOR, TRANSPORT_FAULTS
from fleet.sim.blocks import Simulation

LABELS_MAX = 2000
"""Bound on what is kept of one machine; the rest is only counted."""

CLOCKS = frozenset({"clock_skew", "clock_jump"})
"""Faults that change what a clock says."""

ONCE = frozenset({"loss", "gateway_restart", "duplicate"})
"""Faults that lose readings or double them, and hold none back."""


@dataclass(slots=True)
class Labels:
    """The last label of each fault while a simulation is told; *machines* (ids) keeps those of some, None of all."""

    machines: frozenset[str] | None = None
    last: dict[str, Label] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        """Take in the labels of *block*."""
        for label in block.labels:
            if self.machines is None or label.machine.id in self.machines:
                self.last[label.id] = label

    def ended(self, simulation: Simulation, stop_us: int) -> list[Label]:
        """Close what still goes on at *stop_us*, and give all in order of their onset."""
        going_on = [label for label in self.last.values() if label.is_open]
        for label in simulation.ended(going_on, stop_us):
            self.last[label.id] = label
        return sorted(self.last.values(), key=lambda label: (label.onset_us, label.id))


def of_machine(labels: Iterable[Label], machine: str) -> tuple[list[Label], int]:
    """Give the labels of one machine, as many as are kept, and how many are left out."""
    mine = [label for label in labels if label.machine.id == machine]
    return mine[:LABELS_MAX], max(0, len(mine) - LABELS_MAX)


def of_all_panels(labels: Iterable[Label]) -> list[Label]:
    """Give those that concern the whole machine: they changed the truth."""
    return [label for label in labels if label.family == MACHINE]


def of_sensor(labels: Iterable[Label], sensor: str) -> list[Label]:
    """Give those that concern one sensor only."""
    return [label for label in labels if label.family == SENSOR and label.sensor == sensor]


def of_network(labels: Iterable[Label]) -> list[Label]:
    """Give those that concern when and whether readings arrive."""
    return [label for label in labels if label.fault in TRANSPORT_FAULTS]


def count_of(spans: Sequence[SeqSpan]) -> int:
    """Count the readings in *spans*."""
    return sum(span.count for span in spans)


def named(label: Label) -> str:
    """Say in a few words which fault it is, and whether the machine stopped for it."""
    fault = label.fault.replace("_", " ")
    words = fault if label.incident else f"{fault} wear shows"
    if label.failure_us is None:
        return words
    return f"{words}, fails" if not label.incident else f"{words}, stops"

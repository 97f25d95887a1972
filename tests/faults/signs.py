"""A plant with every fault of the first three families on machines of its own, as columns, and its healthy twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fleet.data import Event, Floats, Ints, Label
from fleet.faults.catalogue import CATALOGUE
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from tests.faults.plants import SECOND_US, START_US, roster_of

ONSET_S, STOP_S, END_S = 1800, 3600, 5400
"""Each fault is there for the second of three halves of an hour, unless it stops its machine before."""

KINDS = {
    "leakage": "hydraulic-press",
    "belt_slip": "conveyor",
    "tool_wear": "cnc-spindle",
    "tool_break": "cnc-spindle",
    "jam": "conveyor",
    "heater_failure": "oven",
    "compressor_leak": "compressor",
    "encoder_loss": "robot-arm",
}
"""Of all others the machine is a pump."""

SET = {
    "bearing_wear": "over: 25 min, for: 90 min",
    "tool_wear": "over: 20 min, for: 90 min",
    "tool_break": "for: 5 s",
    "encoder_loss": "for: 5 s",
    "power_dip": "for: 30 s",
    "jam": "for: 30 min, stall: 150 %",
    "cavitation": "over: 1 min, for: 30 min",
    "fouled_filter": "over: 10 min, for: 30 min",
    "overheating": "over: 1 min, for: 30 min, factor: 3",
    "leakage": "over: 5 min, for: 30 min",
    "imbalance": "over: 2 min, for: 30 min, growth: 3",
    "belt_slip": "over: 5 min, for: 30 min, slip: 15 %",
    "compressor_leak": "over: 5 min, for: 30 min, demand: 80 %",
    "bias": "size: 0.2 bar, for: 30 min",
    "drift": "size: 1 bar, for: 30 min",
    "gain": "by: 10 %, for: 30 min",
    "spike": "size: 15 sigma, rate: 120/h, for: 30 min",
    "noise": "factor: 5, for: 30 min",
    "dropout": "portion: 10 %, burst: 1 s, for: 30 min",
    "intermittent_contact": "portion: 20 %, burst: 10 s, for: 30 min",
    "wrong_unit": "factor: 14.5, plus: 0, for: 30 min",
    "calibration_jump": "size: 8 sigma, for: 30 min",
    "outage": "for: 10 min, catch_up: 10",
    "link_flapping": "period: 40 s, portion: 50 %, for: 30 min",
    "gateway_restart": "for: 45 s",
    "loss": "portion: 5 %, for: 30 min",
    "late": "portion: 20 %, median: 500 ms, sigma: 1.3, for: 30 min",
    "out_of_order": "portion: 3 %, back: 5 s, for: 30 min",
    "duplicate": "portion: 4 %, for: 30 min",
    "clock_skew": "rate: 200 ppm, for: 30 min",
    "clock_jump": "step: 1 h, for: 30 min",
}
SENSOR = "discharge_pressure"


def line_of(fault: str) -> str:
    """Name the line on which the machine with *fault* stands: letters, digits and '-' only."""
    return fault.replace("_", "-")


def machine_of(fault: str) -> str:
    """Name the machine that *fault* strikes."""
    return f"{line_of(fault)}-{KINDS.get(fault, 'pump')}-001"


def scenario() -> str:
    """Write the scenario: a line for each fault, with one machine and its incident."""
    lines, incidents = [], []
    for fault, (family, _) in CATALOGUE.items():
        if family == "producer":
            continue
        lines.append(f"  - {{name: {line_of(fault)}, machines: [{{kind: {KINDS.get(fault, 'pump')}}}]}}")
        target = f"gateway: {line_of(fault)}" if family == "network" else f"machine: {machine_of(fault)}"
        sensor = f", sensor: {SENSOR}" if family == "sensor" else ""
        more = SET.get(fault, f"for: {STOP_S - ONSET_S} s")
        incidents.append(f"  - {{id: {line_of(fault)}, at: {ONSET_S} s, {target}{sensor}, fault: {fault}, {more}}}")
    head = f"fleet: 1\nname: signs\nseed: 7\nstart: 2026-03-02T06:00:00Z\nduration: {END_S} s\n"
    return head + "lines:\n" + "\n".join(lines) + "\nincidents:\n" + "\n".join(incidents) + "\n"


class Series(NamedTuple):
    """The readings of one sensor in order of their numbers; arrays are (readings,), times in s from the start."""

    seq: Ints
    scan_s: Floats
    due_s: Floats
    event_s: Floats
    value: Floats
    truth: Floats
    quality: Ints
    is_copy: Ints

    def between(self, start_s: float, stop_s: float) -> Series:
        """Give the readings of a span."""
        inside = (self.scan_s >= start_s) & (self.scan_s < stop_s)
        return Series(*(column[inside] for column in self))


@dataclass(slots=True)
class Signs:
    """What a run showed: series by machine and sensor, its events, and the last label of each fault."""

    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    labels: dict[str, Label] = field(default_factory=dict)

    def of(self, fault: str, sensor: str = SENSOR) -> Series:
        """Give a sensor of the machine that *fault* strikes."""
        return self.series[machine_of(fault), sensor]

    def causes(self, fault: str) -> list[tuple[str, float]]:
        """Give what happened to the machine that *fault* strikes: causes, with when (s from the start)."""
        mine = [event for event in self.events if event.machine.id == machine_of(fault)]
        return [(event.cause, (event.time_us - START_US) / SECOND_US) for event in mine]


def plant(folder: Path) -> Roster:
    """Expand the scenario."""
    return roster_of(scenario(), folder)


def seen(roster: Roster) -> Signs:
    """Simulate the whole of *roster*, with the truth."""
    simulation = Simulation(roster, seed=7, start_us=START_US, truth=True)
    signs, parts = Signs(), dict[tuple[str, str], list[tuple[np.ndarray, ...]]]()
    stop_us = START_US + END_S * SECOND_US
    open_labels: dict[str, Label] = {}
    while simulation.now_us < stop_us:
        block = simulation.advance(min(stop_us, simulation.now_us + 900 * SECOND_US))
        signs.events += block.events
        for label in block.labels:
            if label.incident:
                open_labels[label.id] = label
        for columns in block.kinds:
            assert columns.truth is not None
            for index in np.unique(columns.machine).tolist():
                rows = np.flatnonzero(columns.machine == index)
                times = [
                    (of[rows] - START_US) / SECOND_US for of in (columns.scan_us, columns.due_us, columns.event_us)
                ]
                for place, sensor in enumerate(columns.sensors):
                    key = columns.cohort.machines[index].id, columns.cohort.sensors[sensor].name
                    cells = (
                        columns.seq[rows] + columns.within[place],
                        *times,
                        columns.value[rows, place],
                        columns.truth[rows, place],
                        columns.quality[rows, place].astype(np.int64),
                        np.full(len(rows), int(columns.copy)),
                    )
                    parts.setdefault(key, []).append(cells)
    ended = simulation.ended([label for label in open_labels.values() if label.is_open], stop_us)
    signs.labels = {**open_labels, **{label.id: label for label in ended}}
    for key, listed in parts.items():
        series = Series(*(np.concatenate(column) for column in zip(*listed, strict=True)))
        order = np.lexsort((series.is_copy, series.seq))
        signs.series[key] = Series(*(column[order] for column in series))
    return signs


def labels_of(signs: Signs, fault: str) -> Mapping[str, Label]:
    """Give the labels of the incident with *fault*."""
    return {key: label for key, label in signs.labels.items() if label.incident == line_of(fault)}

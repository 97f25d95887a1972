"""Readings made by the project itself, as a table that was read of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fleet.api import simulate
from fleet.data import Floats, Ints
from fleet.fit.table import Column, Table
from fleet.scenario.document import parse
from fleet.scenario.expansion import expand
from fleet.scenario.load import check, kinds_for
from fleet.scenario.model import Scenario
from fleet.sim.cohorts import models
from fleet.sim.laws import LAW_INPUTS

START_US = 1_772_431_200_000_000  # 2026-03-02T06:00:00Z


def scenario_of(kind: str, settings: str, *, count: int) -> Scenario:
    machines = f"[{{kind: {kind}, count: {count}, set: {{{settings}}}}}]"
    text = f"fleet: 1\nname: made\nlines: [{{name: made, machines: {machines}}}]\n"
    return check(parse(text.encode(), file="made.yaml"), laws=LAW_INPUTS)


def columns_of(scenario: Scenario, *, seed: int, hours: float) -> Iterator[tuple[str, str, str, Ints, Floats]]:
    """Yield machine, sensor, units, times and values, block by block."""
    for block in simulate(scenario, seed=seed, start_us=START_US, duration_s=hours * 3600):
        for columns in block.kinds:
            for place, sensor in enumerate(columns.sensors):
                known = columns.cohort.sensors[sensor]
                for index, machine in enumerate(columns.cohort.machines):
                    rows = columns.machine == index
                    if rows.any():
                        yield machine.id, known.name, known.units, columns.event_us[rows], columns.value[rows, place]


def table_of(scenario: Scenario, *, seed: int, hours: float) -> Table:
    table = Table("made.csv")
    for machine, sensor, units, time_us, value in columns_of(scenario, seed=seed, hours=hours):
        column = table.columns.setdefault((machine, sensor), Column(units))
        column.time_us.extend(time_us.tolist())
        column.value.extend(value.tolist())
    return table


def drawn_means(scenario: Scenario, *, seed: int) -> dict[str, float]:
    """Give the geometric mean of every parameter that the machines drew, and of their cycles as `period`."""
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    (model,) = models(roster, seed=seed, start_us=START_US, keep=np.arange(len(roster.machines)))
    means = {
        name: float(np.exp(np.log(np.abs(drawn)).mean()) * np.sign(drawn[0]))
        for name, drawn in model.parameters.items()
    }
    if model.rules.period_us is not None:
        means["period"] = float(np.exp(np.log(np.array(model.rules.period_us) / 1e6).mean()))
    return means


def write_csv(scenario: Scenario, file: Path, *, seed: int, hours: float) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.write("timestamp,machine,sensor,value,units\n")
        for machine, sensor, units, time_us, value in columns_of(scenario, seed=seed, hours=hours):
            for at, each in zip(time_us.tolist(), value.tolist(), strict=True):
                out.write(f"{at / 1e6:.6f},{machine},{sensor},{each},{units}\n")

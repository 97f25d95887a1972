"""What the fitted part makes, simulated: to be drawn beside the readings it was fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleet.data import HOUR_US, Floats, Ints
from fleet.fit.part import SEED
from fleet.scenario.document import parse
from fleet.scenario.expansion import expand
from fleet.scenario.load import check, kinds_for
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS


def simulated(
    part: str, *, start_us: int, stop_us: int, sensors: Sequence[str], folder: str = ""
) -> dict[str, tuple[Ints, Floats]]:
    """Simulate the scenario text *part* and give the readings of its first machine: times (us) and values by sensor."""
    scenario = check(parse(part.encode(), file="fitted.yaml"), folder=folder, laws=LAW_INPUTS)
    roster = expand(scenario, kinds_for(scenario, laws=LAW_INPUTS))
    simulation = Simulation(roster, seed=SEED, start_us=start_us)
    first = roster.machines[0].id
    times: dict[str, list[Ints]] = {name: [] for name in sensors}
    values: dict[str, list[Floats]] = {name: [] for name in sensors}
    while simulation.now_us < stop_us:
        for columns in simulation.advance(min(stop_us, simulation.now_us + HOUR_US)).kinds:
            ids = [machine.id for machine in columns.cohort.machines]
            if first not in ids:
                continue
            rows = columns.machine == ids.index(first)
            for place, sensor in enumerate(columns.sensors):
                name = columns.cohort.sensors[sensor].name
                if name in times:
                    times[name].append(columns.scan_us[rows])
                    values[name].append(columns.value[rows, place])
    return {
        name: _ordered(np.concatenate(times[name]), np.concatenate(values[name])) for name in sensors if times[name]
    }


def _ordered(time_us: Ints, value: Floats) -> tuple[Ints, Floats]:
    order = np.argsort(time_us, kind="stable")
    return time_us[order], value[order]

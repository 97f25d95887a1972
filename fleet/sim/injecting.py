"""What a wrong client sends because of a fault: how many records, when, and the readings that it makes them of.

The k-th record of a fault leaves k periods after its onset, and all of it is addressed by the fault and k: it is the
same wherever blocks are cut. What then becomes of it, the fault's function says when the record is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fleet.data import SECOND_US, Cohort, Floats, Injection, Ints
from fleet.faults.catalogue import PRODUCER
from fleet.faults.producer import HOT, PRODUCER_FAULTS
from fleet.scenario.scripted import Scripted
from fleet.sim.cohorts import Model
from fleet.sim.struck import Cases, Struck, case_id


def injections(
    scripted: Sequence[Scripted], models: Sequence[Model], struck: Sequence[Struck], start_us: int, stop_us: int
) -> Iterator[Injection]:
    """Give what wrong clients send from *start_us* to *stop_us*."""
    for model, of in zip(models, struck, strict=True):
        for fault, cases in of.of(PRODUCER).items():
            if fault not in PRODUCER_FAULTS:
                continue
            for case in cases.during(start_us, stop_us).tolist():
                first, stop = (injected(cases, case, time_us) for time_us in (start_us, stop_us))
                if first < stop:
                    yield _injection(scripted, model, cases, case, np.arange(first, stop))


def injected(cases: Cases, case: int, until_us: int) -> int:
    """Count the records that a wrong client sends because of a *case* before *until_us*."""
    if cases.fault not in PRODUCER_FAULTS:
        return 0
    lasts_us = min(until_us, int(cases.stop_us[case])) - int(cases.onset_us[case])
    return max(0, -(-lasts_us // _period_us(cases, case)))


def injection_rate(scripted: Sequence[Scripted]) -> float:
    """Give how many records a second all wrong clients together send at most."""
    return float(sum(len(each.machines) * each.set["rate"].value for each in scripted if each.fault in PRODUCER_FAULTS))


def _period_us(cases: Cases, case: int) -> int:
    return max(1, round(SECOND_US / float(cases.set["rate"][case])))


def _injection(scripted: Sequence[Scripted], model: Model, cases: Cases, case: int, number: Ints) -> Injection:
    cohort = model.cohort
    machine = cohort.machines[int(cases.machine[case])]
    if cases.fault == "hot_key":
        machine = machine._replace(id=HOT + scripted[int(cases.incident[case])].id)
    one = Cohort(cohort.kind, (machine,), cohort.sensors, cohort.base_period_us, np.zeros(1, np.int64))
    uniform, _ = cases.chance(np.full(len(number), case))
    sensor = number % len(cohort.sensors)
    parameters: Mapping[str, float] = {name: float(of[case]) for name, of in cases.set.items()}
    return Injection(
        label=case_id(scripted, model, cases, case),
        fault=cases.fault,
        set=parameters,
        cohort=one,
        number=number,
        due_us=cases.onset_us[case] + number * _period_us(cases, case),
        sensor=sensor,
        value=_values(model, sensor, uniform("client.value", number)),
        chance=uniform("client", number),
    )


def _values(model: Model, sensor: Ints, drawn: Floats) -> Floats:
    """Draw a usual value of each *sensor*, in whole steps of its resolution."""
    of = [model.kind.sensors[each.name] for each in model.cohort.sensors]
    low, high = (np.array([(each.normal or each.span)[side] for each in of])[sensor] for side in (0, 1))
    step = np.array([max(1.0, each.resolution) for each in of])[sensor]
    per_unit = np.array([max(1.0, float(round(1.0 / each.resolution))) for each in of])[sensor]
    values: Floats = np.rint((low + (high - low) * drawn) * per_unit / step) * step / per_unit
    return values

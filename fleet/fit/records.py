"""The readings of each machine on a grid of its scans, sensors under the kind's names and in its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Floats, Ints
from fleet.errors import Problem, RequestError, ScenarioError
from fleet.fit.table import DISORDERED, TWICE, Column, Table
from fleet.scenario.kind import Kind, Sensor
from fleet.scenario.quantities import UNITS
from fleet.scenario.wording import did_you_mean, shortened

SCANS_MAX = 40_000
"""Scans of a machine that are fitted, about half a day at one a second; more adds little and takes long."""

READINGS_MIN = 60
"""A sensor with fewer readings says nothing of noise and levels."""

AIR = "ambient"
"""The name under which a thermometer of the hall's air is taken in."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What one machine's sensors said; *value* is (sensors, scans), NaN where there is no reading."""

    machine: str
    sensors: tuple[str, ...]  # of the kind, in its order
    start_us: int
    step_s: float
    value: Floats
    period_s: tuple[float, ...]  # of each sensor's readings
    air: Floats | None  # (scans,) where the file has it, NaN where not

    @property
    def time_s(self) -> Floats:
        """Seconds since the first scan; (scans,)."""
        return np.arange(self.value.shape[1], dtype=np.float64) * self.step_s


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """The machines of a file, and what was left aside."""

    machines: tuple[Record, ...]
    remarks: tuple[str, ...]


def records_of(table: Table, kind: Kind, renamed: Mapping[str, str]) -> Records:
    """Order the readings of *table* into a Record a machine.

    *renamed* gives the kind's sensor for a sensor of the file. ScenarioError where none of the file's sensors is one
    of the kind's, or none has enough readings; RequestError where *renamed* is wrong.
    """
    remarks: list[str] = []
    known = _known(table, kind, renamed)
    unknown = [name for name in dict.fromkeys(sensor for _, sensor in table.columns) if known.get(name) is None]
    if unknown:
        listed = ", ".join(f"'{shortened(name)}'" for name in unknown[:6]) + (", ..." if len(unknown) > 6 else "")
        words = f"no sensors of {kind.kind} and left out: {listed}; give them with --sensor NAME=SENSOR"
        remarks.append(f"{table.file}: {words}")
    if len(unknown) == len({sensor for _, sensor in table.columns}):
        raise ScenarioError(
            [Problem(table.file, 0, "", f"must have sensors of {kind.kind} ({', '.join(kind.sensors)}), has {listed}; "
             "say which they are with --sensor NAME=SENSOR")]
        )  # fmt: skip
    by_machine: dict[str, dict[str, Column]] = {}
    for (machine, sensor), column in table.columns.items():
        if (target := known.get(sensor)) is not None:
            by_machine.setdefault(machine, {}).setdefault(target, column)
    counted = {TWICE: 0, "short": 0, "late": 0, DISORDERED: 0}
    machines = [
        record
        for machine, columns in sorted(by_machine.items())
        if (record := _record(table.file, machine, kind, columns, counted, remarks)) is not None
    ]
    if not machines:
        if remarks and not counted["short"]:
            raise ScenarioError(
                [Problem(table.file, 0, "", f"{remarks[-1].removeprefix(f'{table.file}: ')}; nothing is left")]
            )
        most, name = max((len(set(column.time_us)), sensor) for (_, sensor), column in table.columns.items())
        words = f"must have a sensor with at least {READINGS_MIN} readings at different times, the most are {most}"
        raise ScenarioError([Problem(table.file, 0, "", f"{words}, of {shortened(name)}")])
    said = {
        TWICE: "readings that share their scan with another of the same sensor: the last one counts",
        "short": f"sensors of a machine with fewer than {READINGS_MIN} readings are left out",
        "late": f"readings behind the first {SCANS_MAX:,} scans of their machine are not fitted",
        DISORDERED: "readings stood out of order and were put in order",
    }
    remarks += [
        str(Problem(table.file, table.first.get(what, 0), "", f"{count:,} {said[what]}"))
        for what, count in counted.items()
        if count
    ]
    return Records(tuple(machines), tuple(remarks))


def _known(table: Table, kind: Kind, renamed: Mapping[str, str]) -> dict[str, str]:
    """Give the kind's sensor for each name in the file."""
    in_file = {sensor for _, sensor in table.columns}
    for name, target in renamed.items():
        if name not in in_file:
            raise RequestError(f"--sensor: no sensor '{shortened(name)}' in {table.file}{did_you_mean(name, in_file)}")
        if target not in kind.sensors and target != AIR:
            known = [*kind.sensors, AIR]
            raise RequestError(f"--sensor: no sensor '{shortened(target)}' of {kind.kind}{did_you_mean(target, known)}")
    lower = {name.lower().replace(" ", "_"): name for name in (*kind.sensors, AIR)}
    found = {name: lower[key] for name in in_file if (key := name.lower().replace(" ", "_")) in lower}
    return {**found, **renamed}


def _record(
    file: str, machine: str, kind: Kind, columns: Mapping[str, Column], counted: dict[str, int], remarks: list[str]
) -> Record | None:
    times: dict[str, tuple[Ints, Floats]] = {}
    for sensor, column in columns.items():
        factor = _factor(kind, sensor, column.units)
        if factor is None:
            words = f"is in '{shortened(column.units)}', must be in {kind.sensors[sensor].units}: left out"
            remarks.append(f"{file}: {shortened(machine)}: {sensor} {words}")
            continue
        time_us = np.array(column.time_us, np.int64)
        value = np.array(column.value, np.float64) * factor
        if len(np.unique(time_us)) < READINGS_MIN:
            counted["short"] += 1
            continue
        if sensor != AIR and _is_stuck(kind.sensors[sensor], value):
            words = f"{sensor} is {value[0]:g} throughout, which no such sensor is for so long: left out as stuck"
            remarks.append(f"{file}: {shortened(machine)}: {words}")
            continue
        back = int((np.diff(time_us) < 0).sum())
        if back:
            counted[DISORDERED] += back
            order = np.argsort(time_us, kind="stable")
            time_us, value = time_us[order], value[order]
        times[sensor] = (time_us, value)
    sensors = tuple(name for name in kind.sensors if name in times)
    if not sensors:
        return None
    period = {name: usual_gap_s(time_us) for name, (time_us, _) in times.items()}
    step_s = min(period[name] for name in sensors)
    start_us = min(int(times[name][0][0]) for name in sensors)
    stop_us = max(int(times[name][0][-1]) for name in sensors)
    scans = min(round((stop_us - start_us) / (step_s * 1e6)) + 1, SCANS_MAX)
    rows = {name: _on_grid(*times[name], start_us, step_s, scans, counted) for name in times}
    return Record(
        machine=machine,
        sensors=sensors,
        start_us=start_us,
        step_s=step_s,
        value=np.stack([rows[name] for name in sensors]),
        period_s=tuple(period[name] for name in sensors),
        air=rows.get(AIR),
    )


def _is_stuck(sensor: Sensor, value: Floats) -> bool:
    """Say whether a sensor whose noise should show repeats one reading for ever."""
    noise = sensor.noise + sensor.noise_share * abs(float(value[0]))
    low, high = sensor.span
    return float(np.ptp(value)) == 0.0 and noise > 0.5 * sensor.resolution and low < float(value[0]) < high


def _factor(kind: Kind, sensor: str, units: str) -> float | None:
    """Give what turns the file's *units* into the sensor's; None where they do not fit."""
    wanted = "degC" if sensor == AIR else kind.sensors[sensor].units
    if not units or units == wanted:
        return 1.0
    if units in UNITS and wanted in UNITS and UNITS[units].name == UNITS[wanted].name:
        return UNITS[units].units[units] / UNITS[wanted].units[wanted]
    return None


def usual_gap_s(time_us: Ints) -> float:
    """Give the time between two readings: the median gap, rounded to what a controller has."""
    gaps = np.diff(time_us)
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return 1.0
    median = float(np.median(gaps)) / 1e6
    digits = 1 if median >= 5 else 2 if median >= 0.5 else 4
    rounded = round(median, digits)
    near = round(median)
    return float(near) if near and abs(median - near) < 0.02 * near else max(rounded, 1e-4)


def _on_grid(time_us: Ints, value: Floats, start_us: int, step_s: float, scans: int, counted: dict[str, int]) -> Floats:
    place = np.rint((time_us - start_us) / (step_s * 1e6)).astype(np.int64)
    inside = place < scans
    counted["late"] += int((~inside).sum())
    place, value = place[inside], value[inside]
    counted[TWICE] += len(place) - len(np.unique(place))
    row = np.full(scans, np.nan)
    row[place] = value
    return row


def steps_of(values: Sequence[float] | Floats) -> float | None:
    """Find the step that all *values* are multiples of, the sensor's resolution; None where there is none.

    The smallest difference of two neighbouring values is the step where the readings are dense; it is confirmed by
    all others being whole multiples of it. Only steps that a scenario can have are found: whole ones, and those
    that divide 1.
    """
    found = np.unique(np.asarray(values)[np.isfinite(values)])
    if len(found) < 4:
        return None
    gaps = np.diff(found)
    scale = max(float(np.abs(found).max()), 1e-12)
    gaps = gaps[gaps > 1e-9 * scale]
    step = float(gaps.min())
    for _ in range(20):  # Euclid's greatest common divisor, with a tolerance for the text's last digit
        rest = gaps - np.rint(gaps / step) * step
        worst = np.abs(rest).max()
        if worst < 0.02 * step:
            break
        step = float(np.abs(rest)[np.abs(rest) > 0.02 * step].min())
        if step < 1e-7 * scale:
            return None
    else:
        return None
    whole = float(round(step)) if step >= 1 else 1.0 / round(1.0 / step)
    return whole if abs(whole - step) < 0.02 * step else None

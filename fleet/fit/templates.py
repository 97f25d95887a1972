"""What fast sensors should show in each hidden state of a machine, stretched onto what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Floats, Singles, State
from fleet.fit.graph import Timeline, absent, evaluate, inputs_of, levels_of, understood
from fleet.fit.records import Record
from fleet.scenario.kind import Kind

CLIP = 8.0
"""Most that one reading may speak against a hidden state (nats): it may be an outlier."""

ORDER = (State.HELD, State.IDLE, State.SUSPENDED, State.STOPPED, State.ABORTED)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The timeline of a machine, its cycles' beginnings (s since the first scan) and how it was found."""

    timeline: Timeline
    begins_s: Floats
    period_s: float  # 0 without a cycle
    fill_s: Floats | None = None  # of a receiver, one for each turn


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The fast sensors of a record, standardised against templates: (sensors, steps), and (sensors, hidden)."""

    value: Floats
    execute: Floats
    others: Floats  # (sensors, classes)
    scale: Floats  # (sensors,)


def fast_sensors(kind: Kind, record: Record) -> list[int]:
    """Give the sensors that show at once what a machine does: no slow node and no air goes into their signals."""
    found = []
    for place, name in enumerate(record.sensors):
        signal = kind.sensors[name].signal
        inputs = inputs_of(kind, signal)
        if understood(kind, signal) or "ambient" in inputs or "time" in inputs or inputs & kind.nodes.keys():
            continue
        if inputs & kind.drives.keys():
            found.append(place)
    return found


def classes_of(kind: Kind) -> list[State]:
    """Give the states other than EXECUTE that differ from one another in what drives the machine."""
    seen: dict[tuple[object, ...], State] = {}
    for state in ORDER:
        levels = tuple(drive.levels[state] for drive in kind.drives.values())
        seen.setdefault(levels, state)
    return list(seen.values())


def template(
    kind: Kind,
    record: Record,
    places: list[int],
    parameters: Mapping[str, float],
    state: State,
    phase: Floats,
    level: Floats,
) -> Floats:
    """Give what the sensors *places* show in *state* at *phase* and setpoint *level*; (sensors, len(phase))."""
    given: dict[str, Floats | float] = {"ambient": 22.0, "level": level, "phase": phase, "time": 0.0, **parameters}
    given |= absent(kind)
    index = list(State).index(state)
    for name, drive in kind.drives.items():
        value = list(levels_of(drive, phase))[index]
        given[name] = value * level if drive.setpoint else value + np.zeros(len(phase))
    signals = [kind.sensors[record.sensors[place]].signal for place in places]
    wanted = frozenset[str]().union(*(inputs_of(kind, signal) for signal in signals))
    values = evaluate(kind, given, wanted)
    return np.stack([np.broadcast_to(values[signal], len(phase)) for signal in signals])


def always(record: Record) -> Decoded:
    """Take a machine of which nothing can be read off as executing throughout."""
    scans = record.value.shape[1]
    zeros = np.zeros(scans, np.int64)
    timeline = Timeline(record.start_us, record.step_s, zeros + State.EXECUTE, np.zeros(scans), zeros)
    return Decoded(timeline, np.zeros(0), 0.0)


def seen_as(value: Floats, execute: Floats, others: Floats, scale: Floats | None) -> Seen:
    """Stretch the templates onto the readings' quantiles where *scale* is not known yet."""
    if scale is not None:
        return Seen(value, execute, others, scale)
    running = _may_run(value, execute, others)
    execute, others, scales = execute.copy(), others.copy(), np.ones(len(value))
    for place, row in enumerate(value):
        data = row[running & np.isfinite(row)]
        if len(data) < 10:
            data = row[np.isfinite(row)]
        low, middle, high = np.quantile(data, [0.1, 0.5, 0.9]) if len(data) else (0.0, 1.0, 1.0)
        t_low, t_middle, t_high = np.quantile(execute[place], [0.1, 0.5, 0.9])
        ratio = middle / t_middle if abs(t_middle) > 1e-9 and middle * t_middle > 0 else _ratio(high, t_high)
        others[place] *= ratio
        if t_high - t_low > 0.02 * max(abs(t_high), abs(t_low)):
            stretch = (high - low) / (t_high - t_low)
            execute[place] = low + (execute[place] - t_low) * stretch
        else:
            execute[place] *= ratio
        scales[place] = max(0.12 * (high - low) + 0.04 * abs(middle), 2 * scatter_of(row)) + 1e-9
    return Seen(value, execute, others, scales)


def scatter_of(row: Floats) -> float:
    """Give how far neighbouring readings scatter (1 sigma)."""
    jumps = np.abs(np.diff(row[np.isfinite(row)]))
    return float(1.4826 * np.median(jumps) / np.sqrt(2)) if len(jumps) else 0.0


def _ratio(high: float, t_high: float) -> float:
    return float(high / t_high) if abs(t_high) > 1e-9 and high * t_high > 0 else 1.0


def _may_run(value: Floats, execute: Floats, others: Floats) -> Bools:
    """Split the scans into two levels by the sensors that are 0 unless the machine executes (current, speed, flow)."""
    top = np.abs(execute).max(axis=1)
    tells = (np.abs(others).max(axis=1) < 0.02 * top) & (np.abs(execute).min(axis=1) > 0.15 * top)
    if not tells.any():
        return np.ones(value.shape[1], bool)
    votes, voters = np.zeros(value.shape[1]), np.zeros(value.shape[1])
    for place in np.flatnonzero(tells):
        row = value[place]
        known = np.isfinite(row)
        high = np.quantile(np.abs(row[known]), 0.9) if known.any() else 0.0
        votes[known] += np.abs(row[known]) > 0.1 * high
        voters[known] += 1
    return votes * 2 >= voters


def emissions(seen: Seen, template_: Floats, start: int, stop: int) -> Singles:
    """Give the log-likelihood of the steps *start* to *stop* in each hidden state of *template_*; (steps, hidden)."""
    total = np.zeros((stop - start, template_.shape[1]), np.float32)
    for place, row in enumerate(seen.value[:, start:stop]):
        known = np.isfinite(row)
        if known.any():
            z = (row[known, None] - template_[place]) / seen.scale[place]
            total[known] -= np.minimum(0.5 * z * z, CLIP).astype(np.float32)
    return total


def scales_of(kind: Kind, record: Record, places: list[int], execute: Floats) -> Floats:
    """Give the scatter that is allowed once the levels are the machine's own: its noise, and a little of its range."""
    scales = np.empty(len(places))
    for number, place in enumerate(places):
        sensor = kind.sensors[record.sensors[place]]
        noise = scatter_of(record.value[place])
        spread = float(np.ptp(execute[number]))
        top = float(np.abs(execute[number]).max())
        scales[number] = max(1.5 * noise, 0.03 * spread, 0.004 * top, sensor.resolution)
    return scales

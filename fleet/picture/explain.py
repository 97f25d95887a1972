"""What a kind is, measured and in words: for `fleet kinds KIND`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleet.data import HOUR_US, Block, Floats, Ints, State
from fleet.picture.palette import MEANINGS, STATES
from fleet.picture.plot import START_US
from fleet.picture.words import number_text, plain, unit_text
from fleet.scenario.expansion import expand
from fleet.scenario.kind import Drive, Kind
from fleet.scenario.kinds import kind_named
from fleet.scenario.model import Scenario
from fleet.scenario.roster import Roster
from fleet.scenario.times import span_text
from fleet.sim import changes as row
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

MACHINES, HOURS, BLOCK_US = 8, 12, HOUR_US // 2
SEED = 1
STRIDE = 7
"""Every seventh scan is looked at: enough for a range, and no cycle is a multiple of it for long."""

INNER = (0.01, 0.99)
"""A normal range leaves out the outermost hundredth on both sides."""


COMPANIONS = ({"kind": "cnc-spindle", "count": 3}, {"kind": "pump", "count": 2})
"""The line of a kind that follows what its line does, as a meter or a compressor."""


def scenario_of(kind: Kind, *, lines: int, shift: str | None = None) -> tuple[Roster, list[int]]:
    """Expand a plant of *lines*, each with one machine of *kind*, in one *shift* a day or round the clock.

    Also gives the places of these machines in the roster.
    """
    alone = {"id": kind.kind} if lines == 1 else {}
    machines: list[dict[str, Any]] = [{"kind": kind.kind, **alone}, *(COMPANIONS if kind.follows else ())]
    line: dict[str, Any] = {"name": "line", "count": lines, "machines": machines}
    if lines == 1:
        del line["count"]
    if shift is not None:
        line["shifts"] = {"hours": [shift]}
    scenario = Scenario.model_validate({"fleet": 1, "name": kind.kind, "about": kind.about, "lines": [line]})
    kinds = {each["kind"]: kind_named(each["kind"], laws=LAW_INPUTS) for each in machines[1:]}
    roster = expand(scenario, {**kinds, kind.kind: kind})
    stations = len(roster.machines) // lines
    return roster, list(range(0, len(roster.machines), stations))


@dataclass(frozen=True, slots=True)
class Range:
    """What a sensor reads: in execute from *low* to *high*, *middle* at the middle, and *rest* where no shift is."""

    low: float
    middle: float
    high: float
    rest: float | None


def ranges_of(kind: Kind) -> dict[str, Range]:
    """Measure what the sensors of *kind* read, on healthy machines over a shift of eight hours and four of rest."""
    if not kind.sensors:
        return {}
    roster, places = scenario_of(kind, lines=MACHINES, shift="06:00-14:00")
    simulation = Simulation(roster, seed=SEED, start_us=START_US, readings_of=np.array(places, np.int64))
    own = [cohort.kind for cohort in simulation.cohorts].index(kind.kind)
    stop_us = START_US + HOURS * HOUR_US
    watch = _Watch(kind, [roster.machines[place].id for place in places])
    while simulation.now_us < stop_us:
        block = simulation.advance(min(simulation.now_us + BLOCK_US, stop_us))
        watch.add(simulation.decided[own], block)
    return watch.ranges()


class _Watch:
    """The readings of a kind's machines, by what the machine was doing, while they are collected."""

    def __init__(self, kind: Kind, names: Sequence[str]) -> None:
        self._kind, self._names = kind, names
        self._worn: set[str] = set()  # machines in which wear showed, by name
        self._in_force: list[Ints] = [np.zeros((0, 2), np.int64)] * MACHINES
        self._seen: dict[tuple[int, int, int], list[Floats]] = {}  # by machine, sensor and state

    def add(self, rows: Ints, block: Block) -> None:
        """Take in a block and the state changes in it."""
        self._worn |= {label.machine.id for label in block.labels}
        for machine in range(MACHINES):
            own = rows[rows[:, row.MACHINE] == machine]
            changed = np.vstack([self._in_force[machine], own[:, [row.TIME, row.STATE]]])
            for columns in block.kinds:  # only the kind's own are computed
                scans = np.flatnonzero((columns.machine == machine) & (columns.tick % STRIDE == 0))
                at = np.searchsorted(changed[:, 0], columns.scan_us[scans], side="right") - 1
                state = changed[at, 1]
                for place, sensor in enumerate(columns.sensors):
                    for which in (State.EXECUTE, State.STOPPED):
                        value = columns.value[scans[state == which], place]
                        self._seen.setdefault((machine, sensor, which), []).append(value)
            self._in_force[machine] = changed[-1:]

    def ranges(self) -> dict[str, Range]:
        """Give what each sensor read on the machines in which no wear showed, or on all where it did in all."""
        healthy = [machine for machine, name in enumerate(self._names) if name not in self._worn] or list(
            range(MACHINES)
        )
        found = {}
        for sensor, name in enumerate(self._kind.sensors):
            running, resting = (
                np.concatenate([np.zeros(0), *(value for machine in healthy
                                               for value in self._seen.get((machine, sensor, which), []))])
                for which in (State.EXECUTE, State.STOPPED)
            )  # fmt: skip
            if len(running):
                low, middle, high = (float(value) for value in np.quantile(running, [INNER[0], 0.5, INNER[1]]))
                rest = float(np.median(resting[-len(resting) // 2 :])) if len(resting) else None
                found[name] = Range(low, middle, high, rest)
        return found


# ---- as data, and in words


def as_json(kind: Kind) -> dict[str, Any]:
    """Give everything there is to say of *kind* as plain values."""
    ranges = ranges_of(kind)
    return {
        "kind": kind.kind,
        "about": kind.about.strip(),
        "sensors": [
            {
                "name": name,
                "units": sensor.units,
                "period_s": sensor.period,
                "resolution": sensor.resolution,
                "span": list(sensor.span),
                "normal": [ranges[name].low, ranges[name].high] if name in ranges else None,
                "declared": sensor.normal,
                "zones": sensor.zones,
                "middle": ranges[name].middle if name in ranges else None,
                "at_rest": ranges[name].rest if name in ranges else None,
            }
            for name, sensor in kind.sensors.items()
        ],
        "states": _states(kind),
        "cycle": kind.cycle.model_dump() if kind.cycle else None,
        "setpoint": kind.setpoint.model_dump(by_alias=True) if kind.setpoint else None,
        "micro_stop": kind.micro_stop.model_dump() if kind.micro_stop else None,
        "door": kind.door.model_dump() if kind.door else None,
        "wear": {
            name: {**wear.model_dump(), "life_s": _seconds(wear.life, kind), "repair_s": _seconds(wear.repair, kind)}
            for name, wear in kind.wear.items()
        },
        "parameters": {
            name: {"value": parameter.value.value, "spread": parameter.spread, "about": parameter.about}
            for name, parameter in kind.parameters.items()
        },
        "sources": list(kind.sources),
    }


def _seconds(reference: str | float, kind: Kind) -> float:
    return kind.parameters[reference].value.value if isinstance(reference, str) else reference


def _states(kind: Kind) -> dict[str, dict[str, Any]]:
    """Say what each drive does in each state: a level, or the levels a cycle runs through."""
    if kind.door is not None:
        return {"closed": {}, "open": {}}
    return {state.name.lower(): {name: _level(drive, state) for name, drive in kind.drives.items()} for state in STATES}


def _level(drive: Drive, state: State) -> float | list[float]:
    level = drive.levels[state]
    if isinstance(level, int | float):
        return float(level)
    return [min(value for _, value in level), max(value for _, value in level)]


def in_words(kind: Kind) -> Iterator[str]:
    """Explain *kind*, line by line."""
    told = as_json(kind)
    yield f"{kind.kind}: {' '.join(told['about'].split())}"
    if kind.sensors:
        yield ""
        yield from _sensors(kind, told["sensors"])
    yield ""
    yield "states, and what moves the machine in them"
    for state, drives in told["states"].items():
        levels = ", ".join(f"{plain(name).lower()} {_level_text(level)}" for name, level in drives.items() if level)
        meaning = MEANINGS[State[state.upper()]] if kind.door is None else ""
        yield f"    {state:10} {meaning:41} {levels or 'nothing moves' * bool(drives)}".rstrip()
    yield from _rhythm(kind)
    if kind.wear:
        yield ""
        yield "wear"
    for name, wear in kind.wear.items():
        life, repair = (_span(_seconds(reference, kind)) for reference in (wear.life, wear.repair))
        low, high = (f"{100 * share:g}" for share in wear.onset)
        law = wear.law.capitalize() + (f", shape {wear.shape:g}" if wear.shape else "")
        ending = "repaired" if wear.ends == "failure" else "changed"
        yield (
            f"    {plain(name).lower()}: lives {life} of running time ({law}); "
            f"shows from {low} to {high} % of a life on; {ending} in {repair} (median)"
        )
    yield ""
    yield "sources"
    for source in kind.sources:
        yield f"    {source}"


def _level_text(level: float | list[float]) -> str:
    return f"{level[0]:g} to {level[1]:g} over the cycle" if isinstance(level, list) else f"{level:g}"


def _sensors(kind: Kind, sensors: list[Mapping[str, Any]]) -> Iterator[str]:
    yield f"    {'sensor':22} {'units':6} {'normal':>20} {'at rest':>9}  {'every':>7} {'step':>7}  span"
    for told in sensors:
        step = told["resolution"]
        normal = "" if told["normal"] is None else " to ".join(number_text(value, step) for value in told["normal"])
        rest = "" if told["at_rest"] is None else number_text(told["at_rest"], step)
        low, high = told["span"]
        yield (
            f"    {told['name']:22} {unit_text(told['units']):6} {normal:>20} {rest:>9}  {_span(told['period_s']):>7} "
            f"{step:>7g}  {low:g} to {high:g}"
        )
    yield f"    normal: in execute, {MACHINES} healthy machines over a shift, without the outermost hundredths"


def _rhythm(kind: Kind) -> Iterator[str]:
    lines = []
    if kind.cycle is not None:
        lines.append(
            f"a part every {_span(_seconds(kind.cycle.period, kind))}, cycles vary by {_share(kind.cycle.jitter)}"
        )
    if kind.micro_stop is not None:
        lines.append(f"a micro-stop every {_span(kind.micro_stop.every)} of about {_span(kind.micro_stop.lasts)}")
    if kind.setpoint is not None:
        low, high = _share(kind.setpoint.low), _share(kind.setpoint.high)
        lines.append(f"a new setpoint every {_span(kind.setpoint.every)}, from {low} to {high}")
    if kind.door is not None:
        lines.append(f"opens every {_span(kind.door.every)} for about {_span(kind.door.lasts)}")
    if lines:
        yield ""
        yield "rhythm"
    yield from (f"    {line}" for line in lines)


def _span(seconds: float) -> str:
    return span_text(round(seconds * 1_000_000))


def _share(share: float) -> str:
    return f"{100 * share:g} %"

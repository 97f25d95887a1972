"""Small plants for tests: a kind in which much happens within minutes, rosters, and a run's readings by machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from fleet.data import SECOND_US, Block, Bytes, Event, Floats, Ints
from fleet.scenario.document import parse
from fleet.scenario.expansion import expand
from fleet.scenario.kind import Kind
from fleet.scenario.kinds import kind_named
from fleet.scenario.model import Scenario
from fleet.scenario.references import mapping
from fleet.scenario.roster import Roster
from fleet.sim.blocks import Simulation
from fleet.sim.laws import LAW_INPUTS

START_US = 1_772_431_200_000_000  # Monday 2026-03-02T06:00:00Z

RIG = """\
kind: rig
about: A machine to which in a few minutes happens what others meet in months.
parameters:
  cycle_time: {value: 7 s, spread: 5 %}
  rated: {value: 20 A, spread: 10 %}
  warmth: {value: 30 K, spread: 10 %}
  belt_life: {value: 60 s, spread: 5 %}
cycle: {period: cycle_time, jitter: 3 %}
micro_stop: {every: 20 s, lasts: 3 s, sigma: 0.6}
setpoint: {every: 15 s, from: 60 %, to: 100 %}
wear:
  belt: {life: belt_life, shape: 1.6, onset: [50 %, 90 %], exponent: 2.2, repair: 8 s, sigma: 0.5}
drives:
  turning: {execute: 1, held: 0.4, settle: 1 s}
  load: {execute: [[0, 0.2], [0.3, 1], [0.7, 0.8], [1, 0.2]], settle: 0.5 s, setpoint: true}
nodes:
  motor: {drive: load, gain: warmth, tau: 40 s, tau_at_rest: 70 s, lag: 4 s}
signals:
  current: {law: motor_current, load: load, on: turning, rated: rated, idle_share: 0.3}
  vibration:
    {law: vibration, speed: turning, load: load, healthy: 1 mm/s, exponent: 1.2, damage: damage.belt, growth: 3}
  temperature: {law: warmed, air: ambient, rise: motor, damage: damage.belt, wear_rise: 5 K, on: turning}
sensors:
  current:
    {signal: current, units: A, period: 1 s, span: [0, 18], noise: 0.05, noise_share: 0.5 %, flicker: 0.02,
     resolution: 0.01, gain: 0.5 %, offset: 0.1}
  temperature:
    {signal: temperature, units: degC, period: 3 s, span: [-20, 150], tau: 5 s, noise: 0.05, resolution: 0.0625}
  vibration: {signal: vibration, units: mm/s, period: 1 s, span: [0, 25], tau: 1 s, noise_share: 2 %, resolution: 0.01}
  speed: {signal: current, units: A, period: 2 s, span: [0, 100], noise: 1, temperature: 0.1, resolution: 1}
"""


def kind_from(text: str, **changes: Any) -> Kind:
    """Make a kind of the YAML *text*, whole sections replaced by *changes*."""
    return Kind.model_validate(mapping(parse(text.encode(), file="kind.yaml").data) | changes)


@cache
def rig() -> Kind:
    return kind_from(RIG)


@cache
def wreck() -> Kind:
    """Make a rig on which all that wears does so in another way, and all of it shows."""
    again = {"repair": "5 s", "sigma": 0.4, "exponent": 1.5}
    wear = {
        "belt": {"life": "40 s", "shape": 1.6, "onset": [0.2, 0.6], "growth": "gamma", "roughness": 0.3, **again},
        "filter": {"life": "25 s", "law": "lognormal", "shape": 0.5, "ends": "change", "growth": "wiener", **again},
        "tool": {
            "life": "20 s",
            "law": "exponential",
            "growth": "flank",
            "share": 0.7,
            "taylor": 0.25,
            "ends": "change",
            "repair": "2 s",
        },
    }
    text = RIG.replace("kind: rig", "kind: wreck").replace("speed: {signal: current", "speed: {signal: fouled")
    text = text.replace("damage: damage.belt, wear_rise", "damage: damage.tool, wear_rise")
    text = text.replace("signals:\n", "signals:\n  fouled: {law: scaled, of: damage.filter, by: 100, plus: 0}\n")
    return kind_from(text, wear=wear, cycle={"period": "cycle_time", "jitter": 0.03, "scrap": 0.2, "ramp": 0.3})


@cache
def _shipped(name: str) -> Kind:
    return kind_named(name, laws=LAW_INPUTS)


def roster_of(*lines: Mapping[str, Any], kinds: Mapping[str, Kind] | None = None, **more: Any) -> Roster:
    """Expand a scenario of *lines*; *kinds* go before those that fleet ships, the rig is among them."""
    scenario = Scenario.model_validate({"fleet": 1, "name": "test", "lines": list(lines), **more})
    own = {"rig": rig(), "wreck": wreck(), **(kinds or {})}
    names = {machines.kind for line in scenario.lines for machines in line.machines}
    return expand(scenario, {name: own[name] if name in own else _shipped(name) for name in sorted(names)})


def line(name: str, *machines: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "machines": list(machines), **more}


def blocks_of(
    roster: Roster,
    seconds: float,
    *,
    seed: int = 1,
    cuts_us: Iterable[int] = (),
    islands: tuple[int, int] = (0, 1),
    truth: bool = False,
    readings_of: Ints | None = None,
) -> list[Block]:
    """Simulate *seconds*, a new block at each of *cuts_us* after the start."""
    simulation = Simulation(roster, seed=seed, start_us=START_US, islands=islands, truth=truth, readings_of=readings_of)
    stop_us = round(seconds * SECOND_US)
    edges = [*sorted({cut for cut in cuts_us if 0 < cut < stop_us}), stop_us]
    return [simulation.advance(START_US + edge) for edge in edges]


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """All readings of one machine in order of their numbers; everything (readings,)."""

    sensors: tuple[str, ...]
    seq: Ints
    tick: Ints
    scan_us: Ints
    event_us: Ints
    sensor: Ints
    value: Floats
    quality: Bytes
    truth: Floats | None

    def of(self, sensor: str) -> Log:
        """Give the readings of one *sensor*."""
        here = self.sensor == self.sensors.index(sensor)
        columns = (self.seq, self.tick, self.scan_us, self.event_us, self.sensor, self.value, self.quality)
        return Log(
            self.sensors, *(column[here] for column in columns), None if self.truth is None else self.truth[here]
        )

    @property
    def time_s(self) -> Floats:
        return (self.scan_us - START_US) / SECOND_US


def logs_of(blocks: Sequence[Block]) -> dict[str, Log]:
    """Collect the readings of all machines, by machine id."""
    parts: dict[str, list[list[Any]]] = {}
    for block in blocks:
        for columns in block.kinds:
            assert (columns.due_us >= columns.scan_us).all()
            assert ((columns.due_us >= block.start_us) & (columns.due_us < block.stop_us)).all()
            order = np.argsort(columns.machine, kind="stable")
            edges = np.flatnonzero(np.diff(columns.machine[order], prepend=-1, append=-1))
            for first, stop in pairwise(edges.tolist()):
                rows = order[first:stop]
                name = columns.cohort.machines[int(columns.machine[rows[0]])].id
                parts.setdefault(name, []).append([columns, rows])
    return {name: _log(listed) for name, listed in parts.items()}


def _log(parts: list[list[Any]]) -> Log:
    cells: list[list[Any]] = []
    for columns, rows in parts:
        width = len(columns.sensors)
        per_scan = (columns.tick, columns.scan_us, columns.event_us)
        cells.append(
            [
                (columns.seq[rows][:, None] + columns.within).ravel(),
                *(np.repeat(column[rows], width) for column in per_scan),
                np.tile(np.array(columns.sensors), len(rows)),
                columns.value[rows].ravel(),
                columns.quality[rows].ravel(),
                np.zeros(0) if columns.truth is None else columns.truth[rows].ravel(),
            ]
        )
    joined = [np.concatenate(column) for column in zip(*cells, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    truth = joined[7][order] if len(joined[7]) else None
    names = tuple(sensor.name for sensor in parts[0][0].cohort.sensors)
    return Log(names, *(column[order] for column in joined[:7]), truth)


def events_of(blocks: Sequence[Block]) -> dict[str, list[Event]]:
    """Collect the events of all machines, by machine id."""
    found: dict[str, list[Event]] = {}
    for block in blocks:
        for event in block.events:
            assert block.start_us <= event.time_us < block.stop_us
            found.setdefault(event.machine.id, []).append(event)
    return found


def same(one: Log, other: Log) -> bool:
    """Say whether two logs are equal to the last bit."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("seq", "tick", "scan_us", "event_us", "sensor", "quality")
    ) and np.array_equal(one.value.view(np.int64), other.value.view(np.int64))


def assert_same(one: Sequence[Block], other: Sequence[Block]) -> None:
    """Assert that two simulations have left the same readings and events, machine by machine."""
    ours, theirs = logs_of(one), logs_of(other)
    assert ours.keys() == theirs.keys()
    assert [name for name, log in ours.items() if not same(log, theirs[name])] == []
    assert events_of(one) == events_of(other)

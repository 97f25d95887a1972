"""Small blocks for tests: cohorts, columns and events with values that are easy to tell apart."""

from __future__ import annotations

import numpy as np

from fleet.data import Block, Cohort, Equipment, Event, Ints, KindColumns, Label, Sensor, SeqSpan

START_US = 1_772_431_200_000_000  # 2026-03-02T06:00:00Z
SECOND_US = 1_000_000


def machine(name: str, kind: str = "pump", line: str = "filling") -> Equipment:
    return Equipment(name, kind, line, "wet-end", "north")


def cohort(kind: str, machines: int, sensors: tuple[str, ...]) -> Cohort:
    return Cohort(
        kind=kind,
        machines=tuple(machine(f"{kind}-{i:03d}", kind) for i in range(machines)),
        sensors=tuple(Sensor(name, "mm/s", 1) for name in sensors),
        base_period_us=SECOND_US,
        stagger=np.zeros(machines, np.int64),
    )


def columns(
    of: Cohort,
    *,
    first: int = 0,
    ticks: int = 3,
    sensors: tuple[int, ...] | None = None,
    seq: Ints | None = None,
) -> KindColumns:
    """All machines of a cohort, *ticks* scans each from tick *first* on, a machine 1 ms after the other."""
    chosen = tuple(range(len(of.sensors))) if sensors is None else sensors
    count = len(of.machines)
    tick = np.repeat(np.arange(first, first + ticks), count)
    who = np.tile(np.arange(count), ticks)
    scan = START_US + tick * SECOND_US + who * 1000
    value = np.round(tick[:, None] + who[:, None] / 10 + np.array(chosen) / 100, 2)
    return KindColumns(
        cohort=of,
        sensors=chosen,
        machine=who,
        tick=tick,
        scan_us=scan,
        event_us=scan + 7,
        due_us=scan,
        seq=tick * len(chosen) if seq is None else seq,
        value=value,
        quality=np.broadcast_to(np.array([0, 1, 2] * len(chosen), np.uint8)[: len(chosen)], value.shape),
    )


def block(
    *kinds: KindColumns,
    events: tuple[Event, ...] = (),
    labels: tuple[Label, ...] = (),
    first: int = 0,
    ticks: int = 3,
) -> Block:
    return Block(START_US + first * SECOND_US, START_US + (first + ticks) * SECOND_US, kinds, events, labels=labels)


def event(who: Equipment, seq: int, seconds: float, type: str = "state", state: str = "execute") -> Event:  # noqa: A002
    return Event(who, seq, START_US + int(seconds * SECOND_US), type, state, "", seq)


def label(who: Equipment, seconds: float, *, name: str = "1", lost: tuple[SeqSpan, ...] = (), **more: object) -> Label:
    """Give the open label of an outage, due *seconds* after the start."""
    time_us = START_US + int(seconds * SECOND_US)
    given = {"onset_us": time_us, "lost": lost} | more
    return Label(name, who, "i", "network", "outage", "", time_us, **given)  # type: ignore[arg-type]

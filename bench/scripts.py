"""Many incidents on the benchmark plant: every fault, on machines of every kind, spread over half an hour."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import yaml

from bench import plant
from fleet.faults.catalogue import CATALOGUE
from fleet.faults.machine import roles_of
from fleet.scenario.incident import Incident

COUNT = 500
SPAN_S = 1500
LASTS_S = 180
SHIFT_S = 8 * 3600


def as_written(machines: int) -> list[dict[str, Any]]:
    """Give the incidents as a scenario has them: each on a machine or a line of its own choice, three minutes long."""
    roster = plant.roster(machines)
    by_kind: dict[str, list[str]] = {}
    for machine in roster.machines:
        by_kind.setdefault(machine.kind, []).append(machine.id)
    kinds = {entry.kind.kind: entry.kind for entry in roster.entries}
    turns = {kind: cycle(ids) for kind, ids in by_kind.items()}
    lines = cycle([line.name for line in roster.lines])
    faults = cycle(name for name, (family, _) in CATALOGUE.items() if family != "producer")
    found: list[dict[str, Any]] = []
    for place, fault in enumerate(islice(faults, COUNT)):
        incident: dict[str, Any] = {
            "fault": fault,
            "at": f"{place * (SPAN_S - LASTS_S) // COUNT} s",
            "for": f"{LASTS_S} s",
        }
        family = CATALOGUE[fault].family
        if family == "network":
            incident["gateway"] = next(lines)
        else:
            wants = family == "machine" and bool(roles_of(fault))
            fitting = [name for name, kind in kinds.items() if kind.sensors and (not wants or fault in kind.faults)]
            kind = fitting[place % len(fitting)]
            incident["machine"] = next(turns[kind])
            if family == "sensor":
                incident["sensor"] = next(iter(kinds[kind].sensors))
        found.append(incident)
    return found


def incidents(machines: int) -> list[Incident]:
    """Give the incidents, read."""
    return [Incident.model_validate(each) for each in as_written(machines)]


def written(folder: Path, machines: int) -> Path:
    """Write the plant with its incidents as a scenario of its own into *folder*."""
    data = yaml.safe_load(plant.FILE.read_text(encoding="utf-8"))
    for line, setting in zip(data["lines"], plant.settings(machines), strict=True):
        line["count"] = int(setting.partition("=")[2])
    file = folder / "scripted.yaml"
    file.write_text(yaml.safe_dump({**data, "incidents": as_written(machines)}), encoding="utf-8")
    return file

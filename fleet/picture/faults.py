"""`fleet faults`: the list, and one fault explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.errors import RequestError
from fleet.faults.catalogue import CATALOGUE, DEPLOYED, FAMILIES, MACHINE, Listed
from fleet.faults.entry import SIZED, Parameter
from fleet.faults.machine import MACHINE_FAULTS, roles_of
from fleet.faults.producer import PRODUCER_FAULTS
from fleet.scenario.kinds import kind_named, shipped_kinds
from fleet.scenario.wording import unknown
from fleet.sim.laws import LAW_INPUTS

ABOUT = {
    "machine": "they change the truth, and everything coupled to it follows",
    "sensor": "they change what is reported, and never the truth",
    "network": "they change when and whether readings arrive, and never what they say",
    "producer": "a wrong client sends records beside the plan, or ours sends its own late",
}


def listed(*, as_json: bool) -> str:
    """List the faults there are, by family."""
    if as_json:
        return json.dumps([_fields(name) for name in CATALOGUE], indent=1, ensure_ascii=False)
    lines = []
    for family in FAMILIES:
        names = [name for name, each in CATALOGUE.items() if each.family == family]
        if names:
            lines.append(f"{family} faults: {ABOUT[family]}")
            lines += [f"    {name:22} {CATALOGUE[name].entry.about}" for name in names]
    return "\n".join(lines)


def explained(name: str, *, as_json: bool) -> str:
    """Explain the fault *name*; RequestError where there is none."""
    if name not in CATALOGUE:
        raise RequestError(unknown("fault", name, CATALOGUE))
    return json.dumps(_fields(name), indent=1, ensure_ascii=False) if as_json else "\n".join(_in_words(name))


def kinds_with(fault: str) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Give the kinds of ours that can have a machine fault, each with what plays its roles."""
    kinds = [kind_named(name, laws=LAW_INPUTS) for name in shipped_kinds()]
    return {kind.kind: kind.faults[fault] for kind in kinds if fault in kind.faults}


def example(name: str) -> str:
    """Give a line of a scenario that brings the fault about."""
    each = CATALOGUE[name]
    if name in DEPLOYED:
        return "in 'evolution', not in 'incidents': - {at: 1h, schema: my-broken.avsc, line: filling, refused: true}"
    words = [
        "at: 1h",
        {"machine": "machine: filling-pump-001", "sensor": "machine: filling-pump-001, sensor: vibration"}.get(
            each.family, "gateway: filling"
        ),
        f"fault: {name}",
    ]
    if each.family == MACHINE and name in MACHINE_FAULTS:
        fitting = kinds_with(name) if roles_of(name) else {}
        if fitting and "pump" not in fitting:
            words[1] = f"kind: {next(iter(fitting))}"
    if name in PRODUCER_FAULTS:
        words[1] = "machine: filling-pump-001"
    if each.entry.grows:
        words.append(f"over: {each.entry.grows}")
    words += [f"{key}: {parameter.default}" for key, parameter in each.entry.parameters.items()]
    if each.entry.lasts:
        words.append(f"for: {each.entry.lasts}")
    return "- {" + ", ".join(words) + "}"


def _in_words(name: str) -> list[str]:
    each = CATALOGUE[name]
    entry = each.entry
    lines = [
        f"{name}: {entry.about}",
        f"  family    {each.family}: {ABOUT[each.family]}",
        f"  signs     {entry.signs}",
        f"  grows     {f'over {entry.grows} if nobody says' if entry.grows else 'is there at once'}",
        f"  lasts     {f'{entry.lasts} if nobody says' if entry.lasts else 'until the run ends, if nobody says'}",
    ]
    lines += _stop_words(name, each)
    lines += [
        f"  {key:9} {parameter.about}; {parameter.default} if nobody says{_range(parameter)}"
        for key, parameter in entry.parameters.items()
    ]
    if each.family == MACHINE and roles_of(name):
        for kind, roles in kinds_with(name).items():
            said = "; ".join(f"{role}: {', '.join(names)}" for role, names in roles.items())
            lines.append(f"  {kind:20} {said}")
    if entry.source:
        lines.append(f"  source    {entry.source}")
    lines.append("  example   " + example(name))
    return lines


def _stop_words(name: str, each: Listed) -> list[str]:
    stop = MACHINE_FAULTS[name][2] if each.family == MACHINE else None
    if stop is None:
        return []
    when = {"grown": "when it is fully severe", "end": "when its time is over", "onset": "at its onset"}[stop.after]
    when = f"{stop.trips_s:g} s after its onset" if stop.trips_s else when
    goes_on = "until it is repaired" if stop.repaired else "until its time is over"
    return [f"  stops     the machine, {when}: {stop.state.name.lower()} {goes_on}"]


def _range(parameter: Parameter) -> str:
    if parameter.dimension == SIZED or parameter.most >= 1e6:
        return ""
    return f" (from {parameter.least:g} to {parameter.most:g})" if parameter.dimension == "ratio" else ""


def _fields(name: str) -> dict[str, Any]:
    each = CATALOGUE[name]
    return {
        "fault": name,
        "family": each.family,
        "about": each.entry.about,
        "signs": each.entry.signs,
        "grows": each.entry.grows,
        "lasts": each.entry.lasts,
        "parameters": {
            key: {"dimension": parameter.dimension, "default": parameter.default, "about": parameter.about}
            for key, parameter in each.entry.parameters.items()
        },
        "kinds": sorted(kinds_with(name)) if each.family == MACHINE and roles_of(name) else [],
        "source": each.entry.source,
        "example": example(name),
    }

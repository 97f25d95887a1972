"""Incidents expanded: which machines each strikes, with what, and what is wrong with what a user wrote.

Steps of the evolution that are refused have labels, and so they stand behind the incidents here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from pydantic_core import PydanticCustomError

from fleet.data import SECOND_US, Ints
from fleet.faults.catalogue import CATALOGUE, MACHINE, NETWORK, PRODUCER, SENSOR
from fleet.faults.entry import SIZED, Entry, Parameter
from fleet.faults.machine import roles_of
from fleet.scenario.chosen import chosen, places_of
from fleet.scenario.incident import TIMES_MAX, Incident
from fleet.scenario.quantities import DIMENSIONS, DURATION, quantity, refused, split, written
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import ENDLESS_US, Fault, Script, Scripted, Size, chosen_by
from fleet.scenario.steps import beyond_the_end, deployments, id_of, steps_of
from fleet.scenario.timing import length_us_of, timing_faults
from fleet.scenario.wording import Path, shown, unknown


def script_of(roster: Roster) -> Script:
    """Expand the incidents of *roster*'s scenario; those with faults strike nothing."""
    incidents, evolution = roster.scenario.incidents, roster.scenario.evolution
    script = Script()
    if not incidents and not evolution:
        return script
    length_us = length_us_of(roster)
    names = [incident.id or f"incident-{place + 1}" for place, incident in enumerate(incidents)]
    where = places_of(roster)
    steps, of_steps = steps_of(roster, where)
    script.faults += [*_twice(names, {id_of(step.place) for step in steps if step.refused}), *of_steps]
    scripted = []
    for place, incident in enumerate(incidents):
        path: Path = ("incidents", place)
        entry = CATALOGUE[incident.fault].entry
        named, of_selectors = chosen(roster, incident, where, gateway=incident.gateway, for_what="fault")
        machines = _able(roster, incident.fault, np.flatnonzero(named))
        script.faults += [Fault((*path, key), text) for key, text in (*of_selectors, *_shape(incident, entry))]
        if not of_selectors:
            script.faults += [Fault((*path, key), text) for key, text in _fits(roster, incident, machines)]
        sizes, troubles = _sizes(incident, entry, _units(roster, incident, machines))
        script.faults += [Fault((*path, key), text) for key, text in troubles]
        script.faults += [
            Fault((*path, key), text) for key, text in _references(incident, place, incidents, names, where)
        ]
        if incident.when is not None and _is_door(roster, where.get(incident.when.machine)):
            text = f"must wait for a machine that has states, '{incident.when.machine}' is a door"
            script.faults.append(Fault((*path, "when"), text))
        scripted.append(_scripted(incident, place, names, entry, machines, sizes, where, length_us))
    if not script.faults:  # else one may follow itself, and nothing can be worked out
        script.faults += timing_faults(roster, scripted)
        script.faults += beyond_the_end(roster, steps)
        script.scripted = (*scripted, *deployments(steps, len(scripted), evolution))
        script.steps = tuple(steps)
    return script


def _able(roster: Roster, fault: str, machines: Ints) -> Ints:
    """Give those of *machines* whose kind can have the *fault*; all of them where none can."""
    if CATALOGUE[fault].family != MACHINE or not roles_of(fault):
        return machines
    able = np.array([fault in entry.kind.faults for entry in roster.entries], bool)[roster.entry[machines]]
    return machines[able] if able.any() else machines


def _is_door(roster: Roster, place: int | None) -> bool:
    return place is not None and roster.entries[roster.entry[place]].kind.door is not None


def _twice(names: Sequence[str], taken: Set[str]) -> Iterator[Fault]:
    """Yield incidents that are named as another, or as one of the steps whose names are *taken*."""
    seen: set[str] = set(taken)
    for place, name in enumerate(names):
        if name in seen:
            yield Fault(("incidents", place, "id"), f"must be unique, '{name}' is used twice")
        seen.add(name)


def _shape(incident: Incident, entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what does not go together in one incident."""
    if incident.at is None and incident.within is None and incident.after is None and incident.when is None:
        yield "at", "must be given, or one of 'within', 'after' and 'when': an incident has a time"
    if incident.after is not None and (incident.at is not None or incident.within is not None):
        yield "after", "must be absent where 'at' or 'within' is given"
    if incident.when is not None and (incident.within is not None or incident.after is not None or incident.every):
        yield "when", "must be absent where 'within', 'after' or 'every' is given"
    if incident.count is not None and incident.within is None:
        yield "count", "must come with 'within'; for a fixed distance use 'every' and 'repeat'"
    if incident.repeat is not None and incident.every is None:
        yield "repeat", "must come with 'every'"
    if incident.every is not None and incident.within is not None:
        yield "every", "must be absent where 'within' is given"
    family = CATALOGUE[incident.fault].family
    if incident.sensor is not None and family != SENSOR:
        yield "sensor", f"must be absent: '{incident.fault}' is a {family} fault"
    if incident.over is not None and family in {NETWORK, PRODUCER}:
        yield "over", f"must be absent: '{incident.fault}' is there at once"
    if incident.noticed is not None and family != MACHINE:
        yield "noticed", f"must be absent: '{incident.fault}' is a {family} fault, which no repair of the machine ends"
    lasts = _lasts_s(incident, entry)
    if incident.noticed is not None and lasts is not None and incident.noticed >= lasts:
        yield "noticed", f"must be shorter than it lasts, {lasts:g} s, got {incident.noticed:g} s"
    if incident.every is not None and lasts is not None and lasts > incident.every:
        yield "every", f"must be at least as long as it lasts, {lasts:g} s, got {incident.every:g} s"
    if incident.within is not None and lasts is not None and lasts > incident.within / (incident.count or 1):
        yield "for", f"must fit {incident.count or 1} times into {incident.within:g} s, got {lasts:g} s"


def _fits(roster: Roster, incident: Incident, machines: Ints) -> Iterator[tuple[str, str]]:
    """Yield what the targets lack for the fault: its roles, or the sensors that are named."""
    family = CATALOGUE[incident.fault].family
    entries = [roster.entries[place] for place in sorted(set(roster.entry[machines].tolist()))]
    if family == MACHINE and roles_of(incident.fault):
        without = [entry.kind.kind for entry in entries if incident.fault not in entry.kind.faults]
        if without and len(without) == len(entries):
            have = sorted(name for name in {e.kind.kind for e in roster.entries if incident.fault in e.kind.faults})
            hint = f"; here it fits: {', '.join(have)}" if have else ""
            yield "fault", f"must fit the machines, '{without[0]}' cannot have '{incident.fault}'{hint}"
    if family == SENSOR and incident.sensor is not None:
        known = list(dict.fromkeys(name for entry in entries for name in entry.kind.sensors))
        for pattern in incident.sensor:
            if not any(fnmatchcase(name, pattern) for name in known):
                yield "sensor", unknown("sensor", pattern, known)


def _units(roster: Roster, incident: Incident, machines: Ints) -> set[str]:
    """Give the units of the sensors that a sensor fault is about."""
    if CATALOGUE[incident.fault].family != SENSOR:
        return set()
    entries = [roster.entries[place] for place in sorted(set(roster.entry[machines].tolist()))]
    return {
        sensor.units
        for entry in entries
        for name, sensor in entry.kind.sensors.items()
        if chosen_by(incident.sensor or (), name)
    }


def _sizes(incident: Incident, entry: Entry, units: set[str]) -> tuple[dict[str, Size], list[tuple[str, str]]]:
    """Read the fault's own parameters; what is not set is as the catalogue has it."""
    sizes = {name: size_of(parameter.default, parameter, set()) for name, parameter in entry.parameters.items()}
    faults: list[tuple[str, str]] = []
    for name, value in incident.own.items():
        if name not in entry.parameters:
            keys = [*entry.parameters, *(each.alias or key for key, each in Incident.model_fields.items())]
            faults.append((name, unknown("key", name, keys)))
            continue
        try:
            sizes[name] = size_of(value, entry.parameters[name], units)
        except PydanticCustomError as error:
            faults.append((name, error.message()))
    return sizes, faults


def size_of(value: object, parameter: Parameter, units: set[str]) -> Size:
    """Read what *parameter* is set to; a size may be in *units*, those of the sensors it is about."""
    if parameter.dimension != SIZED:
        dimension = DIMENSIONS[parameter.dimension]
        number = quantity(value, dimension)
        if not parameter.least <= number <= parameter.most:
            low, high = written(parameter.least, dimension), written(parameter.most, dimension)
            raise refused(f"must be between {low} and {high}, got {shown(value)}")
        return Size(number)
    found = split(value)
    allowed = {*units, *(["K"] if "degC" in units else [])}
    if found is None or found[1] not in {"", "sigma", "%", *allowed}:
        inside = " or ".join(sorted(allowed) or ["the sensor's unit"])
        raise refused(f"must be in {inside}, in sigma or in % of the span, got {shown(value)}")
    number, unit = found
    if unit == "" and len(units) > 1:
        raise refused(f"must have a unit: the sensors it is about have several; 'sigma' fits all, got {shown(value)}")
    return Size(number / 100.0, "span") if unit == "%" else Size(number, "sigma" if unit == "sigma" else "unit")


def _references(
    incident: Incident, place: int, incidents: Sequence[Incident], names: Sequence[str], where: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Yield references to incidents and machines that are not there, or that lead round in a circle."""
    if incident.when is not None and incident.when.machine not in where:
        yield "when", unknown("machine", incident.when.machine, where)
    seen = [place]
    follows = incident.after
    while follows is not None:
        if follows.incident not in names:
            if len(seen) == 1:
                yield "after", unknown("incident", follows.incident, names)
            return
        at = names.index(follows.incident)
        if at in seen:
            yield "after", f"must not lead back to itself, '{follows.incident}' comes after '{names[place]}'"
            return
        if len(seen) == 1 and incidents[at].within is not None:
            yield "after", f"must follow an incident with one time, '{follows.incident}' comes at random times"
            return
        seen.append(at)
        follows = incidents[at].after


def _lasts_s(incident: Incident, entry: Entry) -> float | None:
    """Give how long one occurrence lasts; None for until the end."""
    if incident.lasts is not None:
        return incident.lasts
    return quantity(entry.lasts, DURATION) if entry.lasts else None


def _scripted(
    incident: Incident,
    place: int,
    names: Sequence[str],
    entry: Entry,
    machines: Ints,
    sizes: Mapping[str, Size],
    where: Mapping[str, int],
    length_us: int | None,
) -> Scripted:
    def us(seconds: float | None) -> int:
        return round((seconds or 0.0) * SECOND_US)

    lasts = _lasts_s(incident, entry)
    over = incident.over if incident.over is not None else quantity(entry.grows, DURATION) if entry.grows else 0.0
    if incident.over is None and lasts is not None:
        over = min(over, lasts / 2)
    most = TIMES_MAX
    if incident.every is not None and length_us is not None:  # again and again until the run ends
        most = min(most, max(1, -(-(length_us - us(incident.at)) // us(incident.every))))
    later = 0.0 if incident.after is None else incident.after.later
    follows = (
        -1 if incident.after is None or incident.after.incident not in names else names.index(incident.after.incident)
    )
    when = None
    if incident.when is not None and incident.when.machine in where:
        when = where[incident.when.machine], incident.when.state
    return Scripted(
        place=place,
        id=names[place],
        family=CATALOGUE[incident.fault].family,
        fault=incident.fault,
        machines=machines,
        share=incident.share,
        sensors=incident.sensor or (),
        at_us=us(later if follows >= 0 else incident.at),
        within_us=us(incident.within),
        times=(incident.count or 1) if incident.every is None else (incident.repeat or most),
        every_us=us(incident.every),
        after=follows,
        when=when,
        over_us=us(over),
        lasts_us=ENDLESS_US if lasts is None else us(lasts),
        severity=incident.severity,
        noticed_us=us(incident.noticed),
        set=sizes,
        said=_said(incident, entry),
    )


def _said(incident: Incident, entry: Entry) -> tuple[tuple[str, str], ...]:
    """Give the parameters of the fault as a person writes them."""
    given: dict[str, Any] = {name: parameter.default for name, parameter in entry.parameters.items()}
    given |= {name: value for name, value in incident.own.items() if name in given}
    if incident.severity < 1.0:
        given["severity"] = f"{100.0 * incident.severity:g} %"
    return tuple((name, str(value)) for name, value in given.items())

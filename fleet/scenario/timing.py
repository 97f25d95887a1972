"""What must hold between incidents in time: inside the run, not too many, none that hides another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import numpy as np

from fleet.data import SECOND_US
from fleet.faults.catalogue import SENSOR
from fleet.scenario.incident import TIMES_MAX
from fleet.scenario.roster import Roster
from fleet.scenario.scripted import Fault, Scripted, chosen_by, first_us

AT_ONCE = (
    frozenset({"outage", "link_flapping", "gateway_restart"}),
    frozenset({"stuck", "saturation", "wrong_unit", "intermittent_contact"}),
    frozenset({"silence", "burst"}),
)
"""Faults of which one hides the other: not two of them on the same place at the same time."""

CASES_MAX = 1_000_000
"""Faults in all: each occurrence of an incident on each machine and sensor is one, of about 500 bytes."""


def length_us_of(roster: Roster) -> int | None:
    """Give how long the run lasts, as far as its scenario says."""
    scenario = roster.scenario
    if scenario.start_us is None and scenario.stop is not None:
        return None
    return scenario.length_us(start_us=scenario.start_us or 0)


def timing_faults(roster: Roster, scripted: Sequence[Scripted]) -> Iterator[Fault]:
    """Yield incidents beyond the end of the run, and those of which one would hide the other."""
    length_us = length_us_of(roster)
    for each in scripted:
        begins_us = first_us(scripted, each)
        if begins_us is not None and length_us is not None and begins_us >= length_us:
            key = "after" if each.after >= 0 else "at"
            found = f"which lasts {length_us / SECOND_US:g} s, is {begins_us / SECOND_US:g} s"
            yield Fault(("incidents", each.place, key), f"must be within the run, {found}")
        elif begins_us is not None and length_us is not None and begins_us + each.within_us > length_us:
            found = f"which lasts {length_us / SECOND_US:g} s, got {each.within_us / SECOND_US:g} s"
            text = f"must end within the run, {found}"
            yield Fault(("incidents", each.place, "within"), text)
        elif begins_us is not None and length_us is not None and _is_cut_short(roster, each, length_us - begins_us):
            least_s = (length_us - begins_us) / TIMES_MAX / SECOND_US
            text = f"must be at least {least_s:g} s, or come with 'repeat': {TIMES_MAX} times is the most"
            yield Fault(("incidents", each.place, "every"), text)
    yield from _too_many(roster, scripted)
    yield from _overlaps(roster, scripted)


def _is_cut_short(roster: Roster, each: Scripted, left_us: int) -> bool:
    """Tell whether an incident that is to occur until the end of the run would end before that."""
    incident = roster.scenario.incidents[each.place]
    return incident.every is not None and incident.repeat is None and left_us > TIMES_MAX * each.every_us


def _too_many(roster: Roster, scripted: Sequence[Scripted]) -> Iterator[Fault]:
    """Yield the incident with which there are more faults than CASES_MAX, if any."""
    sensors_of = [list(entry.kind.sensors) for entry in roster.entries]
    cases = 0
    for each in scripted:
        read = [sum(chosen_by(each.sensors, name) for name in names) for names in sensors_of]
        places = np.array(read if each.family == SENSOR else [1] * len(sensors_of), np.int64)
        cases += round(int(places[roster.entry[each.machines]].sum()) * each.share * each.times)
        if cases > CASES_MAX:
            text = f"must be {CASES_MAX} faults in all at most, each machine, sensor and time counted"
            yield Fault(("incidents", each.place, "fault"), f"{text}, up to here {cases}; name fewer of them")
            return


def _overlaps(roster: Roster, scripted: Sequence[Scripted]) -> Iterator[Fault]:
    spans = [(each, *span) for each in scripted if (span := _span_us(scripted, each)) is not None]
    for at, (one, start_us, stop_us) in enumerate(spans):
        for other, other_start_us, other_stop_us in spans[:at]:
            if one.family != other.family or not _hides(one.fault, other.fault):
                continue
            if start_us >= other_stop_us or other_start_us >= stop_us or not _meet(one.sensors, other.sensors):
                continue
            both = np.intersect1d(one.machines, other.machines)
            if len(both) and one.share == 1.0 and other.share == 1.0:
                machine = roster.machines[int(both[0])].id
                text = f"must not be on '{machine}' at the same time as '{other.fault}', one hides the other"
                yield Fault(("incidents", one.place, "fault"), text, ("incidents", other.place))
                break


def _hides(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in AT_ONCE)


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two sets of sensor patterns may name the same sensor."""
    if not one or not other:
        return True
    return any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in one for b in other)


def _span_us(scripted: Sequence[Scripted], each: Scripted) -> tuple[int, int] | None:
    """Give from when to when an incident may be there; None where that depends on what happens."""
    begins_us = first_us(scripted, each)
    if begins_us is None:
        return None
    if each.within_us:
        return begins_us, begins_us + each.within_us
    return begins_us, begins_us + each.every_us * max(0, each.times - 1) + each.lasts_us

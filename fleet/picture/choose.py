"""Which machines a picture shows, and how much may be asked of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

import numpy as np

from fleet.data import State
from fleet.errors import RequestError
from fleet.picture.figures import figures_of
from fleet.picture.story import Lived, Span, States, with_competitors
from fleet.scenario.roster import Roster
from fleet.scenario.times import span_text
from fleet.scenario.wording import unknown

MACHINE_HOURS_MAX = 200_000
"""Bound on the plant that is simulated: some ten thousand machine-hours take a second."""

ROWS_MAX = 1000
"""A heat map has at most about so many machines; of larger fleets every so manieth island is shown."""

READINGS_MAX = 400_000_000
"""Bound on the readings that are computed, about a minute's work."""

SHOWN_MAX = 16
"""A page has at most so many machines that were not asked for by name."""

NEAR_MAX = 3000
"""Ids that are searched for one that was meant."""


def places_of(roster: Roster, names: Sequence[str]) -> list[int]:
    """Find the machines *names* in the roster; RequestError with what may have been meant."""
    ids = {machine.id: place for place, machine in enumerate(roster.machines)}
    for name in names:
        if name not in ids:
            alike = [known for known in ids if known[:2] == name[:2]] or list(ids)
            raise RequestError(f"--machine: {unknown('machine', name, alike[:NEAR_MAX])}")
    return [ids[name] for name in dict.fromkeys(names)]


def islands_shown(roster: Roster, span: Span, places: Sequence[int]) -> tuple[int, int]:
    """Choose every how manieth island the heat map has, as (share, of); the first of *places* is among them."""
    islands = int(roster.island.max()) + 1
    machines = len(roster.machines)
    wanted = max(machines / ROWS_MAX, machines * span.hours / MACHINE_HOURS_MAX, 1.0)
    of = min(islands, _prime(int(np.ceil(wanted))))
    share = int(roster.island[places[0]]) % of if places else 0
    see_that_it_is_little(int((roster.island % of == share).sum()), span)
    return share, of


def _prime(least: int) -> int:
    """Find the first prime from *least* on, or 1: of lines that are alike every part of the pattern is met."""
    return next(n for n in count(least) if all(n % d for d in range(2, math.isqrt(n) + 1)))


def see_that_it_is_little(machines: int, span: Span) -> None:
    """Raise RequestError where so many *machines* that influence one another are too many for the span."""
    if machines * span.hours > MACHINE_HOURS_MAX * 1.5:
        raise RequestError(
            f"--for: {_length(span)} of {machines:,} machines that influence one another is too much for a picture; "
            f"at most {MACHINE_HOURS_MAX / machines:,.1f} h"
        )


def see_that_readings_are_few(roster: Roster, places: Sequence[int], span: Span) -> None:
    """Raise RequestError where the readings of *places* over the span would take minutes."""
    kinds = [roster.entries[roster.entry[place]].kind for place in with_competitors(roster, places)]
    rate_hz = sum(1.0 / sensor.period for kind in kinds for sensor in kind.sensors.values())
    readings = rate_hz * span.hours * 3600
    if readings > READINGS_MAX:
        way = "shorten it" if len(places) == 1 else "shorten it, or name one machine with --machine"
        raise RequestError(
            f"--for: {_length(span)} of {len(places)} machine{'s' * (len(places) != 1)} is "
            f"{readings / 1e6:,.0f} million readings, a picture takes at most {READINGS_MAX // 1_000_000:,} million; "
            f"{way}"
        )


def _length(span: Span) -> str:
    return span_text(span.stop_us - span.start_us)


def representatives(states: States) -> list[int]:
    """Choose a machine for each incident, the first that it struck, and one for each kind that these leave out.

    Of a kind that is one of those that failed, or of all where none did the one of middling availability. Doors have no
    readings: what they do is in the heat map.
    """
    place_of = {each.machine.id: each.place for each in states.lived if not each.is_door}
    chosen: dict[int, str] = {}
    seen: set[str] = set()
    for label in states.labels:
        if label.incident and label.incident not in seen and label.machine.id in place_of:
            seen.add(label.incident)
            chosen.setdefault(place_of[label.machine.id], label.machine.kind)
    by_kind: dict[str, list[Lived]] = {}
    for each in states.lived:
        if not each.is_door and each.machine.kind not in chosen.values():
            by_kind.setdefault(each.machine.kind, []).append(each)
    for kind, machines in by_kind.items():
        failed = [each for each in machines if each.total_us[State.ABORTED] > 0]
        ranked = sorted(failed or machines, key=lambda each: figures_of(each).availability or 0.0)
        chosen[ranked[len(ranked) // 2].place] = kind
    return list(chosen)[:SHOWN_MAX]

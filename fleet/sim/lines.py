"""What a scenario says of lines and maintenance, turned into what the plant decides by."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.data import SECOND_US
from fleet.scenario.model import Maintenance, Shifts
from fleet.scenario.roster import LineInfo, Roster
from fleet.sim.address import machine_words
from fleet.sim.calendar import DAY_S, Calendar, weekly
from fleet.sim.lots import Lots, Make
from fleet.sim.plant import Line
from fleet.sim.work import NO_POLICY, Parts, Policy


def lines_of(roster: Roster, seed: int) -> list[Line]:
    """Say what the machines of each line of a scenario share, in its order."""
    calendars = {shifts: calendar_of(shifts) for shifts in dict.fromkeys(line.shifts for line in roster.lines)}
    numbers = {name: number for number, name in enumerate(product_names(roster))}
    return [
        Line(calendars[line.shifts], line.crew, line.buffer, _lots(line, numbers, seed), line.scrap)
        for line in roster.lines
    ]


def product_names(roster: Roster) -> tuple[str, ...]:
    """Name the products of a plant by their numbers; 0 is none."""
    names = (product.name for line in roster.lines for product in line.products)
    return tuple(dict.fromkeys(("", *names)))


def _lots(line: LineInfo, numbers: Mapping[str, int], seed: int) -> Lots | None:
    if not line.products:
        return None
    makes = [Make(numbers[each.name], each.share, *each.lot, each.period, each.level) for each in line.products]
    setup = line.changeover
    word = int(machine_words(seed, [line.name])[0])
    return Lots(word, makes, setup_us=round(setup.lasts * SECOND_US), setup_sigma=setup.sigma)


def policy_of(maintenance: Maintenance | None) -> Policy:
    """Turn what a scenario says of *maintenance* into what the plant decides by."""
    if maintenance is None:
        return NO_POLICY
    every_us = round((maintenance.every or 0.0) * SECOND_US)
    parts = maintenance.parts
    return Policy(
        by_age_us=every_us if maintenance.policy == "age" else 0,
        above=(maintenance.above or 0.0) if maintenance.policy == "condition" else 0.0,
        inspected_us=every_us if maintenance.policy == "condition" else 0,
        modes=None if maintenance.modes is None else frozenset(maintenance.modes),
        takes_us=round(maintenance.takes * SECOND_US),
        sigma=maintenance.sigma,
        leaves=maintenance.leaves,
        parts=None if parts is None else Parts(parts.stock, round(parts.lead * SECOND_US), parts.spread),
    )


def calendar_of(shifts: Shifts | None) -> Calendar:
    """Turn a line's *shifts* into the edges of its week."""
    if shifts is None:
        return Calendar()
    hours = [(span.start_s, span.stop_s) for span in shifts.hours] or [(0, DAY_S)]
    breaks = [(span.start_s, span.stop_s) for span in shifts.breaks]
    return weekly(tuple(shifts.days), hours, breaks, round(shifts.handover))

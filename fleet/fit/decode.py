"""What a machine did, read off its fast sensors: running or not, where in its cycle, at which setpoint.

The most likely path through hidden states whose emissions are the kind's own laws (Viterbi; Rabiner, "A tutorial on
hidden Markov models", Proc. IEEE 77, 1989). A hidden state is a phase of the cycle while executing, or the same
phase frozen while not; without a cycle it is a level of the setpoint, or a state that is not executing. At first the
kind's levels are not yet those of the machine, so its template is stretched onto the readings' own quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleet.fit.cycles import cyclic, find_period
from fleet.fit.graph import inputs_of
from fleet.fit.records import Record
from fleet.fit.setpoints import steady, with_recipes
from fleet.fit.templates import Decoded, always, fast_sensors
from fleet.fit.turns import turns_of
from fleet.scenario.kind import Kind


def decode(kind: Kind, record: Record, parameters: Mapping[str, float], *, period_s: float, first: bool) -> Decoded:
    """Read off what *record*'s machine did.

    *parameters* are the kind's own the *first* time, later those fitted to the machine. *period_s* is its usual
    cycle, 0 to find it.
    """
    if kind.receiver is not None:
        turns = turns_of(kind, record)
        return always(record) if turns is None else Decoded(turns.timeline, np.zeros(0), 0.0, turns.fill_s)
    places = fast_sensors(kind, record)
    if not places:
        return always(record)
    if kind.cycle is None:
        return steady(kind, record, places, parameters, first=first)
    steered = [place for place in places if _steered(kind, kind.sensors[record.sensors[place]].signal)]
    calm = [place for place in places if place not in steered] or places
    if not period_s:
        period_s = find_period(kind, record, calm)
    if not period_s:
        return always(record)
    found = cyclic(kind, record, calm, parameters, period_s=period_s, first=first)
    return with_recipes(kind, record, steered, parameters, found, first=first) if steered else found


def _steered(kind: Kind, signal: str) -> bool:
    """Say whether the setpoint goes into *signal*."""
    inputs = inputs_of(kind, signal)
    return kind.setpoint is not None and (
        "level" in inputs or any(kind.drives[name].setpoint for name in inputs & kind.drives.keys())
    )

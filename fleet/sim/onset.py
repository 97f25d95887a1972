"""How a strike comes about: a SimPy process that awaits its onset and then stops the machine."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from fleet.sim.calendar import NEVER_US
from fleet.sim.machine import Machine
from fleet.sim.strikes import Strike


def bring_about(env: simpy.Environment, strike: Strike, machine: Machine, watched: Machine | None) -> simpy.Process:
    """Start the process of *strike* on *machine*, which waits for a state of *watched*."""
    return env.process(_unfold(env, strike, machine, watched))


def _unfold(
    env: simpy.Environment, strike: Strike, machine: Machine, watched: Machine | None
) -> Generator[simpy.Event, object, None]:
    if strike.begins_us > env.now:
        yield env.timeout(strike.begins_us - env.now)
    if watched is not None and strike.when is not None:
        yield watched.entering(strike.when[1])
    if strike.later_us:
        yield env.timeout(strike.later_us)
    strike.onset_us = int(env.now)
    if strike.stops_us < NEVER_US:
        if strike.stops_us:
            yield env.timeout(strike.stops_us)
        machine.be_struck(strike)

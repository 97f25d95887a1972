"""How warm a machine is that must be hot to work, and when it has to be switched on for that.

Closed forms of one slow node, as a share of its level in execute: so the plant knows what the readings will show,
and sleeps until then.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fleet.data import SECOND_US, State

KEPT_ON = 0.5
"""A pause of which heating up again would take more than this share is not worth switching off for."""

ENOUGH = 1e-6
"""What the last bits of an exponential may lack."""


class Heating(NamedTuple):
    """What the machines of a cohort heat up by."""

    levels: tuple[float, ...]  # that the node heads for, by state, as shares of that in execute
    tau_us: float  # in execute
    tau_at_rest_us: float
    within: float  # how far below 1 a machine may be to begin

    def after(self, warmth: float, state: State, lasted_us: int) -> float:
        """Say how warm a machine is that was at *warmth* and then in *state* for so long."""
        level = self.levels[state]
        tau_us = self.tau_us if state == State.EXECUTE else self.tau_at_rest_us
        return level + (warmth - level) * math.exp(-lasted_us / tau_us)

    def takes_us(self, warmth: float) -> int:
        """Say how long an idle machine heats until it may begin, rounded up to whole seconds; 0: it may at once."""
        lacking = 1.0 - warmth
        if lacking <= self.within + ENOUGH:
            return 0
        return math.ceil(self.tau_at_rest_us * math.log(lacking / self.within) / SECOND_US) * SECOND_US

    def on_us(self, warmth: float, now_us: int, until_us: int) -> int:
        """Say when a machine that is not wanted before *until_us* is switched on: *now_us* if it is not even off.

        It cools until then: with c = 1 - level when stopped and G the pause, heating of the length h ends in time if
        ``c exp(-h / tau) = within + (warmth - level) exp(-G / tau)``.
        """
        level, pause_us = self.levels[State.STOPPED], until_us - now_us
        left = (warmth - level) * math.exp(-pause_us / self.tau_at_rest_us)
        need = (1.0 - level) / (self.within + left)
        if need <= 1.0:
            return until_us
        takes_us = math.ceil(self.tau_at_rest_us * math.log(need) / SECOND_US) * SECOND_US
        return now_us if takes_us > KEPT_ON * pause_us else until_us - takes_us


class Warmth:
    """How warm one machine is; it is met settled."""

    __slots__ = ("_heating", "_since_us", "_state", "_warm")

    def __init__(self, heating: Heating, state: State, now_us: int) -> None:
        self._heating, self._state, self._since_us = heating, state, now_us
        self._warm = heating.levels[state]

    def enter(self, state: State, now_us: int) -> None:
        """Let it be in another *state* from now on."""
        self._warm, self._state, self._since_us = self._at(now_us), state, now_us

    def ready_us(self, now_us: int) -> int:
        """Say when it may begin, heated from now on."""
        return now_us + self._heating.takes_us(self._at(now_us))

    def on_us(self, now_us: int, until_us: int) -> int:
        """Say when it is switched on to be ready at *until_us*."""
        return self._heating.on_us(self._at(now_us), now_us, until_us)

    def _at(self, now_us: int) -> float:
        return self._heating.after(self._warm, self._state, now_us - self._since_us)

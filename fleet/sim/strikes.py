"""Scripted faults as the plant sees them: when each sets in, and how it stops its machine.

What only changes readings from a known instant on needs no strike. One is made where the onset depends on what
machines do, and where the fault or an operator stops the machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.data import State
from fleet.faults.machine import MACHINE_FAULTS
from fleet.sim.calendar import NEVER_US

STRUCK_BY = tuple(MACHINE_FAULTS)
"""What the causes of a machine's state changes that are scripted are called, behind its failure modes."""

REPAIR_US, REPAIR_SIGMA = 45 * 60 * 1_000_000, 0.5
"""How long a repair takes that is none of a failure mode of the kind: the median, and the spread of its logarithm."""


@dataclass(slots=True, eq=False)
class Strike:
    """One fault on one machine. What the plant finds out is in *onset_us*, *failed_us* and *ended_us*."""

    place: int  # of the machine in the plant's order
    word: int  # of its incident: what its repair is drawn by
    ordinal: int  # which occurrence of the incident it is
    cause: int  # index into STRUCK_BY
    begins_us: int  # not before this; its onset, where it waits for nothing
    when: tuple[int, State] | None  # the machine (by place) and the state it waits for
    later_us: int  # from then to its onset: of what follows an incident that waits
    stops_us: int  # from its onset until it stops the machine; NEVER_US: it does not
    state: State  # in which the machine then is
    repaired: bool  # by a crew; else it goes on when *lasts_us* are over
    lasts_us: int
    mode: int  # which failure mode of the kind a repair renews; -1: none
    onset_us: int = NEVER_US
    failed_us: int = NEVER_US
    ended_us: int = NEVER_US

    @property
    def passes_us(self) -> int:
        """When it is over by itself, also where the machine did not run meanwhile; NEVER_US where a repair ends it."""
        broken = self.repaired and self.stops_us >= self.lasts_us
        return NEVER_US if broken or self.lasts_us >= NEVER_US else self.onset_us + self.lasts_us

    @property
    def will_stop(self) -> bool:
        """Whether it has set in and is not over before its machine was stopped and repaired, which is yet to come."""
        begun = self.onset_us < NEVER_US and self.stops_us < NEVER_US
        return begun and self.passes_us == NEVER_US and self.failed_us == NEVER_US

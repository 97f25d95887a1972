"""What the time in states comes to: shares, availability, and what else can be said of it honestly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import HOUR_US, Floats, State
from fleet.picture.shares import shares_of
from fleet.picture.story import OPEN, Lived

DEFINITIONS = (
    "Availability is time in execute over planned time, which is all time but stopped (ISO 22400: actual production "
    "time over planned busy time). Performance is the time that the parts made would have taken at the fastest pace of "
    "the span, over time in execute; quality is the share of parts that were good; OEE is the product of the three. "
    "Technical availability leaves out only the time in aborted."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of a machine in numbers; None where a number would mean nothing."""

    shares: Mapping[State, float]
    availability: float | None
    technical: float | None
    performance: float | None
    quality: float | None
    oee: float | None
    parts: int | None
    parts_per_hour: float | None  # of planned time
    micro_stops: int
    failures: int
    open_share: float | None  # of a door


def figures_of(lived: Lived) -> Figures:
    """Work out the figures of one machine, or of one door."""
    total = lived.total_us
    if lived.is_door:
        return Figures({}, None, None, None, None, None, None, None, 0, 0, float(shares_of(total)[OPEN]))
    planned = float(total.sum() - total[State.STOPPED])
    some = planned > 0 and not lived.kind.always_on  # of what always runs availability says nothing
    parts = lived.parts
    availability = float(total[State.EXECUTE]) / planned if some else None
    performance = quality = oee = None
    if parts and availability:
        performance = min(1.0, lived.ideal_us / float(total[State.EXECUTE]))
        quality = 1 - lived.scrap / parts
        oee = availability * performance * quality
    return Figures(
        shares=_by_state(shares_of(total)),
        availability=availability,
        technical=1 - float(total[State.ABORTED]) / planned if some else None,
        performance=performance,
        quality=quality,
        oee=oee,
        parts=parts,
        parts_per_hour=parts / (planned / HOUR_US) if parts is not None and some else None,
        micro_stops=lived.micro_stops,
        failures=lived.failures,
        open_share=None,
    )


def shares_of_all(lived: Sequence[Lived]) -> Mapping[State, float]:
    """Give the share of time that all machines together were in each state; meters and the like are none."""
    machines = [each.total_us for each in lived if not each.is_door and not each.kind.always_on]
    return _by_state(shares_of(np.sum(machines, axis=0))) if machines else {}


def _by_state(shares: Floats) -> dict[State, float]:
    return {state: float(shares[state]) for state in State}

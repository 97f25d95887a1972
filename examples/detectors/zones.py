"""Vibration against the zones of ISO 20816, and against the machine's own past.

    python examples/detectors/zones.py out.jsonl > alerts.jsonl
    FLEET_KAFKA_BOOTSTRAP=localhost:9092 python examples/detectors/zones.py --idle 10 > alerts.jsonl

The standard knows two criteria, and so does this detector, each minute:

1. magnitude: vibration velocity (mm/s RMS) above the upper limit of zone B is not for long-term running;
2. change: a rise by more than 25 % of that limit over what the machine is used to is a reason to look, in any zone.

What it is used to is the median of its first hour of running; a minute is one of running when it shakes at all. To
see the trend and not the last cycle, the level is the median of the last ten such minutes. The score is the larger of
the two relative to its limit. It cannot know why a machine shakes, so it names the sensor and no fault.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from statistics import median

from readings import Alerts, Minute, Minutes, arguments, readings, run

UPPER_B = (("*cnc*", 1.8), ("*conveyor*", 1.8), ("*", 2.8))
"""Upper limits of zone B in mm/s by machine: small machines (class I, up to 15 kW), medium ones (class II)."""

CHANGE = 0.25  # of the upper limit of zone B: ISO 20816-1, criterion II
STILL = 0.1  # mm/s: below it nothing turns
LEARN, LOOK = 60, 10  # minutes


@dataclass
class Machine:
    """What is known of one sensor: the first hour, and the last minutes."""

    limit: float
    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=lambda: deque(maxlen=LOOK))
    used_to: float = float("nan")

    def score(self, velocity: float) -> float:
        """Take a minute's velocity; give how far it is beyond what is allowed, 0 as long as nothing is known."""
        self.last.append(velocity)
        if len(self.first) < LEARN:
            self.first.append(velocity)
            self.used_to = median(self.first)
        level = median(self.last)
        change = level - self.used_to if len(self.first) == LEARN else 0.0
        return max(level / self.limit, change / (CHANGE * self.limit))


class Zones:
    """Looks at every sensor of vibration in each minute."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._machines: dict[tuple[str, str], Machine] = {}

    def take(self, minute: Minute) -> None:
        """Look at one *minute* of one machine."""
        for sensor, units in minute.units.items():
            if units != "mm/s" or minute.rms[sensor] < STILL:
                continue
            limit = next(limit for glob, limit in UPPER_B if fnmatchcase(minute.machine, glob))
            machine = self._machines.setdefault((minute.machine, sensor), Machine(limit))
            self._alerts.score(minute.machine, sensor, minute.end_s, machine.score(minute.rms[sensor]))


async def main() -> None:
    """Read, look, alert."""
    options = arguments("Vibration against the zones of ISO 20816 and against the machine's own past.").parse_args()
    zones, minutes = Zones(Alerts()), Minutes()
    async for reading in readings(options, group="detector-zones"):
        for minute in minutes.take(reading):
            zones.take(minute)


if __name__ == "__main__":
    run(main())

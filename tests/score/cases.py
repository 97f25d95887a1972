"""A small run with labels, and detectors of which everybody knows what they deserve."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.data import SECOND_US
from fleet.score.values import Alert, Labelled, Truth

START_S = 1_772_431_200
LENGTH_S = 36_000
MACHINES = ("m1", "m2", "m3", "m4")


def at(second: float) -> int:
    """Give the instant so many seconds after the start."""
    return round((START_S + second) * SECOND_US)


def label(machine: str, family: str, fault: str, onset: float, stop: float, **more: object) -> Labelled:
    """Make a label by seconds since the start; its id is what it says."""
    return Labelled(f"{machine} {fault} {onset}", machine, family, fault, at(onset), at(stop), **more)  # type: ignore[arg-type]


def alert(machine: str, second: float, sensor: str = "", fault: str = "", score: float = float("nan")) -> Alert:
    return Alert(machine, at(second), sensor, fault, score)


def truth_of(labels: Iterable[Labelled], machines: Iterable[str] = MACHINES) -> Truth:
    names = frozenset(machines)
    return Truth("r1", "run r1 of a test, seed 0", at(0), at(LENGTH_S), tuple(labels), names, len(names))


WEAR = label("m1", "machine", "bearing", 1000, 5000, failure_us=at(4000))
DRIFT = label("m2", "sensor", "drift", 2000, 3000, sensor="flow")
OUTAGE = label("m3", "network", "outage", 10_000, 10_600)
LATER = label("m1", "sensor", "drift", 20_000, 21_000, sensor="flow")
TRUTH = truth_of([WEAR, DRIFT, OUTAGE, LATER])

KNOWN = (
    alert("m1", 1600, fault="bearing"),  # finds WEAR after 600 s, 2400 s before the failure
    alert("m1", 2000, fault="bearing"),  # the same once more
    alert("m1", 1600, fault="drift"),  # false: another fault than the one there is
    alert("m2", 1995, sensor="flow"),  # finds DRIFT; it came before, which the tolerance allows: no delay
    alert("m2", 3299.999, sensor="flow"),  # the same once more, at the last moment
    alert("m2", 2500, sensor="current"),  # false: another sensor
    alert("m2", 3300),  # false: the window is half open ...
    alert("m2", 3350),  # ... and one with that before
    alert("m4", 100),  # false
    alert("m4", 650),  # one with that before
    alert("m4", 700),  # false once more: ten minutes are over
    alert("m4", 5000),  # and again
    alert("m1", 20_400, sensor="flow"),  # finds LATER after 400 s
)
"""What a detector said; of OUTAGE it said nothing."""

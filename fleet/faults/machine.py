"""Machine faults: they change the truth, and everything that is coupled to it follows.

Each turns how severe it is, 0 to 1, into changes of *roles*: what a role is in a machine says its kind, in its section
``faults``. A slow quantity is handed a severity that lags as it does itself, so a fault that sets in at once warms a
bearing in its own time. A fault may also stop the machine: that is the table's, because the plant decides it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fleet.data import Floats, State
from fleet.faults.entry import Entry, Parameter

BURST_S = 40.0
"""A slipping belt grips again about so often."""


class Change(NamedTuple):
    """What becomes of a quantity: ``times * quantity + plus``; arrays like the severity."""

    times: Floats | float = 1.0
    plus: Floats | float = 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """How a fault stops its machine: the state it is in until it goes on.

    *after* says whether it does when the fault is fully severe ("grown"), at its onset ("onset"), or when the time it
    lasts is over ("end"). *repaired* says whether a crew repairs it, taking as long as the kind's first failure mode
    takes, or it goes on by itself when the fault has ended.
    """

    state: State
    after: str
    repaired: bool
    trips_s: float = 0.0  # later than that, as a protection trips


Changes = Mapping[str, Change]
MachineFault = Callable[[Floats, Floats, Mapping[str, Floats]], Changes]


def bearing_wear(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Wear a bearing out: little to be seen for a long time, then ever more (IMS run-to-failure tests)."""
    return {"damage": Change(plus=severity**2), "vibration": Change(times=1.0 + at["growth"] * severity**2)}


def imbalance(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Put a rotor out of balance: vibration at the speed of rotation."""
    return {"vibration": Change(times=1.0 + at["growth"] * severity)}


def cavitation(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Let vapour bubbles collapse in a pump: broad-band vibration and a head that falls by 5 to 10 %."""
    rough = 1.0 + 0.25 * np.sin(age_s * 1.7) * np.sin(age_s * 0.61)
    return {
        "vibration": Change(times=1.0 + at["growth"] * severity * rough),
        "head": Change(times=1.0 - at["head"] * severity),
    }


def leakage(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Leak: pressure falls, and the pump works more to hold it, which warms the oil."""
    return {
        "pressure": Change(times=1.0 - at["pressure"] * severity),
        "effort": Change(times=1.0 + at["effort"] * severity),
        "warmth": Change(times=1.0 + at["effort"] * severity),
    }


def fouled_filter(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Clog a filter: its resistance grows by a factor, and what is cooled through it gets warmer."""
    return {
        "resistance": Change(times=1.0 + at["resistance"] * severity),
        "suction": Change(times=1.0 - at["suction"] * severity),
        "warmth": Change(times=1.0 + 0.25 * severity),
    }


def overheating(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Lose the cooling: the resistance to the air is 2 to 4 times as high, and so is the rise."""
    return {"warmth": Change(times=1.0 + (at["factor"] - 1.0) * severity)}


def belt_slip(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Slip in bursts: speed falls while the current falls with it."""
    slipping = 0.35 + 0.65 * (np.sin(age_s * (2.0 * np.pi / BURST_S)) > 0.0)
    slip = at["slip"] * severity * slipping
    return {"speed": Change(times=1.0 - slip), "effort": Change(times=1.0 - 0.6 * slip)}


def tool_wear(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Wear a tool out within one job: current and vibration rise as its edge gets blunt."""
    return {"damage": Change(plus=severity), "effort": Change(times=1.0 + at["effort"] * severity)}


def tool_break(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Break a tool: for some seconds the spindle hits the part and then cuts air, until the control stops it."""
    hit = np.exp(-age_s / 1.5)
    return {
        "vibration": Change(times=1.0 + severity * (at["growth"] * hit + 0.4)),
        "effort": Change(times=1.0 + severity * (1.5 * hit - 0.5)),
    }


def jam(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Block what moves: the motor stalls until its protection trips."""
    return {"effort": Change(times=1.0 + at["stall"] * severity), "speed": Change(times=1.0 - severity)}


def valve_stuck(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Hold a valve where it is stuck, whatever the setpoint says."""
    return {"valve": Change(times=1.0 - severity, plus=at["position"] * severity)}


def heater_failure(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Lose a share of the heating: what it kept warm cools down in its own time."""
    return {
        "effort": Change(times=1.0 - at["portion"] * severity),
        "warmth": Change(times=1.0 - at["portion"] * severity),
    }


def compressor_leak(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Lose air from the net: the compressor must run loaded for more of the time."""
    taken = at["demand"] * severity  # of what the compressor has to spare
    return {"demand": Change(times=1.0 - taken, plus=0.97 * taken), "warmth": Change(times=1.0 + 0.4 * taken)}


def encoder_loss(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Lose the position: the drive hunts for it until the control stops the machine."""
    hunting = np.sin(age_s * 9.0)
    return {"speed": Change(times=1.0 + 0.4 * severity * hunting), "effort": Change(times=1.0 + 0.8 * severity)}


def power_dip(severity: Floats, age_s: Floats, at: Mapping[str, Floats]) -> Changes:
    """Let the supply sag for a moment: contactors drop out and the machine stops; nothing else is to be seen."""
    return {}


_GROWTH = Parameter("ratio", "3", "rise of the vibration when fully severe, against healthy", 0.0, 50.0)
_TRIP = "5 s"

MACHINE_FAULTS: Mapping[str, tuple[MachineFault, Entry, Stop | None]] = {
    "bearing_wear": (
        bearing_wear,
        Entry(
            "A bearing wears out.",
            "vibration rises late and ever faster, the bearing warms up behind it",
            "",
            {
                "growth": Parameter(
                    "ratio", "4", "rise of the vibration where the kind has no damage of its own for it", 0.0, 50.0
                )
            },
            "4h",
            "IMS bearing data; ISO 20816-3 zones",
        ),
        Stop(State.ABORTED, "grown", repaired=True),
    ),
    "imbalance": (
        imbalance,
        Entry(
            "A rotor is out of balance.",
            "vibration follows the speed; temperatures do not",
            "",
            {"growth": _GROWTH},
            "2min",
        ),
        None,
    ),
    "cavitation": (
        cavitation,
        Entry(
            "A pump cavitates.",
            "rough vibration, flow and discharge pressure fall",
            "1h",
            {
                "growth": Parameter("ratio", "2", "rise of the vibration, against healthy", 0.0, 50.0),
                "head": Parameter("ratio", "8 %", "loss of head", 0.0, 0.9),
            },
            "5min",
            "Gulich, Centrifugal Pumps, ch. 6",
        ),
        None,
    ),
    "leakage": (
        leakage,
        Entry(
            "A hydraulic or pneumatic part leaks.",
            "pressure lower, power and temperature higher",
            "",
            {
                "pressure": Parameter("ratio", "12 %", "loss of pressure", 0.0, 0.9),
                "effort": Parameter("ratio", "25 %", "more work of the pump", 0.0, 5.0),
            },
            "2h",
        ),
        None,
    ),
    "fouled_filter": (
        fouled_filter,
        Entry(
            "A filter fouls.",
            "flow and suction fall, temperatures rise, until it is cleaned",
            "",
            {
                "resistance": Parameter("ratio", "30 %", "growth of the resistance", 0.0, 50.0),
                "suction": Parameter("ratio", "80 %", "loss of pressure behind it", 0.0, 1.0),
            },
            "4h",
        ),
        None,
    ),
    "overheating": (
        overheating,
        Entry(
            "The cooling is lost.",
            "temperatures go to a new level, exponentially",
            "1h",
            {"factor": Parameter("ratio", "2.5", "times the rise over the air", 1.0, 10.0)},
            "1min",
        ),
        None,
    ),
    "belt_slip": (
        belt_slip,
        Entry(
            "A belt slips in bursts.",
            "speed falls while the current falls",
            "1h",
            {"slip": Parameter("ratio", "12 %", "of the speed when fully severe", 0.0, 0.9)},
            "20min",
        ),
        None,
    ),
    "tool_wear": (
        tool_wear,
        Entry(
            "A tool gets blunt too early.",
            "current and vibration rise",
            "",
            {"effort": Parameter("ratio", "20 %", "more cutting force", 0.0, 5.0)},
            "30min",
            "Taylor; ISO 3685",
        ),
        Stop(State.HELD, "grown", repaired=True),
    ),
    "tool_break": (
        tool_break,
        Entry(
            "A tool breaks.",
            "a hit in the vibration, then the current of cutting air, then a stop",
            _TRIP,
            {"growth": Parameter("ratio", "6", "rise of the vibration at the hit", 0.0, 50.0)},
        ),
        Stop(State.ABORTED, "end", repaired=True),
    ),
    "jam": (
        jam,
        Entry(
            "A machine jams.",
            "current of a stalled motor, then a stop until it is cleared; its neighbours starve or block",
            "15min",
            {"stall": Parameter("ratio", "150 %", "more current while it stalls", 0.0, 10.0)},
        ),
        Stop(State.HELD, "onset", repaired=False, trips_s=4.0),
    ),
    "valve_stuck": (
        valve_stuck,
        Entry(
            "A valve is stuck.",
            "flow and pressure no longer follow the setpoint",
            "2h",
            {"position": Parameter("ratio", "45 %", "where it is stuck", 0.0, 1.0)},
        ),
        None,
    ),
    "heater_failure": (
        heater_failure,
        Entry(
            "A part of the heating fails.",
            "zone temperature falls exponentially, below the setpoint",
            "1h",
            {"portion": Parameter("ratio", "30 %", "of the heating", 0.0, 1.0)},
        ),
        None,
    ),
    "compressor_leak": (
        compressor_leak,
        Entry(
            "The compressed-air net leaks.",
            "the compressor runs loaded for more of each turn",
            "",
            {"demand": Parameter("ratio", "40 %", "of the time that it has to spare", 0.0, 1.0)},
            "1d",
        ),
        None,
    ),
    "encoder_loss": (
        encoder_loss,
        Entry("An encoder is lost.", "speed hunts, current rises, then a stop", _TRIP, {}),
        Stop(State.ABORTED, "end", repaired=True),
    ),
    "power_dip": (
        power_dip,
        Entry(
            "The supply of a line or a site sags for a moment.",
            "all machines stop together and start again together",
            "10s",
            {},
            "",
            "IEC 61000-4-11",
        ),
        Stop(State.ABORTED, "onset", repaired=False),
    ),
}


def roles_of(fault: str) -> set[str]:
    """Give the roles that a machine fault changes."""
    function, entry, _ = MACHINE_FAULTS[fault]
    some = np.zeros(1)
    return set(function(some, some, dict.fromkeys(entry.parameters, some)))

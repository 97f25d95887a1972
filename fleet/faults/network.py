"""Network faults: what a gateway and the line behind it do to scans; sensors and truth know nothing of them.

Each works on the scans that it covers, flat arrays (scans,): ``event_us`` is what the controller's clock says,
``due_us`` when the scan leaves the gateway, ``present`` whether it ever does, and what comes back beside these is how
much later a second copy leaves, below 0 where there is none. When a scan happened is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import SECOND_US, Bools, Floats, Ints
from fleet.faults.entry import Entry, Parameter

NO_COPY = -1
NOTES = "public notes of gateway makers on store-and-forward; MQTT 3.1.1: QoS 0 loses, QoS 1 doubles and reorders"


@dataclass(frozen=True, slots=True, eq=False)
class GatewayAt:
    """What a gateway's fault is like at each of the scans it covers; arrays are (scans,)."""

    scan_us: Ints
    onset_us: Ints
    stop_us: Ints
    set: Mapping[str, Floats]
    before: Ints  # readings that the gateway took in since the onset, before this scan
    readings: Ints  # in the scan
    rate: Floats  # readings a second that the gateway takes in
    tick: Ints
    uniform: Callable[[str, Ints], Floats]  # (purpose, tick) to a variate in (0, 1)
    normal: Callable[[str, Ints], Floats]

    @property
    def age_us(self) -> Ints:
        """How long ago the fault set in."""
        return self.scan_us - self.onset_us


Sent = tuple[Ints, Ints, Bools, Ints]
NetworkFault = Callable[[Ints, Ints, Bools, GatewayAt], Sent]


def outage(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Store while the line is down, and forward all of it afterwards, several times as fast as it came.

    Live readings go out in between. What no longer fits into the buffer is lost.
    """
    fits = at.before + at.readings <= at.set["buffer"]
    caught_up_s = at.before / np.maximum(at.set["catch_up"] * at.rate, 1e-9)
    forwarded_us = at.stop_us + np.rint(caught_up_s * SECOND_US).astype(np.int64)
    return event_us, np.maximum(due_us, forwarded_us), present & fits, _once(due_us)


def link_flapping(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Lose the line again and again for a part of each period; what was held back goes out when it is there again."""
    period_us = np.rint(at.set["period"] * SECOND_US).astype(np.int64)
    down_us = np.rint(period_us * at.set["portion"]).astype(np.int64)
    into_us = at.age_us % period_us
    # One after the other, so that they leave in the order in which they came.
    up_us = np.minimum(at.scan_us - into_us + down_us, at.stop_us) + into_us // 1000
    return event_us, np.where(into_us < down_us, np.maximum(due_us, up_us), due_us), present, _once(due_us)


def gateway_restart(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Take in nothing while the gateway starts anew: its machines are silent together, and their numbers go on."""
    return event_us, due_us, np.zeros(len(present), np.bool_), _once(due_us)


def loss(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Lose a share of the scans, each by itself, as a line does that is only tried once."""
    return event_us, due_us, present & (at.uniform("loss", at.tick) >= at.set["portion"]), _once(due_us)


def late(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Hold a share of the scans back, each for a lognormal time."""
    waits_s = at.set["median"] * np.exp(at.set["sigma"] * at.normal("late.wait", at.tick))
    waits_us = np.rint(np.minimum(waits_s, at.set["most"]) * SECOND_US).astype(np.int64)
    held = at.uniform("late", at.tick) < at.set["portion"]
    return event_us, np.where(held, due_us + waits_us, due_us), present, _once(due_us)


def out_of_order(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Send a share of the scans behind later ones, by a time of up to *back*."""
    waits_us = np.rint(at.set["back"] * at.uniform("order.wait", at.tick) * SECOND_US).astype(np.int64)
    swapped = at.uniform("order", at.tick) < at.set["portion"]
    return event_us, np.where(swapped, due_us + waits_us, due_us), present, _once(due_us)


def duplicate(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Send a share of the scans twice, because the first answer was lost (at least once)."""
    again_us = np.rint(at.set["again"] * (0.5 + at.uniform("duplicate.again", at.tick)) * SECOND_US).astype(np.int64)
    doubled = at.uniform("duplicate", at.tick) < at.set["portion"]
    return event_us, due_us, present, np.where(doubled, again_us, NO_COPY)


def clock_skew(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Let the controllers' clocks run fast, until they are set again at the end."""
    ahead_us = np.rint(at.age_us * at.set["rate"]).astype(np.int64)
    return event_us + ahead_us, due_us, present, _once(due_us)


def clock_jump(event_us: Ints, due_us: Ints, present: Bools, at: GatewayAt) -> Sent:
    """Set the controllers' clocks wrong by a step, until they are set again at the end."""
    return event_us + np.rint(at.set["step"] * SECOND_US).astype(np.int64), due_us, present, _once(due_us)


def _once(due_us: Ints) -> Ints:
    return np.full(len(due_us), NO_COPY, np.int64)


def _share(default: str, of: str) -> Parameter:
    return Parameter("ratio", default, of, 0.0, 1.0)


NETWORK_FAULTS: Mapping[str, tuple[NetworkFault, Entry]] = {
    "outage": (
        outage,
        Entry(
            "A gateway has no line; it stores its readings and forwards them afterwards, faster than they came.",
            "silence, then old event times at several times the rate between new ones; loss once the buffer is full",
            "10min",
            {
                "buffer": Parameter("ratio", "1000000", "readings that the gateway can store", 0.0, 1e9),
                "catch_up": Parameter("ratio", "10", "times the usual rate at which it forwards", 1.0, 1000.0),
            },
            "",
            NOTES,
        ),
    ),
    "link_flapping": (
        link_flapping,
        Entry(
            "A line comes and goes.",
            "short silences, each followed by a burst",
            "10min",
            {
                "period": Parameter("duration", "20 s", "from one loss of the line to the next", 0.1, 86_400.0),
                "portion": _share("40 %", "of each period without a line"),
            },
            "",
            NOTES,
        ),
    ),
    "gateway_restart": (
        gateway_restart,
        Entry(
            "A gateway starts anew and takes in nothing meanwhile.",
            "all its machines have a gap at the same time; seq goes on",
            "45s",
            {},
            "",
            NOTES,
        ),
    ),
    "loss": (
        loss,
        Entry(
            "A share of the scans never arrives.",
            "gaps in seq, exactly those the label names",
            "1h",
            {"portion": _share("1 %", "of the scans")},
            "",
            NOTES,
        ),
    ),
    "late": (
        late,
        Entry(
            "A share of the scans arrives late.",
            "arrival minus event time is lognormal",
            "1h",
            {
                "portion": _share("20 %", "of the scans"),
                "median": Parameter("duration", "500 ms", "median of the wait", 1e-3, 3600.0),
                "sigma": Parameter(
                    "ratio", "1.3", "spread of the wait: the standard deviation of its logarithm", 0.0, 3.0
                ),
                "most": Parameter("duration", "5 min", "longest wait", 1e-3, 86_400.0),
            },
            "",
            NOTES,
        ),
    ),
    "out_of_order": (
        out_of_order,
        Entry(
            "A share of the scans arrives behind later ones.",
            "inversions of seq",
            "1h",
            {
                "portion": _share("1 %", "of the scans"),
                "back": Parameter("duration", "5 s", "longest way back", 1e-3, 3600.0),
            },
            "",
            NOTES,
        ),
    ),
    "duplicate": (
        duplicate,
        Entry(
            "A share of the scans arrives twice.",
            "the same seq and payload twice",
            "1h",
            {
                "portion": _share("0.5 %", "of the scans"),
                "again": Parameter("duration", "400 ms", "how much later the copy is, about", 1e-3, 3600.0),
            },
            "",
            NOTES,
        ),
    ),
    "clock_skew": (
        clock_skew,
        Entry(
            "The clocks of a gateway's controllers run fast.",
            "event time runs away from the record's stamp at a steady rate",
            "6h",
            {"rate": Parameter("ratio", "100 ppm", "how fast; below 0 slow", -0.01, 0.01)},
        ),
    ),
    "clock_jump": (
        clock_jump,
        Entry(
            "The clocks of a gateway's controllers are set wrong, as by a mistaken summer time.",
            "event time is off from the record's stamp by a constant",
            "1h",
            {"step": Parameter("duration", "1 h", "how far ahead; below 0 behind", -4e9, 4e9)},
        ),
    ),
}

"""Sensor faults: they change what is reported and never the truth.

Each is arithmetic on the readings that it covers, flat arrays (readings,), and sees how long ago it set in, never a
place in a block. ``value`` comes before it is rounded and clipped, ``quality`` is OPC UA's, ``present`` says whether
there will be a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Bytes, Floats, Ints, Quality
from fleet.faults.entry import SIZED, Entry, Parameter

SECONDS_PER_HOUR = 3600.0
SPIKE_READINGS = 3
"""Readings that the longest spike lasts."""

TAXONOMY = "Ni et al., Sensor network data fault types, ACM TOSN 2009; ISO 13374 data acquisition"


@dataclass(frozen=True, slots=True, eq=False)
class FaultAt:
    """What a fault is like at each of the readings it covers; arrays are (readings,)."""

    age_s: Floats  # since onset
    period_s: Floats  # between readings of the sensor
    severity: Floats  # 0 to 1
    set: Mapping[str, Floats]  # its parameters, sizes in the sensor's unit
    held: Floats  # what the sensor reported at onset
    low: Floats  # the rails of its span
    high: Floats
    sigma: Floats  # of its noise
    ordinal: Ints  # of the reading
    uniform: Callable[[str, Ints], Floats]  # (purpose, ordinal) to a variate in (0, 1)
    normal: Callable[[str, Ints], Floats]

    def clipped(self, value: Floats) -> Floats:
        """Keep *value* between the rails."""
        return np.clip(value, self.low, self.high)

    def often(self, purpose: str, share: Floats, lasts_s: Floats) -> Bools:
        """Say of each reading whether it falls into a burst: *share* of the time, *lasts_s* long each."""
        window = np.floor(self.age_s / np.maximum(lasts_s, self.period_s)).astype(np.int64)
        return self.uniform(purpose, window) < share


Reading = tuple[Floats, Bytes, Bools]
SensorFault = Callable[[Floats, Bytes, Bools, FaultAt], Reading]


def bias(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Read too much by a constant."""
    return at.clipped(value + at.set["size"] * at.severity), quality, present


def drift(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Creep away from the truth by *size* an hour since onset."""
    return at.clipped(value + at.set["size"] * at.age_s / SECONDS_PER_HOUR), quality, present


def gain(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Read a share too much of everything."""
    return at.clipped(value * (1.0 + at.set["by"] * at.severity)), quality, present


def stuck(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Repeat the reading at onset."""
    return np.array(np.broadcast_to(at.held, value.shape)), quality, present


def spike(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Throw single readings far off, at random: each spike is one to three readings long."""
    chance = at.set["rate"] * at.period_s
    off = np.zeros(len(value))
    for back in range(SPIKE_READINGS):
        begun = at.ordinal - back
        hit = (at.uniform("spike", begun) < chance) & (at.uniform("spike.length", begun) * SPIKE_READINGS >= back)
        sign = np.where(at.uniform("spike.sign", begun) < 0.5, -1.0, 1.0)
        off = np.where(hit & (off == 0.0), sign * at.set["size"] * (0.75 + 0.5 * at.uniform("spike.size", begun)), off)
    return at.clipped(value + off * at.severity), quality, present


def noise(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Scatter several times as much as the sensor does."""
    more = np.sqrt(np.maximum(at.set["factor"] ** 2 - 1.0, 0.0)) * at.severity
    return at.clipped(value + more * at.sigma * at.normal("noise", at.ordinal)), quality, present


def dropout(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Give no record for a share of the readings, in bursts."""
    return value, quality, present & ~at.often("dropout", at.set["portion"] * at.severity, at.set["burst"])


def saturation(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Sit at the upper rail: the signal is out of the transmitter's range, which says so itself."""
    return np.array(at.high), np.full(len(value), Quality.UNCERTAIN, np.uint8), present


def intermittent_contact(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Fall to the lower rail whenever the wire loses contact."""
    lost = at.often("contact", at.set["portion"] * at.severity, at.set["burst"])
    return np.where(lost, at.low, value), np.where(lost, np.uint8(Quality.UNCERTAIN), quality), present


def wrong_unit(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Report in another unit than it says, as after a maintenance: 1.8 x + 32 for degF, x 14.5 for psi."""
    return value * at.set["factor"] + at.set["plus"], quality, present


def calibration_jump(value: Floats, quality: Bytes, present: Bools, at: FaultAt) -> Reading:
    """Come back from a calibration with another offset, drawn once."""
    return at.clipped(value + at.set["size"] * at.normal("calibration", 0 * at.ordinal)), quality, present


_SIZE = Parameter(SIZED, "5 sigma", "how much too much; in the sensor's unit, its sigma or % of its span", -1e9)
_BURST = Parameter("duration", "30 s", "how long a burst is", 1e-3)

SENSOR_FAULTS: Mapping[str, tuple[SensorFault, Entry]] = {
    "bias": (
        bias,
        Entry(
            "The reading is off by a constant.",
            "the mean shifts at onset and returns",
            "1h",
            {"size": _SIZE},
            "",
            TAXONOMY,
        ),
    ),
    "drift": (
        drift,
        Entry(
            "The reading creeps away at a steady rate.",
            "a slope that the coupled sensors do not have",
            "",
            {
                "size": Parameter(
                    SIZED, "0.1 %", "how far in an hour; in the sensor's unit, its sigma or % of its span", -1e9
                )
            },
            "",
            TAXONOMY,
        ),
    ),
    "gain": (
        gain,
        Entry(
            "The reading is a share too high, whatever it reads.",
            "the slope against the truth is not 1",
            "",
            {"by": Parameter("ratio", "10 %", "how much too high; below 0 too low", -1.0, 10.0)},
            "",
            TAXONOMY,
        ),
    ),
    "stuck": (
        stuck,
        Entry(
            "The reading of the onset is repeated.", "equal readings while the machine runs", "30min", {}, "", TAXONOMY
        ),
    ),
    "spike": (
        spike,
        Entry(
            "Single readings are far off.",
            "kurtosis of the differences",
            "1d",
            {
                "size": Parameter(SIZED, "12 sigma", "how far; in the sensor's unit, its sigma or % of its span"),
                "rate": Parameter("rate", "10/h", "how often", 0.0, 1000.0),
            },
            "",
            TAXONOMY,
        ),
    ),
    "noise": (
        noise,
        Entry(
            "The reading scatters several times as much.",
            "variance ratio",
            "1h",
            {"factor": Parameter("ratio", "5", "how many times as much", 1.0, 1000.0)},
            "",
            TAXONOMY,
        ),
    ),
    "dropout": (
        dropout,
        Entry(
            "A share of the readings has no record.",
            "gaps in seq, exactly those the label names",
            "1h",
            {"portion": Parameter("ratio", "10 %", "of the readings", 0.0, 1.0), "burst": _BURST},
            "",
            TAXONOMY,
        ),
    ),
    "saturation": (
        saturation,
        Entry("The reading sits at the upper end of its span.", "share at the rail", "30min", {}, "", TAXONOMY),
    ),
    "intermittent_contact": (
        intermittent_contact,
        Entry(
            "The reading falls to the lower end of its span again and again.",
            "alternates between rail and value",
            "1h",
            {"portion": Parameter("ratio", "20 %", "of the time", 0.0, 1.0), "burst": _BURST},
            "",
            TAXONOMY,
        ),
    ),
    "wrong_unit": (
        wrong_unit,
        Entry(
            "The reading is in another unit than its record says.",
            "ratio of levels",
            "",
            {
                "factor": Parameter("ratio", "1.8", "what it is multiplied by", -1e6, 1e6),
                "plus": Parameter("ratio", "32", "what is added", -1e6),
            },
            "",
            TAXONOMY,
        ),
    ),
    "calibration_jump": (
        calibration_jump,
        Entry(
            "A calibration leaves another offset.",
            "the mean jumps at onset and stays",
            "",
            {
                "size": Parameter(
                    SIZED, "5 sigma", "spread of the new offset; in the sensor's unit, its sigma or % of its span"
                )
            },
            "",
            TAXONOMY,
        ),
    ),
}

"""The sensor chain: from the true signal to what a real sensor would report.

``y = Q(clip(g x + b + b_T (T_air - 25) + (sigma + s x) w + f + r))``: gain and offset drawn per sensor, white
noise w (absolute and as a share of the signal), 1/f noise f, drift r, the rails of the span, the step of the
resolution.
All sensors of a rate group go through it at once, as (sensors, machines, ordinals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Bytes, Floats, Ints, Quality, Singles, Words
from fleet.scenario.kind import Sensor
from fleet.sim.address import keys, normals
from fleet.sim.drift import Drift, drifts_of
from fleet.sim.noise import OCTAVES, flicker, white

REFERENCE_AIR = 25.0
"""The air temperature at which a sensor was calibrated, degC."""

TRUTH_STEPS = 1000
"""Truth is rounded to this fraction of the sensor's step: no last bit of a libm is ever published."""

SATURATION = 0.0125
"""Share of the span beyond its ends from which a sensor counts as saturated: 3.8 mA of 4 to 20 mA
(NAMUR NE 43). The noise about a true zero, half of it below, is no fault of the reading."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The sensors of a rate group: arrays are (sensors, machines), or (sensors, 1, 1) where all machines agree."""

    gain: Floats
    offset: Floats
    temperature: Floats | None  # units per K of air away from the reference; None: none has any
    noise: Singles  # white, units
    noise_share: Singles  # white, of the signal
    flicker: Singles | None  # units, an octave; None: none has any
    low: Floats
    high: Floats
    margin: Floats  # how far beyond a rail the signal may be before its reading is UNCERTAIN
    step: Floats  # resolutions of 1 and more, else 1
    per_unit: Floats  # steps in a unit for resolutions below 1, else 1
    white_streams: Words
    flicker_streams: tuple[Words, ...]
    drifts: tuple[Drift, ...]


def chain_of(sensors: Mapping[str, Sensor], words: Words, start_us: int) -> Chain:
    """Draw the chain of *sensors* for the machines with *words*; they were set to rights at *start_us*."""

    def by_sensor(values: Sequence[float]) -> Floats:
        return np.array(values, np.float64)[:, None, None]

    def drawn(purpose: str) -> Floats:
        zero = np.zeros(1, np.int64)
        return np.stack([normals(keys(words, f"{name}.{purpose}"), zero) for name in sensors]).astype(np.float64)

    def streams(purpose: str) -> Words:
        return np.stack([keys(words, f"{name}.{purpose}") for name in sensors])

    listed = list(sensors.values())
    flickers = any(sensor.flicker for sensor in listed)
    warm = by_sensor([sensor.temperature for sensor in listed])
    return Chain(
        gain=1.0 + by_sensor([sensor.gain for sensor in listed])[..., 0] * drawn("gain"),
        offset=by_sensor([sensor.offset for sensor in listed])[..., 0] * drawn("offset"),
        temperature=warm if warm.any() else None,
        noise=by_sensor([sensor.noise for sensor in listed]).astype(np.float32),
        noise_share=by_sensor([sensor.noise_share for sensor in listed]).astype(np.float32),
        flicker=by_sensor([sensor.flicker for sensor in listed]).astype(np.float32) if flickers else None,
        low=by_sensor([sensor.span[0] for sensor in listed]),
        high=by_sensor([sensor.span[1] for sensor in listed]),
        margin=by_sensor([SATURATION * (sensor.span[1] - sensor.span[0]) for sensor in listed]),
        step=by_sensor([max(1.0, sensor.resolution) for sensor in listed]),
        per_unit=by_sensor([max(1.0, float(round(1.0 / sensor.resolution))) for sensor in listed]),
        white_streams=streams("noise"),
        flicker_streams=tuple(streams(f"flicker.{octave}") for octave in range(OCTAVES)) if flickers else (),
        drifts=drifts_of(list(sensors), listed, words, start_us),
    )


def report(
    chain: Chain, machines: slice, truth: Floats, air: Floats, first: int, time_us: Ints
) -> tuple[Floats, Bytes]:
    """Turn *truth* (sensors, machines, ordinals from *first* on) into readings and their quality, same shape.

    *air* and *time_us* are (machines, ordinals).
    """
    stop = first + truth.shape[2]
    value = truth * chain.gain[:, machines, None]
    value += chain.offset[:, machines, None]
    if chain.temperature is not None:
        value += chain.temperature * (air - REFERENCE_AIR)
    scatter = truth * chain.noise_share
    scatter += chain.noise
    scatter *= white(chain.white_streams[:, machines], first, stop)
    value += scatter
    if chain.flicker is not None:
        slow = flicker(tuple(stream[:, machines] for stream in chain.flicker_streams), first, stop)
        slow *= chain.flicker
        value += slow
    for drift in chain.drifts:
        drift.add(value, machines, time_us)
    clipped = np.clip(value, chain.low, chain.high, out=scatter)
    value -= clipped
    beyond = np.abs(value, out=value) > chain.margin
    quality = beyond.view(np.uint8)  # a saturated reading is UNCERTAIN, which is 1
    return quantise(clipped, chain.step, chain.per_unit), quality


assert int(Quality.UNCERTAIN) == 1, "a clipped reading's flag is its quality"


def quantise(value: Floats, step: Floats, per_unit: Floats) -> Floats:
    """Round *value* to whole steps, in place, so that it prints as a short decimal.

    A step of 0.01 is counted and divided by 100 at the end, which gives the double nearest to the
    decimal; multiplying by 0.01 does not.
    """
    scale = per_unit / step
    value *= scale
    np.rint(value, out=value)
    value += 0.0  # -0.0 becomes 0.0
    if np.any(step > 1.0):
        value *= step
    value /= per_unit
    return value

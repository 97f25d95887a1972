"""The sensor chain: from the true signal to what a real sensor would report.

``y = Q(clip(g x + b + b_T (T_air - 25) + (sigma + s x) w + f + r))``: gain and offset drawn per sensor, white
noise w (absolute and as a share of the signal), 1/f noise f, drift r, the rails of the span, the step of the
resolution.
All sensors of a rate group go through it at once, as (sensors, machines, ordinals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.data import Bools, Bytes, Floats, Ints, Quality, Singles, Words
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

NOISE_CELLS = 262_144
"""Readings whose noise is drawn at once: 1 MB of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Flaws:
    """What one sensor of a rate group makes of the truth; arrays are (machines,)."""

    gain: Floats | None  # None: 1
    offset: Floats | None  # None: 0
    temperature: float  # units per K of air away from the reference
    noise: float  # white, units
    noise_share: float  # white, of the signal
    flicker: float  # units, an octave
    low: float
    high: float
    margin: float  # how far beyond a rail the signal may be before its reading is UNCERTAIN
    step: float  # resolutions of 1 and more, else 1
    per_unit: float  # steps in a unit for resolutions below 1, else 1


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The sensors of a rate group, and the keys of their noise: (..., sensors, machines), of those that have any."""

    sensors: tuple[Flaws, ...]
    white_streams: Words
    flicker_streams: Words  # (octaves, ...)
    drifts: tuple[Drift, ...]

    @property
    def feels_air(self) -> bool:
        """Whether any reading depends on the temperature of the air."""
        return any(sensor.temperature for sensor in self.sensors)


def chain_of(sensors: Mapping[str, Sensor], words: Words, start_us: int) -> Chain:
    """Draw the chain of *sensors* for the machines with *words*; they were set to rights at *start_us*."""

    def streams(purpose: str, names: Sequence[str]) -> Words:
        found = [keys(words, f"{name}.{purpose}") for name in names]
        return np.array(found, np.uint64).reshape(len(names), len(words))

    listed = tuple(_flaws(name, sensor, words) for name, sensor in sensors.items())
    noisy = [name for name, flaws in zip(sensors, listed, strict=True) if _is_noisy(flaws)]
    flickering = [name for name, flaws in zip(sensors, listed, strict=True) if flaws.flicker]
    return Chain(
        listed,
        white_streams=streams("noise", noisy),
        flicker_streams=np.stack([streams(f"flicker.{octave}", flickering) for octave in range(OCTAVES)]),
        drifts=drifts_of(list(sensors), list(sensors.values()), words, start_us),
    )


def _flaws(name: str, sensor: Sensor, words: Words) -> Flaws:
    def drawn(purpose: str) -> Floats:
        return normals(keys(words, f"{name}.{purpose}"), np.zeros(1, np.int64)).astype(np.float64)

    return Flaws(
        gain=1.0 + sensor.gain * drawn("gain") if sensor.gain else None,
        offset=sensor.offset * drawn("offset") if sensor.offset else None,
        temperature=sensor.temperature,
        noise=float(np.float32(sensor.noise)),
        noise_share=float(np.float32(sensor.noise_share)),
        flicker=float(np.float32(sensor.flicker)),
        low=sensor.span[0],
        high=sensor.span[1],
        margin=SATURATION * (sensor.span[1] - sensor.span[0]),
        step=max(1.0, sensor.resolution),
        per_unit=max(1.0, float(round(1.0 / sensor.resolution))),
    )


def _is_noisy(flaws: Flaws) -> bool:
    return flaws.noise > 0.0 or flaws.noise_share > 0.0


def report(
    chain: Chain, machines: slice, truth: Floats, air: Floats | None, first: Ints, time_us: Ints, *, out: Floats
) -> Bytes:
    """Turn *truth* (sensors, machines, ordinals) into readings, put into *out*; gives their quality.

    Ordinals count from *first* (machines,) on, which differ by 1 at most. *air* and *time_us* are (machines, ordinals);
    *air* may be missing where nobody feels it. *out* has the shape of *truth*, and may be it. Sensor by sensor, so that
    what is added up stays close to the processor.
    """
    count = truth.shape[2]
    noises = _drawn(white, chain.white_streams[..., machines], first, count)
    slow_noises = _drawn(flicker, chain.flicker_streams[..., machines], first, count)
    drifts = [(drift.rows.tolist(), drift.at(machines, time_us)) for drift in chain.drifts]
    quality = np.zeros(truth.shape, np.uint8)
    value, scratch = np.empty(time_us.shape), np.empty(time_us.shape)
    for place, sensor in enumerate(chain.sensors):
        seen = truth[place]
        np.multiply(seen, 1.0 if sensor.gain is None else sensor.gain[machines, None], out=value)
        if sensor.offset is not None:
            value += sensor.offset[machines, None]
        if sensor.temperature:
            assert air is not None, "the air is there where it is felt"
            value += sensor.temperature * (air - REFERENCE_AIR)
        if _is_noisy(sensor):
            value += _scatter(sensor, seen, next(noises), out=scratch)
        if sensor.flicker:
            slow = next(slow_noises)
            slow *= np.float32(sensor.flicker)
            value += slow
        for rows, amount in drifts:
            if place in rows:
                value += amount[rows.index(place)]
        if value.min() < sensor.low or value.max() > sensor.high:
            quality[place] = _clip(value, sensor, scratch)
        quantise(value, sensor.step, sensor.per_unit, out=out[place])
    return quality


def _drawn(draw: Callable[[Words, int, int], Singles], streams: Words, first: Ints, count: int) -> Iterator[Singles]:
    """Draw noise of *streams* (..., sensors, machines), *count* ordinals from each machine's *first* on, by sensor.

    So many sensors at once as stay close to the processor.
    """
    start = int(first.min())
    later = (first > start)[:, None]
    more = int(later.any())
    at_once = max(1, NOISE_CELLS // (len(first) * count))
    for begin in range(0, streams.shape[-2], at_once):
        drawn = draw(streams[..., begin : begin + at_once, :], start, start + count + more)
        yield from np.where(later, drawn[..., 1:], drawn[..., :-1]) if more else drawn


def _scatter(sensor: Flaws, seen: Floats, noise: Singles, *, out: Floats) -> Floats:
    """Give white noise of the size that *sensor* has at what is *seen*."""
    if not sensor.noise_share:
        return np.multiply(noise, sensor.noise, out=out, dtype=np.float64)
    np.multiply(seen, sensor.noise_share, out=out)
    out += sensor.noise
    out *= noise
    return out


def _clip(value: Floats, sensor: Flaws, scratch: Floats) -> Bytes:
    """Hold *value* to the rails of *sensor*, in place; gives the quality. A saturated reading is UNCERTAIN."""
    np.copyto(scratch, value)
    np.clip(value, sensor.low, sensor.high, out=value)
    scratch -= value
    beyond: Bools = np.abs(scratch, out=scratch) > sensor.margin
    return beyond.view(np.uint8)


assert int(Quality.UNCERTAIN) == 1, "a clipped reading's flag is its quality"


def true_values(chain: Chain, truth: Floats) -> Floats:
    """Round *truth* (sensors, machines, ordinals), in place, to what is published of it."""
    for sensor, value in zip(chain.sensors, truth, strict=True):
        quantise(value, sensor.step, sensor.per_unit * TRUTH_STEPS, out=value)
    return truth


def quantise(value: Floats, step: float, per_unit: float, *, out: Floats) -> Floats:
    """Round *value* to whole steps, so that it prints as a short decimal, into *out*; *value* is overwritten.

    A step of 0.01 is counted and divided by 100 at the end, which gives the double nearest to the
    decimal; multiplying by 0.01 does not.
    """
    value *= per_unit / step
    np.rint(value, out=value)
    value += 0.0  # -0.0 becomes 0.0
    if step > 1.0:
        value *= step
    return np.divide(value, per_unit, out=out)

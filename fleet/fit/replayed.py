"""What a fitted machine shows when it does what the real one was found to do: same setpoints, cycles and pauses.

To be drawn beside the readings: the laws with the machine's own numbers along the timeline that was decoded, and over
that the noise that was found, the step and the rails of the sensor. Only the noise differs from the readings then, and
what the kind lacks.
"""

from __future__ import annotations

import numpy as np

from fleet.data import Floats, Ints
from fleet.fit.estimate import Fit
from fleet.fit.fit import Fitted
from fleet.fit.part import SEED
from fleet.scenario.kind import Sensor
from fleet.sim.address import keys, machine_words
from fleet.sim.noise import OCTAVES, flicker, white


def replayed(fitted: Fitted, fit: Fit, name: str) -> tuple[Ints, Floats] | None:
    """Give the scans at which the sensor *name* was read, and what the fitted machine shows there.

    None where the kind's laws do not say what it shows.
    """
    place = fit.record.sensors.index(name)
    if not fit.modelled[place]:
        return None
    scans = np.flatnonzero(np.isfinite(fit.record.value[place]))
    signal = fit.signal[place][scans]
    value = signal + _noise(fitted, fit, name, signal)
    step = fitted.steps[name]
    if step:
        value = np.rint(value / step) * step
    low, high = _rails(fitted.kind.sensors[name], fit.record.value[place])
    return scans, np.clip(value, low, high)


def _noise(fitted: Fitted, fit: Fit, name: str, signal: Floats) -> Floats:
    """Draw the noise that was found for the sensor, the kind's own where none was; (scans,)."""
    sensor = fitted.kind.sensors[name]
    machines = [each for each in fitted.fits if name in each.record.sensors]
    found = fitted.noises[name][machines.index(fit)]
    plain = sensor.noise if found.white is None else found.white
    share = (sensor.noise_share if found.white is None else 0.0) if found.share is None else found.share
    slow = sensor.flicker if found.flicker is None else found.flicker
    words = machine_words(SEED, [fit.record.machine])
    fast = white(keys(words, f"{name}.noise"), 0, len(signal))[0]
    streams = np.stack([keys(words, f"{name}.flicker.{octave}") for octave in range(OCTAVES)])
    return np.asarray((plain + share * np.abs(signal)) * fast + slow * flicker(streams, 0, len(signal))[0], np.float64)


def _rails(sensor: Sensor, value: Floats) -> tuple[float, float]:
    """Give the ends of a sensor; one whose readings are beyond them has none."""
    low, high = sensor.span
    return (low if np.nanmin(value) >= low else -np.inf, high if np.nanmax(value) <= high else np.inf)

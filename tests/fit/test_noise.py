"""Steps and noise, told from readings alone."""

from __future__ import annotations

import numpy as np
import pytest

from fleet.fit.noise import noise_of
from fleet.fit.records import steps_of
from fleet.sim.address import keys, machine_words
from fleet.sim.noise import OCTAVES, flicker, white

SPAN = (-1e6, 1e6)


@pytest.mark.parametrize("step", [0.001, 0.01, 0.0625, 0.1, 0.5, 1.0, 5.0])
def test_the_step_that_all_readings_are_multiples_of_is_found(step: float) -> None:
    values = np.rint(white(machine_words(1, ["a"]), 0, 5000)[0] * 7) * step + 40 * step

    assert steps_of(values) == pytest.approx(step)


def test_readings_that_were_averaged_have_no_step() -> None:
    assert steps_of(white(machine_words(1, ["a"]), 0, 5000)[0]) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("step", [0.001, 0.1])
def test_white_and_flicker_noise_are_told_apart(seed: int, step: float) -> None:
    words = machine_words(seed, ["a"])
    streams = np.stack([keys(words, f"flicker.{octave}") for octave in range(OCTAVES)])
    quiet = np.zeros(30_000)
    value = 0.1 * white(keys(words, "noise"), 0, 30_000)[0] + 0.04 * flicker(streams, 0, 30_000)[0]

    found = noise_of(np.rint(value / step) * step, quiet, quiet == 0, step=step, span=SPAN)

    assert found.white == pytest.approx(0.1, rel=0.1)
    assert found.flicker == pytest.approx(0.04, rel=0.15)


def test_noise_that_grows_with_the_signal_is_told_from_noise_that_does_not() -> None:
    signal = np.repeat(np.tile([10.0, 40.0], 100), 100)
    value = signal + (0.05 + 0.01 * signal) * white(machine_words(4, ["a"]), 0, len(signal))[0]

    found = noise_of(value, signal, signal > 0, step=0.001, span=SPAN)

    assert found.share == pytest.approx(0.01, rel=0.1)
    assert found.white == pytest.approx(0.05, rel=0.35)


def test_a_drift_of_the_machine_is_not_taken_for_noise() -> None:
    at = np.arange(20_000)
    value = 0.1 * white(machine_words(5, ["a"]), 0, len(at))[0] + 1e-3 * at

    found = noise_of(value, np.zeros(len(at)), at >= 0, step=0.001, span=SPAN)

    assert found.white == pytest.approx(0.1, rel=0.05)
    assert found.flicker is not None
    assert found.flicker < 0.02
